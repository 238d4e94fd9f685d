"""What the noise of an AUC, and of a difference, is made of. Imports no torch.

A two-way analysis of variance with one run per split and start. The mean squares give the variance of the split, of the
start, and of what neither explains by itself: a start that suits one split and not another (Searle et al., Variance
Components, 1992, Section 4.7).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import statsmodels.formula.api as smf
from statsmodels.stats.anova import anova_lm

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.grids import APG
from apg_repro.report.figures import Picture, drawn, not_run
from apg_repro.report.tables import (
    MISSING,
    PROTOCOL_HEADS,
    PROTOCOL_TITLES,
    WHEN,
    Table,
    format_p,
    format_signed,
    note_on_first_epochs,
)
from apg_repro.rows.evidence import Evidence

QUANTITIES = ("base", "v5", "v5 − base")
GAIN = QUANTITIES[-1]


@dataclass(frozen=True, kw_only=True)
class Components:
    """What the variance of a run's number is made of.

    Attributes:
        sd: of one run, in points.
        split, start, both: shares, from 0 to 1, that sum to 1; NaN where nothing varies.
        p_split, p_start: F-tests that there is no such part.
    """

    sd: float
    split: float
    start: float
    both: float
    p_split: float
    p_start: float


def crossed(evidence: Evidence, protocol: Protocol, quantity: str) -> pd.DataFrame:
    """Test AUC in percent, or the difference in points: a row per split, a column per start; empty before all ran."""
    if quantity == GAIN:
        base, v5 = (crossed(evidence, protocol, model) for model in QUANTITIES[:2])
        return v5 - base if len(base) and len(v5) else pd.DataFrame()
    cells = evidence.labelled(model=quantity)
    found = {cell.labels["start"]: evidence.by_seed(cell, protocol) for cell in cells}
    wanted = max((len(evidence.reported(cell, protocol)) for cell in cells), default=0)
    is_whole = wanted > 1 and len(found) > 1 and all(len(aucs) == wanted for aucs in found.values())
    return pd.DataFrame(found) if is_whole else pd.DataFrame()


def components(table: pd.DataFrame) -> Components:
    """The parts of the variance in a table of splits and starts; none is negative."""
    n_splits, n_starts = table.shape
    runs = table.rename_axis("split").reset_index().melt("split", var_name="start", value_name="auc")
    anova = anova_lm(smf.ols("auc ~ C(split) + C(start)", data=runs).fit())
    squares = anova["sum_sq"] / anova["df"]
    rest = float(squares["Residual"])
    split = max(0.0, (squares["C(split)"] - rest) / n_starts)
    start = max(0.0, (squares["C(start)"] - rest) / n_splits)
    total = split + start + rest
    shares = [float(part / total) if total else float("nan") for part in (split, start, rest)]
    return Components(
        sd=float(np.sqrt(total)), split=shares[0], start=shares[1], both=shares[2],
        p_split=float(anova["PR(>F)"]["C(split)"]), p_start=float(anova["PR(>F)"]["C(start)"]),
    )  # fmt: skip


def components_table(evidence: Evidence) -> Table:
    """What one run's number varies by, and how much of it is the split's, the start's and theirs together."""
    lines = [
        {"Protocol": PROTOCOL_HEADS[protocol], "Of": quantity} | line_of(crossed(evidence, protocol, quantity))
        for protocol in PROTOCOLS
        for quantity in QUANTITIES
    ]
    sizes = APG[evidence.plan.profile]
    caption = (
        f"{evidence.data.title}, WDL, v5 with K = {sizes['rank']} and P = {sizes['over']}. Standard deviation (SD) in "
        "points, and the shares of the variance; p is of F-tests. The last share is what an interval over splits would "
        "keep of its width if every split had infinitely many starts."
        f"{note_on_first_epochs(evidence, evidence.cells, 'early_stopping')}"
    )
    return Table(pd.DataFrame(lines), caption)


def line_of(table: pd.DataFrame) -> dict[str, str]:
    """What that table says of one quantity."""
    names = ("SD of a run", "split", "start", "both", "p, split", "p, start", "Interval that more starts leave", "Runs")
    if not len(table):
        return dict.fromkeys(names, MISSING)
    part = components(table)
    shares = [percent(share) for share in (part.split, part.start, part.both)]
    texts = [f"{part.sd:.3f}", *shares, format_p(part.p_split), format_p(part.p_start), percent(part.split**0.5)]
    return dict(zip(names, [*texts, str(table.size)], strict=True))


def percent(share: float) -> str:
    """A share as text."""
    return MISSING if np.isnan(share) else f"{100 * share:.0f} %"


def p_in_words(p: float) -> str:
    """A p-value as text with its letter."""
    return f"p {format_p(p)}" if format_p(p).startswith("<") else f"p = {format_p(p)}"


def main_points(found: Sequence[Evidence]) -> list[str]:
    """Whose the noise of a difference is, one sentence per data set and protocol; protocols that agree share one."""
    when: dict[str, list[str]] = {}
    for evidence in found:
        for protocol in PROTOCOLS:
            table = crossed(evidence, protocol, GAIN)
            if len(table):
                part = components(table)
                text = (
                    f"on {evidence.data.title}, {percent(part.split)} of the variance of v5 − base is the split's "
                    f"({p_in_words(part.p_split)}), {percent(part.start)} the start's ({p_in_words(part.p_start)}), "
                    f"and {percent(part.both)} the rest, which neither explains alone."
                )
                when.setdefault(text, []).append(WHEN[protocol])
    return [f"{' and '.join(protocols).capitalize()} {text}" for text, protocols in when.items()]


@drawn
def crossed_figure(evidence: Evidence) -> Picture:
    """v5 less base, split by split: one dot per start."""
    fig, axes = plt.subplots(1, len(PROTOCOLS), figsize=(8.5, 3.4), sharey=True)
    words = []
    for axis, protocol in zip(axes, PROTOCOLS, strict=True):
        table = crossed(evidence, protocol, GAIN)
        axis.set_title(PROTOCOL_TITLES[protocol])
        if not len(table):
            not_run(axis)
            continue
        for number, (start, colour) in enumerate(zip(table, sns.color_palette("colorblind"), strict=False)):
            axis.plot(range(len(table)), table[start], "osDv^"[number % 5], color=colour, label=f"start {start}")
        axis.axhline(0, color="black", lw=1)
        axis.set_xticks(range(len(table)), [f"split {split}" for split in table.index])
        axis.set_xlim(-0.5, len(table) - 0.5)
        ends = [", ".join(format_signed(value) for value in row) for row in table.to_numpy()]
        words.append(f"{PROTOCOL_TITLES[protocol]}, by split: {'; '.join(ends)}")
    axes[0].set_ylabel("v5 less base, points")
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        fig.legend(handles, labels, loc="outside upper center", ncols=len(handles), frameon=False)
    return Picture(
        fig,
        f"{evidence.data.title}. Test AUC of v5 less that of base, in points: every split with every start.",
        f"{'. '.join(words)}." if words else "Not run.",
    )


TABLES = (components_table,)
