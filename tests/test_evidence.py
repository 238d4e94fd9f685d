"""A suite with its rows: the search comes first, validation AUC chooses, and every run is there once."""

from dataclasses import replace

import numpy as np
import pytest

from apg_repro.backbones import BACKBONES
from apg_repro.config import PROTOCOLS, RunConfig
from apg_repro.experiments import SUITES
from apg_repro.rows.evidence import Evidence, gather
from apg_repro.rows.row import Score, TrainedRow
from apg_repro.rows.store import Store
from apg_repro.suite import Cell, Plan, Suite, candidate, configure
from tests.conftest import trained_row

FULL = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3, 4, 5))
TABLE4 = Evidence(suite=SUITES["table4"], plan=FULL)
TWO_SEEDS = Plan(profile="full", dataset="movielens", seeds=(1, 2))


def row_of(config: RunConfig, valid_auc: float, status: str = "ok") -> TrainedRow:
    """A row with that validation AUC under both protocols."""
    scores = {protocol: Score(epoch=1, valid_auc=valid_auc, test_auc=0.8, test_logloss=0.5) for protocol in PROTOCOLS}
    return replace(trained_row(config), scores=scores, status=status)


def searched(evidence: Evidence, score, status=lambda config: "ok") -> Evidence:
    """The same with its search done."""
    rows = [row_of(config, score(config), status(config)) for config in evidence.search()]
    return Evidence(suite=evidence.suite, plan=evidence.plan, runs={row.id: row for row in rows})


def test_table_4_searches_the_papers_grid():
    search = TABLE4.search()
    assert {(config.rank, config.over) for config in search if config.version == "v5"} == {
        (k, p) for k in (2, 4, 6, 8) for p in (32, 64, 128, 256, 512)
    }
    assert all({config.rank for config in search if config.version == v} == {2, 4, 6, 8} for v in ("v3", "v4"))
    assert {config.seed for config in search} == {0}


def test_table_4_runs_have_the_papers_settings():
    best = {"v3": 2, "v4": 4, "v5": 6}
    runs = searched(TABLE4, lambda c: 0.8 + (c.rank == best.get(c.version)) / 10 - (c.over or 0) / 1e4).wanted()
    for config in runs:
        settings = (config.learning_rate, config.batch_size, config.d_embedding, config.hidden, config.rows)
        assert settings == (0.005, 1024, 32, (256, 128, 64), None)
    assert {(config.version, config.rank, config.over) for config in runs} >= {
        ("base", None, None), ("v1", None, None), ("v3", 2, None), ("v4", 4, None), ("v5", 6, 32),
    }  # fmt: skip
    seeds = {version: {c.seed for c in runs if c.version == version} for version in ("base", "v1", "v3", "v4", "v5")}
    assert seeds == {version: {1, 2, 3, 4, 5} for version in ("base", "v1", "v3", "v4", "v5")}


def test_the_choice_is_the_best_validation_auc_of_the_search_seed():
    evidence = searched(TABLE4, lambda c: 0.81 if c.rank == 4 else 0.80)
    reported = row_of(configure(FULL, TABLE4.cell("v4"), 1, {"rank": 8}), 0.99)
    evidence = replace(evidence, runs={**evidence.runs, reported.id: reported})
    assert evidence.chosen(evidence.cell("v4"), "one_epoch") == {"rank": 4}
    assert evidence.chosen(evidence.cell("base"), "one_epoch") == {}


def test_nothing_is_chosen_before_all_is_searched():
    runs = dict(searched(TABLE4, lambda c: 0.8).runs)
    cell = TABLE4.cell("v4")
    del runs[candidate(FULL, cell, {"rank": 6}).id]
    evidence = Evidence(suite=TABLE4.suite, plan=FULL, runs=runs)
    assert evidence.chosen(cell, "one_epoch") is None
    assert evidence.reported(cell, "one_epoch") == []


def test_a_diverged_run_is_chosen_only_if_all_diverged():
    def rising(config):
        return 0.8 + (config.rank or 0) / 100

    def chosen(score, status):
        return searched(TABLE4, score, status).chosen(TABLE4.cell("v4"), "one_epoch")

    assert chosen(rising, lambda config: "diverged" if config.rank == 8 else "ok") == {"rank": 6}
    assert chosen(rising, lambda config: "diverged") == {"rank": 8}
    assert chosen(lambda config: float("nan"), lambda config: "diverged") is None


