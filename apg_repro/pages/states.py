"""Figure 6: the generated S in the plane, and how much of it the kind of item explains."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.figure import Figure

from apg_repro.figures import not_run, style
from apg_repro.report import MISSING, Panel, as_html, where
from apg_repro.suites import Cell, Protocol

SIGNIFICANT = 0.01  # of a permutation test


def figure(panel: Panel, cell: Cell, protocol: Protocol = "early_stopping") -> Figure:
    """S of every layer in its first two principal components, coloured by the kind of item; the first seed's."""
    style()
    runs = panel.observed(cell, protocol)
    if not runs:
        fig, axis = plt.subplots(figsize=(8.5, 1.5))
        axis.set_title(cell.variant)
        not_run(axis)
        plt.close(fig)
        return fig
    found = runs[min(runs)]
    group = np.array(found["group"])
    fig, axes = plt.subplots(1, len(found["layers"]), figsize=(8.5, 3.6), squeeze=False)
    palette = sns.color_palette("husl", len(found["groups"]))
    for number, (axis, layer) in enumerate(zip(axes[0], found["layers"], strict=True), 1):
        points = np.array(layer["points"])
        for kind, name in enumerate(found["groups"]):
            inside = points[group == kind]
            if len(inside):
                axis.plot(inside[:, 0], inside[:, 1], "o", ms=4, alpha=0.8, mew=0, color=palette[kind], label=name)
        first, second = (round(100 * share) for share in layer["share"])
        axis.set(title=f"layer {number}", xlabel=f"PC 1 ({first} %)", ylabel=f"PC 2 ({second} %)")
    fig.suptitle(f"{cell.variant} (seed {min(runs)})")
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize="x-small")
    plt.close(fig)
    return fig


def table(panel: Panel, protocol: Protocol = "early_stopping") -> HTML:
    """How much of the variance of S the kind of item explains, against a permutation of kinds; a line a layer."""
    lines = []
    for cell in panel.cells:
        runs = panel.observed(cell, protocol)
        if not runs:
            lines.append({"S of": cell.variant, "Seed": "not run"})
        for seed, found in runs.items():
            for number, layer in enumerate(found["layers"], 1):
                lines.append(
                    {
                        "S of": cell.variant,
                        "Seed": seed,
                        "Layer": number,
                        "Points": len(layer["points"]),
                        "In the plane": percent_text(sum(layer["share"])),
                        "Explained by kind": percent_text(layer["explained"]),
                        "By permuted kinds": percent_text(layer["permuted"]),
                        "p": MISSING if layer["p"] is None else f"{layer['p']:.3f}",
                    }
                )
    caption = f"{where(panel, protocol)}. Shares of the variance of S; p: how often permuted kinds explain as much."
    return as_html(pd.DataFrame(lines, dtype=object).fillna(""), caption)


def percent_text(share: float | None) -> str:
    """A share from 0 to 1."""
    return MISSING if share is None else f"{100 * share:.1f} %"


def grouped(panel: Panel, cells: Sequence[Cell], protocol: Protocol = "early_stopping") -> tuple[int, int]:
    """In how many layers of these cells' runs the kind explains more than permuted kinds do, and of how many."""
    layers = [
        layer
        for cell in cells
        for found in panel.observed(cell, protocol).values()
        for layer in found["layers"]
        if layer["p"] is not None
    ]
    return sum(layer["p"] < SIGNIFICANT for layer in layers), len(layers)


def outcome(panel: Panel) -> HTML:
    """In how many layers of each S the kind explains more than permuted kinds do."""
    lines = []
    for cell in panel.cells:
        above, total = grouped(panel, [cell])
        lines.append({"S of": cell.variant, "Beyond chance": f"in {above} of {total} layers" if total else "not run"})
    caption = f"{where(panel, 'early_stopping')}. Where the kind explains more than chance: p < {SIGNIFICANT}."
    return as_html(pd.DataFrame(lines), caption)
