"""Figures that several pages share. Imports no torch.

AUC in percent, differences in points, intervals of 95 % over seeds: see ``report/tables.py``.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from apg_repro.config import PROTOCOLS
from apg_repro.report.comparison import compare, paper_auc
from apg_repro.report.tables import PROTOCOL_TITLES, marked
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.row import TrainedRow

Arguments = ParamSpec("Arguments")


def drawn(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Gives a figure the look of all others, and leaves it to the notebook to display it, once."""

    @functools.wraps(draw)
    def figure(*args: Arguments.args, **options: Arguments.kwargs) -> Figure:
        sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
        plt.rcParams |= {"figure.dpi": 110, "savefig.bbox": "tight", "figure.constrained_layout.use": True}
        fig = draw(*args, **options)
        plt.close(fig)
        return fig

    return figure


def colours(evidence: Evidence) -> dict[tuple[str, str], Any]:
    """One colour per cell, the same in every figure of a suite."""
    keys = [cell.key for cell in evidence.cells]
    return dict(zip(keys, sns.color_palette("husl" if len(keys) > 10 else "colorblind", len(keys)), strict=True))


def not_run(axis: Axes, text: str = "not run") -> None:
    """Says so in empty axes."""
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, color="0.4")
    axis.set(xticks=[], yticks=[])


def curve(row: TrainedRow) -> list[float]:
    """Validation AUC of a run by epoch, in percent; NaN where there was none."""
    return [math.nan if (auc := entry["valid_auc"]) is None else 100 * auc for entry in row.history]


@drawn
def differences_figure(evidence: Evidence) -> Figure:
    """Δ AUC against each cell's reference: our mean and 95 % interval, each seed, and the paper's number.

    One column of axes per protocol.
    """
    cells = [cell for cell in evidence.cells if cell.against]
    palette = colours(evidence)
    fig, axes = plt.subplots(
        1, len(PROTOCOLS), figsize=(8.5, 1.4 + 0.42 * len(cells)), sharex=True, sharey=True, squeeze=False
    )
    for axis, protocol in zip(axes[0], PROTOCOLS, strict=True):
        lines = compare(evidence, protocol)
        for place, cell in enumerate(cells):
            ours, printed = lines[cell.key].difference, lines[cell.key].paper_difference
            axis.plot(printed, place, "D", color="black", ms=6, label="paper" if place == 0 else None)  # NaN: none
            paired = evidence.differences(cell, protocol)
            axis.plot(paired, [place + 0.18] * len(paired), ".", color=palette[cell.key], alpha=0.5, ms=5)
            if ours.n:
                axis.errorbar(ours.mean, place, xerr=ours.half, fmt="o", color=palette[cell.key], capsize=4, lw=2)
        axis.axvline(0, color="black", lw=1)
        axis.set_title(PROTOCOL_TITLES[protocol])
        axis.set_xlabel("Δ test AUC, points")
        axis.set_yticks(range(len(cells)), [marked(evidence.label(cell), cell.registered) for cell in cells])
    axes[0][0].invert_yaxis()
    if any(not math.isnan(paper_auc(evidence, cell)) for cell in cells):
        axes[0][0].legend(loc="best", frameon=True)
    return fig


@drawn
def epochs_figure(evidence: Evidence) -> Figure:
    """Validation AUC by epoch: a line for the mean over seeds while all go on, a band from lowest to highest."""
    fig, axis = plt.subplots(figsize=(8, 4))
    palette = colours(evidence)
    for cell in evidence.cells:
        rows = evidence.found(cell, "early_stopping") or evidence.found(cell, "one_epoch")
        runs = [curve(row) for row in rows]
        if not runs:
            continue
        depth = min(map(len, runs))
        curves = np.array([run[:depth] for run in runs])
        epochs = np.arange(1, depth + 1)
        colour = palette[cell.key]
        label = f"{marked(evidence.label(cell), cell.registered)} (n = {len(runs)})"
        axis.plot(epochs, curves.mean(0), "o-", color=colour, label=label)
        axis.fill_between(epochs, curves.min(0), curves.max(0), color=colour, alpha=0.2, lw=0)
        for run in runs:
            if len(run) > depth:
                axis.plot(np.arange(depth, len(run) + 1), run[depth - 1 :], color=colour, lw=0.7, alpha=0.6)
    axis.set(xlabel="epoch", ylabel="validation AUC, percent")
    if not axis.lines:
        not_run(axis)
        return fig
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="lower right", frameon=True)
    return fig
