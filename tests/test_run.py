"""From a suite to rows: nothing is trained twice, nothing done is lost, what cannot be run is told."""

import dataclasses
import json
import platform
import subprocess
import sys

import pytest

from apg_repro import run
from apg_repro.config import Measurement, RunConfig, UserError
from apg_repro.data import load
from apg_repro.paths import ROOT
from apg_repro.report import open_panel
from apg_repro.store import Store
from apg_repro.suites import Cell, Plan, Suite

PLAN = Plan(profile="quick", dataset="small", seeds=(1, 2))
SIZE = {"d_embedding": 4, "hidden": (8,), "max_epochs": 2}


V4 = Cell(variant="v4", options={**SIZE, "version": "v4"}, grid=({"rank": 1}, {"rank": 2}))
SUITE = Suite(
    name="s", title="S", page="", datasets=("small",),
    cells=lambda plan: (Cell(variant="base", options=SIZE, against=None), V4),
)  # fmt: skip


@pytest.fixture
def store(tmp_path, small, monkeypatch):
    monkeypatch.setattr(run, "cached", lambda *which: small)
    return Store(tmp_path)


def rows(store):
    return store.rows("quick", "s", "small")


def test_search_comes_first_and_decides_the_runs(store):
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    found = [(row["variant"], row["seed"], row["rank"]) for row in rows(store)]
    assert found[:2] == [("v4", 0, 1), ("v4", 0, 2)]
    best = {
        max(rows(store)[:2], key=lambda row: row[f"{protocol}_valid_auc"])["rank"]
        for protocol in ("one_epoch", "early_stopping")
    }
    assert sorted(found[2:], key=str) == sorted(
        [("base", s, None) for s in (1, 2)] + [("v4", s, rank) for s in (1, 2) for rank in best], key=str
    )


def test_a_run_that_another_suite_has_trained_is_not_trained_again(store):
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    other = dataclasses.replace(SUITE, name="other", cells=lambda plan: (Cell(variant="static", options=SIZE), V4))
    run.run_suite(other, PLAN, jobs=1, store=store)
    assert store.rows("quick", "other", "small") == []
    panel = open_panel(other, PLAN, store)
    assert panel.by_seed(panel.cells[0], "one_epoch").keys() == {1, 2}


def test_a_row_says_what_was_run_what_came_out_and_where_it_comes_from(store):
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    row = rows(store)[-1]
    fields = {field.name for field in dataclasses.fields(RunConfig)}
    again = RunConfig(**{name: row[name] for name in fields})
    assert row["id"] == again.id
    assert row["status"] == "ok"
    assert 0.5 < row["one_epoch_test_auc"] < 1
    assert row["early_stopping_valid_auc"] == max(entry["valid_auc"] for entry in row["history"])
    for key in ("commit", "dirty", "code", "data", "device", "threads", "torch", "python", "finished", "seconds"):
        assert row[key] is not None, key


