"""Planted truth on its page: recomputed here by hand from rows."""

import math
from dataclasses import replace

import pytest

from apg_repro.data.planted import CENTRE, PLANTED, SWEEPS
from apg_repro.experiments import get_suite
from apg_repro.experiments.planted.page import (
    contenders_table,
    cut_off,
    lesson,
    main_points,
    plateaus,
    point,
    points,
    reach_table,
    sentences,
    specific_verdict,
    sweeps_figure,
    verdicts_table,
)
from apg_repro.experiments.planted.plan import BY_GROUP, CONTROLS
from apg_repro.report.statistics import MARGIN, Estimate, estimate
from apg_repro.report.tables import badge
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Plan, configure
from tests.conftest import scores

SUITE = get_suite("planted")
ALIKE = SWEEPS["heterogeneity"][0]
BEST = {1: 0.76, 2: 0.77, 3: 0.75}  # by seed: on its test rows
BASE = {1: 0.74, 2: 0.75, 3: 0.73}
GAINS = {  # of each contender in every seed but the last, which has a thousandth more
    "wide base": 0.001, "APG, shuffled groups": -0.001, "APG, one group": 0.002, "APG by group": 0.008,
    "APG by group, static start": 0.009, "APG, self-wise": 0.004, "Star by group": -0.002,
}  # fmt: skip


def setting_of(row, setting=CENTRE, profile="full", gains=GAINS, lacking=(), best=BEST, epoch=2):
    """A setting with three seeds, the same gains under both protocols.

    Args:
        lacking: cells and seeds that were not run.
        best: the best possible AUC by seed.
        epoch: with the best validation AUC: a number, or one by cell and seed, 2 for others.
    """
    plan = Plan(profile=profile, dataset=setting.name, seeds=(1, 2, 3))
    runs = {}
    for cell in SUITE.cells(plan):
        for seed, base in BASE.items():
            if (cell.name, seed) in lacking:
                continue
            auc = base + gains.get(cell.name, 0) + (0.001 * (seed == 3) if cell.against else 0)
            config = configure(plan, cell, seed)
            found = scores(auc, auc)
            found["early_stopping"] = replace(
                found["early_stopping"], epoch=epoch.get((cell.name, seed), 2) if isinstance(epoch, dict) else epoch
            )
            truth = {"best_auc": best[seed], "blind_auc": 0.7}
            observed = {"one_epoch": truth, "early_stopping": truth} if cell.name == "base" else {}
            runs[config.id] = replace(row, config=config, scores=found, observed=observed)
    return Evidence(suite=SUITE, plan=plan, runs=runs)


@pytest.mark.parametrize(
    ("gain", "over_controls", "answer"),
    [
        ((0.3, 0.4), [(0.1, 0.3), (0.1, 0.2)], "specific"),
        ((0.3, 0.4), [(0.1, 0.3), (0.1, 0.19)], "partly specific"),
        ((0.3, 0.4), [(0.1, 0.3), (-0.01, 0.3)], "undecided"),
        ((0.3, 0.4), [(0.1, 0.3), (-0.01, 0.04)], "not specific"),
        ((0.3, 0.4), [(0.1, 0.3), (-0.5, -0.3)], "not specific"),
        ((-0.01, 0.4), [(0.1, 0.3), (0.1, 0.3)], "undecided"),
        ((0.05, 0.09), [(0.1, 0.3), (0.1, 0.3)], "undecided"),
        ((0.05, 0.07), [(0.1, 0.3), (0.1, 0.3)], "no gain"),
        ((-0.5, -0.2), [(0.1, 0.3), (0.1, 0.3)], "no gain"),
        ((math.nan, 0.4), [(0.1, 0.3), (0.1, 0.3)], "undecided"),
        ((0.3, 0.4), [(0.1, 0.3), (math.nan, 0.3)], "undecided"),
    ],
)
def test_the_rule_for_specific_parameters(gain, over_controls, answer):
    """Of every difference: the lower end of its interval, and its mean."""
    found = [Estimate(mean=mean, half=mean - low, n=5) for low, mean in (gain, *over_controls)]
    assert specific_verdict(found[0], found[1:]) == answer
    without_a_control = specific_verdict(found[0], [*found[1:], estimate([0.3])])
    assert without_a_control == ("not run" if found[0].low > 0 and found[0].mean >= MARGIN else answer)
    assert specific_verdict(estimate([0.3]), found[1:]) == "not run"


