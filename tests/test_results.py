"""The committed rows: each whole, once, of the full profile, and what today's code and data give."""

import json
import shutil
from dataclasses import replace
from functools import cache

import pytest

from apg_repro.config import DIVERGED_ABOVE, PROTOCOLS, RunConfig
from apg_repro.data.checksums import recorded
from apg_repro.experiments import SUITES
from apg_repro.paths import RESULTS
from apg_repro.report import foot
from apg_repro.report.tables import auc_table
from apg_repro.rows import numerics, record
from apg_repro.rows.evidence import gather
from apg_repro.rows.numerics import case_of, why_stale
from apg_repro.rows.row import KINDS, TrainedRow
from apg_repro.rows.store import Store
from apg_repro.suite import SEEDS, Plan
from tests.conftest import trained_row

FILES = sorted((RESULTS / "full").rglob("*.jsonl"))
STORE = Store()


def rows():
    """Every committed row, with its file."""
    return [(path, row) for path in FILES for row in STORE.read(path)]


def test_there_are_rows_and_each_is_in_its_own_file():
    assert len(rows()) > 1500
    for path, row in rows():
        assert STORE.path("full", row) == path


def test_the_rows_on_disk_are_what_their_types_write():
    """So that a column that no type knows, or a digit that none would write, does not go unseen."""
    for path in FILES:
        for line in path.read_text().splitlines():
            values = json.loads(line)
            written = KINDS[values["kind"]].of_json(values).as_json()
            older = {"start_seed": None} if values["kind"] == "trained" else {"device_kind": "cpu"}  # came later
            assert written == older | values, (path.name, values["id"])


def test_committed_rows_are_those_that_are_recorded():
    assert record.differences(STORE) == []


@pytest.mark.parametrize(
    "suite", [suite for suite in SUITES.values() if suite.is_trained], ids=lambda suite: suite.name
)
def test_no_difference_is_of_two_machines(suite):
    for dataset in suite.datasets:
        found = gather(suite, Plan(profile="full", dataset=dataset, seeds=SEEDS["full"]), STORE)
        for cell in found.cells:
            for protocol in PROTOCOLS:
                mixed = [row.id for row in found.on_another_machine(cell, protocol)]
                assert not mixed, (dataset, cell.key, protocol)


@pytest.fixture
def copied(tmp_path):
    """The committed rows of a small data set and all measurements, their record, and the file of rows."""
    for path in [*FILES[0].parent.glob("*.jsonl"), STORE.runs_path("full", "frappe")]:
        (tmp_path / path.relative_to(RESULTS)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / path.relative_to(RESULTS))
    store, path = Store(tmp_path), tmp_path / "rows.json"
    record.record(store, path)
    assert record.differences(store, path) == []
    return store, path, store.runs_path("full", "frappe")


def test_a_new_option_of_runs_leaves_every_checksum_as_it_is(monkeypatch):
    row = next(iter(STORE.runs("full", "frappe").values()))
    before, whole = record.checksum(row), RunConfig.as_dict
    for name in ("start_seed", "observe"):  # not there when the row was recorded
        monkeypatch.setattr(
            RunConfig, "as_dict", lambda config, name=name: {k: v for k, v in whole(config).items() if k != name}
        )
        assert record.checksum(row) == before
    monkeypatch.undo()
    others = [replace(row.config, learning_rate=0.1), replace(row.config, hidden=(1, 2)), replace(row.config, seed=99)]
    assert len({before, *(record.checksum(replace(row, config=other)) for other in others)}) == 4


@pytest.mark.parametrize(
    "name", ["early_stopping_test_auc", "one_epoch_valid_auc", "n_served", "seconds", "device", "finished", "history"]
)
@pytest.mark.fault("a value of a committed row is altered by hand", "`make test` names the row, and so do its pages")
def test_a_row_that_is_altered_is_named(copied, name):
    store, path, file = copied
    lines = file.read_text().splitlines()
    values = json.loads(lines[3])
    values[name] = {
        str: lambda old: f"{old}0", int: lambda old: old + 1, float: lambda old: round(old + 1e-6, 6),
        list: lambda old: [{**old[0], "train_loss": 0.1}, *old[1:]],
    }[type(values[name])](values[name])  # fmt: skip
    file.write_text("\n".join([*lines[:3], json.dumps(values), *lines[4:]]) + "\n")
    expected = f"results/full/runs/frappe.jsonl: row {values['id']} was altered: {record.REMEDY}"
    assert record.differences(store, path) == [expected]
    row = store.runs("full", "frappe")[values["id"]]
    plan = Plan(profile="full", dataset="frappe", seeds=SEEDS["full"])
    assert foot.facts([row], [gather(SUITES["table8"], plan, store)])["not as recorded"] == values["id"]
    record.record(store, path)
    assert record.differences(store, path) == [expected], "what is recorded is not written over by the way"
    record.record(store, path, replace=True)
    assert record.differences(store, path) == []