def test_a_run_killed_half_way_goes_on_where_it_stopped(store, monkeypatch):
    trained = []
    whole = run.train

    def killed_at_the_fourth(config, *args):
        if len(trained) == 3:
            raise KeyboardInterrupt
        trained.append(config.id)
        return whole(config, *args)

    monkeypatch.setattr(run, "train", killed_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        run.run_suite(SUITE, PLAN, jobs=1, store=store)
    before = rows(store)
    assert [row["id"] for row in before] == trained
    monkeypatch.setattr(run, "train", lambda config, *args: trained.append(config.id) or whole(config, *args))
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    assert rows(store)[:3] == before
    total = len(trained)
    assert total == len(set(trained)) == len(rows(store)) >= 6
    run.run_suite(SUITE, PLAN, jobs=1, store=store)
    assert len(trained) == total


def test_measurements_are_made_once(store, monkeypatch):
    made = []
    monkeypatch.setattr(run, "measure", lambda task: made.append(task) or {"rows": 3})
    suite = Suite(
        name="table7", title="M", page="", datasets=("small",),
        measurements=lambda plan: [Measurement(suite="table7", dataset=plan.dataset, profile=plan.profile)],
    )  # fmt: skip
    for _ in range(2):
        run.run_suite(suite, PLAN, jobs=1, store=store)
    (row,) = store.rows("quick", "table7", "small")
    assert row["rows"] == 3
    assert row["code"]
    assert len(made) == 1


def test_a_diverged_run_has_a_row(store):
    options = {**SIZE, "version": "v4", "rank": 1, "learning_rate": 1e5, "clip_norm": None}
    bad = dataclasses.replace(SUITE, cells=lambda plan: (Cell(variant="v4", options=options),))
    run.run_suite(bad, PLAN, jobs=1, store=store)
    assert rows(store)[0]["status"] == "diverged"
    assert json.dumps(rows(store)[0], allow_nan=False)


def test_a_device_that_is_not_there_is_told(store):
    with pytest.raises(UserError, match="device 'cuda:7' cannot be used here"):
        run.run_suite(SUITE, PLAN, device="cuda:7", jobs=1, store=store)
    with pytest.raises(UserError, match="device 'gpu' cannot be used here"):
        run.run_suite(SUITE, PLAN, device="gpu", jobs=1, store=store)


def test_runs_side_by_side_give_the_rows_of_runs_one_by_one(tmp_path):
    """In worker processes, on the prepared synthetic set."""
    from apg_repro.data import load

    try:
        load("synthetic")
    except UserError as error:
        pytest.skip(str(error))
    size = {"rows": 2000, "d_embedding": 4, "hidden": (8,), "max_epochs": 1}
    suite = Suite(
        name="s", title="S", page="", datasets=("synthetic",), cells=lambda plan: (Cell(variant="base", options=size),)
    )
    plan = Plan(profile="quick", dataset="synthetic", seeds=(1, 2))
    found = {}
    for jobs in (1, 2):
        run.run_suite(suite, plan, jobs=jobs, store=Store(tmp_path / str(jobs)))
        rows = Store(tmp_path / str(jobs)).rows("quick", "s", "synthetic")
        found[jobs] = {row["id"]: row["one_epoch_test_auc"] for row in rows}
    assert found[1] == pytest.approx(found[2], abs=1e-5)
    assert len(found[1]) == 2


def test_a_planted_set_that_is_not_prepared_names_the_script_of_them_all():
    with pytest.raises(UserError, match=r"'planted-h1-g2-n3' is not prepared: run `python data_scripts/planted.py`"):
        run.cached("planted-h1-g2-n3", "default", None, "cpu")


def test_a_manifest_of_another_version_is_told(tmp_path, monkeypatch):
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "manifest.json").write_text("{}")
    monkeypatch.setattr(run, "DATA", tmp_path)
    monkeypatch.setattr(run, "load", lambda name, **options: load(name, root=tmp_path, **options))
    with pytest.raises(UserError, match=r"old/manifest.json is damaged .* run `python data_scripts/old.py` again"):
        run.cached("old", "default", None, "cpu")


def test_the_cpu_has_a_name_however_it_is_called():
    assert run.device_name("cpu:0") == run.device_name("cpu")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_a_big_tensor_takes_over_the_memory_of_one_before_and_the_last_gives_it_back():
    """In a process of its own: in one that has had several threads, memory may come from elsewhere."""
    script = """if True:
        import resource, torch
        from apg_repro.run import kept_memory
        def new_pages():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            torch.ones(16_000_000)  # 64 MB, 15,625 pages
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
        with kept_memory():
            for _ in range(5):  # it takes some until the memory lies where it stays
                new_pages()
            kept = new_pages()
        print(kept, new_pages(), new_pages())
    """
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    kept, *after = map(int, done.stdout.split())
    assert kept < 100
    assert min(after) > 10_000
