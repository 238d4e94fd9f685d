"""Figure 7's page: recomputed here by hand from rows."""

from dataclasses import replace

import pytest

from apg_repro.claims.measured import SentenceOnRange
from apg_repro.experiments import get_suite
from apg_repro.experiments.figure7 import page
from apg_repro.experiments.figure7.plan import K, P
from apg_repro.experiments.grids import DAMPED_BASE
from apg_repro.report.statistics import NOT_AFTER_HOLM, p_apart
from apg_repro.report.tables import MISSING, badge
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import SEEDS
from tests.conftest import FULL, evidence_of


@pytest.fixture
def empty():
    return Evidence(suite=get_suite("figure7"), plan=FULL)


def test_without_rows_every_value_says_not_run(empty):
    table = page.ranges_table(empty).data
    n_verdicts = [1 if part.than else len(part.cells(empty)) for part in (*page.RANGES, *page.OURS)]
    assert [str(cell) for cell in table["One epoch"]] == [badge("not run", n).html for n in n_verdicts]
    assert set(page.axis_table(empty, K, "one_epoch").data["Our AUC"]) == {MISSING}
    for drawing, axis in zip(page.axes_figure(empty).axes, 2 * list(page.DRAWN), strict=True):
        assert [text.get_text() for text in drawing.texts] == ["not run"] * len(empty.labelled(axis=axis))


def test_the_ranges_of_appendix_e_hold_every_value_of_figure_7(empty):
    for axis in page.DRAWN:
        within = {cell.key for part in page.RANGES if part.axis == axis for cell in part.cells(empty)}
        assert within == {cell.key for cell in empty.labelled(axis=axis) if not cell.n_seeds}
    assert [len(part.cells(empty)) for part in page.RANGES] == [5, 5, 5, 4, 2, 4, 3]


def test_figure_7_marks_what_was_not_run_and_judges_the_means_of_ranges(row):
    def auc(config):
        if config.rank == 512:
            return None
        if (config.rank or 0) >= 64:
            return 0.9
        return 0.79 + config.seed / 1000 + (0 if config.version == "base" else 0.004 if config.over >= 32 else 0.002)

    evidence = evidence_of("figure7", row, auc)
    large, small, more = page.RANGES[:3]
    assert page.verdicts(evidence, large, "one_epoch") == {"reproduced": 5}
    assert page.verdicts(evidence, small, "one_epoch") == {"reproduced": 5}
    ((gap, _),) = page.judged(evidence, more, "one_epoch")
    assert gap.mean == pytest.approx(0.2)
    ((more_k, _),) = page.judged(evidence, page.RANGES[4], "one_epoch")
    assert more_k.mean == pytest.approx(0)  # K from 64 on has fewer seeds, and does not count
    marked = [text.get_text() for text in page.axes_figure(evidence).axes[1].texts]
    assert marked == ["not run"]
    axes = page.axes_figure(evidence).axes
    few = [
        place
        for place, cell in enumerate(evidence.labelled(axis=K))
        if cell.n_seeds == 1 and cell.labels["value"] != 512
    ]
    crosses = [line.get_xdata()[0] for line in axes[1].lines if line.get_marker() == "x"]
    assert crosses == few, "one seed has no interval, and does not look as if it had one"
    assert "K (P = 32): 2 +0.40 ± 0.00" in page.axes_figure(evidence).alt


def test_all_values_of_figure_7_are_one_family_and_runs_on_several_axes_one_test_of_it(row):
    """A lone loss with p = 0.01 is a chance find among so many values, on the page and as a claim."""

    def auc(config):
        noise = (config.seed - 5.5) / 1000 * (config.version != "base")
        return 0.79 + noise - 0.003 * (config.over == 2)

    evidence = evidence_of("figure7", row, auc, plan=replace(FULL, seeds=SEEDS["full"]))
    small = page.RANGES[1]
    assert page.verdicts(evidence, small, "one_epoch") == {"contradicted †": 1, "undecided": 4}
    claim = SentenceOnRange(small).judge(evidence, "one_epoch")
    assert (claim.verdict, NOT_AFTER_HOLM in claim.marks) == ("contradicted", True)
    found = page.against_base(evidence, "one_epoch")
    assert found[f"{K} = 8"][1] is found[f"{P} = 32"][1], "the same runs, on two axes"
    n_few = sum(cell.n_seeds == 1 for cell in evidence.cells)  # one seed has no interval, and is no test
    n_tests = len({id(judgement) for _, judgement in found.values()}) - n_few
    loss, judgement = found[f"{P} = 2"]
    assert judgement.p == pytest.approx(n_tests * p_apart(loss))


def test_every_point_of_figure_7_says_its_value_interval_and_seeds(row):
    def auc(config):
        return None if config.rank == 512 else 0.79 + (config.version != "base") * (0.002 + config.seed / 10_000)

    evidence = evidence_of("figure7", row, auc)
    figure = page.axes_figure(evidence).hover
    early = dict(zip(page.DRAWN, figure.data, strict=False))
    assert early[K].x == tuple(str(cell.labels["value"]) for cell in evidence.labelled(axis=K))[:-1], "512 was not run"
    assert early[K].y[0] == pytest.approx(0.215)
    assert early[K].text[0] == "K = 2 (P = 32)<br>One epoch<br>Δ +0.22 ± 0.06 points, 95 % confidence, n = 2"
    assert early[K].text[-1].endswith("Δ +0.21 points, n = 1")
    assert early[K].marker.symbol[-1] == "x"
    assert figure.layout.xaxis2.categoryarray[-1] == "512"


def test_our_own_questions_and_runs_that_came_later_are_marked(row):
    evidence = evidence_of("figure7", row, lambda config: 0.8)
    ranges = page.ranges_table(evidence)
    assert [text.endswith(" (ours)\u00a0*") for text in ranges.data["Appendix E"]] == [False] * 7 + [True] * 3
    assert ranges.caption.endswith(" * Added when most rows were known.")
    added = page.axis_table(evidence, page.P_NOT_DAMPED, "one_epoch").data["Added"]
    assert list(added) == ["", DAMPED_BASE.registered, *["when the other P were known"] * 3]
    assert not any(page.axis_table(evidence, P, "one_epoch").data["Added"][2:])
