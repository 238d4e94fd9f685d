"""Figure 6: the generated S in the plane, and how much of it the kind of item explains. Imports no torch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import seaborn as sns

from apg_repro.config import Protocol
from apg_repro.report import hover
from apg_repro.report.figures import Picture, drawn, not_run
from apg_repro.report.tables import MISSING, Table, title_of
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Cell

SIGNIFICANT = 0.01  # of a permutation test
N_COLOURS = 7  # that readers can tell apart
OTHERS = "#9a9a9a"


@drawn
def plane_figure(evidence: Evidence, cell: Cell, protocol: Protocol = "early_stopping") -> Picture:
    """S of every layer in its first two principal components, coloured by the kind of item; the first seed's."""
    runs = evidence.observed(cell, protocol)
    if not runs:
        fig, axis = plt.subplots(figsize=(8.5, 1.5))
        axis.set_title(cell.title)
        not_run(axis)
        return Picture(fig, f"{evidence.data.title}. S of {cell.title}.", "Not run.")
    found = runs[min(runs)]
    group = np.array(found["group"])
    fig, axes = plt.subplots(1, len(found["layers"]), figsize=(8.5, 3.6), squeeze=False)
    colours = colours_of(found)
    common = [kind for kind, colour in colours.items() if colour != OTHERS]
    for number, (axis, layer) in enumerate(zip(axes[0], found["layers"], strict=True), 1):
        points = np.array(layer["points"])
        if len(colours) > len(common):
            rest = points[~np.isin(group, common)]
            axis.plot(*rest.T, "o", ms=3, alpha=0.6, mew=0, color=OTHERS, label="others", zorder=1)
        for kind in common:
            label = found["groups"][kind]
            axis.plot(*points[group == kind].T, "o", ms=4, alpha=0.8, mew=0, color=colours[kind], label=label)
        first, second = (round(100 * share) for share in layer["share"])
        axis.set(title=f"layer {number}", xlabel=f"PC 1 ({first} %)", ylabel=f"PC 2 ({second} %)")
    fig.suptitle(f"{cell.title} (seed {min(runs)})")
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=8, fontsize="small")
    shares = [
        f"layer {number} {format_share(layer['explained'])} (permuted kinds {format_share(layer['permuted'])})"
        for number, layer in enumerate(found["layers"], 1)
    ]
    return Picture(
        fig,
        f"{title_of(evidence, protocol)}. S ({cell.title}) in the plane of its first two principal components, "
        f"coloured by the kind of item, seed {min(runs)}. The {N_COLOURS} kinds with the most points have a colour of "
        "their own.",
        f"The kind of item explains of the variance of S: {', '.join(shares)}.",
        plane_hover(found, colours),
    )


def colours_of(found: Mapping[str, Any]) -> dict[int, str]:
    """The colour of every kind that has points, by its number: the kinds with the most points first, then grey."""
    kinds = [kind for kind, _ in Counter(found["group"]).most_common()]
    palette = sns.color_palette("colorblind", N_COLOURS).as_hex()
    return {kind: palette[place] if place < N_COLOURS else OTHERS for place, kind in enumerate(kinds)}


def plane_hover(found: Mapping[str, Any], colours: Mapping[int, str]) -> go.Figure:
    """The same with the kind of every point as its text; a click on a kind hides it, two leave it alone."""
    layers, group = found["layers"], np.array(found["group"])
    figure = hover.blank(
        1, len(layers), subplot_titles=[f"layer {number}" for number in range(1, len(layers) + 1)],
        horizontal_spacing=0.09, height=480,
    )  # fmt: skip
    for number, layer in enumerate(layers, 1):
        spread = np.array(layer["points"])
        for kind, colour in colours.items():
            name = found["groups"][kind]
            x, y = spread[group == kind].T.round(3).tolist()
            text = hover.lines(name, f"{len(x)} of {len(group)} points")
            figure.add_trace(
                hover.points(
                    x, y, [text] * len(x), name=name, legendgroup=name, showlegend=number == 1,
                    marker={"size": 7, "opacity": 0.8, "color": colour},
                ),
                1, number,
            )  # fmt: skip
        first, second = (round(100 * share) for share in layer["share"])
        figure.update_xaxes(title_text=f"PC 1 ({first} %)", row=1, col=number)
        figure.update_yaxes(title_text=f"PC 2 ({second} %)", row=1, col=number)
    return figure.update_layout(margin_b=150, dragmode="zoom")


def explained_table(evidence: Evidence, protocol: Protocol = "early_stopping") -> Table:
    """How much of the variance of S the kind of item explains, against permuted kinds; one line per layer."""
    lines = []
    for cell in evidence.cells:
        runs = evidence.observed(cell, protocol)
        if not runs:
            lines.append({"S of": cell.title, "Seed": "not run"})
        for seed, found in runs.items():
            for number, layer in enumerate(found["layers"], 1):
                lines.append(
                    {
                        "S of": cell.title,
                        "Seed": seed,
                        "Layer": number,
                        "Points": len(layer["points"]),
                        "In the plane": format_share(sum(layer["share"])),
                        "Explained by kind": format_share(layer["explained"]),
                        "By permuted kinds": format_share(layer["permuted"]),
                        "p": MISSING if layer["p"] is None else f"{layer['p']:.3f}",
                    }
                )
    caption = (
        f"{title_of(evidence, protocol)}. Shares of the variance of S; p: the share of 201 orders of the kinds, "
        "the real one and 200 permutations, that explain at least as much."
    )
    return Table(pd.DataFrame(lines, dtype=object).fillna(""), caption)


def format_share(share: float | None) -> str:
    """A share from 0 to 1 in percent."""
    return MISSING if share is None else f"{100 * share:.1f} %"


def grouped(evidence: Evidence, cells: Sequence[Cell], protocol: Protocol = "early_stopping") -> tuple[int, int]:
    """In how many layers of these cells' runs the kind explains more than permuted kinds do, and of how many."""
    layers = [
        layer
        for cell in cells
        for found in evidence.observed(cell, protocol).values()
        for layer in found["layers"]
        if layer["p"] is not None
    ]
    return sum(layer["p"] < SIGNIFICANT for layer in layers), len(layers)


def beyond_chance_table(evidence: Evidence, protocol: Protocol = "early_stopping") -> Table:
    """In how many layers of each S the kind explains more than permuted kinds do."""
    lines = []
    for cell in evidence.cells:
        above, total = grouped(evidence, [cell], protocol)
        lines.append(
            {"S of": cell.title, "Beyond chance": f"in {above} of {total} layers of all runs" if total else "not run"}
        )
    caption = f"{title_of(evidence, protocol)}. Where the kind explains more than chance: p < {SIGNIFICANT}."
    return Table(pd.DataFrame(lines), caption)
