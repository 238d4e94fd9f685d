"""What the home page begins with: the answer, how many claims hold, and the verdicts page by page. Imports no torch."""

import math
from collections.abc import Sequence
from html import escape

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from apg_repro.catalogue import data_set
from apg_repro.claims.claims import OTHER_DATASETS, REAL_DATASETS
from apg_repro.claims.headline import answer, headline
from apg_repro.claims.page import Committed, committed, tally
from apg_repro.claims.status import of_models, status_table
from apg_repro.config import PROTOCOLS
from apg_repro.experiments import SUITES
from apg_repro.experiments.advice.page import by_data_set, with_each_condition
from apg_repro.experiments.table2 import page as table2
from apg_repro.paper import numbers as paper
from apg_repro.report.comparison import paper_auc, paper_backbone
from apg_repro.report.figures import INK, Picture, drawn
from apg_repro.report.foot import each
from apg_repro.report.tables import (
    PROTOCOL_HEADS,
    PROTOCOL_TITLES,
    Markup,
    Table,
    format_signed,
    note_on_verdicts,
    page_link,
    printed_verdicts,
)
from apg_repro.rows.evidence import Evidence, begun, gather
from apg_repro.rows.row import TrainedRow
from apg_repro.rows.store import Store
from apg_repro.suite import SEARCH_SEED, Plan, Suite

FOLDER = "executed/"  # of the pages, seen from the home page


def opening(store: Store) -> str:
    """What the home page begins with, as HTML: the answer, its figure, what it rests on, its scope, and advice."""
    found = committed(store)
    lead, *details = answer(found)
    parts = lead, gains_figure(of_models(found)), *details, scope(found), advice_list(found)
    return "\n\n".join(part._repr_html_() for part in parts)


def scope(found: Committed) -> Markup:
    """Of which data, seeds and machines there are rows, and of which of the paper's data sets there are none."""
    rows = {row.id: row for evidence in found.values() for row in evidence.rows}
    trained = [row.config for row in rows.values() if isinstance(row, TrainedRow)]
    there = {config.dataset for config in trained}
    ran = [data_set(name).title for name in REAL_DATASETS if name in there]
    if not ran:
        return Markup("<p>Nothing has been run yet.</p>")
    absent = [data_set(name).title for name in OTHER_DATASETS if name not in there]
    seeds = sorted({config.seed for config in trained} - {SEARCH_SEED})
    return Markup(
        f"<p><b>Scope.</b> Real data: {escape(', '.join(ran))}. "
        + (f"Not run: {' and '.join(absent)}, whose files are not at hand. " if absent else "")
        + f"Seeds {seeds[0]} to {seeds[-1]}, fewer where a page says so. "
        f"Machines: {escape(each(row.origin.device for row in rows.values()))}; "
        "the foot of each page has the number of cores where it was recorded, and "
        '<a href="executed/compute.html">the status page</a> shows what is complete.</p>'
    )


def advice(found: Committed) -> list[str]:
    """Whether to use APG, by data set, in a sentence or two for each."""
    begun_sets = [evidence for (suite, _), evidence in found.items() if suite == "table8" and evidence.is_begun]
    texts = [*by_data_set(of_models(found)), with_each_condition(begun_sets)]
    return list(filter(None, [*texts, note_on_verdicts(texts).strip()]))


def advice_list(found: Committed) -> Markup:
    """The advice as a list in HTML; empty before anything has been run."""
    lines = "".join(f"<li>{escape(sentence)}</li>" for sentence in advice(found))
    head = '<p><b>Should I use APG?</b> By data set, and <a href="executed/advice.html">in full</a>:</p>'
    return Markup(f"{head}<ul>{lines}</ul>" if lines else "")


def home(store: Store) -> str:
    """The tables of the home page, as HTML."""
    found = committed(store)
    parts = status_table(found), headline(found), tally(found), verdict_overview(store)
    return "\n\n".join(part._repr_html_() for part in parts)


