"""Table 6: what weights per domain cost, and what they bring. Imports no torch."""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from apg_repro.config import PROTOCOLS
from apg_repro.labels import words_for
from apg_repro.paper import numbers as paper
from apg_repro.paper.memory import megabytes
from apg_repro.report.comparison import compare
from apg_repro.report.costs import measured_values
from apg_repro.report.figures import Picture, drawn, not_run
from apg_repro.report.statistics import Estimate, estimate
from apg_repro.report.tables import PROTOCOL_TITLES, Table, without_empty_columns
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Cell

MARKERS = {"base": "s", "mmoe": "o", "star": "^", "apg": "*"}


def printed_memory(evidence: Evidence, row: str) -> float:
    """The paper's memory of one of its rows, in M; for a twin that of the data set itself. NaN where it prints none."""
    return paper.value("table6", evidence.data.paper, "WDL", row, "hidden_memory")


def weights(evidence: Evidence) -> Mapping[str, Mapping[str, int]]:
    """For each model of Table 6: "domains", and the weights "trained" and "served"; {} if they were not counted."""
    return measured_values(evidence).get("models", {})


def memory_of(evidence: Evidence, cell: Cell) -> float:
    """The memory of a cell's hidden layers as served, in M; NaN if it was not counted."""
    name = "_".join(filter(None, [cell.labels["model"], cell.labels.get("grain")]))
    return megabytes(weights(evidence).get(name, {}).get("served", math.nan))


def memory_table(evidence: Evidence) -> Table:
    """Memory of the hidden layers: the paper's, ours in training, ours as served, and the latter relative to base."""
    counted = weights(evidence)
    lines = [
        {
            "Version": words_for(name),
            "Domains": f"{found['domains']:,}",
            "Paper, M": format_number(printed := printed_memory(evidence, name)),
            "Ours in training, M": format_number(megabytes(found["trained"])),
            "Ours as served, M": format_number(megabytes(found["served"])),
            "Paper ÷ base": format_number(printed / printed_memory(evidence, "base")),
            "Ours ÷ base": format_number(found["served"] / counted["base"]["served"]),
        }
        for name, found in counted.items()
    ]
    caption = f"{evidence.data.title}. Memory of the hidden layers: 12 bytes per weight, in units of 10⁶ bytes."
    return Table(without_empty_columns(pd.DataFrame(lines or [{"Version": "not run"}])), caption)


def format_number(value: float) -> str:
    """With two decimals; empty for NaN."""
    return "" if math.isnan(value) else f"{value:,.2f}"


@drawn
def memory_figure(evidence: Evidence) -> Picture:
    """AUC against memory: the paper's cells, and ours under both protocols."""
    fig, axes = plt.subplots(1, 3, figsize=(8.5, 3.8), sharex=True)
    axes[0].set_title("paper")
    for cell in evidence.cells:
        if cell.is_printed and cell.paper_row:
            auc = paper.value("table6", evidence.data.paper, "WDL", cell.paper_row)
            dot(axes[0], cell, printed_memory(evidence, cell.paper_row), estimate([auc]))
    for axis, protocol in zip(axes[1:], PROTOCOLS, strict=True):
        axis.set_title(f"ours, {PROTOCOL_TITLES[protocol]}")
        for line in compare(evidence, protocol).values():
            dot(axis, line.cell, memory_of(evidence, line.cell), line.ours)
    for axis in axes:
        axis.set_xscale("log")
        axis.set_xlabel("memory, M")
        if not axis.has_data():
            not_run(axis, "no such data" if axis is axes[0] else "not run")
    axes[0].set_ylabel("test AUC, percent")
    legend = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    fig.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=4)
    words = []
    for protocol in PROTOCOLS:
        for line in compare(evidence, protocol).values():
            if line.ours.n and not math.isnan(served := memory_of(evidence, line.cell)):
                memory = f"{format_number(served)} M"
                words.append(f"{line.cell.title}, {PROTOCOL_TITLES[protocol]} {line.ours.mean:.2f} with {memory}")
    return Picture(
        fig,
        f"{evidence.data.title}. Test AUC in percent against the memory of the hidden layers as served: the paper's "
        "cells, and ours under both protocols. Hollow: coarse domains. Black edge: tables that move row by row.",
        f"Test AUC: {'; '.join(words)}." if words else "Not run.",
    )


def dot(axis: Axes, cell: Cell, memory: float, auc: Estimate) -> None:
    """One cell with its interval, if there is anything to show; hollow if its domains are coarse."""
    if math.isnan(memory) or math.isnan(auc.mean):
        return
    model = cell.labels["model"]
    colour = dict(zip(MARKERS, sns.color_palette("colorblind", len(MARKERS)), strict=True))[model]
    axis.errorbar(
        memory, auc.mean, yerr=None if math.isnan(auc.half) else auc.half,
        fmt="D" if "damped" in cell.name else MARKERS[model], ms=9 if model == "apg" else 6, color=colour,
        mfc="white" if cell.labels.get("grain") == "cg" else colour, mec="black" if "by row" in cell.name else colour,
        capsize=3, lw=1.5, label=cell.title,
    )  # fmt: skip


TABLES = (memory_table,)  # besides those of AUC, where models are trained
