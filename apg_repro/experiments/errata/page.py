"""The errata: the paper's derived numbers beside what its cells give, and what its memory is made of."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from apg_repro.catalogue import data_set
from apg_repro.labels import AGGREGATIONS, GRAINS, MODELS, words_for
from apg_repro.paper import consistency, memory
from apg_repro.paper import numbers as paper
from apg_repro.paper.consistency import CONSISTENCIES, PUBLIC, REPEATED, Derived, checks, printed_in
from apg_repro.paper.memory import HIDDEN, Fit, Shape, fits
from apg_repro.paper.numbers import table5_widths
from apg_repro.report.figures import Picture, drawn
from apg_repro.report.tables import MISSING, Markup, Table, format_signed

TITLES = {name: data_set(name).title for name in PUBLIC}
MARKS = {"agrees": "", "rounding": "≈", "slip": "≠"}
QUANTITIES = {"epoch_time": "time per epoch", "hidden_memory": "memory"}


def tally() -> Table:
    """How many derived numbers of each place agree, are a matter of rounding, or are slips."""
    counts: dict[str, dict[str, int]] = {}
    for one in checks():
        for place in (one.where.split(",")[0], "all"):
            counts.setdefault(place, dict.fromkeys(CONSISTENCIES, 0))[one.consistency] += 1
    counts["all"] = counts.pop("all")  # last
    lines = pd.DataFrame({"Where": place, **line} for place, line in counts.items())
    return Table(lines, "Derived numbers, by where the paper prints them.")


def main_points() -> list[str]:
    """How many of the derived numbers follow from the printed cells, in a sentence."""
    counts = Counter(one.consistency for one in checks())
    return [
        f"Of {counts.total()} numbers that the paper derives from its own cells, {counts['agrees']} agree with them, "
        f"{counts['rounding']} do so up to rounding, and {counts['slip']} cannot come from them."
    ]


def slips() -> Table:
    """The slips: what is printed, what the cells give, and which other version's cells would give what is printed."""
    lines = [
        {
            "Where": one.where + (f", {TITLES[one.dataset]}" if one.table == "table2" else ""),
            "Printed": as_printed(one, one.value),
            "From the cells": as_printed(one, one.from_cells()),
            "Names": one.version if one.width else "",
            "Fits": ", ".join(consistency.versions_that_fit(one)) or (MISSING if one.width else ""),
        }
        for one in consistency.slips()
    ]
    return Table(pd.DataFrame(lines), "Printed, and from the printed cells.")


def as_printed(one: Derived, value: float) -> str:
    """A value of a derived number, as the paper prints it."""
    if one.metric.endswith("_mean"):
        return f"{value:.2f}"
    match one.unit:
        case "points":
            return format_signed(value)
        case "percent":
            return format_signed(value, 1, " %")
        case _:
            return f"{value:.1f} times"


def with_cells(one: Derived) -> str:
    """A derived number, followed by what its cells give where that differs: ≈ by rounding, ≠ by a slip."""
    mark = MARKS[one.consistency]
    return as_printed(one, one.value) + (f" {mark} {as_printed(one, one.from_cells())}" if mark else "")


def grid(table: str, metric: str, row: Callable[[Derived], str], column: Callable[[Derived], str]) -> pd.DataFrame:
    """The derived numbers of a table and metric, laid out as in the paper, each with what its cells give.

    Args:
        table: "table2". metric: "auc_difference".
        row, column: what names the line and the column of a number.
    """
    lines: dict[str, dict[str, str]] = {}
    for one in printed_in(table, metric):
        lines.setdefault(row(one), {"": words_for(row(one))})[column(one)] = with_cells(one)
    return pd.DataFrame(lines.values())


def data_title(one: Derived) -> str:
    """The data set of a derived number, or "average"."""
    return TITLES.get(one.dataset, one.dataset)


