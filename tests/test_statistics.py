"""Estimates and the rule of verdicts."""

import gc
import math

import pytest
from scipy import stats

from apg_repro.report.statistics import (
    Estimate,
    alike,
    count,
    estimate,
    holm,
    judge,
    judge_family,
    p_apart,
    p_within,
    pool,
    sides_after_holm,
    verdict,
)


def test_estimate_is_mean_and_students_interval():
    found = estimate([1.0, 2.0, 4.0])
    assert found.mean == pytest.approx(7 / 3)
    assert found.half == pytest.approx(4.302653 * math.sqrt(7 / 3) / math.sqrt(3), rel=1e-5)
    assert (found.low, found.high) == pytest.approx((found.mean - found.half, found.mean + found.half))


def test_one_value_has_no_interval_and_none_has_no_mean():
    one, none = estimate([1.0]), estimate([])
    assert (one.mean, one.n) == (1.0, 1)
    assert math.isnan(one.half)
    assert one.error_bar == 0
    assert not one.is_above
    assert math.isnan(none.mean)
    assert none.n == 0


def test_an_interval_is_above_or_below_0_only_if_all_of_it_is():
    assert Estimate(mean=0.3, half=0.2, n=5).is_above
    assert Estimate(mean=-0.3, half=0.2, n=5).is_below
    wide = Estimate(mean=0.3, half=0.4, n=5)
    assert not wide.is_above
    assert not wide.is_below


EDGE = 1e-9


