"""What the home page begins with: the answer, how many claims hold, and the verdicts page by page. Imports no torch."""

import math
from collections.abc import Sequence
from html import escape

import pandas as pd

from apg_repro.claims.page import answer, committed, headline, page_link, tally
from apg_repro.claims.status import status
from apg_repro.config import PROTOCOLS
from apg_repro.experiments import SUITES
from apg_repro.paper import numbers as paper
from apg_repro.report.comparison import paper_auc, paper_backbone
from apg_repro.report.tables import PROTOCOL_HEADS, Markup, Table, printed_verdicts
from apg_repro.rows.evidence import Evidence, gather
from apg_repro.rows.store import Store
from apg_repro.suite import SEEDS, Plan, Suite

FOLDER = "executed/"  # of the pages, seen from the home page


def home(store: Store) -> str:
    """All that the home page includes, as HTML."""
    found = committed(store)
    sentences = Markup(f"<p>{escape(status(found))}</p>")
    parts = answer(found), sentences, headline(found), tally(found), verdict_overview(store)
    return "\n\n".join(part._repr_html_() for part in parts)


def verdict_overview(store: Store) -> Markup:
    """The verdicts on what the paper prints, page by page, from the committed rows of the full profile only.

    Pages that judge no printed AUC are listed below.
    """
    lines, others = [], []
    for suite in SUITES.values():
        plans = [Plan(profile="full", dataset=dataset, seeds=SEEDS["full"]) for dataset in suite.datasets]
        found = [gather(suite, plan, store) for plan in plans]
        found = [evidence for evidence in found if evidence.rows] or found[:1]
        link, cells = page_link(suite, suite.title, FOLDER), answered(suite, found)
        verdicts = {PROTOCOL_HEADS[how]: printed_verdicts(found, how) for how in PROTOCOLS} if cells else {}
        if any(verdicts.values()):
            lines.append({"Page": link, "Cells answered": cells} | verdicts)
        else:
            others.append(link)
    table = Table(pd.DataFrame(lines), wrap=True)
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
