"""Does APG learn better, or only sooner? Base and APG of Table 2, epoch by epoch."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from apg_repro.figures import not_run, style
from apg_repro.pages.backbones import AVERAGE, average
from apg_repro.report import MISSING, Estimate, Panel, as_html, percent, without_empty
from apg_repro.suites import BACKBONES, PROTOCOLS, THRESHOLD

VARIANTS = ("base", "apg")


def histories(panel: Panel, backbone: str, variant: str) -> dict[int, list[float]]:
    """Validation AUC by epoch in percent, seed by seed, of the runs that early stopping reports."""
    rows = panel.found(panel.cell(variant, backbone), "early_stopping")
    return {
        row["seed"]: [percent(entry["valid_auc"]) for entry in row["history"]]
        for row in rows
        if row["early_stopping_epoch"]
    }


def curves(panel: Panel) -> Figure:
    """Validation AUC by epoch, a panel a model: each seed, and the mean while all go on."""
    style()
    fig, axes = plt.subplots(2, 4, figsize=(8.5, 5), sharex=True)
    palette = dict(zip(VARIANTS, sns.color_palette("colorblind", len(VARIANTS)), strict=True))
    for axis, backbone in zip(axes.flat, BACKBONES, strict=False):
        for variant in VARIANTS:
            runs = list(histories(panel, backbone, variant).values())
            for run in runs:
                axis.plot(range(1, len(run) + 1), run, color=palette[variant], lw=0.7, alpha=0.5)
            if runs:
                depth = min(map(len, runs))
                mean = np.mean([run[:depth] for run in runs], axis=0)
                axis.plot(range(1, depth + 1), mean, "o-", color=palette[variant], ms=3)
        axis.set_title(backbone)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if not axis.lines:
            not_run(axis)
    for variant in VARIANTS:
        axes.flat[-1].plot([], [], "o-", color=palette[variant], label=variant)
    axes.flat[-1].legend(loc="center", frameon=False)
    axes.flat[-1].set_axis_off()
    fig.supxlabel("epoch")
    fig.supylabel("validation AUC, percent")
    plt.close(fig)
    return fig


def answer(early: Estimate, late: Estimate) -> str:
    """Better, only sooner, or neither, by the gains under the two protocols: each is above 0 if its interval is.

    *Better*: APG is above base with early stopping. *Sooner*: above it after one epoch alone; *only sooner* if the
    interval of early stopping lies below ``THRESHOLD``, so that a gain that matters is ruled out, and *at least* if it
    does not. *Neither*: else.
    """
    if not early.n or not late.n:
        return "not run"
    if late.mean > late.half:
        return "better"
    if not early.mean > early.half:
        return "neither"
    return "only sooner" if late.mean + late.half < THRESHOLD else "sooner, at least"


def table(panel: Panel) -> HTML:
    """A line a model, and one for their mean: what APG gains after one epoch and at its best, how long either trains,
    and the answer."""
    lines = []
    for title, models in {**{name: [name] for name in BACKBONES}, AVERAGE: BACKBONES}.items():
        early, late = (average(panel, protocol, "apg", models) for protocol in PROTOCOLS)
        lines.append(
            {"Model": title, "Δ, one epoch": early.signed, "Δ, early stopping": late.signed, "n": late.n}
            | (epochs(panel, title) if title in BACKBONES else {})
            | {"APG learns": answer(early, late) if panel.is_result else ""}
        )
    caption = f"{panel.data}. Δ of test AUC in points, APG against base; epochs are means over seeds."
    return as_html(without_empty(pd.DataFrame(lines).fillna("")), caption)


def epochs(panel: Panel, backbone: str) -> dict[str, str]:
    """How long either trains, and when base passes what APG has after its first epoch."""
    base, apg = (histories(panel, backbone, variant) for variant in VARIANTS)
    seeds = [seed for seed in apg if seed in base]
    return {
        "Best epoch, base": mean_text([best_epoch(base[seed]) for seed in seeds]),
        "Best epoch, APG": mean_text([best_epoch(apg[seed]) for seed in seeds]),
        "Base passes APG's first": passing([first_above(base[seed], apg[seed][0]) for seed in seeds]),
    }


def best_epoch(history: list[float]) -> int:
    """The epoch with the highest validation AUC, from 1."""
    return int(np.nanargmax(history)) + 1


def first_above(history: list[float], level: float) -> float:
    """The first epoch with a validation AUC above a level; infinity if none has."""
    return next((float(epoch) for epoch, value in enumerate(history, 1) if value > level), math.inf)


def mean_text(values: list[int]) -> str:
    return f"{np.mean(values):.1f}" if values else MISSING


def passing(epochs: list[float]) -> str:
    """In which epoch base passes what APG has after its first."""
    if not epochs:
        return MISSING
    found = [epoch for epoch in epochs if math.isfinite(epoch)]
    late = len(epochs) - len(found)
    text = f"epoch {np.mean(found):.1f}" if found else ""
    return ", ".join(filter(None, [text, f"never in {late} of {len(epochs)} seeds" if late else ""]))
