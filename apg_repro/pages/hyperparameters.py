"""Figure 7: P, K and the layers of G."""

import math
from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.figure import Figure

from apg_repro.figures import style
from apg_repro.report import (
    PROTOCOL_TITLES,
    Estimate,
    Panel,
    as_html,
    badges,
    comparison,
    estimate,
    judge,
    shown,
    where,
)  # fmt: skip
from apg_repro.suites import PROTOCOLS, Cell, Protocol

TITLES = {"P": "P (K = 8)", "K": "K (P = 32)", "layers": "layers of G (K = 8, P = 32)"}
NOT_DAMPED = "not damped, P"
OPTIONS = {"P": "over", "K": "rank", "layers": "generator_layers", NOT_DAMPED: "over"}  # axis → what varies along it


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values of an axis that a sentence of Appendix E speaks of, and what those are said to be better than.

    Attributes:
        axis: "P", "K" or "layers". low, high: from which value on, and up to which.
        than: another range of the axis; None: base.
    """

    words: str
    axis: str
    low: int
    high: int
    than: "Range | None" = None

    def cells(self, panel: Panel) -> list[Cell]:
        """The cells of that range; base is in none."""
        return [cell for cell in on_axis(panel, self.axis) if self.low <= value(cell, self.axis) <= self.high]


SMALL_P = Range(words="APG with small P, 2 to 16, is better than base", axis="P", low=2, high=16)
SMALL_K = Range(words="APG with K from 2 to 8 is better than base", axis="K", low=2, high=8)
ONE_LAYER = Range(words="one layer of G", axis="layers", low=1, high=1)
RANGES = (
    Range(words="APG with large P, 32 to 512, is better than base", axis="P", low=32, high=512),
    SMALL_P,
    Range(words="large P is better than small P", axis="P", low=32, high=512, than=SMALL_P),
    SMALL_K,
    Range(words="large K, 16 and 32, is better than K from 2 to 8", axis="K", low=16, high=32, than=SMALL_K),
    Range(words="APG with 1 to 4 layers of G is better than base", axis="layers", low=1, high=4),
    Range(words="2 to 4 layers are better than one", axis="layers", low=2, high=4, than=ONE_LAYER),
)
WHOLE_RANK = Range(words="P of 8 and 16", axis="P", low=8, high=16)
OURS = (  # no claim of the paper: added when the rows were known
    Range(words="large P is better than P of 8 and 16, which take no rank away", axis="P", low=32, high=512,
          than=WHOLE_RANK),
    Range(words="not damped, P of 32 and 512 is better than P = 2", axis=NOT_DAMPED, low=32, high=512,
          than=Range(words="not damped, P = 2", axis=NOT_DAMPED, low=2, high=2)),
)  # fmt: skip


def on_axis(panel: Panel, axis: str) -> list[Cell]:
    """The cells along an axis, in order."""
    return [cell for cell in panel.cells if cell.variant.startswith(f"{axis} = ")]


def value(cell: Cell, axis: str) -> int:
    """Where a cell stands on its axis."""
    return cell.options[OPTIONS[axis]]


def differences(panel: Panel, part: Range, protocol: Protocol) -> list[Estimate]:
    """Of every value of a range against base, or one of the means of two ranges."""
    base = panel.cell("base")
    if part.than is None:
        pairs = [([cell], [base]) for cell in part.cells(panel)]
    else:
        pairs = [(part.cells(panel), part.than.cells(panel))]
    return [estimate(panel.between(ours, theirs, protocol)) for ours, theirs in pairs]


def verdicts(panel: Panel, part: Range, protocol: Protocol) -> list[str]:
    """On each of those differences, which should be above 0; empty in the quick profile."""
    return [judge(d, 1.0) for d in differences(panel, part, protocol)] if panel.is_result else []


def outcome(panel: Panel) -> HTML:
    """What Appendix E says of Figure 7, how many values of ours have which verdict, and what we ask besides."""
    lines = [
        {"Appendix E": part.words + (" (ours)" if part in OURS else "")}
        | {PROTOCOL_TITLES[protocol].capitalize(): badges(verdicts(panel, part, protocol)) for protocol in PROTOCOLS}
        for part in (*RANGES, *OURS)
    ]
    return as_html(pd.DataFrame(lines), f"{panel.data}. Verdicts: of each value, or of the means.")


def table(panel: Panel, axis: str, protocol: Protocol) -> HTML:
    """The AUC of every value along an axis, and its difference against base."""
    lines = comparison(panel, protocol)
    cells = [panel.cell("base"), *on_axis(panel, axis)]
    caption = f"{where(panel, protocol)}: {TITLES.get(axis, axis)}."
    return as_html(shown({cell.name: lines[cell.name] for cell in cells}), caption)


def figure(panel: Panel) -> Figure:
    """Test AUC along each axis: means and 95 % intervals, base as a band. A row a protocol."""
    style()
    fig, axes = plt.subplots(
        len(PROTOCOLS), len(TITLES), figsize=(8.5, 6), sharey="row", squeeze=False, width_ratios=(10, 10, 4)
    )
    for row, protocol in zip(axes, PROTOCOLS, strict=True):
        lines = comparison(panel, protocol)
        base = lines["WDL", "base"].ours
        for ax, axis in zip(row, TITLES, strict=True):
            ax.axhspan(base.mean - base.half, base.mean + base.half, color="0.6", alpha=0.5, lw=0)
            ax.axhline(base.mean, color="0.4", lw=1, label="base")
            cells = on_axis(panel, axis)
            for place, cell in enumerate(cells):
                ours = lines[cell.name].ours
                if math.isnan(ours.mean):
                    text, below = "diverged" if ours.n else "not run", ax.get_xaxis_transform()
                    ax.text(place, 0.02, text, rotation=90, ha="center", transform=below, color="0.4")
                half = 0 if math.isnan(ours.half) else ours.half
                ax.errorbar(place, ours.mean, yerr=half, fmt="o", color=sns.color_palette("colorblind")[0], capsize=3)
            ax.set_xticks(range(len(cells)), [str(value(cell, axis)) for cell in cells])
            ax.set_xlim(-0.5, len(cells) - 0.5)
            ax.tick_params(axis="x", labelrotation=90 if len(cells) > 5 else 0)
        row[0].set_ylabel(f"{PROTOCOL_TITLES[protocol]}\ntest AUC, percent")
    for ax, title in zip(axes[-1], TITLES.values(), strict=True):
        ax.set_xlabel(title.replace(" (", "\n("))
    axes[0][0].legend(loc="best", frameon=True)
    plt.close(fig)
    return fig
