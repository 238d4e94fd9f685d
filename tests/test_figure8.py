"""Figure 8's page: recomputed here by hand from rows."""

import math

import pytest

from apg_repro.experiments import get_suite
from apg_repro.experiments.figure8 import page
from apg_repro.report.tables import MISSING
from apg_repro.rows.evidence import Evidence
from tests.conftest import FULL, evidence_of


def observing(gain_of_groups):
    """What is observed of groups: APG gains so much AUC in each."""

    def extra(config):
        gain = gain_of_groups if config.version == "v5" else [0.0] * len(gain_of_groups)
        n = len(gain)
        seen = {
            "auc": [0.7 + config.seed / 100 + more for more in gain], "top_rate": [0.5] * n,
            "rows": [10] * (n - 1) + [110], "users": [5] * n, "train_rows": [1.0] * n,
        }  # fmt: skip
        return {"observed": {"one_epoch": seen, "early_stopping": seen | {"auc": [None] * n}}}

    return extra


def test_without_rows_every_line_and_every_pair_of_axes_says_not_run():
    empty = Evidence(suite=get_suite("figure8"), plan=FULL)
    table = page.rare_users_table(empty).data
    assert set(table["Difference"]) == set(table["Rarest users"]) == {MISSING}
    assert list(table["Verdict"]) == ["not run", "", "not run", ""]
    assert list(page.groups_table(empty).data["Group"]) == ["not run"]
    written = [[text.get_text() for text in axis.texts] for axis in page.gains_figure(empty).axes]
    assert written == [["not run"]] * 4
    assert len(page.share(empty, "one_epoch")) == 0


def test_rare_users_gain_more_by_the_difference_of_the_outermost_groups(row):
    evidence = evidence_of("figure8", row, lambda config: 0.8, observing([0.02, *[0.01] * 8, 0.005]))
    assert page.gain(evidence, "one_epoch", "auc", page.RAREST).mean == pytest.approx(2)
    assert page.gain(evidence, "one_epoch", "auc", page.MOST_FREQUENT).mean == pytest.approx(0.5)
    assert page.rare_over_frequent(evidence, "one_epoch", "auc").mean == pytest.approx(1.5)
    assert page.share(evidence, "one_epoch") == pytest.approx([5] * 9 + [55])
    assert math.isnan(page.gain(evidence, "early_stopping", "auc", page.RAREST).mean)
    verdicts = page.rare_users_table(evidence).data.set_index(["Protocol", "Gain in"])["Verdict"]
    assert verdicts["one epoch", "AUC"] == "reproduced"
    assert verdicts["early stopping", "AUC"] == "undecided"
    assert verdicts["one epoch", "positives in top tenth"] == "", "the claim is about AUC"


def test_what_smaller_steps_give_is_told_apart(row):
    """APG gains 2 points more for the rarest users, damped base 1.5 of them."""

    def extra(config):
        gain = 0.02 if config.version == "v5" else 0.015 if config.base_damping else 0.0
        seen = {"auc": [0.7 + config.seed / 100 + gain, 0.8], "top_rate": [0.5, 0.5], "rows": [1, 1]}
        return {"observed": {"one_epoch": seen, "early_stopping": seen}}

    evidence = evidence_of("figure8", row, lambda config: 0.8, extra)
    found = [page.rare_over_frequent(evidence, "early_stopping", "auc", *pair).mean for pair in page.PAIRS]
    assert found == pytest.approx([2, 1.5, 0.5])
    assert list(page.steps_table(evidence).data["Δ"]) == ["APG − base", "damped base − base", "APG − damped base"]
    (text,) = page.main_points([evidence])
    assert "damped base has +1.50 ± 0.00 over base itself, and APG +0.50 ± 0.00 over damped base" in text
    assert page.main_points([Evidence(suite=get_suite("figure8"), plan=FULL)]) == []


def test_as_many_groups_are_shown_as_the_rows_have(row):
    evidence = evidence_of("figure8", row, lambda config: 0.8, observing([0.02, 0.01, 0.005]))
    assert list(page.groups_table(evidence).data["Group"]) == [0, 1, 2]
    assert len(page.gains(evidence, "one_epoch", "auc")) == 3
    assert list(page.gains_figure(evidence).axes[0].get_xticks()) == [0, 1, 2]
