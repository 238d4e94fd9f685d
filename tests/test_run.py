"""From a suite to rows: nothing is trained twice, nothing done is lost, what cannot be run is refused in one line."""

import dataclasses
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from apg_repro.config import PROTOCOLS, Measurement, RunConfig
from apg_repro.errors import UserError
from apg_repro.paths import ROOT
from apg_repro.rows.evidence import gather
from apg_repro.rows.store import Store
from apg_repro.run import driver, executors, task
from apg_repro.run import suite as run
from apg_repro.suite import Cell, Plan, Suite
from tests.checkout import needs_synthetic
from tests.conftest import trained_row

PLAN = Plan(profile="quick", dataset="small", seeds=(1, 2))
SIZE = {"d_embedding": 4, "hidden": (8,), "max_epochs": 2, "rows": None}
BASE = Cell(name="base", options=SIZE, against=None)
V4 = Cell(name="v4", options={**SIZE, "version": "v4"}, grid=({"rank": 1}, {"rank": 2}))


def suite_of(*cells: Cell, name: str = "s") -> Suite:
    return Suite(name=name, title="S", datasets=("small",), cells=lambda plan: cells)


SUITE = suite_of(BASE, V4)


@pytest.fixture
def store(tmp_path, small, monkeypatch):
    monkeypatch.setattr(task, "loaded", lambda *which: small)
    monkeypatch.setattr(driver, "check_prepared", lambda name: None)
    return Store(tmp_path)


def rows(store):
    return list(store.runs("quick", "small").values())


def test_a_case_without_a_golden_run_is_not_trained_for_the_full_profile(store):
    strange = suite_of(Cell(name="base", options={**SIZE, "clip_norm": None, "base_damping": True}, against=None))
    plan = Plan(profile="full", dataset="small", seeds=(1, 2))
    with pytest.raises(
        UserError, match="no golden run of 'WDL, base, damped, not clipped' is recorded: run `python -m"
    ):
        run.run_suite(strange, plan, jobs=1, store=store)
    assert not store.runs("full", "small")


def test_search_comes_first_and_decides_the_runs(store):
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    found = [(row.config.version, row.config.seed, row.config.rank) for row in rows(store)]
    assert found[:2] == [("v4", 0, 1), ("v4", 0, 2)]
    best = {max(rows(store)[:2], key=lambda row: row.valid_auc(protocol)).config.rank for protocol in PROTOCOLS}
    assert sorted(found[2:], key=str) == sorted(
        [("base", s, None) for s in (1, 2)] + [("v4", s, rank) for s in (1, 2) for rank in best], key=str
    )


def test_a_run_that_another_suite_has_trained_is_not_trained_again(store, monkeypatch):
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    monkeypatch.setattr(executors, "train_row", lambda *args: pytest.fail("trained twice"))
    other = suite_of(Cell(name="static", options=SIZE), V4, name="other")
    run.run_suite(other, PLAN, jobs=1, store=store)
    evidence = gather(other, PLAN, store)
    assert evidence.by_seed(evidence.cell("static"), "one_epoch").keys() == {1, 2}


def test_a_row_says_what_was_run_what_came_out_and_where_it_comes_from(store, small):
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    row = rows(store)[-1]
    assert row.status == "ok"
    assert 50 < row.test_auc("one_epoch") < 100
    assert row.valid_auc("early_stopping") == pytest.approx(100 * max(entry["valid_auc"] for entry in row.history))
    assert row.origin.data == small.checksum[:12]
    assert row.origin.torch == torch.__version__
    for name in ("commit", "dirty", "device", "threads", "cores", "memory_gb", "python", "finished"):
        assert getattr(row.origin, name) is not None, name


def test_a_run_killed_half_way_goes_on_where_it_stopped(store, monkeypatch):
    trained = []
    whole = task.train

    def killed_at_the_fourth(config, *args):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(config.id)
        return whole(config, *args)

    monkeypatch.setattr(task, "train", killed_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run.run_suite(SUITE, PLAN, jobs=1, store=store)
    before = rows(store)
    assert [row.id for row in before] == trained
    monkeypatch.setattr(task, "train", lambda config, *args: trained.append(config.id) or whole(config, *args))
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    assert rows(store)[:3] == before
    total = len(trained)
    assert total == len(set(trained)) == len(rows(store)) >= 6
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    assert len(trained) == total


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError("a worker was killed")])
def test_a_run_stopped_while_it_is_submitted_can_be_claimed_again_in_the_same_process(store, monkeypatch, error):
    """A notebook keeps the traceback of the last error, and with it the frame that had the claim."""

    def stopped(*args):
        raise error

    monkeypatch.setattr(executors.InThisProcess, "submit", stopped)
    with pytest.raises((KeyboardInterrupt, UserError)) as kept:
        run.run_suite(suite_of(BASE), PLAN, jobs=1, store=store)
    (first, _) = gather(suite_of(BASE), PLAN, store).wanted()
    assert store.claim("quick", first), kept.value


