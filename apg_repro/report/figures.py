"""Figures that several pages share. Imports no torch.

AUC in percent, differences in points, intervals of 95 % over seeds: see ``report/tables.py``.
"""

import functools
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, ParamSpec

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from apg_repro.config import PROTOCOLS, RunConfig, changed
from apg_repro.report.comparison import compare, paper_auc
from apg_repro.report.statistics import Estimate, estimate
from apg_repro.report.tables import (
    OPTION_NAMES,
    PROTOCOL_TITLES,
    format_difference,
    format_signed,
    marked,
    note_on_marks,
)
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.row import TrainedRow

if TYPE_CHECKING:
    import plotly.graph_objects as go

Arguments = ParamSpec("Arguments")


# In a figure, text and lines in these colours take the colours of the page, in the light theme and in the dark one.
INK = "#010203"
GROUND = "#fdfefd"
PAGE_COLOURS = {
    **dict.fromkeys([INK, "#000000", "#666666"], "currentColor"),
    GROUND: "var(--pst-color-background, #fff)",
}
GREY = "#808080"  # seen on both grounds
VERDICT_COLOURS = {  # near those of the badges, for both grounds
    "reproduced": "#1b7742",
    "direction only": "#b07a00",
    "no difference": "#2b5fa5",
    "contradicted": "#a32d2d",
    "undecided": "#8a919c",
}
RC_PARAMS: dict[Any, Any] = {
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": GREY,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.facecolor": GROUND,
    "legend.edgecolor": GREY,
    "grid.color": GREY,
    "grid.alpha": 0.35,
    "savefig.bbox": "tight",
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",  # text stays text: it can be searched, selected and read aloud
    "svg.hashsalt": "apg",  # the same figure is the same file
}


@dataclass(frozen=True)
class Picture:
    """A figure of a page, with what is written below it and what is read in its stead.

    Attributes:
        figure: matplotlib's; ``picture.figure.savefig(...)`` writes a file.
        caption: what is drawn.
        alt: what it shows, in words that were computed from what is drawn.
        hover: the same by plotly, where it helps to see the values of points; in JupyterLab, display it.
    """

    figure: Figure
    caption: str
    alt: str
    hover: "go.Figure | None" = None

    @property
    def axes(self) -> list[Axes]:
        """Those of the figure."""
        return self.figure.axes

    def svg(self) -> str:
        """The figure as an SVG element in the colours of the page, as wide as there is room."""
        file = io.StringIO()
        with plt.rc_context(RC_PARAMS):
            self.figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
        text = file.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r'<g id="[^"]*"', "<g", text)  # these names are not unique on a page, and nothing refers to them
        for ours, of_the_page in PAGE_COLOURS.items():
            text = text.replace(ours, of_the_page)
        head = f'<svg role="img" aria-label="{escape(self.alt)}"'
        return re.sub(r'^<svg( xmlns:xlink="[^"]*")? width="[^"]*" height="[^"]*"', rf"{head}\1", text)

    def points(self) -> str:
        """What the book's script makes plotly's figure of, if there is one."""
        if self.hover is None:
            return ""
        data = str(self.hover.to_json()).replace("<", "\\u003c")
        return f'<script type="application/json" class="apg-points">{data}</script>'

    def _repr_html_(self) -> str:
        return (
            f'<figure class="apg-figure"><div class="apg-drawing" role="region" tabindex="0" '
            f'aria-label="{escape(self.caption)}">{self.svg()}</div>'
            f"<figcaption>{escape(self.caption)}</figcaption>{self.points()}</figure>"
        )


def drawn(draw: Callable[Arguments, Picture]) -> Callable[Arguments, Picture]:
    """Gives a figure the look of all others, and leaves it to the notebook to display it, once."""

    @functools.wraps(draw)
    def picture(*args: Arguments.args, **options: Arguments.kwargs) -> Picture:
        sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
        plt.rcParams |= RC_PARAMS
        made = draw(*args, **options)
        plt.close(made.figure)
        return made

    return picture


def in_words(found: dict[str, Estimate], printed: dict[str, float] | None = None) -> str:
    """Differences in words, for a figure's alternative text: "v4 +0.20 ± 0.05 (paper +0.30)".

    Those that were not run are left out.
    """
    words = []
    for name, one in found.items():
        paper = (printed or {}).get(name, math.nan)
        if one.n:
            beside = "" if math.isnan(paper) else f" (paper {format_signed(paper)})"
            words.append(f"{name} {format_difference(one)}{beside}")
    return ", ".join(words) or "not run"


def colours(evidence: Evidence) -> dict[tuple[str, str], Any]:
    """One colour per cell, the same in every figure of a suite."""
    keys = [cell.key for cell in evidence.cells]
    return dict(zip(keys, sns.color_palette("husl" if len(keys) > 10 else "colorblind", len(keys)), strict=True))


def not_run(axis: Axes, text: str = "not run") -> None:
    """Says so in empty axes."""
    axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes, color=INK)
    axis.set(xticks=[], yticks=[])


def curve(row: TrainedRow) -> list[float]:
    """Validation AUC of a run by epoch, in percent; NaN where there was none."""
    return [math.nan if (auc := entry["valid_auc"]) is None else 100 * auc for entry in row.history]


