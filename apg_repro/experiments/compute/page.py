"""What the committed results took to compute: rows, hours, machines and commands, page by page. Imports no torch."""

from collections.abc import Sequence
from html import escape

import pandas as pd

from apg_repro.catalogue import data_set
from apg_repro.experiments import SUITES
from apg_repro.report.foot import machine
from apg_repro.report.tables import MISSING, Markup, Table, page_link
from apg_repro.rows.evidence import Evidence, begun, gather, progress
from apg_repro.rows.row import MeasuredRow, TrainedRow
from apg_repro.rows.store import Store
from apg_repro.suite import Plan, command

HOUR = 3600.0  # seconds


def by_page() -> list[list[Evidence]]:
    """The committed rows of every page that has any, one list per page, of the data sets on which it was begun."""
    store = Store()
    return [found for suite in SUITES.values() if (found := begun(suite, store))]


def status_table(store: Store | None = None) -> Table:
    """What there is of every page, and of how much; the data sets that it has not been run on together."""
    store = store or Store()
    lines: list[dict[str, Markup | str]] = []
    for suite in SUITES.values():
        link, absent = page_link(suite), list[str]()
        for dataset in suite.datasets:
            found = progress(gather(suite, Plan(profile="full", dataset=dataset), store))
            parts = [f"{have} of {wanted} {name}" for name, (have, wanted) in found.items() if wanted]
            n_there, n_wanted = (sum(column) for column in zip(*found.values(), strict=True))
            title = data_set(dataset).title
            name = dataset if dataset.startswith(f"{title}-") else title  # a member of a family
            if not n_there:
                absent.append(name)
                continue
            line = {"Page": link, "Data set": name, "State": "complete" if n_there == n_wanted else "partly"}
            lines.append(line | {"There are": "; ".join(parts)})
        if absent:
            lines.append({"Page": link, "Data set": ", ".join(absent), "State": "not run", "There are": ""})
    caption = "Runs and measurements, of how many. A page may need more runs once its search is done."
    return Table(pd.DataFrame(lines), caption, wrap=True)


def trained(found: Sequence[Evidence]) -> list[TrainedRow]:
    """The training runs that some pages rest on, each once."""
    rows = {row.id: row for evidence in found for row in evidence.trained}
    return list(rows.values())


def hours(rows: Sequence[TrainedRow]) -> float:
    """The sum of the runs' hours."""
    return sum(row.seconds for row in rows) / HOUR


def costs_table(found: Sequence[Sequence[Evidence]]) -> Table:
    """What each page rests on, how long that took, and the command that makes it."""
    lines = []
    for of_suite in found:
        suite, rows = of_suite[0].suite, trained(of_suite)
        datasets = [evidence.plan.dataset for evidence in of_suite]
        lines.append(
            {
                "Page": suite.title,
                "Runs": f"{len(rows):,}" if rows else MISSING,
                "Hours": f"{hours(rows):.1f}" if rows else MISSING,
                "Longest run, minutes": longest(rows) if rows else MISSING,
                "Measurements": sum(isinstance(row, MeasuredRow) for one in of_suite for row in one.rows) or MISSING,
                "Command": command(suite.name, "full", datasets),
            }
        )
    return Table(pd.DataFrame(lines), "Committed rows. Runs that several pages show count on each.", wrap=True)


def longest(rows: Sequence[TrainedRow]) -> str:
    """How many minutes the longest of some runs took."""
    minutes = max(row.seconds for row in rows) / 60
    return f"{minutes:.0f}" if minutes >= 1 else "< 1"


def total(found: Sequence[Sequence[Evidence]]) -> str:
    """All runs, each once, in words, as HTML."""
    rows = trained([evidence for of_suite in found for evidence in of_suite])
    machines = sorted({machine(row) for row in rows})
    return (
        f"{len(rows):,} runs of training took {hours(rows):.0f} hours in all, counted run by run. "
        f"Machines: {escape('; '.join(machines))}."
    )
