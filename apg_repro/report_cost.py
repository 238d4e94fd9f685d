"""How costs are shown and judged: times, and what is counted. Imports no torch.

A timing is shown as its median; in brackets the 10th and the 90th percentile. Ratios are taken round by round.
"""

import math
from typing import Any

from apg_repro.report import Panel
from apg_repro.suites import cost_verdict


def cases(panel: Panel) -> dict[str, dict[str, Any]]:
    """The rows of a suite by their case."""
    return {row["case"]: row for row in panel.measured}


def between(values: dict[str, float], scale: float = 1.0) -> str:
    """A median and, in brackets, the 10th and the 90th percentile."""
    low, middle, high = (rounded(scale * values[name]) for name in ("p10", "p50", "p90"))
    return f"{middle} ({low}–{high})"


def rounded(value: float) -> str:
    """A number as it stands on a page: no digits after the point from 100 on, one from 10, two from 0.1, else three."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{value:,.{digits}f}"


def judge(panel: Panel, ratio: dict[str, float], expected: float) -> str:
    """The verdict on a ratio to base; "" for base itself, without a number of the paper, and in the quick profile."""
    if math.isnan(expected) or expected == 1 or not panel.is_result:
        return ""
    return cost_verdict(ratio["p10"], ratio["p90"], expected, dearer=expected > 1)


def exactly(ratio: float) -> dict[str, float]:
    """What is counted, as a spread of width 0."""
    return {"p10": ratio, "p50": ratio, "p90": ratio}