def table2_differences() -> Table:
    """Δ of every model."""
    lines = grid("table2", "auc_difference", lambda one: one.backbone, data_title)
    return Table(lines, "Table 2, Δ of Base+APG against Base, in AUC points; the last row is the average.")


def table2_averages() -> Table:
    """The averages over the models."""
    lines = grid("table2", "auc_mean", lambda one: one.version, data_title)
    return Table(lines, "Table 2, the averages over the seven models. AUC in percent.")


def table4_averages(what: Literal["AUC", "Δ"]) -> Table:
    """The averages over the data sets, of AUC or of the differences from base."""
    metric = {"AUC": "auc_mean", "Δ": "auc_difference"}[what]
    return Table(grid("table4", metric, lambda one: one.version, data_title), f"Table 4, Ave({what}).")


def table5_changes(quantity: Literal["epoch_time", "hidden_memory"]) -> Table:
    """Δ of every version and width, of the time per epoch or of the memory."""
    lines = grid("table5", f"{quantity}_change", lambda one: one.version, lambda one: one.width)
    return Table(lines, f"Table 5, {QUANTITIES[quantity]}, Δ against base.")


def older_cells() -> Table:
    """Table 2, WDL+APG: its cell, base + the printed Δ, and the average that either of them gives."""
    deltas = {one.dataset: one.value for one in printed_in("table2", "auc_difference") if one.backbone == "WDL"}
    averages = {one.dataset: one for one in printed_in("table2", "auc_mean") if one.variant == "apg"}
    lines = []
    for dataset in PUBLIC:
        cell, base = (paper.value("table2", dataset, "WDL", variant) for variant in ("apg", "base"))
        older = base + deltas[dataset]
        others = averages[dataset].cells[1:]  # WDL is the first of the seven
        lines.append(
            {
                "Data set": TITLES[dataset],
                "Cell": f"{cell:.2f}",
                "Base + Δ": f"{older:.2f}",
                "Average": f"{averages[dataset].value:.2f}",
                "With the cell": f"{np.mean([cell, *others]):.2f}",
                "With base + Δ": f"{np.mean([older, *others]):.2f}",
            }
        )
    return Table(pd.DataFrame(lines), "Table 2, WDL, Base+APG. AUC in percent.")


def implied_bases() -> Table:
    """Table 5: the base that each version's cell and Δ imply, beside the base that is printed."""
    titles = {"epoch_time": "Time, s", "hidden_memory": "Memory, M"}
    lines: dict[tuple[str, str], dict[str, str]] = {}
    for one in printed_in("table5"):
        title = titles[one.quantity]
        (base,) = one.named("base").cells
        line = lines.setdefault(
            (title, one.width), {"": title, "Hidden layers": one.width, "Base, printed": f"{base:.2f}"}
        )
        line[one.version] = f"{consistency.implied_base(one):.2f}"
    return Table(pd.DataFrame(lines.values()).fillna(""), "Table 5: the base that cell and Δ imply.")


def said_twice() -> Table:
    """What the text says otherwise than the table that it speaks of."""
    lines = [
        {
            "Text": text.where,
            "Says": as_printed(text, text.value),
            "The table prints": as_printed(table, table.value),
        }
        for text, table in consistency.said_twice()
    ]
    return Table(pd.DataFrame(lines), "The text, and the cell of the table that it speaks of.")


def savings() -> Table:
    """What v4 saves at each width of Table 5: the abstract's numbers are those of one of them."""
    saved = {
        (one.width, one.quantity): format_signed(one.from_cells(), 1, " %")
        for one in printed_in("table5", "_change")
        if one.version == "v4"
    }
    used = {HIDDEN: "AUC (Appendix B.3)", table5_widths()[-1]: "the abstract"}
    lines = [
        {
            "Hidden layers": width,
            "Time": saved[width, "epoch_time"],
            "Memory": saved[width, "hidden_memory"],
            "Used for": used.get(width, ""),
        }
        for width in table5_widths()
    ]
    return Table(pd.DataFrame(lines), "Table 5: v4 against base, from the cells.")


