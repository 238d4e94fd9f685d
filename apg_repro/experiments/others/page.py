"""What others found: independent results of APG, and how public implementations depart from the paper.

Facts that were read in public repositories, in the manner of Hidasi & Czapp (arXiv 2307.14956); no code is taken from
them. Imports no torch.
"""

import functools
import math
from pathlib import Path

import pandas as pd

from apg_repro.report.statistics import Estimate, estimate
from apg_repro.report.tables import MISSING, Markup, Table, format_difference, format_estimate, format_signed
from apg_repro.rows.evidence import Evidence

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


def published_table(evidence: Evidence) -> Table:
    """Test AUCs on the published parts of Frappe: those that others have published, and ours."""
    lines = [
        {
            "Backbone": cell.backbone,
            "Published as": name,
            "Published AUC": f"{100 * auc:.2f}" if name else MISSING,
            "Our AUC": format_estimate(ours),
            "Ours minus published": format_signed(ours.mean - 100 * auc) if name and ours.n else "",
            "n": ours.n,
        }
        for cell in evidence.cells
        for name, auc in [published().get(cell.backbone, ("", math.nan))]
        for ours in [estimate(list(evidence.by_seed(cell, "early_stopping").values()))]
    ]
    return Table(
        pd.DataFrame(lines),
        f"{evidence.data.title}, early stopping. Test AUC in percent, ± 95 % confidence over n starts. Published: "
        "BARS, Frappe_x1, embeddings of 10 numbers, each model tuned by its authors' search.",
    )


def published() -> dict[str, tuple[str, float]]:
    """Backbone → its name in the benchmark and its published test AUC (0 to 1)."""
    table = pd.read_csv(FOLDER / "frappe.csv")
    return {row["backbone"]: (row["name"], row["auc"]) for row in table.to_dict("records")}


def published_answer(evidence: Evidence) -> Markup:
    """How far our backbones are from the published AUCs, in words."""
    apart = {
        backbone: ours.mean - 100 * auc
        for backbone, (_, auc) in published().items()
        for ours in [estimate(list(evidence.by_seed(evidence.cell("base", backbone), "early_stopping").values()))]
        if ours.n
    }
    if not apart:
        return Markup("<p>Ours have not been run on these parts.</p>")
    far = max(apart, key=lambda name: abs(apart[name]))
    mean = estimate(list(apart.values()))
    return Markup(
        f"<p>Over {len(apart)} backbones, ours minus the published AUC is {format_difference(mean)} points; the "
        f"largest distance is that of {far}, {format_signed(apart[far])}.</p>"
    )


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
    holds = "does not include" if mean.is_above or mean.is_below else "includes"
    whole = (
        f"APG is ahead in {ahead} of the {len(found)} results of others; their mean is {format_difference(mean)} "
        f"points, and its interval, which takes them as independent, {holds} 0."
    )
    near = int((found.abs() <= NEAR).sum())
    largest = independent().iloc[int(found.argmax())]
    rest = (
        f"Of all {len(found)}, {near} lie within {NEAR} points of 0; the largest gain is that of {largest['backbone']} "
        f"on {largest['dataset']}, {format_signed(found.max())}."
    )
    return f"{whole} {rest}"


def foot() -> Markup:
    """Where these facts come from."""
    return Markup(
        f'<div class="apg-foot">AUC and trials: {SOURCE}; the trials are the lines of its search logs. '
        "Implementations: the places in the table. Both are files of this page, <code>independent.csv</code> and "
        "<code>implementations.csv</code> in <code>apg_repro/experiments/others/</code>.</div>"
    )