def test_the_gap_and_the_gains_are_taken_seed_by_seed(row):
    found = point(setting_of(row), "one_epoch")
    assert found.gap.mean == pytest.approx(2.0)
    assert found.gap.half == pytest.approx(0.0, abs=1e-9), "2 points in every seed, though the AUCs differ"
    assert found.gains[BY_GROUP].mean == pytest.approx((0.8 + 0.8 + 0.9) / 3)
    assert found.over["APG, one group"].mean == pytest.approx(0.6)
    assert set(found.over) == set(CONTROLS)


def test_a_share_is_the_gain_in_percent_of_the_gap(row):
    found = point(setting_of(row), "early_stopping")
    gain, share = found.gains[BY_GROUP], found.share(BY_GROUP)
    assert (share.mean, share.half) == pytest.approx((100 * gain.mean / 2, 100 * gain.half / 2))


def test_where_there_is_nothing_to_gain_there_is_no_share(row):
    found = point(setting_of(row, best={seed: auc + 0.0009 for seed, auc in BASE.items()}), "one_epoch")
    assert found.gap.mean == pytest.approx(0.09)
    assert found.share(BY_GROUP).n == 0


def test_a_seed_without_its_base_counts_nowhere(row):
    found = point(setting_of(row, lacking={("base", 2)}), "one_epoch")
    assert found.gap.n == found.gains["wide base"].n == 2
    assert found.over["wide base"].n == 3


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ({}, "specific"),
        ({"APG, one group": 0.006}, "partly specific"),
        ({"APG, shuffled groups": 0.009}, "not specific"),
        ({"APG by group": 0.0005}, "undecided"),
        ({"APG by group": -0.008}, "no gain"),
    ],
)
def test_the_verdict_follows_the_rule(row, gains, verdict):
    found = point(setting_of(row, gains=GAINS | gains), "one_epoch")
    assert found.verdict == verdict
    assert any(f"<b>{verdict}</b>" in text for text in sentences({CENTRE: found}))


@pytest.mark.parametrize("name", ["APG, one group", BY_GROUP])
def test_there_is_no_verdict_before_apg_and_all_controls_were_run(row, name):
    assert point(setting_of(row, lacking={(name, seed) for seed in BASE}), "one_epoch").verdict == "not run"


def test_settings_without_rows_are_left_out_and_the_centre_comes_first(row):
    empty = Evidence(suite=SUITE, plan=Plan(profile="full", dataset="planted-h50-g5-n0", seeds=(1,)))
    assert list(points([setting_of(row, ALIKE), empty, setting_of(row)], "one_epoch")) == [CENTRE, ALIKE]


def test_the_sentences_name_the_settings_in_which_apg_pays_and_in_which_it_costs(row):
    worse = setting_of(row, PLANTED["planted-h50-g500-n0"], gains=GAINS | {"APG by group": -0.008})
    text = str(lesson([setting_of(row), setting_of(row, ALIKE, gains=GAINS | {"APG by group": 0.0}), worse]))
    assert "At the centre base lacks 2.00 points" in text
    assert "Where all groups are alike: undecided." in text
    assert "Number of groups (100 at the centre): APG costs at 500 (−0.77 ± 0.14)." in text
    assert "share of preferences, % (50 at the centre): no gain or loss is shown at 0 (+0.03 ± 0.14)." in text
    assert "Labels that" not in text
    assert str(lesson([setting_of(row, ALIKE)])) == "<p>The centre was not run.</p>"