def test_a_run_of_one_epoch_answers_nothing_under_early_stopping():
    assert len(TABLE4.reported(TABLE4.cell("v1"), "one_epoch")) == len(TABLE4.plan.seeds)
    assert TABLE4.reported(TABLE4.cell("v1"), "early_stopping") == []


def test_every_suite_names_each_cell_once_and_reports_no_run_of_its_search():
    for suite in SUITES.values():
        for dataset in suite.datasets:
            evidence = searched(
                Evidence(suite=suite, plan=Plan(profile="full", dataset=dataset, seeds=(1, 2))), lambda c: 0.8
            )
            names = {cell.name for cell in evidence.cells}
            assert len({cell.key for cell in evidence.cells}) == len(evidence.cells)
            assert not {config.id for config in evidence.wanted()} & {config.id for config in evidence.search()}
            assert {cell.against for cell in evidence.cells} - {None} <= names, suite.name


def test_base_is_tuned_with_as_many_points_as_apg():
    cells = {cell.key: cell for cell in SUITES["table2"].cells(FULL)}
    assert len(cells) == 7 * len(BACKBONES)
    sizes = dict.fromkeys(("base", "damped base"), 0) | {"tuned apg": 39}
    for (_, name), cell in cells.items():
        assert len(cell.grid) == sizes.get(name, 20)


def test_where_both_are_tuned_either_side_has_two_grids():
    """Base's, plain and damped, are one grid; APG's share the point that both have, the sizes at the paper's rate."""
    evidence = Evidence(suite=SUITES["table2"], plan=FULL)
    names = ("tuned apg", "apg", "tuned base", "tuned damped base")
    both, shapes, base, damped = (evidence.cell(name, "DCN") for name in names)
    assert base.grid == damped.grid == both.grid[: len(base.grid)]
    searched = [{config.id for config in evidence.candidates(cell)} for cell in (both, shapes)]
    assert len(searched[0]) == len(both.grid) == 2 * len(base.grid) - 1
    assert searched[1] < searched[0]


def suite_of(*cells: Cell) -> Suite:
    return Suite(name="s", title="S", datasets=("movielens",), cells=lambda plan: cells)


def patience_and_seed(configs) -> list[tuple[int, int]]:
    return [(config.patience, config.seed) for config in configs]


def test_costly_cells_come_last_and_the_first_seed_of_all_before_the_second_of_any():
    cells = [
        Cell(name="a", cost_tier=1),
        Cell(name="b", options={"patience": 2}),
        Cell(name="c", options={"patience": 3}, n_seeds=1),
    ]
    runs = Evidence(suite=suite_of(*cells), plan=TWO_SEEDS).wanted()
    assert patience_and_seed(runs) == [(2, 1), (3, 1), (2, 2), (1, 1), (1, 2)]
    grid = ({"patience": 4}, {"patience": 5})
    both = suite_of(Cell(name="a", cost_tier=1, grid=grid), Cell(name="b", options={"rows": 9}, grid=grid))
    assert [config.rows for config in Evidence(suite=both, plan=TWO_SEEDS).search()] == [9, 9, None, None]


def test_a_run_that_answers_several_cells_is_wanted_once():
    same = suite_of(Cell(name="a"), Cell(name="base"), Cell(name="c", n_seeds=1))
    assert patience_and_seed(Evidence(suite=same, plan=TWO_SEEDS).wanted()) == [(1, 1), (1, 2)]


def test_differences_are_taken_for_the_seeds_that_both_sides_have():
    suite = suite_of(Cell(name="base", against=None), Cell(name="slow", options={"patience": 2}))
    aucs = {(1, 1): 0.80, (2, 1): 0.81, (1, 2): 0.79, (2, 3): 0.9}
    rows = []
    for (patience, seed), auc in aucs.items():
        row = trained_row(RunConfig(dataset="movielens", seed=seed, patience=patience))
        scores = {"one_epoch": Score(epoch=1, valid_auc=auc, test_auc=auc, test_logloss=0.5)}
        rows.append(replace(row, scores=scores))
    plan = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3))
    evidence = Evidence(suite=suite, plan=plan, runs={row.id: row for row in rows})
    assert evidence.differences(evidence.cell("slow"), "one_epoch") == pytest.approx([1.0])
    assert np.isnan(evidence.differences(evidence.cell("slow"), "early_stopping")).all()  # neither got there


