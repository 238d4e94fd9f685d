"""The paper's numbers held against each other. Imports no torch.

What the paper derives (``paper.derived``: Δ, averages, factors in the text) is computed again from the cells that it
prints (``paper.numbers``). A cell is known to ±``HALF``, so a derived number is known to an interval: it *agrees* if
it is what the printed cells give, is a matter of *rounding* if cells that round to the printed ones can give it, and a
*slip* if none can.
"""

import hashlib
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML

from apg_repro import paper
from apg_repro.report import DATASET_TITLES, MISSING, plus
from apg_repro.suites import COST_WIDTHS

Row = dict[str, Any]  # of paper.derived()

HALF = 0.005  # every cell that is used here has two decimals
DECIMALS = {"points": 2, "percent": 1, "times": 0}
# How far a printed derived number may lie from its exact value; a factor in the text may be cut off as well as rounded.
DERIVED_HALF = {"points": 0.005, "percent": 0.05, "times": 1.0}
SLACK = 1e-9  # of floating point

PUBLIC = ("movielens", "amazon", "iaac")
WIDTHS = tuple(COST_WIDTHS)  # Table 5
DEFAULT_WIDTH = "256-128-64"  # Appendix B.3

# What the paper prints in several tables: (table, variant).
REPEATED = {
    "base": [("table2", "base"), ("table4", "base"), ("table6", "base"), ("table8", "base"), ("table9", "base")],
    "APG, self-wise": [("table2", "apg"), ("table4", "v5"), ("table8", "self")],
    "APG, z = item": [("table6", "apg_fg"), ("table8", "group_item")],
    "APG, z = user, item, context": [("table8", "mix_user_item_context"), ("table9", "input_attention")],
}


def cells(row: Row, variant: str) -> list[float]:
    """The printed cells that a derived number is made of; more than one where it is an average."""
    quantity = row["metric"].rpartition("_")[0]
    rows = paper.numbers()
    rows = rows[(rows["table"] == row["table"]) & (rows["variant"] == variant) & (rows["metric"] == quantity)]
    if row["backbone"] == "average":  # Table 2, over the seven models
        rows = rows[(rows["dataset"] == row["dataset"]) & (rows["backbone"] != "average")]
    elif row["dataset"] == "average":  # Table 4, over the data sets
        rows = rows[rows["backbone"] == row["backbone"]]
    else:
        rows = rows[(rows["dataset"] == row["dataset"]) & (rows["backbone"] == row["backbone"])]
    return list(rows["value"])


def computed(row: Row, side: int = 0) -> float:
    """A derived number from the printed cells; with ``side`` ±1 from cells as far to that side as rounding allows."""
    version, slash, width = row["variant"].partition("/")
    cell = float(np.mean(cells(row, f"{version}{slash}{width}"))) + side * HALF
    base = float(np.mean(cells(row, f"base{slash}{width}"))) - side * HALF
    match row["metric"].rpartition("_")[2]:
        case "mean":
            return cell
        case "difference":
            return cell - base
        case "change":
            return 100 * (cell / base - 1)
        case "extra":
            return cell / base - 1
        case "saving":
            return base / cell
    raise ValueError(f"no formula for {row['metric']}")


def judge(row: Row) -> str:
    """Agrees, rounding or slip: see the module's docstring."""
    if round(computed(row), DECIMALS[row["unit"]]) == row["value"]:
        return "agrees"
    low, high = sorted((computed(row, -1), computed(row, +1)))
    half = DERIVED_HALF[row["unit"]] + SLACK
    return "rounding" if low - half <= row["value"] <= high + half else "slip"


@cache
def checks() -> list[Row]:
    """Every derived number, the averages of Table 2 included, with ``computed`` and ``verdict`` added."""
    averages = paper.numbers().query("table == 'table2' and backbone == 'average'")
    rows = rows_of(pd.concat([averages.assign(metric="auc_mean", unit="points"), paper.derived()]))
    return [row | {"computed": computed(row), "verdict": judge(row)} for row in rows]


def rows_of(table: pd.DataFrame) -> list[Row]:
    """A table as rows."""
    return [dict(zip(map(str, table.columns), values, strict=True)) for values in table.itertuples(index=False)]


