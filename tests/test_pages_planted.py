"""Planted truth on its page: recomputed here by hand from rows."""

import math

import pytest

from apg_repro.config import RunConfig
from apg_repro.pages.planted import (
    contenders_table,
    cut_off,
    lesson,
    point,
    points,
    reach_table,
    sentences,
    sweeps_figure,
    verdicts_table,
)
from apg_repro.report import Panel
from apg_repro.suites import CENTRE, CONTROLS, PLANTED, SUITES, SWEEPS, Plan

SUITE = SUITES["planted"]
ALIKE = SWEEPS["heterogeneity"][0]
BEST = {1: 0.76, 2: 0.77, 3: 0.75}  # by seed: on its test rows
BASE = {1: 0.74, 2: 0.75, 3: 0.73}
GAINS = {  # of each contender in every seed but the last, which has a thousandth more
    "wide base": 0.001, "APG, shuffled groups": -0.001, "APG, one group": 0.002, "APG by group": 0.008,
    "APG by group, static_bias": 0.009, "APG, self-wise": 0.004, "Star by group": -0.002,
}  # fmt: skip


def panel_of(row, setting=CENTRE, profile="full", gains=GAINS, lacking=(), best=BEST):
    """A setting with three seeds, the same gains under both protocols."""
    plan = Plan(profile=profile, dataset=setting.name, seeds=(1, 2, 3))
    pool = {}
    for cell in SUITE.cells(plan):
        for seed, base in BASE.items():
            if (cell.variant, seed) in lacking:
                continue
            auc = base + gains.get(cell.variant, 0) + (0.001 * (seed == 3) if cell.against else 0)
            config = SUITE.config(plan, cell, seed)
            values = (
                row | config.as_dict() | {"id": config.id, "one_epoch_test_auc": auc, "early_stopping_test_auc": auc}
            )
            if cell.variant == "base":
                known = {"best_auc": best[seed], "blind_auc": 0.7}
                values["observed"] = {"one_epoch": known, "early_stopping": known}
            pool[RunConfig.of_row(values).key] = values
    return Panel(suite=SUITE, plan=plan, pool=pool)


def test_the_gap_and_the_gains_are_taken_seed_by_seed(row):
    found = point(panel_of(row), "one_epoch")
    assert found.gap.mean == pytest.approx(2.0)
    assert found.gap.half == pytest.approx(0.0, abs=1e-9), "2 points in every seed, though the AUCs differ"
    assert found.gains["APG by group"].mean == pytest.approx((0.8 + 0.8 + 0.9) / 3)
    assert found.over["APG, one group"].mean == pytest.approx(0.6)
    assert set(found.over) == set(CONTROLS)


def test_a_share_is_the_gain_in_percent_of_the_gap(row):
    found = point(panel_of(row), "early_stopping")
    gain, share = found.gains["APG by group"], found.share("APG by group")
    assert (share.mean, share.half) == pytest.approx((100 * gain.mean / 2, 100 * gain.half / 2))


def test_where_there_is_nothing_to_gain_there_is_no_share(row):
    found = point(panel_of(row, best={seed: auc + 0.0009 for seed, auc in BASE.items()}), "one_epoch")
    assert found.gap.mean == pytest.approx(0.09)
    assert found.share("APG by group").n == 0


def test_a_seed_without_its_base_counts_nowhere(row):
    found = point(panel_of(row, lacking={("base", 2)}), "one_epoch")
    assert found.gap.n == found.gains["wide base"].n == 2
    assert found.over["wide base"].n == 3


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ({}, "specific"),
        ({"APG, one group": 0.006}, "partly specific"),
        ({"APG, shuffled groups": 0.009}, "not specific"),
        ({"APG by group": -0.008}, "no gain"),
    ],
)
def test_the_verdict_follows_the_rule(row, gains, verdict):
    found = point(panel_of(row, gains=GAINS | gains), "one_epoch")
    assert found.verdict == verdict
    assert any(verdict in text for text in sentences({CENTRE: found}))


def test_there_is_no_verdict_before_apg_and_all_controls_were_run(row):
    lacking = {("APG, one group", seed) for seed in BASE}
    assert point(panel_of(row, lacking=lacking), "one_epoch").verdict == "not run"
    assert point(panel_of(row, lacking={("APG by group", seed) for seed in BASE}), "one_epoch").verdict == "not run"


def test_settings_without_rows_are_left_out_and_the_centre_comes_first(row):
    empty = Panel(suite=SUITE, plan=Plan(profile="full", dataset="planted-h50-g5-n0", seeds=(1,)), pool={})
    assert list(points([panel_of(row, ALIKE), empty, panel_of(row)], "one_epoch")) == [CENTRE, ALIKE]


def test_the_sentences_name_the_settings_in_which_apg_pays_and_in_which_it_costs(row):
    worse = panel_of(row, PLANTED["planted-h50-g500-n0"], gains=GAINS | {"APG by group": -0.008})
    text = lesson([panel_of(row), panel_of(row, ALIKE, gains=GAINS | {"APG by group": 0.0}), worse]).data
    assert "At the centre base lacks 2.00 points" in text
    assert "Where all groups are alike: no gain." in text
    assert "better than base by at least 0.1 points, the interval beyond 0, in the centre." in text
    assert "worse than base, the interval below 0, in 500 groups." in text
    assert lesson([panel_of(row, ALIKE)]).data == "<p>The centre was not run.</p>"


def test_a_quick_number_gets_no_verdict_and_no_sentence(row):
    quick = panel_of(row, profile="quick")
    assert "specific" not in verdicts_table([quick], "one_epoch").data
    assert lesson([quick]).data == "<p>A quick run decides nothing.</p>"


def test_runs_that_the_limit_of_epochs_stopped_are_counted(row):
    panel = panel_of(row)
    for found in panel.pool.values():
        late = found["variant"] == "APG, one group" and found["seed"] == 3
        found |= {"max_epochs": 20, "patience": 3, "early_stopping_epoch": 18 if late else 17}
    assert "limit of 20 epochs while they may have been rising: 1 of 3 runs of APG, one group." in cut_off([panel]).data
    for found in panel.pool.values():
        found["early_stopping_epoch"] = 17
    assert "No run" in cut_off([panel]).data


def test_tables_and_figure_show_the_shares_of_every_contender(row):
    panels = [panel_of(row), panel_of(row, ALIKE)]
    table = verdicts_table(panels, "one_epoch").data
    assert "<td>42 ± 7 %</td>" in table
    assert '<span class="apg-verdict apg-specific">specific</span>' in table
    assert "<td>76.00</td><td>70.00</td><td>2.00 ± 0.00</td><td>2.00 ± 0.00</td>" in reach_table(panels).data
    assert contenders_table(panels, "one_epoch").data.count("<th>") == 1 + len(GAINS)
    figure = sweeps_figure(panels)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(GAINS)
    axis = figure.axes[0]
    lines = {bars.get_label(): bars.lines[0] for bars in axis.containers}
    assert lines["APG by group"].get_ydata() == pytest.approx([125 / 3, 125 / 3])
    assert not any(math.isnan(limit) for limit in axis.get_ylim())
    assert not sweeps_figure([]).legends[0].get_texts()