def test_a_diverged_run_has_a_row(store):
    options = {**SIZE, "version": "v4", "rank": 1, "learning_rate": 1e5, "clip_norm": None}
    run.run_suite(suite_of(Cell(name="v4", options=options)), PLAN, jobs=1, store=store)
    assert {row.status for row in rows(store)} == {"diverged"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:7"}, "device 'cuda:7' cannot be used here"),
        ({"device": "gpu"}, "device 'gpu' is none of cpu, cuda"),
        ({"device": "meta"}, "device 'meta' is none of cpu, cuda"),
        ({"jobs": -3}, "jobs must be at least 1, not -3"),
    ],
)
def test_what_cannot_be_run_raises_a_user_error_before_anything_is_trained(store, options, message):
    with pytest.raises(UserError, match=message):
        run.run_suite(SUITE, PLAN, **({"jobs": 1, "store": store} | options))
    assert rows(store) == []


@needs_synthetic
def test_measurements_are_made_once_and_kept(tmp_path, monkeypatch):
    store = Store(tmp_path)
    suite = Suite(
        name="table7", title="M", datasets=("synthetic",),
        measurements=lambda plan: (Measurement(name="table7", dataset=plan.dataset, profile=plan.profile),),
    )  # fmt: skip
    plan = Plan(profile="quick", dataset="synthetic", seeds=(1,))
    run.run_suite(suite, plan, store=store)
    (row,) = store.measured("quick", "table7", "synthetic").values()
    assert row.values["rows"] == 200_000
    monkeypatch.setattr(run, "measured_row", lambda *args: pytest.fail("measured twice"))
    run.run_suite(suite, plan, store=store)


@needs_synthetic
@pytest.mark.fault("two commands measure the same thing at once", "the second waits; nothing is measured twice")
def test_two_commands_never_measure_at_once(tmp_path, monkeypatch):
    suite = Suite(
        name="table7", title="M", datasets=("synthetic",),
        measurements=lambda plan: plan.measurements("table7", ("a", "b")),
    )  # fmt: skip
    plan, whole, at_once, most, made = Plan(profile="quick", dataset="synthetic"), run.measured_row, [], [], []

    def watched(measurement, *args):
        at_once.append(measurement.id)
        time.sleep(0.2)  # long enough for the other to come
        row = whole(measurement, *args)
        most.append(len(at_once))
        at_once.remove(measurement.id)
        made.append(row.id)
        return row

    monkeypatch.setattr(run, "measured_row", watched)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(run.run_suite, suite, plan, store=Store(tmp_path)) for _ in range(2)]:
            done.result()
    assert most == [1, 1]
    assert set(made) == set(Store(tmp_path).measured("quick", "table7", "synthetic"))


@needs_synthetic
@pytest.mark.fault("one run is left for two workers", "it has the threads that it would have had among others")
def test_runs_side_by_side_give_the_rows_of_runs_one_by_one(tmp_path):
    """In worker processes, on the prepared synthetic set; the threads of a run do not depend on what is left to do."""
    size = {"rows": 2000, "d_embedding": 4, "hidden": (8,), "max_epochs": 1}
    suite = dataclasses.replace(suite_of(Cell(name="base", options=size)), datasets=("synthetic",))
    found = {}
    for jobs, seeds in ((2, (1, 2)), (2, (3,)), (1, (1, 2, 3))):
        plan = Plan(profile="quick", dataset="synthetic", seeds=seeds)
        store = Store(tmp_path / str(jobs))
        run.run_suite(suite, plan, jobs=jobs, store=store)
        found[jobs] = store.runs("quick", "synthetic")
    assert found[1].keys() == found[2].keys()
    assert len(found[1]) == 3
    for key, row in found[2].items():
        assert row.test_auc("one_epoch") == pytest.approx(found[1][key].test_auc("one_epoch"), abs=1e-3)
    assert len({row.origin.threads for row in found[2].values()}) == 1