def printed_in(table: str, metric: str) -> list[Row]:
    """The checks of a table's own derived numbers of a metric ("" for all), not of what the text says of it."""
    return [
        row
        for row in checks()
        if row["table"] == table and row["where"].startswith("Table") and row["metric"].endswith(metric)
    ]


def shown(row: Row, value: float) -> str:
    """A value of a derived number, as the paper prints it."""
    if row["metric"].endswith("_mean"):
        return f"{value:.2f}"
    match row["unit"]:
        case "points":
            return plus(value)
        case "percent":
            return plus(value, 1, " %")
        case _:
            return f"{value:.1f} times"


def beside(row: Row) -> str:
    """A derived number, followed by what its cells give where that differs: ≈ by rounding, ≠ by a slip."""
    mark = {"agrees": "", "rounding": "≈", "slip": "≠"}[row["verdict"]]
    return shown(row, row["value"]) + (f" {mark} {shown(row, row['computed'])}" if mark else "")


def tally() -> pd.DataFrame:
    """How many derived numbers of each place agree, are a matter of rounding, or are slips."""
    counts: dict[str, dict[str, int]] = {}
    for row in checks():
        for place in (row["where"].split(",")[0], "all"):
            line = counts.setdefault(place, dict.fromkeys(("agrees", "rounding", "slip"), 0))
            line[row["verdict"]] += 1
    counts["all"] = counts.pop("all")  # last
    return pd.DataFrame({"Where": place, **line} for place, line in counts.items())


def slips() -> pd.DataFrame:
    """The slips: what is printed, what the cells give, and which other version's cells would give what is printed."""
    lines = []
    for row in checks():
        if row["verdict"] != "slip":
            continue
        version, _, width = row["variant"].partition("/")
        others = [row | {"variant": f"{other}/{width}"} for other in ("v1", "v2", "v3", "v4") if width]
        fitting = [other["variant"].partition("/")[0] for other in others
                   if cells(other, other["variant"]) and judge(other) != "slip"]  # fmt: skip
        lines.append(
            {
                "Where": row["where"] + (f", {DATASET_TITLES[row['dataset']]}" if row["table"] == "table2" else ""),
                "Printed": shown(row, row["value"]),
                "From the cells": shown(row, row["computed"]),
                "Names": version if width else "",
                "Fits": ", ".join(fitting) or (MISSING if width else ""),
            }
        )
    return pd.DataFrame(lines)


def grid(table: str, metric: str, row: str, column: str) -> pd.DataFrame:
    """The derived numbers of a table and metric, laid out as in the paper, each ``beside`` what its cells give.

    Args:
        table: "table2". metric: "auc_difference".
        row, column: what stands on the sides: "backbone", "dataset", "version" or "width".
    """
    lines: dict[str, dict[str, str]] = {}
    for found in printed_in(table, metric):
        version, _, width = found["variant"].partition("/")
        names = found | {"version": version, "width": width}
        names["dataset"] = DATASET_TITLES.get(found["dataset"], found["dataset"])
        lines.setdefault(names[row], {"": names[row]})[names[column]] = beside(found)
    return pd.DataFrame(lines.values())


def older_cells() -> pd.DataFrame:
    """Table 2, WDL+APG: its cell, base + the printed Δ, and the average that either of them gives."""
    lines = []
    for dataset in PUBLIC:
        cell, base = (paper.value("table2", dataset, "WDL", variant) for variant in ("apg", "base"))
        deltas = {
            row["backbone"]: row["value"] for row in printed_in("table2", "auc_difference") if row["dataset"] == dataset
        }
        older = base + deltas["WDL"]
        average = {"table": "table2", "dataset": dataset, "backbone": "average", "metric": "auc_mean"}
        others = cells(average, "apg")[1:]
        lines.append(
            {
                "Data set": DATASET_TITLES[dataset],
                "Cell": f"{cell:.2f}",
                "Base + Δ": f"{older:.2f}",
                "Average": f"{paper.value('table2', dataset, 'average', 'apg'):.2f}",
                "With the cell": f"{np.mean([cell, *others]):.2f}",
                "With base + Δ": f"{np.mean([older, *others]):.2f}",
            }
        )
    return pd.DataFrame(lines)


