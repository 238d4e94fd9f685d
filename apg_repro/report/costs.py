"""How costs are shown and judged: times, and what is counted. Imports no torch.

A timing is shown as its median; in brackets the 10th and the 90th percentile. Ratios are taken round by round.
"""

import math
from collections.abc import Mapping
from typing import Any

from apg_repro.report.statistics import Verdict
from apg_repro.rows.evidence import Evidence

Spread = Mapping[str, float]  # {"p10", "p50", "p90"}


def measured_values(evidence: Evidence, case: str = "") -> Mapping[str, Any]:
    """What was measured in one of a suite's cases; {} if it was not."""
    return evidence.measured[case].values if case in evidence.measured else {}


def cost_verdict(low: float, high: float, expected: float, *, claims_increase: bool) -> Verdict:
    """The rule for a cost as a ratio to base's: the 10th to the 90th percentile over rounds, against the paper's ratio.

    *Reproduced*: the interval lies at or below the paper's ratio. *Direction only*: below 1. *Contradicted*: at or
    above 1. *Undecided*: anything else. Where the paper says that something costs more than base, the same from the
    other side. What is counted has no width, so it is never undecided.

    Args:
        low: the 10th percentile. high: the 90th; the same number for what is counted and not timed.
        expected: the paper's ratio.
        claims_increase: whether the claim is that it costs more.
    """
    if low >= expected if claims_increase else high <= expected:
        return "reproduced"
    if low > 1 if claims_increase else high < 1:
        return "direction only"
    return "contradicted" if (high <= 1 if claims_increase else low >= 1) else "undecided"


def judge_cost(evidence: Evidence, ratio: Spread, expected: float) -> str:
    """The verdict on a ratio to base; "" for base itself, without a number of the paper, and in the quick profile."""
    if math.isnan(expected) or expected == 1 or not evidence.is_result:
        return ""
    return cost_verdict(ratio["p10"], ratio["p90"], expected, claims_increase=expected > 1)


def exactly(ratio: float) -> Spread:
    """What is counted, as a spread of width 0."""
    return {"p10": ratio, "p50": ratio, "p90": ratio}


def format_spread(values: Spread, scale: float = 1.0) -> str:
    """A median and, in brackets, the 10th and the 90th percentile."""
    low, middle, high = (rounded(scale * values[name]) for name in ("p10", "p50", "p90"))
    return f"{middle} ({low}–{high})"


def rounded(value: float) -> str:
    """A number as pages show it: no digits after the point from 100 on, one from 10, two from 0.1, else three."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{value:,.{digits}f}"