@needs_synthetic
def test_deterministic_kernels_are_on_where_runs_train_and_change_no_row(store, tmp_path, monkeypatch):
    """In this process and in a worker; on a CPU, torch's usual kernels of our layers are deterministic."""
    run.run_suite(suite_of(BASE), PLAN, jobs=1, store=store)
    seen, whole = [], task.train
    monkeypatch.setattr(
        task, "train", lambda *args: seen.append(torch.are_deterministic_algorithms_enabled()) or whole(*args)
    )
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    try:
        task.be_deterministic()
        beside = Store(tmp_path / "deterministic")
        run.run_suite(suite_of(BASE), PLAN, jobs=1, store=beside)
        workers = executors.Processes("cpu", 1, 1)
        seen.append(workers.pool.submit(torch.are_deterministic_algorithms_enabled).result())
        workers.close(now=True)
    finally:
        torch.use_deterministic_algorithms(False)
    assert seen == [True] * 3
    for one, other in zip(rows(store), rows(beside), strict=True):
        assert (one.id, one.scores, one.observed) == (other.id, other.scores, other.observed)


@pytest.mark.fault("somebody else stores a run while it is trained", "it says so, and the row that was there stays")
def test_a_run_that_somebody_else_has_stored_meanwhile_is_said_and_no_other_is_lost(store, monkeypatch, capsys):
    whole, first = task.train, list[str]()

    def stored_meanwhile(config, *args):
        if not first:
            first.append(config.id)
            assert Store(store.root).append("quick", trained_row(config))
        return whole(config, *args)

    monkeypatch.setattr(task, "train", stored_meanwhile)
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    assert re.search(rf"run {first[0]} was trained, but .*small\.jsonl held it by then", capsys.readouterr().out)
    stored = Store(store.root).runs("quick", PLAN.dataset)
    assert stored[first[0]].seconds == trained_row(stored[first[0]].config).seconds
    assert not run.missing(gather(SUITE, PLAN, store).wanted(), stored)


LARGEST = 600_000  # bytes of a file