def implied_bases() -> pd.DataFrame:
    """Table 5: the base that each version's cell and Δ imply, beside the base that is printed."""
    lines: dict[tuple[str, str], Row] = {}
    for row in printed_in("table5", ""):
        quantity = row["metric"].removesuffix("_change")
        version, _, width = row["variant"].partition("/")
        base, cell = (paper.value("table5", "iaac", "WDL", f"{name}/{width}", quantity) for name in ("base", version))
        title = {"epoch_time": "Time, s", "hidden_memory": "Memory, M"}[quantity]
        line = lines.setdefault((title, width), {"": title, "Hidden layers": width, "Base, printed": f"{base:.2f}"})
        line[version] = f"{cell / (1 + row['value'] / 100):.2f}"
    return pd.DataFrame(lines.values()).fillna("")


def said_twice() -> pd.DataFrame:
    """What the text says otherwise than the table that it speaks of."""
    own = {(row["variant"], row["metric"]): row for row in printed_in("table5", "")}
    lines = []
    for row in checks():
        first = own.get((row["variant"], row["metric"]), row)
        if row["value"] != first["value"]:
            lines.append(
                {
                    "Text": row["where"],
                    "Says": shown(row, row["value"]),
                    "The table prints": shown(first, first["value"]),
                }
            )
    return pd.DataFrame(lines)


def repeated() -> pd.DataFrame:
    """The numbers that stand in several tables: where, and whether they are the same everywhere."""
    lines = []
    for what, places in REPEATED.items():
        found = {
            dataset: {paper.value(table, dataset, "WDL", variant) for table, variant in places} for dataset in PUBLIC
        }
        lines.append(
            {
                "Number": what,
                "Tables": ", ".join(table.removeprefix("table") for table, _ in places),
                **{DATASET_TITLES[name]: " / ".join(f"{auc:.2f}" for auc in sorted(found[name])) for name in PUBLIC},
                "Verdict": "agrees" if all(len(values) == 1 for values in found.values()) else "slip",
            }
        )
    return pd.DataFrame(lines)


def headline() -> pd.DataFrame:
    """What v4 saves at each width of Table 5: the abstract's numbers are those of one of them."""
    lines = []
    for width in WIDTHS:
        row: Row = {"table": "table5", "dataset": "iaac", "backbone": "WDL", "variant": f"v4/{width}"}
        time, memory = (computed(row | {"metric": f"{what}_change"}) for what in ("epoch_time", "hidden_memory"))
        lines.append(
            {
                "Hidden layers": width,
                "Time": plus(time, 1, " %"),
                "Memory": plus(memory, 1, " %"),
                "Used for": {DEFAULT_WIDTH: "AUC (Appendix B.3)", WIDTHS[-1]: "the abstract"}.get(width, ""),
            }
        )
    return pd.DataFrame(lines)


def insignificant() -> pd.DataFrame:
    """The gains of Table 2 that are not above what the paper calls significant (its footnote 3)."""
    threshold = paper.value("claims", "iaac", "WDL", "v4", "significance")
    return pd.DataFrame(
        {
            "Model": row["backbone"],
            "Data set": DATASET_TITLES[row["dataset"]],
            "Gain": plus(row["computed"]),
            "Significant": f"from {threshold} on",
        }
        for row in printed_in("table2", "auc_difference")
        if row["computed"] < threshold + SLACK
    )


def aggregations() -> pd.DataFrame:
    """Table 9: input less output aggregation, in points; the paper says that input aggregation is better."""
    lines = []
    for how in ("mean", "concat", "attention"):
        line = {"Function": how}
        for dataset in PUBLIC:
            before, after = (paper.value("table9", dataset, "WDL", f"{where}_{how}") for where in ("input", "output"))
            line[DATASET_TITLES[dataset]] = plus(before - after)
        lines.append(line)
    return pd.DataFrame(lines)


def provenance() -> HTML:
    """The foot of the page: what it was computed from."""
    files = "".join(
        f"<dt>{name}</dt><dd>{len(table)} numbers, sha256 begins with "
        f"{hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()[:12]}</dd>"
        for name, table in (("paper_numbers.csv", paper.numbers()), ("paper_derived.csv", paper.derived()))
    )
    return HTML(
        f'<div class="apg-foot"><b>Where these numbers come from</b><dl>{files}</dl>'
        "All of this page is computed from these files. No run stands behind it.</div>"
    )