def test_the_first_sentences_count_the_settings_in_which_it_pays_and_costs(row):
    worse = setting_of(row, PLANTED["planted-h50-g500-n0"], gains=GAINS | {"APG by group": -0.008})
    level = setting_of(row, ALIKE, gains=GAINS | {"APG by group": 0.0})
    text = str(main_points([setting_of(row), level, worse])[0])
    assert "Of 3 settings it pays in 1 and costs in 1. Where it pays, that verdict" in text
    assert "that verdict is specific in 1." in text
    assert "pays in none and costs in none" in str(main_points([setting_of(row, gains=GAINS | {BY_GROUP: 0.0})])[0])


def test_a_quick_number_gets_no_verdict_and_no_sentence(row):
    quick = setting_of(row, profile="quick")
    assert "Verdict" not in verdicts_table([quick], "one_epoch").data
    assert str(lesson([quick])) == "<p>A quick run decides nothing.</p>"


def test_runs_that_the_limit_of_epochs_stopped_are_counted(row):
    late = setting_of(row, epoch={("APG, one group", 3): 93} | {(cell, 1): 92 for cell in GAINS})
    assert "limit of 100 epochs while they may have been rising: 1 of 3 runs of APG, one group." in str(cut_off([late]))
    assert "No run" in str(cut_off([setting_of(row, epoch=92)]))


def test_tables_show_gains_and_shares_of_every_contender(row):
    found = [setting_of(row), setting_of(row, ALIKE)]
    table = verdicts_table(found, "one_epoch")
    assert table.data["of the gap"][0] == "42 ± 7 %"
    controls = ["Δ over wide base", "Δ over shuffled groups", "Δ over one group"]
    assert list(table.data.columns[-5:]) == ["n", "Δ over damped base", *controls]
    assert table.data["Δ over damped base"][0].startswith("+0.83 ± 0.14")
    assert badge("specific").html in table._repr_html_()
    assert list(reach_table(found).data.loc[0])[1:] == ["76.00", "70.00", "2.00 ± 0.00", "2.00 ± 0.00"]


def test_contenders_that_were_added_or_changed_later_are_marked(row):
    table = contenders_table([setting_of(row)], "one_epoch")
    assert list(table.data.columns[1:]) == [f"{name}\u00a0*" for name in GAINS]
    assert "* Added or changed when five seeds" in table.caption


def test_after_one_epoch_gains_are_taken_from_damped_base_where_it_is_better(row):
    better = setting_of(row, gains=GAINS | {"damped base": 0.003})
    assert point(better, "one_epoch").gains[BY_GROUP].mean == pytest.approx((0.5 + 0.5 + 0.6) / 3)
    assert point(better, "one_epoch").gap.mean == pytest.approx(1.7)
    assert point(better, "early_stopping").gains[BY_GROUP].mean == pytest.approx((0.8 + 0.8 + 0.9) / 3)


def test_a_run_that_stopped_on_a_plateau_is_named(row):
    found = setting_of(row)
    assert "0 of 27 runs end more than 0.5 points farther" in str(plateaus([found]))
    (late,) = [run for run in found.reported(found.cell(BY_GROUP), "early_stopping") if run.seed == 2]
    runs = found.runs | {late.id: replace(found.runs[late.id], scores=scores(0.758, 0.75))}
    text = str(plateaus([replace(found, runs=runs)]))
    assert "1 of 27 runs" in text
    assert "<li>APG by group, the centre, seed 2</li>" in text


def test_the_figure_has_one_line_per_contender_through_its_shares(row):
    figure = sweeps_figure([setting_of(row), setting_of(row, ALIKE)])
    (legend,) = figure.figure.legends
    assert [text.get_text().removesuffix("\u00a0*") for text in legend.get_texts()] == list(GAINS)
    axis = figure.axes[0]
    lines = {bars.get_label(): bars.lines[0] for bars in axis.containers}
    assert lines[f"{BY_GROUP}\u00a0*"].get_ydata() == pytest.approx([125 / 3, 125 / 3])
    assert not any(math.isnan(limit) for limit in axis.get_ylim())
    assert not sweeps_figure([]).figure.legends[0].get_texts()