def insignificant_gains() -> Table:
    """The gains of Table 2 that are not above what the paper calls significant (its footnote 3)."""
    lines = [
        {
            "Model": one.backbone,
            "Data set": TITLES[one.dataset],
            "Gain": format_signed(one.from_cells()),
            f"Threshold {consistency.significance()}": "at it" if is_at_threshold(one) else "below it",
        }
        for one in consistency.insignificant()
    ]
    return Table(pd.DataFrame(lines), "Table 2: gains at or below the paper's own threshold, in AUC points.")


def is_at_threshold(one: Derived) -> bool:
    """Whether a gain is exactly what the paper calls significant."""
    return abs(one.from_cells() - consistency.significance()) < consistency.SLACK


def aggregations() -> Table:
    """Table 9: input minus output aggregation; the paper says that input aggregation is better."""
    lines = [
        {"Function": AGGREGATIONS[how]}
        | {
            title: format_signed(paper.difference("table9", dataset, "WDL", f"input_{how}", f"output_{how}"))
            for dataset, title in TITLES.items()
        }
        for how in AGGREGATIONS
    ]
    return Table(pd.DataFrame(lines), "Table 9: input minus output aggregation, in AUC points.")


def repeated_numbers() -> Table:
    """The numbers that several tables print: where, and whether they are the same everywhere."""
    lines = []
    for what, places in REPEATED.items():
        found = {dataset: consistency.repeated(dataset, places) for dataset in PUBLIC}
        lines.append(
            {
                "Number": what,
                "Tables": ", ".join(table.removeprefix("table") for table, _ in places),
                **{TITLES[name]: " / ".join(f"{auc:.2f}" for auc in values) for name, values in found.items()},
                "Verdict": "agrees" if all(len(values) == 1 for values in found.values()) else "slip",
            }
        )
    return Table(pd.DataFrame(lines), "AUC in percent, and the tables that print it.")


def memory_units() -> Table:
    """Other units of memory, each with the constant that fits it best."""
    lines = [
        {
            "Bytes per parameter": fit.size,
            "Unit": fit.unit,
            "Constant": format_signed(fit.constant),
            "Farthest cell": f"{fit.farthest:.2f}",
        }
        for fit in memory.unit_fits()
    ]
    return Table(pd.DataFrame(lines), "Base, v1 and v4 of Table 5 under other units, in M.")


def memory_settings(version: str) -> Table:
    """K, D and biases that bring a version of Table 5 nearest to its cells, then those of the text: residuals in M."""
    lines = [
        {
            "Version": version,
            "K": MISSING if version == "v1" else shape.rank,
            "D": shape.d_condition or "self-wise",
            "Biases": "yes" if shape.bias else "no",
            **residuals(version, shape),
        }
        for shape in memory.settings(version)
    ]
    return Table(pd.DataFrame(lines), f"Table 5, {version}: printed minus fitted, in M.")


def residuals(version: str, shape: Shape) -> dict[str, str]:
    """What the cells of a version print beyond what these settings give, by width."""
    return dict(zip(table5_widths(), map(format_signed, memory.residuals(version, shape)), strict=True))


def input_widths() -> Table:
    """Inputs of Table 6's base, from its memory."""
    lines = []
    for dataset in PUBLIC:
        width, uncertain = memory.input_width(dataset)
        lines.append(
            {
                "Data set": TITLES[dataset],
                "Memory": f"{memory.table6(dataset, 'base'):.2f}",
                "Inputs": f"{width:.0f}" + (f" ± {uncertain:.0f}" if uncertain else ""),
                "A reading": memory.READINGS[dataset],
            }
        )
    return Table(pd.DataFrame(lines), "Table 6, base: inputs that explain its memory.")


def group_title(fit: Fit) -> str:
    """The table and model of a memory cell."""
    return f"{fit.table.removeprefix('table')}, {MODELS.get(fit.model, fit.model)}"


