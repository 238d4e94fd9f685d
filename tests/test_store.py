"""The store: whole lines, no run twice, torn tails, damage reported with its line."""

import json
import math
import multiprocessing
import subprocess
import sys
import threading
from dataclasses import replace

import pandas as pd
import pytest

from apg_repro.config import Measurement, RunConfig
from apg_repro.errors import UserError
from apg_repro.rows import store as stores
from apg_repro.rows.row import MeasuredRow, TrainedRow
from apg_repro.rows.store import Store
from tests.conftest import ORIGIN, trained_row


def make(seed: int) -> TrainedRow:
    return trained_row(RunConfig(dataset="d", seed=seed))


def measured(**values) -> MeasuredRow:
    task = Measurement(name="table7", dataset="d")
    return MeasuredRow(measurement=task, values=values, timing=None, origin=ORIGIN)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    for seed in (1, 2, 3):
        assert store.append("full", make(seed))
    return store


def path(store):
    return store.runs_path("full", "d")


def seeds(store) -> list[int]:
    return [row.config.seed for row in store.runs("full", "d").values()]


def test_rows_come_back_as_they_were_in_order_and_pandas_reads_them(store):
    assert list(store.runs("full", "d").values()) == [make(seed) for seed in (1, 2, 3)]
    assert pd.read_json(path(store), lines=True)["seed"].tolist() == [1, 2, 3]
    assert store.runs("full", "other") == {}
    row = measured(rows=3)
    store.append("full", row)
    assert store.measured("full", "table7", "d") == {row.id: row}
    assert store.measured("full", "table7", "other") == {}


def test_a_run_is_never_held_twice(store):
    assert not store.append("full", make(2))
    assert len(seeds(store)) == 3


def test_a_torn_last_line_costs_that_run_only(store):
    content = path(store).read_bytes()
    path(store).write_bytes(content[:-20])
    assert seeds(store) == [1, 2]
    assert store.append("full", make(3))
    assert path(store).read_bytes() == content


def test_a_whole_last_line_without_its_newline_is_kept(store):
    path(store).write_bytes(path(store).read_bytes()[:-1])
    store.append("full", make(4))
    assert seeds(store) == [1, 2, 3, 4]


def test_damage_in_the_middle_is_reported_with_its_line_number(store):
    lines = path(store).read_text().splitlines()
    path(store).write_text("\n".join([lines[0], lines[1][:10], lines[2]]) + "\n")
    with pytest.raises(UserError, match="line 2 is damaged: delete that line"):
        store.runs("full", "d")


def test_json_that_is_no_row_is_reported_with_its_line_number(store):
    path(store).write_text("{}\n" + path(store).read_text())
    with pytest.raises(UserError, match="line 1 is damaged: delete that line"):
        store.runs("full", "d")


@pytest.mark.parametrize("change", [{"version": "v9"}, {"status": None, "kind": "guessed"}, {"one_epoch_epoch": "x"}])
@pytest.mark.fault("a row of another version of the code", "one sentence with its line")
def test_a_row_of_another_version_is_reported_with_its_line_number(store, change):
    values = make(4).as_json() | change
    if change == {"one_epoch_epoch": "x"}:
        del values["n_served"]
    with path(store).open("a") as file:
        file.write(json.dumps(values) + "\n")
    with pytest.raises(UserError, match=r"line 4 is of another version \(.*\): delete that line"):
        store.runs("full", "d")


@pytest.mark.fault("a row's configuration was altered by hand", "one sentence with its line")
def test_a_row_whose_configuration_was_altered_is_refused(store):
    text = path(store).read_text()
    path(store).write_text(text.replace('"learning_rate": 0.005', '"learning_rate": 0.05', 1))
    with pytest.raises(UserError, match=r"line 1 says id .*, but its run is .*: delete that line"):
        store.runs("full", "d")


