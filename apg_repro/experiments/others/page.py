"""What others found: independent results of APG, and how public implementations depart from the paper.

Facts that were read in public repositories, in the manner of Hidasi & Czapp (arXiv 2307.14956); no code is taken from
them. Imports no torch.
"""

import functools
from pathlib import Path

import pandas as pd

from apg_repro.report.statistics import Estimate, estimate
from apg_repro.report.tables import Markup, Table, format_difference, format_signed

NEAR = 0.2  # points
FOLDER = Path(__file__).parent
SOURCE = "github.com/reczoo/BARS, ranking/ctr, commit 5b5e61fe of November 2024"


@functools.cache
def independent() -> pd.DataFrame:
    """Results of BARS: backbone, dataset, base_auc, apg_auc (0 to 1), and the trials of each search."""
    return pd.read_csv(FOLDER / "independent.csv")


def gains() -> pd.Series:
    """APG less base in AUC points, result by result."""
    table = independent()
    return 100 * (table["apg_auc"] - table["base_auc"])


def gain() -> Estimate:
    """The mean gain over these results, each of a single seed."""
    return estimate(list(gains()))


def independent_table() -> Table:
    """Every result, and their mean."""
    table = independent()
    lines = [
        {
            "Backbone": row["backbone"],
            "Data set": row["dataset"],
            "Base AUC": f"{100 * row['base_auc']:.2f}",
            "APG AUC": f"{100 * row['apg_auc']:.2f}",
            "Δ": format_signed(difference),
            "Trials, base": row["base_trials"],
            "Trials, APG": row["apg_trials"],
        }
        for row, difference in zip(table.to_dict("records"), gains(), strict=True)
    ]
    mean = {"Backbone": "mean", "Δ": format_difference(gain())}
    frame = pd.DataFrame([*lines, mean], dtype=object).fillna("")
    return Table(frame, f"Test AUC in percent, Δ in points; one seed each. Source: {SOURCE}.")


def implementations_table() -> Table:
    """Public implementations: what they have, where they depart from the paper, and a fault."""
    table = pd.read_csv(FOLDER / "implementations.csv")
    names = {
        "name": "Implementation", "where": "Where", "versions": "Versions", "hosts": "Hosts",
        "conditions": "Conditions", "ranks": "K and P", "departures": "Departs from the paper", "fault": "Fault",
    }  # fmt: skip
    return Table(table.rename(columns=names), "Public implementations of APG, read in November 2026.", wrap=True)


def answer() -> str:
    """What these results say together, in words."""
    mean, found = gain(), gains()
    ahead = int((found > 0).sum())
    sides = "Their interval holds 0." if not (mean.is_above or mean.is_below) else "Their interval does not hold 0."
    whole = f"APG is ahead in {ahead} of {len(found)} of these results; the mean is {format_difference(mean)} points."
    near = int((found.abs() <= NEAR).sum())
    largest = independent().loc[found.idxmax()]
    rest = (
        f"{near} lie within {NEAR} points of 0; the largest gain is that of {largest['backbone']} on "
        f"{largest['dataset']}, {format_signed(found.max())}."
    )
    return f"{whole} {sides} {rest}"


def foot() -> Markup:
    """Where these facts come from."""
    return Markup(
        f'<div class="apg-foot">AUC and trials: {SOURCE}; the trials are the lines of its search logs. '
        "Implementations: the places in the table. Both are files of this page, <code>independent.csv</code> and "
        "<code>implementations.csv</code> in <code>apg_repro/experiments/others/</code>.</div>"
    )
