"""Estimates and the rule of verdicts."""

import math

import pytest

from apg_repro.report.statistics import Estimate, estimate, judge, verdict


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


@pytest.mark.parametrize(
    ("near_end", "mean", "expected", "answer"),
    [
        (0.05, 0.30, +0.4, "reproduced"),
        (0.01, 0.10, +0.4, "reproduced"),
        (0.01, 0.09, +0.4, "direction only"),
        (-0.01, 0.30, +0.4, "not reproduced"),
        (float("nan"), 0.30, +0.4, "not reproduced"),
        (-0.05, -0.30, -0.4, "reproduced"),
        (-0.01, -0.09, -0.4, "direction only"),
        (0.05, 0.30, -0.4, "not reproduced"),
    ],
)
def test_the_verdict_rule(near_end, mean, expected, answer):
    assert verdict(Estimate(mean=mean, half=abs(mean - near_end), n=5), expected) == answer


def test_nothing_is_judged_where_the_paper_claims_nothing():
    found = Estimate(mean=0.3, half=0.1, n=5)
    assert judge(found, 0.4) == "reproduced"
    assert judge(found, math.nan) == judge(found, 0.0) == ""
    assert judge(estimate([]), math.nan) == "not run"
