"""The paper's cells next to ours: recomputed here by hand from rows."""

import math
from dataclasses import replace

import pytest

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.experiments import get_suite
from apg_repro.paper.numbers import difference
from apg_repro.report.comparison import compare
from apg_repro.report.short import gains
from apg_repro.report.statistics import p_apart
from apg_repro.report.tables import Table, across_table, across_tables, auc_table, comparison_frame, format_difference
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Plan, candidate, configure
from tests.conftest import evidence_of, scores

PLAN = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3))
SUITE = get_suite("table4")
CELLS = {cell.name: cell for cell in SUITE.cells(PLAN)}
BASE = {1: 0.7900, 2: 0.7920, 3: 0.7940}
V4 = {1: 0.7930, 2: 0.7960, 3: 0.7970}


def make(row, name, seed, auc, rank=None, **more):
    """A row of Table 4; of its search on seed 0."""
    point = {"rank": rank} if rank else {}
    config = configure(PLAN, CELLS[name], seed, point) if seed else candidate(PLAN, CELLS[name], point)
    return replace(row, **{"config": config, "scores": scores(auc, auc)} | more)


def evidence(rows, plan=PLAN):
    """Table 4 with these rows."""
    return Evidence(suite=SUITE, plan=plan, runs={row.id: row for row in rows})


@pytest.fixture
def rows(row):
    """Base and v4 with K = 4 on all seeds, v4's search, and rows that are not to be shown."""
    found = [make(row, "v4", 0, 0.8 if rank == 4 else 0.7, rank) for rank in (2, 4, 6, 8)]
    found += [make(row, "base", seed, auc) for seed, auc in BASE.items()]
    found += [make(row, "v4", seed, auc, 4) for seed, auc in V4.items()]
    return [*found, make(row, "v4", 1, 0.99, 2), make(row, "v4", 9, 0.99, 4), make(row, "base", 9, 0.1)]


def line(rows, name, protocol="one_epoch"):
    """The comparison of one cell."""
    return compare(evidence(rows), protocol)["WDL", name]


def shown(rows, name, protocol="one_epoch"):
    """The same as text."""
    return comparison_frame(compare(evidence(rows), protocol)).set_index("Version").loc[name]


def test_differences_are_taken_seed_by_seed_for_the_chosen_rank_and_the_plans_seeds(rows):
    """0.3, 0.4 and 0.3 points; other ranks and other seeds are not counted."""
    found = line(rows, "v4")
    assert found.ours.n == 3
    assert found.chosen == {"rank": 4}
    assert found.difference.mean == pytest.approx(1 / 3)
    assert found.ours.mean == pytest.approx((79.30 + 79.60 + 79.70) / 3)
    assert found.verdict == "reproduced"


def test_the_papers_numbers_are_next_to_ours(rows):
    found = line(rows, "v4")
    assert found.paper == 79.61
    assert found.paper_difference == pytest.approx(79.61 - 79.21)
    assert found.is_printed


def test_a_seed_without_its_base_has_no_difference(rows):
    rows = [row for row in rows if not (row.config.version == "base" and row.config.seed == 2)]
    assert line(rows, "v4").difference.n == 2


def test_what_was_not_run_says_so(rows):
    assert line(rows, "v5").verdict == "not run"
    assert shown(rows, "v5")["Our AUC"] == "–"


@pytest.mark.parametrize(("worst", "counts"), [(None, True), (10.1, True), (0.7, False)])
def test_a_run_that_diverged_after_its_first_epoch_counts_under_early_stopping_only(rows, row, worst, counts):
    history = [{"worst_batch_loss": worst}, {"worst_batch_loss": 99.0}]
    rows = [*rows[:-1], make(row, "base", 1, 0.79, status="diverged", history=history)]
    assert line(rows, "base", "early_stopping").n_diverged == 1
    assert line(rows, "base", "one_epoch").n_diverged == counts


def test_a_diverged_run_is_counted_and_one_without_auc_leaves_no_verdict(rows, row):
    kept = [one for one in rows if (one.config.version, one.config.seed, one.config.rank) != ("v4", 3, 4)]
    late = [*kept, make(row, "v4", 3, 0.797, rank=4, status="diverged")]
    assert shown(late, "v4", "early_stopping")["n"] == "3 (1 diverged)"
    lost = [*kept, make(row, "v4", 3, math.nan, rank=4, status="diverged", scores={})]
    assert line(lost, "v4").verdict == "undecided"
    assert format_difference(line(lost, "v4").difference) == "diverged"