def test_a_place_that_cannot_be_written_is_reported_before_training(tmp_path):
    (tmp_path / "quick").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        Store(tmp_path).check_writable(Store(tmp_path).runs_path("quick", "d"))
    store = Store(tmp_path / "new")
    store.check_writable(store.runs_path("quick", "d"))
    assert not list(store.runs_path("quick", "d").parent.iterdir())


@pytest.mark.fault("a run stands in a file twice", "one sentence with both lines")
def test_a_run_that_is_there_twice_is_reported_with_both_lines(store):
    lines = path(store).read_text()
    path(store).write_text(lines + lines.splitlines()[0] + "\n")
    with pytest.raises(UserError, match="lines 1 and 4 hold the same run"):
        store.runs("full", "d")


def test_what_is_not_finite_becomes_null_and_comes_back_as_nan(store):
    row = make(9)
    broken = replace(row.scores["one_epoch"], test_auc=math.nan)
    history = [{**row.history[0], "worst_batch_loss": math.inf}, *row.history[1:]]
    store.append("full", replace(row, scores={**row.scores, "one_epoch": broken}, history=history))
    values = json.loads(path(store).read_text().splitlines()[-1])
    assert values["one_epoch_test_auc"] is None
    assert values["history"][0]["worst_batch_loss"] is None
    again = list(store.runs("full", "d").values())[-1]
    assert math.isnan(again.test_auc("one_epoch"))
    assert again.worst_batch_loss(1) == math.inf


def append_many(root, start):
    for seed in range(start, start + 25):
        Store(root).append("full", make(seed))


@pytest.mark.fault("several processes append to one file at once", "no row is lost, none is there twice")
def test_processes_may_write_side_by_side(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_many, args=(tmp_path, start)) for start in (1, 16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(seeds(Store(tmp_path))) == list(range(1, 41))


def test_a_run_appended_by_another_process_is_seen_at_once(tmp_path):
    ours, other = Store(tmp_path), Store(tmp_path)
    assert not ours.runs("full", "d")
    for seed in (1, 2):
        other.append("full", make(seed))
        assert make(seed).id in ours.runs("full", "d")


@pytest.mark.fault("another process holds the lock of a file", "the command says so, waits and goes on")
def test_who_waits_for_another_process_says_so_and_goes_on_waiting(store, monkeypatch, capsys):
    monkeypatch.setattr(stores, "QUIET_SECONDS", 0.1)
    lock = path(store).with_suffix(".lock")
    holds = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]).acquire(); print(flush=True); input()"
    command = [sys.executable, "-c", holds, lock]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        other.stdout.readline()
        threading.Timer(1.0, lambda: other.stdin.write("\n") and other.stdin.flush()).start()
        assert store.append("full", make(4))
    assert f"waiting for another process, which holds {lock}" in capsys.readouterr().err
    assert seeds(store) == [1, 2, 3, 4]


def test_a_file_that_grows_by_a_run_costs_a_run(store, monkeypatch):
    """Many short runs side by side would wait for their driver, which reads the file twice for each."""
    made = []
    monkeypatch.setattr(
        stores, "understood", lambda *args, whole=stores.understood: made.append(args[1]) or whole(*args)
    )
    seeds(store)
    made.clear()
    for seed in (4, 5):
        store.append("full", make(seed))
        assert seeds(store)[-1] == seed
    assert made == [4, 5]
    lines = path(store).read_text().splitlines(keepends=True)
    path(store).write_text("".join(lines[1:]))
    assert seeds(store) == [2, 3, 4, 5], "a line that is gone is forgotten"


@pytest.mark.parametrize("lost", ["valid_auc", "test_auc"])
def test_a_run_whose_first_epoch_ends_in_a_logit_that_is_not_finite_diverged_in_it(lost):
    """Its losses are fine, as the weights explode after the last of them."""
    row = replace(make(1), status="diverged")
    assert not row.diverged("one_epoch"), "a later epoch was worse"
    score = replace(row.scores["one_epoch"], **{lost: math.nan})
    assert replace(row, scores={**row.scores, "one_epoch": score}).diverged("one_epoch")