@drawn
def differences_figure(evidence: Evidence) -> Picture:
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
    is_printed = any(not math.isnan(paper_auc(evidence, cell)) for cell in cells)
    if is_printed:
        axes[0][0].legend(loc="best", frameon=True)
    return Picture(
        fig,
        f"{evidence.data.title}. Δ test AUC of each cell in points: dots and bars are means and 95 % intervals, small "
        f"dots seeds{', diamonds the paper' if is_printed else ''}.{note_on_marks(cell.registered for cell in cells)}",
        differences_in_words(evidence),
    )


def differences_in_words(evidence: Evidence) -> str:
    """Every cell's difference under each protocol, and the paper's."""
    parts = []
    for protocol in PROTOCOLS:
        lines = {evidence.label(line.cell): line for line in compare(evidence, protocol).values() if line.cell.against}
        words = in_words(
            {name: line.difference for name, line in lines.items()},
            {name: line.paper_difference for name, line in lines.items()},
        )
        parts.append(f"Δ AUC in points, {PROTOCOL_TITLES[protocol]}: {words}.")
    return " ".join(parts)


@drawn
def epochs_figure(evidence: Evidence) -> Picture:
    """Validation AUC by epoch: a line for the mean over seeds while all go on, a band from lowest to highest."""
    fig, axis = plt.subplots(figsize=(8, 4))
    palette = colours(evidence)
    best = []
    for cell in evidence.cells:
        rows = evidence.found(cell, "early_stopping") or evidence.found(cell, "one_epoch")
        runs = [curve(row) for row in rows]
        if not runs:
            continue
        depth = min(map(len, runs))
        curves = np.array([run[:depth] for run in runs])
        epochs = np.arange(1, depth + 1)
        colour = palette[cell.key]
        mean = curves.mean(0)
        best.append(f"{evidence.label(cell)} {mean.max():.2f} after epoch {1 + int(mean.argmax())}")
        label = f"{marked(evidence.label(cell), cell.registered)} (n = {len(runs)})"
        axis.plot(epochs, mean, "o-", color=colour, label=label)
        axis.fill_between(epochs, curves.min(0), curves.max(0), color=colour, alpha=0.2, lw=0)
        for run in runs:
            if len(run) > depth:
                axis.plot(np.arange(depth, len(run) + 1), run[depth - 1 :], color=colour, lw=0.7, alpha=0.6)
    axis.set(xlabel="epoch", ylabel="validation AUC, percent")
    caption = (
        f"{evidence.data.title}. Validation AUC by epoch: lines are means over seeds, bands reach from the lowest "
        f"seed to the highest.{note_on_marks(cell.registered for cell in evidence.cells)}"
    )
    if not axis.lines:
        not_run(axis)
        return Picture(fig, caption, "Not run.")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="best", frameon=True)
    return Picture(fig, caption, f"Best validation AUC of the mean over seeds: {', '.join(best)}.")


@drawn
def beside_figure(evidence: Evidence, own: TrainedRow) -> Picture:
    """Test AUC of one run (cross) beside every cell of a suite: means, 95 % intervals, and seeds as small dots."""
    cells = [cell for cell in evidence.cells if any(evidence.found(cell, how) for how in PROTOCOLS)]
    palette = colours(evidence)
    fig, axes = plt.subplots(1, len(PROTOCOLS), figsize=(8.5, 1.8 + 0.36 * len(cells)), sharey=True, squeeze=False)
    for axis, protocol in zip(axes[0], PROTOCOLS, strict=True):
        for place, cell in enumerate(cells):
            seeds = list(evidence.by_seed(cell, protocol).values())
            ours = estimate(seeds)
            axis.plot(seeds, [place + 0.18] * len(seeds), ".", color=palette[cell.key], alpha=0.5, ms=5)
            if ours.n:
                axis.errorbar(ours.mean, place, xerr=ours.error_bar, fmt="o", color=palette[cell.key], capsize=4, lw=2)
        axis.plot(own.test_auc(protocol), len(cells), "x", color=INK, ms=9, mew=2)
        axis.set_title(PROTOCOL_TITLES[protocol])
        axis.set_xlabel("test AUC, percent")
        axis.set_yticks(range(len(cells) + 1), [*map(evidence.label, cells), "your run"])
    axes[0][0].invert_yaxis()
    words = own_in_words(evidence, own)
    return Picture(
        fig,
        f"{evidence.data.title}. The cross is your run: {described(own.config)}. {words} A single run has no interval: "
        "compare it with the small dots, each of which is one seed.",
        words,
    )


def described(config: RunConfig) -> str:
    """What of a run is not by default."""
    return (
        ", ".join(
            f"{OPTION_NAMES.get(name, name)} {value}" for name, value in changed(config).items() if name != "dataset"
        )
        or "all defaults"
    )


def own_in_words(evidence: Evidence, own: TrainedRow) -> str:
    """The AUC of a run under each protocol, and how far it is from base with the same seed."""
    parts = []
    for protocol in PROTOCOLS:
        base = evidence.by_seed(evidence.cell("base"), protocol).get(own.config.seed, math.nan)
        gap = own.test_auc(protocol) - base
        against = "" if math.isnan(gap) else f", {format_signed(gap)} points from base with seed {own.config.seed}"
        parts.append(f"{PROTOCOL_TITLES[protocol]} {own.test_auc(protocol):.2f} percent{against}")
    return f"Test AUC of your run: {'; '.join(parts)}."