def cell_title(fit: Fit) -> str:
    """Which of the cells of its group one is."""
    return fit.width or ", ".join(filter(None, [TITLES[fit.dataset], GRAINS.get(fit.grain)]))


def memory_cells() -> Table:
    """Every memory cell: printed, fitted, and what is left."""
    lines = [
        {
            "Table": group_title(fit),
            "Cell": cell_title(fit),
            "Our explanation": fit.account,
            "Printed": f"{fit.printed:,.2f}",
            "Fitted": MISSING if math.isnan(fit.fitted) else f"{fit.fitted:,.2f}",
            "Residual": MISSING if math.isnan(fit.fitted) else format_signed(fit.printed - fit.fitted),
        }
        for fit in fits()
    ]
    return Table(pd.DataFrame(lines), "Every memory cell, in M, and what we make of it.")


def star_networks() -> Table:
    """Table 6, Star: how many base networks its memory holds, and how many domains it has."""
    lines = []
    for dataset in PUBLIC:
        for grain, title in GRAINS.items():
            held, n = memory.networks_held(dataset, grain), memory.domains(dataset, grain)
            lines.append(
                {
                    "Data set": TITLES[dataset],
                    "Domains are": title,
                    "Domains": "not printed" if math.isnan(n) else f"{n:,.0f}",
                    "Networks held": f"{held:,.0f}",
                    "Networks per domain": MISSING if math.isnan(n) else f"{held / n:.2f}",
                }
            )
    return Table(pd.DataFrame(lines), "Table 6, Star: base networks of 12 bytes per parameter.")


@drawn
def memory_figure() -> Picture:
    """Every memory cell: printed against fitted on logarithmic axes, and the residual in percent of what is printed."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
    groups: dict[str, list[Fit]] = {}
    for fit in fits():
        if not math.isnan(fit.fitted):
            groups.setdefault(group_title(fit), []).append(fit)
    for place, (group, part) in enumerate(groups.items()):
        look: dict[str, Any] = {
            "marker": "o" if part[0].table == "table5" else "D", "ls": "", "color": f"C{place}", "alpha": 0.8,
        }  # fmt: skip
        left.plot([fit.fitted for fit in part], [fit.printed for fit in part], label=f"Table {group}", **look)
        right.plot([fit.percent for fit in part], [place] * len(part), **look)
    printed = [fit.printed for part in groups.values() for fit in part]
    ends = [min(printed) / 2, max(printed) * 2]
    left.plot(ends, ends, color="black", lw=0.8, zorder=0)
    left.set(xscale="log", yscale="log", xlabel="fitted, M", ylabel="printed, M")
    left.legend(fontsize="x-small", frameon=True)
    right.axvline(0, color="black", lw=0.8, zorder=0)
    right.set_yticks(range(len(groups)), [f"Table {group}" for group in groups])
    right.invert_yaxis()
    right.set_xlabel("printed minus fitted, percent of printed")
    near = sum(abs(fit.percent) <= 5 for part in groups.values() for fit in part)
    return Picture(
        fig,
        "Left: every memory cell, printed against fitted. Right: what is left, in percent of what is printed. "
        "Circles are Table 5, diamonds Table 6.",
        f"{near} of {len(printed)} printed memories lie within 5 % of the fitted ones.",
    )


def foot() -> Markup:
    """The foot of the page: what it was computed from."""
    files = "".join(
        f"<dt>paper/{name}</dt><dd>{len(paper.read(name))} numbers, sha256 begins with "
        f"{hashlib.sha256((paper.FOLDER / name).read_bytes()).hexdigest()[:12]}</dd>"
        for name in paper.FILES
    )
    return Markup(
        f'<div class="apg-foot"><b>Where these numbers come from</b><dl>{files}</dl>'
        "All of this page is computed from these files of <code>apg_repro</code>. No run is behind it.</div>"
    )