@contextmanager
def small_disk():
    """The system refuses to make a file larger than that, as a full disk does."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def almost_full(store):
    """A file of rows with room for a part of a row."""
    path = store.runs_path("quick", "small")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\n" * (LARGEST - 100))
    return path


@pytest.mark.fault(
    "the disk is full when a row is written", "the row is kept elsewhere, and the message says how to add it"
)
def test_a_row_for_which_there_is_no_room_is_kept_elsewhere(store, tmp_path, monkeypatch):
    path = almost_full(store)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with small_disk(), pytest.raises(UserError, match="cannot be written") as caught:
        run.run_suite(suite_of(BASE), PLAN, jobs=1, store=store)
    assert path.stat().st_size == LARGEST - 100, "no part of a row is left"
    kept = Path(re.search(r"`cat (\S+) >> ", str(caught.value))[1])
    with path.open("ab") as file:  # what the message says
        file.write(kept.read_bytes())
    (row,) = rows(store)
    run.run_suite(suite_of(BASE), PLAN, jobs=1, store=store)
    assert rows(store)[0] == row
    assert len(rows(store)) == 2


@pytest.mark.fault("somebody damages the file of rows while a run is trained", "the row is kept elsewhere")
def test_a_row_whose_file_is_damaged_meanwhile_is_kept_elsewhere(store, tmp_path, monkeypatch):
    path, whole = store.runs_path("quick", "small"), task.train

    def damaged_meanwhile(config, *args):
        path.write_text("<<<<<<< HEAD\n{}\n")
        return whole(config, *args)

    monkeypatch.setattr(task, "train", damaged_meanwhile)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UserError, match=r"cannot be written .* is damaged.* mend it, `cat") as caught:
        run.run_suite(suite_of(BASE), PLAN, jobs=1, store=store)
    path.write_bytes(Path(re.search(r"`cat (\S+) >> ", str(caught.value))[1]).read_bytes())
    assert len(rows(store)) == 1


@pytest.mark.fault("the disk is full, and so is every other place", "the row is in the message")
def test_a_row_for_which_there_is_no_room_anywhere_is_in_the_message(store, monkeypatch):
    path = almost_full(store)
    monkeypatch.setattr(tempfile, "tempdir", str(path / "nowhere"))
    with small_disk(), pytest.raises(UserError, match="cannot be written") as caught:
        run.run_suite(suite_of(BASE), PLAN, jobs=1, store=store)
    line = str(caught.value).splitlines()[-1]
    assert json.loads(line)["kind"] == "trained"
    path.write_text(line + "\n")
    assert len(rows(store)) == 1


@pytest.mark.fault("the disk is full before the first run", "one sentence, before anything is trained")
def test_a_disk_without_any_room_is_found_before_anything_is_trained(store, monkeypatch):
    monkeypatch.setattr(executors, "train_row", lambda *args: pytest.fail("trained"))
    monkeypatch.setattr(sys.modules["apg_repro.rows.store"], "MAX_ROW_BYTES", LARGEST + 1)
    with small_disk(), pytest.raises(UserError, match=r"small\.jsonl cannot be written"):
        run.run_suite(suite_of(BASE), PLAN, jobs=1, store=store)


@pytest.mark.fault("the memory is too small for a run", "one sentence; rows of other runs stay")
def test_a_run_with_too_little_memory_is_one_sentence(store, monkeypatch):
    monkeypatch.setattr(task, "train", lambda *args: torch.empty(2**60))
    with pytest.raises(UserError, match=r"needs more memory than there is: .* fewer --jobs"):
        run.run_suite(suite_of(BASE), PLAN, jobs=1, store=store)


def test_runs_made_again_are_compared_with_the_stored_ones_and_do_not_replace_them(store):
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    before = rows(store)
    found = run.run_again(SUITE, PLAN, 3, jobs=1, store=store)
    assert len({pair.stored.id for pair in found}) == 3
    for pair in found:
        assert pair.again.id == pair.stored.id
        assert pair.difference("one_epoch") == pytest.approx(0, abs=1e-3)
    assert rows(store) == before
    assert f"{found[0].stored.id} WDL" in run.describe_again(found)
    assert len(run.run_again(SUITE, PLAN, 99, jobs=1, store=store)) == len(before)


def test_only_one_command_at_a_time_makes_runs_again_in_a_checkout(store, monkeypatch):
    run.run_suite(suite_of(BASE), PLAN, jobs=1, store=store)
    refused, whole = [], task.train

    def with_another_command(config, *args):
        with pytest.raises(UserError, match="another command trains runs again in"):
            run.run_again(SUITE, PLAN, 1, jobs=1, store=store)
        refused.append(config.id)
        return whole(config, *args)

    monkeypatch.setattr(task, "train", with_another_command)
    found = run.run_again(suite_of(BASE), PLAN, 2, jobs=1, store=store)
    assert [pair.again.id for pair in found] == refused


def test_there_must_be_something_to_make_again(store):
    with pytest.raises(UserError, match="S has no quick run of training on small to make again"):
        run.run_again(SUITE, PLAN, 3, jobs=1, store=store)
    with pytest.raises(UserError, match="--again must be at least 1, not 0"):
        run.run_again(SUITE, PLAN, 0, jobs=1, store=store)


def test_a_planted_set_that_is_not_prepared_names_the_script_of_them_all():
    with pytest.raises(UserError, match=r"'planted-h1-g2-n3' is not prepared: run `python data_scripts/planted.py`"):
        task.loaded("planted-h1-g2-n3", "default", None, "cpu")


def test_the_cpu_has_a_name_however_it_is_called():
    assert task.device_name("cpu:0") == task.device_name("cpu") != ""


def test_progress_says_which_run_it_is_of():
    config = RunConfig(dataset="d", seed=3, version="v5", rank=8, over=32)
    line = executors.describe(config, {"epoch": 2, "done": 0.5, "rows_per_second": 90_000.0})
    assert line == "WDL v5 K=8 P=32 seed 3, epoch 2: 50%, 90k rows/s"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_a_big_tensor_takes_over_the_memory_of_one_before_and_the_last_gives_it_back():
    """In a process of its own: in one that has had several threads, memory may come from elsewhere."""
    script = """if True:
        import resource, torch
        from apg_repro.run.task import kept_memory
        def new_pages():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            torch.ones(16_000_000)  # 64 MB, 15,625 pages
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        with kept_memory():
            for _ in range(12):  # it takes up to six until the memory is where it stays
                new_pages()
            kept = new_pages()
        print(kept, new_pages(), new_pages())
    """
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    kept, *after = map(int, done.stdout.split())
    assert kept < 100
    assert min(after) > 10_000