@drawn
def gains_figure(sets: Sequence[Evidence]) -> Picture:
    """The average gain over the paper's seven models on each data set, against base, tuned base, and with both tuned.

    Args:
        sets: Table 2 on several data sets; those on which some models are still to be run are left out.
    """
    sets = [evidence for evidence, *_ in table2.averages(sets)] or list(sets[:1])
    fig, axes = plt.subplots(1, len(PROTOCOLS), figsize=(5.8, 1.4 + 0.45 * len(sets)), sharex=True, sharey=True)
    parts, texts, colours = list[str](), list[str](), sns.color_palette("colorblind")
    for axis, how in zip(axes, PROTOCOLS, strict=True):
        axis.axvline(0, color=INK, lw=1)
        for place, evidence in enumerate(sets):
            if not math.isnan(printed := table2.printed_average(evidence)):
                axis.plot(printed, place - 0.25, "D", color=INK, ms=5, label="the paper")
                parts.append(f"{PROTOCOL_TITLES[how]}, {evidence.data.title}, the paper: {format_signed(printed)}")
            for n, (name, against) in enumerate(table2.AGAINST.items()):
                gain = table2.average(evidence, how, name)
                if math.isnan(gain.mean):
                    continue
                axis.errorbar(
                    gain.mean, place + 0.2 * n - 0.1, xerr=gain.error_bar, fmt="o", ms=5, capsize=3, lw=2,
                    color=colours[n], label=f"ours, {against}",
                )  # fmt: skip
                texts.append(table2.marked_average(evidence, how, name))
                parts.append(f"{PROTOCOL_TITLES[how]}, {evidence.data.title}, {against}: {texts[-1]}")
        axis.set(title=PROTOCOL_HEADS[how], xlabel="Δ test AUC, points")
        axis.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes[0].set_yticks(range(len(sets)), [evidence.data.title for evidence in sets])
    axes[0].set_ylim(len(sets) - 0.5, -0.5)
    found = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))  # each label once
    fig.legend(found.values(), found.keys(), loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    return Picture(
        fig,
        "APG's gain of test AUC on the average of the paper's seven models, with 95 % intervals: "
        f"{', '.join(table2.AGAINST.values())}.{note_on_verdicts(texts)}",
        f"Gains in points: {'; '.join(parts) or 'not run'}.",
    )


def verdict_overview(store: Store) -> Markup:
    """The verdicts on what the paper prints, page by page, from the committed rows of the full profile only.

    Pages that judge no printed AUC are listed below.
    """
    lines, others = [], []
    for suite in SUITES.values():
        found = begun(suite, store) or [gather(suite, Plan(profile="full", dataset=suite.datasets[0]), store)]
        link, cells = page_link(suite, folder=FOLDER), answered(suite, found)
        verdicts = {PROTOCOL_HEADS[how]: printed_verdicts(found, how) for how in PROTOCOLS} if cells else {}
        if any(verdicts.values()):
            lines.append({"Page": link} | verdicts | {"Cells answered": cells})
        else:
            others.append(link)
    table = Table(
        pd.DataFrame(lines),
        "The AUC that the paper prints, page by page: cells with a run of ours, and verdicts.",
        wrap=True,
    )
    return Markup(f"{table._repr_html_()}<p>Other pages: {'; '.join(map(str, others))}.</p>")


def answered(suite: Suite, found: Sequence[Evidence]) -> str:
    """How many of the AUC that the paper prints in a table have a run of ours; "" where it prints none."""
    rows = paper.numbers()
    rows = rows[(rows["table"] == suite.paper_table) & (rows["metric"] == "auc") & (rows["backbone"] != "average")]
    ours = {
        (evidence.data.paper, paper_backbone(evidence, cell), cell.paper_row)
        for evidence in found
        for cell in evidence.cells
        if evidence.found(cell, "one_epoch") and not math.isnan(paper_auc(evidence, cell))
    }
    return f"{len(ours)} of {len(rows)}" if len(rows) else ""
