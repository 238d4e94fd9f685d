"""Figures from rows of the store, those that several pages have. Imports no torch.

AUC in percent, differences in points, intervals of 95 % over seeds: see ``report``.
"""

import math
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from apg_repro.report import PROTOCOL_TITLES, Panel, comparison, percent, printed_auc
from apg_repro.suites import PROTOCOLS


def style() -> None:
    """The look of every figure."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    plt.rcParams |= {"figure.dpi": 110, "savefig.bbox": "tight", "figure.constrained_layout.use": True}


def colours(panel: Panel) -> dict[tuple[str, str], Any]:
    """One colour a cell, the same in every figure of a suite."""
    names = [cell.name for cell in panel.cells]
    return dict(zip(names, sns.color_palette("husl" if len(names) > 10 else "colorblind", len(names)), strict=True))


def not_run(axis: Axes, text: str = "not run") -> None:
    """Says so in an empty panel."""
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, color="0.4")
    axis.set(xticks=[], yticks=[])


def differences_figure(panel: Panel) -> Figure:
    """Δ AUC against each cell's reference: our mean and 95 % interval, each seed, and the paper's number.

    One panel a protocol.
    """
    style()
    cells = [cell for cell in panel.cells if cell.against]
    palette = colours(panel)
    fig, axes = plt.subplots(
        1, len(PROTOCOLS), figsize=(8.5, 1.4 + 0.42 * len(cells)), sharex=True, sharey=True, squeeze=False
    )
    for axis, protocol in zip(axes[0], PROTOCOLS, strict=True):
        lines = comparison(panel, protocol)
        for place, cell in enumerate(cells):
            ours, printed = lines[cell.name].difference, lines[cell.name].paper_difference
            axis.plot(printed, place, "D", color="black", ms=6, label="paper" if place == 0 else None)  # NaN: none
            paired = panel.differences(cell, protocol)
            axis.plot(paired, [place + 0.18] * len(paired), ".", color=palette[cell.name], alpha=0.5, ms=5)
            if ours.n:
                axis.errorbar(ours.mean, place, xerr=ours.half, fmt="o", color=palette[cell.name], capsize=4, lw=2)
        axis.axvline(0, color="black", lw=1)
        axis.set_title(PROTOCOL_TITLES[protocol])
        axis.set_xlabel("Δ test AUC, points")
        axis.set_yticks(range(len(cells)), [panel.label(cell) for cell in cells])
    axes[0][0].invert_yaxis()
    if any(not math.isnan(printed_auc(panel, cell)) for cell in cells):
        axes[0][0].legend(loc="best", frameon=True)
    plt.close(fig)  # the notebook displays it, once
    return fig


def epochs_figure(panel: Panel) -> Figure:
    """Validation AUC by epoch: a line for the mean over seeds while all go on, a band from lowest to highest."""
    style()
    fig, axis = plt.subplots(figsize=(8, 4))
    palette = colours(panel)
    for cell in panel.cells:
        rows = panel.found(cell, "early_stopping") or panel.found(cell, "one_epoch")
        runs = [[percent(entry["valid_auc"]) for entry in row["history"]] for row in rows]
        if not runs:
            continue
        depth = min(map(len, runs))
        curves = np.array([run[:depth] for run in runs])
        epochs = np.arange(1, depth + 1)
        colour = palette[cell.name]
        axis.plot(epochs, curves.mean(0), "o-", color=colour, label=f"{panel.label(cell)} (n = {len(runs)})")
        axis.fill_between(epochs, curves.min(0), curves.max(0), color=colour, alpha=0.2, lw=0)
        for run in runs:
            if len(run) > depth:
                axis.plot(np.arange(depth, len(run) + 1), run[depth - 1 :], color=colour, lw=0.7, alpha=0.6)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="epoch", ylabel="validation AUC, percent")
    axis.legend(loc="lower right", frameon=True)
    plt.close(fig)
    return fig
