"""Drivers, workers and writers are killed while they work: what is written stays, and the next command goes on."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from apg_repro.catalogue import is_prepared
from apg_repro.data.gate import enter
from apg_repro.paths import ROOT
from apg_repro.rows.store import Store, values_of
from tests.checkout import ENOUGH, eventually, in_proc, is_idle, needs_synthetic
from tests.tiny import N, table, write

WORKER = "spawn_main"  # what is in the command of a worker process
ENDS = {signal.SIGINT: 130, signal.SIGTERM: 130, signal.SIGHUP: 130, signal.SIGKILL: -9, "worker": 1}


@in_proc
@needs_synthetic
@pytest.mark.fault("driver killed while its workers import torch", "the workers end too")
def test_workers_end_after_a_driver_that_was_killed_while_they_import(checkout):
    driver = checkout.run("--jobs", "2")
    assert eventually(lambda: len(checkout.processes(WORKER)) == 2)
    driver.kill()
    driver.wait()
    assert is_idle(checkout)
    assert checkout.lines() == []


@in_proc
@needs_synthetic
@pytest.mark.fault(
    "driver gets SIGINT, SIGTERM, SIGHUP or SIGKILL, or a worker SIGKILL, while two workers train",
    "workers end; rows already written stay; the next command goes on, and its rows are those of one that nothing "
    "ended, threads included, with one worker or two",
)
def test_what_ends_a_command_ends_its_workers_and_costs_no_row(checkout, whole):
    for number, status in ENDS.items():
        before = checkout.rows.read_bytes().splitlines(keepends=True)[:1] if checkout.rows.exists() else []
        if before:
            checkout.rows.write_bytes(before[0])
        driver = checkout.run("--jobs", "2")
        n = len(before)
        assert eventually(lambda n=n: "epoch" in checkout.words() and len(checkout.lines()) > n), number
        if number == "worker":
            os.kill(checkout.processes(WORKER)[0], signal.SIGKILL)
        else:
            driver.send_signal(number)
        assert driver.wait(ENOUGH) == status, checkout.words()
        last = checkout.words().splitlines()[-1]
        if number == "worker":
            assert last.startswith("error: a training process was killed"), last
        elif number != signal.SIGKILL:
            assert last.startswith("stopped;"), last
        assert "Traceback" not in checkout.words()
        assert is_idle(checkout)
        assert checkout.rows.read_bytes().startswith(b"".join(before))
        assert all(line in whole for line in checkout.lines())
    assert checkout.run("--jobs", "2").wait(ENOUGH) == 0
    assert checkout.lines() == whole


@in_proc
@needs_synthetic
@pytest.mark.fault("two drivers train one suite at once", "each run is trained by one of them")
def test_two_drivers_of_one_suite_train_no_run_twice(checkout, whole):
    """A run that was trained by both would be refused by the store, which ends the command that is late."""
    drivers = [checkout.run("--jobs", "1"), checkout.run("--jobs", "1")]
    assert [driver.wait(ENOUGH) for driver in drivers] == [0, 0], checkout.words()
    assert checkout.lines() == whole


APPENDS = """
import json, sys
from dataclasses import replace
from pathlib import Path
from apg_repro.config import RunConfig
from apg_repro.rows.row import TrainedRow
from apg_repro.rows.store import Store

folder, first, row = Path(sys.argv[1]), int(sys.argv[2]), TrainedRow.of_json(json.loads(sys.argv[3]))
print("appends", flush=True)
for seed in range(first, first + 1000):
    Store(folder).append("full", replace(row, config=RunConfig(dataset="d", seed=seed)))
"""


@pytest.mark.fault("a process is killed while it appends a row", "whole rows stay; another process goes on appending")
def test_a_writer_that_is_killed_costs_the_row_that_it_was_writing_at_most(tmp_path, row):
    """Three are killed, at any moment, while a fourth appends to the same file."""
    path = Store(tmp_path).runs_path("full", "d")
    writers = []
    for first in (1, 1001, 2001, 3001):
        command = [sys.executable, "-c", APPENDS, tmp_path, str(first), json.dumps(row.as_json())]
        writers.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
    for writer in writers:
        writer.stdout.readline()
    for writer in writers[:3]:
        n = path.stat().st_size if path.exists() else 0
        assert eventually(lambda n=n: path.exists() and path.stat().st_size > n)
        writer.kill()
    n = path.stat().st_size
    assert eventually(lambda: path.stat().st_size > n), "the fourth goes on"
    writers[3].kill()
    for writer in writers:
        writer.wait()
        writer.stdout.close()
    lines = path.read_bytes().split(b"\n")
    assert all(values_of(line) for line in lines[:-1])
    found = [row.config.seed for row in Store(tmp_path).read(path)]
    assert len(found) == len(set(found)) >= len(lines) - 1
    for first in (1, 1001, 2001, 3001):  # each wrote its rows in order and left none out
        own = [seed for seed in found if first <= seed < first + 1000]
        assert own == list(range(first, first + len(own)))


WRITES = """
import sys
from pathlib import Path
from apg_repro.paths import write_whole

print("writes", flush=True)
while True:
    for letter in "ab":
        write_whole(Path(sys.argv[1]), letter * 1_000_000)
"""


@pytest.mark.fault(
    "a process is killed while it writes a record, or a file of `apg try`: its plan, its times, its weights",
    "the file is the new one or as it was",
)
def test_a_file_whose_writer_is_killed_is_whole(tmp_path):
    path = tmp_path / "plan.json"
    for moment in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", WRITES, path], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            process.stdout.readline()
            time.sleep(0.0173 * moment)
            process.kill()
        assert not path.exists() or path.read_text() in ("a" * 1_000_000, "b" * 1_000_000)


PREPARES = """
import sys
from pathlib import Path
from tests.tiny import table, write

print("writes", flush=True)
while True:
    for price in (1.0, 2.0):
        write(Path(sys.argv[1]), table().assign(price=price))
"""


@pytest.mark.fault("the preparation of a data set is killed", "the old data set, the new one or none is there")
def test_a_preparation_that_is_killed_leaves_a_whole_data_set_or_none(tmp_path):
    write(tmp_path, table().assign(price=1.0))
    found = set()
    for moment in range(4):
        command = [sys.executable, "-c", PREPARES, tmp_path]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            time.sleep(0.0273 * moment)
            process.kill()
        if is_prepared("tiny", tmp_path):
            rows = enter("tiny", root=tmp_path)
            assert len(rows.labels) == N
            (price,) = set(rows.numbers[:, 0].tolist())
            found.add(price)
    assert found <= {1.0, 2.0}
    write(tmp_path, table())
    assert len(enter("tiny", root=tmp_path).labels) == N