@pytest.mark.parametrize(
    ("grid", "epoch", "early"), [((), 2, "base"), ((), 1, "damped"), (({"learning_rate": 0.01},), 2, "damped")]
)
def test_a_rival_counts_after_one_epoch_and_under_both_protocols_if_base_is_searched_or_best_then(grid, epoch, early):
    """The better on validation is taken, whatever the test rows say."""
    suite = suite_of(
        Cell(name="base", against=None, grid=grid),
        Cell(name="damped", against=None, grid=grid, rival_of="base", options={"patience": 2}),
        Cell(name="apg", options={"patience": 3}),
    )
    plan = Plan(profile="full", dataset="movielens", seeds=(1,))
    point = grid[0] if grid else {}
    configs = [
        RunConfig(dataset="movielens", seed=seed, patience=patience, **(point if patience < 3 else {}))
        for seed in (0, 1)
        for patience in (1, 2, 3)
    ]
    rows = []
    for config in configs:
        score = Score(
            epoch=1, valid_auc=0.7 + config.patience / 100, test_auc=0.8 - config.patience / 100, test_logloss=0.5
        )
        late = replace(score, epoch=epoch)
        rows.append(replace(trained_row(config), scores={"one_epoch": score, "early_stopping": late}))
    evidence = Evidence(suite=suite, plan=plan, runs={row.id: row for row in rows})
    assert evidence.reference(evidence.cell("apg"), "one_epoch").name == "damped"
    assert evidence.reference(evidence.cell("apg"), "early_stopping").name == early


@pytest.mark.parametrize(("of_rival", "taken", "lacks"), [((1, 2), "damped", False), ((1,), "base", True)])
def test_a_reference_is_chosen_on_the_seeds_that_are_compared(of_rival, taken, lacks):
    """Base has a third seed, which APG has not: a rival need not have it."""
    suite = suite_of(
        Cell(name="base", against=None),
        Cell(name="damped", against=None, rival_of="base", options={"patience": 2}),
        Cell(name="apg", options={"patience": 3}),
    )
    plan = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3))
    rows = [
        row_of(RunConfig(dataset="movielens", seed=seed, patience=patience), 0.7 + patience / 100)
        for patience, seeds in ((1, (1, 2, 3)), (2, of_rival), (3, (1, 2)))
        for seed in seeds
    ]
    evidence = Evidence(suite=suite, plan=plan, runs={row.id: row for row in rows})
    base, apg = evidence.cell("base"), evidence.cell("apg")
    assert evidence.reference(apg, "one_epoch").name == taken
    assert evidence.lacks_rival(base, "one_epoch", [apg]) == lacks
    assert evidence.lacks_rival(base, "one_epoch")


def test_evidence_holds_the_rows_that_its_page_rests_on_and_no_others():
    suite = suite_of(Cell(name="base", against=None))
    own, other = (trained_row(RunConfig(dataset="movielens", seed=1, patience=patience)) for patience in (1, 2))
    evidence = Evidence(suite=suite, plan=TWO_SEEDS, runs={own.id: own, other.id: other})
    assert evidence.rows == [own]


def decisions(evidence: Evidence) -> list[object]:
    """All that rows decide: what the search chose, which runs are reported, what a cell is compared with."""
    found: list[object] = []
    for cell in evidence.cells:
        for protocol in PROTOCOLS:
            reference = evidence.reference(cell, protocol)
            runs = [config.id for config in evidence.reported(cell, protocol)]
            found.append((cell.key, protocol, evidence.chosen(cell, protocol), runs, reference and reference.key))
    return found


def turned_over(evidence: Evidence) -> Evidence:
    """The same with test scores whose order is the opposite of the validation scores'."""

    def turned(row: TrainedRow) -> TrainedRow:
        scores = {how: replace(one, test_auc=1 - one.valid_auc, test_logloss=0.0) for how, one in row.scores.items()}
        return replace(row, scores=scores)

    runs = {key: turned(row) for key, row in evidence.runs.items()}
    return Evidence(suite=evidence.suite, plan=evidence.plan, runs=runs)


@pytest.mark.fault("a choice is made by test scores", "no choice changes when the test scores of all rows do")
def test_no_choice_depends_on_a_test_score(monkeypatch):
    """With the committed rows. Then with a leak, which must be seen."""
    store = Store()
    found = [gather(SUITES[name], FULL, store) for name in ("table2", "table4", "table8", "optimizers")]
    for evidence in found:
        assert decisions(turned_over(evidence)) == decisions(replace(evidence))
    monkeypatch.setattr(TrainedRow, "valid_auc", TrainedRow.test_auc)
    for evidence in found[:2]:
        assert decisions(turned_over(evidence)) != decisions(replace(evidence))