def test_the_same_runs_are_one_test_of_their_family(row):
    """Both searches of Table 2 choose one point, so its two lines of each of seven models are seven tests."""

    def auc(config):
        is_chosen = (config.rank, config.over, config.learning_rate, config.weight_decay) == (8, 512, 0.005, 0.0)
        return 0.79 + is_chosen * (0.01 + config.seed / 1000)

    found = compare(evidence_of("table2", row, auc), "one_epoch")
    for backbone in PAPER_BACKBONES:
        ours, both = found[backbone, "apg over tuned base"], found[backbone, "tuned apg"]
        assert ours.chosen.items() <= {"learning_rate": 0.005, "weight_decay": 0.0, **both.chosen}.items()
        assert ours.judgement == both.judgement
        assert ours.judgement.p == pytest.approx(min(1, 7 * p_apart(ours.difference)))


def test_a_quick_number_gets_no_verdict(rows):
    quick = Plan(profile="quick", dataset="movielens", seeds=(1, 2))
    assert {found.verdict for found in compare(evidence(rows, quick), "one_epoch").values()} == {""}


def test_one_seed_has_no_interval_and_reproduces_nothing(rows):
    found = line([row for row in rows if row.config.seed in (0, 1)], "v4")
    assert found.difference.n == 1
    assert math.isnan(found.difference.half)
    assert found.verdict == "undecided"


def on(dataset, rows):
    """The same rows as Table 4 of another data set."""
    plan = replace(PLAN, dataset=dataset)
    moved = [replace(row, config=replace(row.config, dataset=dataset)) for row in rows]
    return Evidence(suite=SUITE, plan=plan, runs={row.id: row for row in moved})


def test_a_data_set_that_the_paper_does_not_have_is_judged_against_0_on_the_papers_side(rows):
    """v4 gains on all three of the paper's, and here by 1 / 3; base has no difference. Losses are not reproduced."""
    found = compare(on("frappe", rows), "one_epoch")["WDL", "v4"]
    assert (found.direction, found.verdict, found.is_printed) == (1.0, "reproduced", False)
    assert math.isnan(found.paper_difference)
    worse = [replace(one, scores=scores(0.70, 0.70)) if one.config.version == "v4" and one.config.seed else one
             for one in rows]  # fmt: skip
    assert compare(on("frappe", worse), "one_epoch")["WDL", "v4"].verdict == "contradicted"
    shown = auc_table(on("frappe", rows), "one_epoch")
    assert shown.data.set_index("Version").loc["v4", "Paper Δ"] == "above 0"
    assert "The paper does not have this data set" in shown.caption
    assert "not have this data set" not in auc_table(evidence(rows), "one_epoch").caption
    assert "1 reproduced" in str(gains([on("frappe", rows)])[0])


def test_what_the_paper_has_or_what_is_made_has_no_direction(rows):
    for dataset in ("movielens", "synthetic"):
        assert math.isnan(compare(on(dataset, rows), "one_epoch")["WDL", "v4"].direction)
    assert compare(on("synthetic", rows), "one_epoch")["WDL", "v4"].verdict == ""


def test_where_the_papers_differences_have_both_signs_it_claims_none():
    """Table 6: Star by item gains on some of the paper's data sets and loses on others."""
    suite, plan = get_suite("table6"), replace(PLAN, dataset="frappe")
    found = compare(Evidence(suite=suite, plan=plan), "one_epoch")
    signs = {
        key: {math.copysign(1, difference("table6", name, "WDL", line.cell.paper_row, "base"))
              for name in ("movielens", "amazon", "iaac")}
        for key, line in found.items() if line.cell.is_printed and line.cell.against
    }  # fmt: skip
    assert {len(sign) for sign in signs.values()} == {1, 2}
    for key, sign in signs.items():
        assert math.isnan(found[key].direction) if len(sign) == 2 else {found[key].direction} == sign


def test_several_data_sets_are_one_table_with_their_mean(rows):
    found = [on("frappe", rows), on("tmall", rows)]
    table = across_table(found, "one_epoch")
    assert list(table.data.columns) == ["Version", "Frappe", "Tmall", "All together"]
    line = table.data.set_index("Version").loc["v4"]
    assert "reproduced" in line["Frappe"].html
    assert line["Frappe"].html == line["Tmall"].html
    assert line["All together"].startswith("+0.3")
    assert "one data set only" in str(across_table(found[:1], "one_epoch"))
    assert "no results yet" in str(across_table([], "one_epoch"))
    assert [type(one) for one in across_tables(found)] == [Table, Table]
    assert list(map(str, across_tables(found[:1]))) == [str(across_table(found[:1], "one_epoch"))]
    assert "one data set only" in str(across_table([on("synthetic", rows), *found[:1]], "one_epoch"))
