"""The committed rows: each whole, once, of the full profile, and what today's code and data give."""

import json

import pytest

from apg_repro.config import DIVERGED_ABOVE, PROTOCOLS
from apg_repro.data.checksums import recorded
from apg_repro.experiments import SUITES
from apg_repro.paths import RESULTS
from apg_repro.rows.evidence import gather
from apg_repro.rows.numerics import case_of, record, why_stale
from apg_repro.rows.row import TrainedRow
from apg_repro.rows.store import Store
from apg_repro.suite import SEEDS, Plan

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
            kind = TrainedRow if values["kind"] == "trained" else None
            if kind:
                assert kind.of_json(values).as_json() == values, (path.name, values["id"])


@pytest.mark.fault("code or data change, and committed rows do not", "`make test` names the rows")
def test_committed_rows_are_those_of_todays_code_and_data():
    """A change that moves a case's numbers, or a data set's columns, comes with new rows."""
    stale = [f"{path.name}: {row.id}, {why_stale(row)}" for path, row in rows() if why_stale(row)]
    assert stale == []


def test_every_committed_run_has_a_recorded_case_and_recorded_data():
    for path, row in rows():
        if isinstance(row, TrainedRow):
            assert case_of(row.config) in record(), (path.name, row.id)
            checksum = recorded(row.config.dataset, row.config.features)
            assert checksum is not None, (path.name, row.id)
            assert checksum.startswith(row.origin.data), (path.name, row.id)


def test_scores_are_possible():
    for path, row in rows():
        if isinstance(row, TrainedRow):
            for protocol in PROTOCOLS:
                score = row.scores.get(protocol)
                if score and row.status == "ok":
                    assert 0.4 < score.test_auc < 1, (path.name, row.id)
                    assert 0 < score.test_logloss < DIVERGED_ABOVE, (path.name, row.id)
                    assert row.history[score.epoch - 1]["valid_auc"] == score.valid_auc, (path.name, row.id)


@pytest.mark.parametrize("name", [name for name, suite in SUITES.items() if "movielens" in suite.datasets])
def test_pages_on_movielens_have_rows(name):
    plan = Plan(profile="full", dataset="movielens", seeds=SEEDS["full"])
    assert gather(SUITES[name], plan, STORE).rows