@pytest.mark.fault("a committed row is removed, doubled, or added without being recorded", "`make test` names it")
def test_a_row_that_is_removed_doubled_or_added_is_named(copied, capsys):
    store, path, file = copied
    lines = file.read_text().splitlines(keepends=True)
    gone = json.loads(lines[5])["id"]
    file.write_text("".join(lines[:5] + lines[6:]))
    expected = f"results/full/runs/frappe.jsonl: row {gone} is gone: {record.REMEDY}"
    assert record.differences(store, path) == [expected]
    assert record.main(["--record"], store=store, path=path) == 1
    assert capsys.readouterr().out == f"{expected}\n"
    file.unlink()
    assert len(record.differences(store, path)) == len(lines)
    file.write_text("".join([*lines, lines[5]]))
    assert record.main([], store=store, path=path) == 1
    assert f"lines 6 and {len(lines) + 1} hold the same run {gone}" in capsys.readouterr().err
    config = RunConfig(dataset="frappe", seed=99)
    file.write_text("".join([*lines, json.dumps(trained_row(config).as_json()), "\n"]))
    (new,) = record.differences(store, path)
    assert new.startswith(f"results/full/runs/frappe.jsonl: row {config.id} is not recorded: `python -m")
    assert record.main(["--record"], store=store, path=path) == 0
    assert record.differences(store, path) == []
    assert record.main(["--record"], store=store, path=path.parent / "none" / "rows.json") == 1
    assert "rows.json cannot be written (No such file or directory)" in capsys.readouterr().err


@pytest.mark.fault("code or data change, and committed rows do not", "`make test` names the rows")
def test_committed_rows_are_those_of_todays_code_and_data():
    """A change that moves a case's numbers, or a data set's columns, comes with new rows."""
    stale = [f"{path.name}: {row.id}, {why_stale(row)}" for path, row in rows() if why_stale(row)]
    assert stale == []


def test_every_committed_run_has_a_recorded_case_and_recorded_data():
    for path, row in rows():
        if isinstance(row, TrainedRow):
            assert case_of(row.config) in numerics.record(), (path.name, row.id)
            checksum = recorded(row.config.dataset, row.config.features)
            assert checksum is not None, (path.name, row.id)
            assert checksum.startswith(row.origin.data), (path.name, row.id)


def test_scores_are_possible_and_those_of_the_epochs_that_the_history_says():
    """What training promises of a row (``training/train.py``) holds within it."""
    for path, row in rows():
        if not isinstance(row, TrainedRow) or row.status != "ok":
            continue
        where, valid = (path.name, row.id), [entry["valid_auc"] for entry in row.history]
        assert [entry["epoch"] for entry in row.history] == list(range(1, len(valid) + 1)), where
        assert set(row.scores) == set(PROTOCOLS), where
        best = valid.index(max(valid)) + 1
        assert (row.epoch("one_epoch"), row.epoch("early_stopping")) == (1, best), where
        assert len(valid) == min(row.config.max_epochs, best + row.config.patience), where
        assert row.seconds >= sum(entry["seconds"] for entry in row.history), where
        assert (row.scores["one_epoch"] == row.scores["early_stopping"]) == (best == 1), where
        for score in row.scores.values():
            assert 0.4 < score.test_auc < 1, where
            assert 0 < score.test_logloss < DIVERGED_ABOVE, where
            assert score.valid_auc == valid[score.epoch - 1], where


@pytest.mark.parametrize("name", SUITES)
def test_runs_of_a_page_had_one_number_of_threads(name):
    """The foot of a page would name those that had another; here there are none."""
    for dataset in SUITES[name].datasets:
        evidence = gather(SUITES[name], Plan(profile="full", dataset=dataset, seeds=SEEDS["full"]), STORE)
        assert len({row.origin.threads for row in evidence.rows if isinstance(row, TrainedRow)}) <= 1, dataset


@cache
def configs(path):
    """The configurations of a file of runs, read without the store."""
    return [RunConfig.of(json.loads(line)) for line in path.read_text().splitlines()]


def model_of(config, is_crossed):
    """What runs of several seeds have in common: all but the seed, and the start where that is another one."""
    return replace(config, seed=1, start_seed=None).id, config.own_start_seed if is_crossed else 0


@pytest.mark.parametrize("name", SUITES)
def test_the_n_beside_a_number_is_that_of_its_rows(name):
    """Counted in the files themselves, by what the lines say."""
    for dataset in SUITES[name].datasets:
        evidence = gather(SUITES[name], Plan(profile="full", dataset=dataset, seeds=SEEDS["full"]), STORE)
        if not evidence.is_begun or not evidence.cells:
            continue
        is_crossed = name == "crossed"  # where a start of one seed meets several splits
        seeds: dict[tuple[str, int], set[int]] = {}
        for config in configs(STORE.runs_path("full", dataset)):
            if is_crossed or config.start_seed is None:
                seeds.setdefault(model_of(config, is_crossed), set()).add(config.seed)
        for protocol in PROTOCOLS:
            printed = [int(str(text).partition(" ")[0]) for text in auc_table(evidence, protocol).data["n"]]
            wanted = [evidence.reported(cell, protocol) for cell in evidence.cells]
            there = [
                {c.seed for c in cell} & seeds.get(model_of(cell[0], is_crossed), set()) for cell in wanted if cell
            ]
            assert printed == [len(there.pop(0)) if cell else 0 for cell in wanted], (dataset, protocol)


@pytest.mark.parametrize("name", [name for name, suite in SUITES.items() if "movielens" in suite.datasets])
def test_pages_on_movielens_have_rows(name):
    plan = Plan(profile="full", dataset="movielens", seeds=SEEDS["full"])
    assert gather(SUITES[name], plan, STORE).rows
