"""What frames a page: the banner above it, and below it where its rows come from. Imports no torch."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from inspect import getsource
from textwrap import dedent
from typing import Any

from apg_repro.catalogue import CATALOGUE, how_to_prepare, is_prepared
from apg_repro.config import PROTOCOLS
from apg_repro.report.statistics import estimate, verdict
from apg_repro.report.tables import Markup
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.numerics import why_stale
from apg_repro.rows.record import is_altered
from apg_repro.rows.row import MeasuredRow, Row, TrainedRow

QUICK_PAGE = "<b>Quick profile.</b>"
AGAIN = 10  # runs to train again as a check
ANY_SUITE = "python -m apg_repro run SUITE --profile full"  # what makes the rows of pages about several suites


def banner(found: Sequence[Evidence]) -> Markup:
    """What a reader must know first: quick numbers are not results, synthetic data are not real data."""
    notes = []
    if not all(evidence.is_result for evidence in found):
        notes.append(
            f"{QUICK_PAGE} A sample of the rows, a small model, two seeds: this page shows that everything "
            "works. Its numbers are not the results; <code>make book</code> shows those."
        )
    if all(evidence.plan.dataset == "synthetic" for evidence in found):
        notes.append(
            "<b>Synthetic data.</b> This page shows no real ones."
            if any(is_prepared(name) for name, entry in CATALOGUE.items() if entry.kind == "real")
            else "<b>No real data were found</b>, so this page was made from the synthetic set. "
            f"<code>{how_to_prepare('movielens')} --archive ml-1m.zip</code> prepares MovieLens-1M."
        )
    if any(evidence.data.kind == "twin" for evidence in found):
        notes.append(
            "<b>Shape twins.</b> They have the rows, fields and numbers of ids of the data sets that they replace, "
            "and random values: only times and memory mean anything."
        )
    return Markup("".join(f'<div class="apg-banner">{note}</div>' for note in notes))


def foot(found: Sequence[Evidence], command: str = ANY_SUITE) -> Markup:
    """The foot of a result page: which rows it rests on, where they come from, and the command that makes them again.

    Args:
        found: what the page shows.
        command: what trains or measures the rows that are missing.
    """
    rows = list({row.id: row for evidence in found for row in evidence.rows}.values())
    if not rows:
        return Markup(f'<div class="apg-foot">There are no rows. To make them: <code>{escape(command)}</code></div>')
    lines = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts(rows, found).items() if value)
    ids = " ".join(sorted(row.id for row in rows))
    n = min(AGAIN, len(trained_rows(rows)))
    again = (
        f" To train {n} run{'s' * (n > 1)} of each data set again and see the differences: "
        f"<code>{escape(command)} --again {n}</code>."
    )
    return Markup(
        f'{declaration(found)}<div class="apg-foot"><b>Where these numbers come from</b><dl>{lines}</dl>'
        f'<details><summary>The ids of these rows</summary><code class="apg-ids">{escape(ids)}</code>'
        "</details><!-- rows -->"
        f"To make what is missing: <code>{escape(command)}</code>.{again * (n > 0)}</div>"
    )


def declaration(found: Sequence[Evidence]) -> str:
    """Folded: the code that declares what is trained for these pages, and that judges it."""
    suites = list({evidence.suite.name: evidence.suite for evidence in found if evidence.cells}.values())
    if len(suites) != 1:  # none trains, or the page is about all of them
        return ""
    parts = {
        f"What is trained: the cells of <code>{suites[0].name}</code>, as they are declared": [suites[0].cells],
        "How Δ, ± and the verdict are computed": [Evidence.between, estimate, verdict],
    }
    return "".join(
        f'<details class="apg-code"><summary>{title}</summary>'
        f"<pre>{escape(chr(10).join(dedent(getsource(one)) for one in code))}</pre></details>"
        for title, code in parts.items()
    )


def trained_rows(rows: Sequence[Row]) -> list[TrainedRow]:
    """Those that are runs of training."""
    return [row for row in rows if isinstance(row, TrainedRow)]


def facts(rows: Sequence[Row], found: Sequence[Evidence]) -> dict[str, str]:
    """What the foot says of its rows, line by line."""
    trained = trained_rows(rows)
    hours = sum(row.seconds for row in trained) / 3600
    finished = sorted(row.origin.finished for row in rows)
    stale = Counter(filter(None, map(why_stale, rows)))
    return {
        "rows": f"{len(rows):,}, finished {finished[0]} to {finished[-1]} UTC",
        "files": ", ".join(sorted(files(found))),
        "time": f"{hours:.1f} hours of training, the sum over runs" if hours else "",
        "seeds": each(row.config.seed for row in trained),
        "not run yet": not_run(found) if trained else "",
        "machine": "; ".join(sorted(set(map(machine, rows)))),
        "other threads": other_threads(trained),
        "compared with another machine": compared_with_another_machine(found),
        "software": f"torch {each(row.origin.torch for row in rows)}, Python {each(row.origin.python for row in rows)}",
        "commit": each(row.origin.commit for row in rows)
        + (" (with uncommitted changes)" if any(row.origin.dirty for row in rows) else ""),
        "data": f"sha256 of the prepared columns begins with {each(row.origin.data for row in rows)}",
        "code": "; ".join(f"{count} of these rows {is_or_are(count)} stale: {why}" for why, count in stale.items())
        or still_good(rows),
        "not as recorded": " ".join(sorted(row.id for row in rows if is_altered(row))),
    }


def not_run(found: Sequence[Evidence]) -> str:
    """The cells without a reported run, and on which of several data sets, or in how many parts of the page."""
    trained = [evidence for evidence in found if evidence.cells]
    lacking: dict[str, list[str]] = {}
    for evidence in trained:
        for cell in evidence.cells:
            if not any(evidence.found(cell, protocol) for protocol in PROTOCOLS):
                lacking.setdefault(evidence.label(cell), []).append(evidence.data.title)

    def where(titles: Sequence[str]) -> str:
        if len(titles) == len(trained):
            return ""
        is_one = len(set(titles)) < len(titles)
        return f" ({len(titles)} of {len(trained)} parts)" if is_one else f" ({', '.join(titles)})"

    return "; ".join(name + where(titles) for name, titles in lacking.items())


def machine(row: Row) -> str:
    """The machine of a row in words."""
    origin = row.origin
    cores = f"{origin.cores} cores" if origin.cores else "cores not recorded"
    memory = f"{origin.memory_gb:g} GB" if origin.memory_gb else "memory not recorded"
    return ", ".join([origin.device, cores, memory, f"{origin.threads} thread{'s' * (origin.threads > 1)} per run"])


def other_threads(rows: Sequence[TrainedRow]) -> str:
    """Which runs had another number of threads than most, which can move AUC (the book's page on clusters)."""
    usual = Counter(row.origin.threads for row in rows).most_common(1)
    others = [row for row in rows if row.origin.threads != usual[0][0]]
    return ", ".join(f"{row.id} ({row.origin.threads})" for row in others)


def compared_with_another_machine(found: Sequence[Evidence]) -> str:
    """Which runs a page compares with runs of another machine, whose rounding can move AUC."""
    rows = [
        row for evidence in found for cell in evidence.cells for protocol in PROTOCOLS
        for row in evidence.on_another_machine(cell, protocol)
    ]  # fmt: skip
    return " ".join(sorted({row.id for row in rows}))


def still_good(rows: Sequence[Row]) -> str:
    """Why rows that are not stale can be trusted."""
    reasons = {
        "golden runs show that this checkout's code gives the numbers of these runs": trained_rows(rows),
        "timed in the way of this checkout": [r for r in rows if isinstance(r, MeasuredRow) and r.timing],
        "counts, which the tests compute again": [r for r in rows if isinstance(r, MeasuredRow) and not r.timing],
    }
    return "; ".join(reason for reason, held in reasons.items() if held)


def files(found: Sequence[Evidence]) -> set[str]:
    """The files of rows that a page reads, relative to ``results/``."""
    names = set()
    for evidence in found:
        profile = evidence.plan.profile
        if evidence.trained:
            names.add(f"{profile}/runs/{evidence.plan.dataset}.jsonl")
        if any(isinstance(row, MeasuredRow) for row in evidence.rows):
            names.add(f"{profile}/measured/{evidence.suite.name}.jsonl")
    return names


def each(values: Iterable[Any]) -> str:
    """The different values in order, those that were not recorded left out."""
    return ", ".join(map(str, sorted({value for value in values if value is not None})))


def is_or_are(count: int) -> str:
    """The verb for so many."""
    return "is" if count == 1 else "are"
