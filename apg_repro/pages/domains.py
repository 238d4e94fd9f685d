"""Table 6: what weights a domain cost, and what they bring."""

import math
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from apg_repro import paper
from apg_repro.figures import not_run, style
from apg_repro.paper_memory import megabytes
from apg_repro.report import PROTOCOL_TITLES, Panel, as_html, comparison, without_empty
from apg_repro.suites import PROTOCOLS, Cell

MARKERS = {"base": "s", "mmoe": "o", "star": "^", "apg": "*"}


def served(row: Mapping[str, Any]) -> int:
    """Parameters of the hidden layers with U and V of v5 multiplied out, for a G of one layer and no mix.

    v5 has P Σ(I + O) + 2 L K P + K² Σ(D + 1) + ΣO of them, summed over L layers of I inputs and O outputs, of which
    the first two terms become K Σ(I + O). Self-wise, D is I.
    """
    if row["version"] != "v5":
        return row["n_hidden"]
    k, p, layers, outputs = row["rank"], row["over"], len(row["hidden"]), sum(row["hidden"])
    known = 2 * layers * k * p + k * k * layers + outputs
    if row["condition"] == "self":
        ends = (row["n_hidden"] - known + k * k * outputs) // (p + k * k)  # Σ(I + O), and ΣI is that less ΣO
    else:
        ends = (row["n_hidden"] - known - k * k * layers * row["d_embedding"]) // p
    return row["n_hidden"] - (p - k) * ends - 2 * layers * k * p


def printed_memory(panel: Panel, variant: str) -> float:
    """The paper's memory of a row, in M; that of the data set itself for a twin."""
    dataset = panel.plan.dataset.removesuffix("_twin")
    return paper.value("table6", dataset, "WDL", variant, "hidden_memory")


def weights(panel: Panel) -> dict[str, dict[str, int]]:
    """Of each model of Table 6: "domains", and the weights "trained" and "served"; {} if they were not counted."""
    return panel.measured[0]["models"] if panel.measured else {}


def memory(panel: Panel) -> pd.DataFrame:
    """Memory of the hidden layers: the paper's, ours in training, ours as served, and how many times base's that is."""
    lines = [
        {
            "Version": variant,
            "Domains": f"{found['domains']:,}",
            "Paper, M": number(printed := printed_memory(panel, variant)),
            "Ours in training, M": number(megabytes(found["trained"])),
            "Ours as served, M": number(megabytes(found["served"])),
            "Paper / base": number(printed / printed_memory(panel, "base")),
            "Ours / base": number(found["served"] / weights(panel)["base"]["served"]),
        }
        for variant, found in weights(panel).items()
    ]
    return without_empty(pd.DataFrame(lines or [{"Version": "not run"}]))


def table(panel: Panel) -> HTML:
    """The same for a page."""
    caption = f"{panel.data}. Memory of the hidden layers: 12 bytes a weight, in units of 10⁶ bytes."
    return as_html(memory(panel), caption)


def number(value: float) -> str:
    """With two decimals; empty for none."""
    return "" if math.isnan(value) else f"{value:,.2f}"


def figure(panel: Panel) -> Figure:
    """AUC against memory: the paper's cells, and ours under both protocols."""
    style()
    fig, axes = plt.subplots(1, 3, figsize=(8.5, 3.8), sharex=True)
    axes[0].set_title("paper")
    for cell in panel.cells:
        auc = paper.value("table6", panel.plan.dataset, "WDL", cell.variant)
        dot(axes[0], cell, printed_memory(panel, cell.variant), auc, math.nan)
    for axis, protocol in zip(axes[1:], PROTOCOLS, strict=True):
        axis.set_title(f"ours, {PROTOCOL_TITLES[protocol]}")
        for line in comparison(panel, protocol).values():
            rows = panel.found(line.cell, protocol)
            memory = megabytes(served(rows[0])) if rows else math.nan
            dot(axis, line.cell, memory, line.ours.mean, line.ours.half)
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlabel("memory, M")
        if not axis.has_data():
            not_run(axis, "no such data" if axis is axes[0] else "not run")
    axes[0].set_ylabel("test AUC, percent")
    legend = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    fig.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=4)
    plt.close(fig)
    return fig


def dot(axis: Axes, cell: Cell, memory: float, auc: float, half: float) -> None:
    """One cell, if there is anything to show: coarse ones hollow, with the half-width of its interval."""
    if math.isnan(memory) or math.isnan(auc):
        return
    model = cell.variant.partition("_")[0].partition(" ")[0]
    colour = dict(zip(MARKERS, sns.color_palette("colorblind", len(MARKERS)), strict=True))[model]
    axis.errorbar(
        memory, auc, yerr=None if math.isnan(half) else half, fmt=MARKERS[model], ms=9 if model == "apg" else 6,
        color=colour, mfc="white" if "_cg" in cell.variant else colour, capsize=3, lw=1.5, label=cell.variant,
    )  # fmt: skip
