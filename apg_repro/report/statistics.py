"""Estimates over seeds, and the rule of verdicts on differences of AUC. Imports no torch.

AUC in percent, differences in AUC points.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

Verdict = Literal["reproduced", "direction only", "not reproduced", "not run"]

THRESHOLD = 0.1  # AUC points: "0.1% absolute AUC gain is regarded as significant" (footnote 3)
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds and the half-width of its 95 % confidence interval, NaN below two seeds."""

    mean: float
    half: float
    n: int

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.mean + self.half

    @property
    def is_above(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 0

    @property
    def is_below(self) -> bool:
        """Whether the interval lies below 0."""
        return self.high < 0

    @property
    def error_bar(self) -> float:
        """The half-width as figures draw it: none where there is no interval."""
        return 0.0 if math.isnan(self.half) else self.half


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % confidence interval (Student's t); NaN if a value is."""
    n = len(values)
    if n == 0:
        return Estimate(mean=math.nan, half=math.nan, n=0)
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) if n > 1 else math.nan
    half = float(quantile * np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    return Estimate(mean=float(np.mean(values)), half=half, n=n)


def verdict(difference: Estimate, expected: float) -> Verdict:
    """The rule for a difference of AUC, in points.

    *Reproduced*: its 95 % confidence interval lies beyond 0 on the paper's side, and its mean is at least
    ``THRESHOLD``. *Direction only*: beyond 0, but smaller. *Not reproduced*: anything else. *Not run*: without a run.

    Args:
        difference: ours.
        expected: the paper's difference; its sign says on which side of 0 ours should be.
    """
    if difference.n == 0:
        return "not run"
    sign = math.copysign(1, expected)
    if not sign * difference.mean - difference.half > 0:  # also when it is NaN
        return "not reproduced"
    return "reproduced" if sign * difference.mean >= THRESHOLD else "direction only"


def judge(difference: Estimate, expected: float) -> str:
    """The verdict on a difference; "" where the paper claims none."""
    if difference.n and (math.isnan(expected) or expected == 0):
        return ""
    return verdict(difference, expected)