@pytest.mark.parametrize(
    ("low", "mean", "high", "word"),
    [
        (EDGE, 0.1, 0.2, "reproduced"),
        (0.05, 0.1 - EDGE, 0.15 - 2 * EDGE, "direction only"),
        (EDGE, 0.02, 0.04, "direction only"),  # also where all of it lies within the margin
        (0.0, 0.04, 0.08, "no difference"),  # not above 0
        (0.0, 0.3, 0.6, "undecided"),
        (-0.1 + EDGE, 0.0, 0.1 - EDGE, "no difference"),
        (-0.1, 0.0, 0.1, "undecided"),
        (-0.08, -0.04, -EDGE, "no difference"),  # below 0, but within the margin
        (-0.1, -0.06, -0.02, "contradicted"),
        (-0.6 + EDGE, -0.3, -EDGE, "contradicted"),
        (-0.6, -0.3, 0.0, "undecided"),
        (-0.2, 0.05, 0.3, "undecided"),
        (math.nan, 0.3, math.nan, "undecided"),  # one seed
        (math.nan, math.nan, math.nan, "undecided"),  # a run without AUC
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_rule_at_every_border_on_either_side_of_0(low, mean, high, word, sign):
    assert math.isnan(low) or high - mean == pytest.approx(mean - low)
    found = Estimate(mean=sign * mean, half=mean - low, n=5)
    assert verdict(found, sign * 0.4) == word


def test_without_a_run_there_is_no_verdict():
    assert verdict(estimate([]), 0.4) == judge(estimate([]), math.nan).word == "not run"


def test_the_margin_moves_the_borders():
    found = Estimate(mean=0.15, half=0.1, n=5)
    assert [verdict(found, 1.0, margin) for margin in (0.0, 0.15, 0.2)] == [
        "reproduced",
        "reproduced",
        "direction only",
    ]
    level = Estimate(mean=0.0, half=0.12, n=5)
    assert [verdict(level, 1.0, margin) for margin in (0.1, 0.15)] == ["undecided", "no difference"]


@pytest.mark.parametrize(
    ("mean", "half", "n", "word"),
    [
        (0.04, 0.05, 5, "reproduced"), (-0.04, 0.05, 5, "reproduced"), (0.06, 0.05, 5, "undecided"),
        (0.3, 0.15, 5, "contradicted"), (-0.3, 0.15, 5, "contradicted"), (0.3, 0.25, 5, "undecided"),
        (0.0, math.nan, 1, "undecided"), (math.nan, math.nan, 0, "not run"),
    ],
)  # fmt: skip
def test_alike_is_an_equivalence(mean, half, n, word):
    assert alike(Estimate(mean=mean, half=half, n=n)) == word


def test_nothing_is_judged_where_the_paper_claims_nothing():
    found = Estimate(mean=0.3, half=0.1, n=5)
    assert judge(found, 0.4).word == "reproduced"
    for nothing in (math.nan, 0.0):
        judgement = judge(found, nothing)
        assert judgement.text == judgement.corrected_word == ""
        assert math.isnan(judgement.p)


def test_the_corrected_interval_has_the_variance_of_nadeau_and_bengio():
    """1/5 + 1/8 in place of 1/5."""
    found = estimate([0.1, 0.2, 0.3, 0.25, 0.15])
    assert found.corrected.half == pytest.approx(found.half * math.sqrt((1 / 5 + 1 / 8) / (1 / 5)))
    assert found.corrected.mean == found.mean


def test_a_verdict_that_the_corrected_interval_would_change_is_marked():
    near, far = Estimate(mean=0.3, half=0.25, n=5), Estimate(mean=0.3, half=0.2, n=5)
    assert (judge(near, 1.0).word, judge(near, 1.0).corrected_word) == ("reproduced", "undecided")
    assert judge(near, 1.0).text == "reproduced ‡"
    assert judge(far, 1.0).text == "reproduced"


def test_p_is_that_of_the_interval():
    """0.05 where an interval of 95 % ends at the bound; that of scipy's t-test otherwise."""
    assert p_apart(Estimate(mean=0.3, half=0.3, n=5)) == pytest.approx(0.05)
    assert p_within(Estimate(mean=0.03, half=0.07, n=5)) == pytest.approx(0.05)
    values = [0.1, 0.2, 0.3, -0.05, 0.15]
    assert p_apart(estimate(values)) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_holm_within_a_family_marks_what_does_not_survive():
    """Of p = 0.01, 0.02 and 0.04: times 3, times 2, and once; each at least the one before it."""
    family = {p: (with_p(p), 1.0) for p in (0.01, 0.04, 0.02)}
    judged = judge_family(family)
    assert [judged[p].p for p in family] == pytest.approx([0.03, 0.04, 0.04])
    assert all(one.survives for one in judged.values())
    judged = judge_family({**family, 0.9: (with_p(0.9), 1.0)})
    assert [judged[p].survives for p in (0.01, 0.02, 0.04)] == [True, False, False]
    assert judged[0.02].marks.startswith("†")
    assert judge(with_p(0.04), 1.0).survives  # one test of its own
    assert count(list(judged.values())) == {"reproduced": 1, "reproduced †": 2, "undecided": 1}


def test_the_correction_leaves_the_garbage_collector_as_it_was():
    """While statsmodels corrects, all objects are frozen: it collects garbage each time."""
    assert holm({"a": 0.01, "b": 0.04, "none": math.nan})["b"] == pytest.approx(0.04)
    assert gc.get_freeze_count() == 0


def with_p(p, mean=0.2):
    """A difference of five seeds whose t-test has this p."""
    error = mean / float(stats.t.isf(p / 2, 4))
    return Estimate(mean=mean, half=error * float(stats.t.ppf(0.975, 4)), n=5)


def test_what_has_no_claim_or_no_interval_is_no_test_of_the_family():
    others = {"none": (with_p(0.9), math.nan), "one seed": (estimate([0.1]), 1.0), "not run": (estimate([]), 1.0)}
    judged = judge_family({"only": (with_p(0.04), 1.0), **others})
    assert judged["only"].p == pytest.approx(0.04)
    assert [judged[name].text for name in others] == ["", "undecided", "not run"]


def test_no_difference_is_tested_by_its_own_test():
    level = Estimate(mean=0.0, half=0.09, n=5)
    judged = judge_family(dict.fromkeys(range(2), (level, 1.0)))
    assert judged[0].word == "no difference"
    assert judged[0].p == pytest.approx(min(1, 2 * p_within(level)))
    assert not judged[0].survives
    assert judge(level, 1.0).survives


def test_sides_go_by_the_test_of_no_difference_whatever_the_word():
    """Both are "no difference" at the margin; one is behind 0 beyond doubt, the other by chance among six."""
    clear, by_chance = Estimate(mean=-0.08, half=0.015, n=10), Estimate(mean=-0.03, half=0.028, n=10)
    assert judge(clear, 1.0).word == judge(by_chance, 1.0).word == "no difference"
    family = {"clear": clear, "by chance": by_chance} | {str(n): with_p(0.9) for n in range(4)}
    sides = sides_after_holm(family | {"one seed": estimate([0.1])})
    assert {name: side for name, side in sides.items() if side} == {"clear": -1}


def test_data_sets_are_pooled_with_their_heterogeneity():
    """Paule and Mandel's variance solves Q = k − 1; equal errors give the plain mean and its t-interval."""
    sets = [Estimate(mean=mean, half=0.05, n=5) for mean in (0.1, 0.2, 0.3)]
    found = pool(sets)
    assert (found.mean, found.n_sets) == (pytest.approx(0.2), 3)
    assert found.half == pytest.approx(estimate([0.1, 0.2, 0.3]).half, rel=1e-4)
    assert found.tau == pytest.approx(math.sqrt(0.01 - sets[0].error ** 2), rel=1e-3)
    assert found.i2 == pytest.approx(1 - sets[0].error ** 2 / 0.01, rel=1e-3)
    assert pool(sets[:1]) is None
    assert pool([sets[0], estimate([]), estimate([0.3])]) is None


def test_data_sets_that_agree_by_chance_do_not_make_the_interval_narrower_than_their_errors():
    same = pool([Estimate(mean=0.2, half=0.05, n=5)] * 3)
    assert (same.tau, same.i2) == (0, 0)
    assert same.half == pytest.approx(
        float(stats.t.ppf(0.975, 2)) * Estimate(mean=0.2, half=0.05, n=5).error / math.sqrt(3)
    )
