"""What the book shows of the faults that the tests try: ``results/faults.json``, which the tests write themselves.

Imports no torch.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from apg_repro.errors import UserError
from apg_repro.paths import RESULTS
from apg_repro.report.tables import Markup, Table

RECORD = RESULTS / "faults.json"
WORDS = {"passed": "as required", "skipped": "not tried there", "failed": "failed"}
Fault = dict[str, Any]


def read(path: Path = RECORD) -> list[Fault]:
    """The record, one entry per test: "fault", "expected", "test", "cases", "outcome", and when and where it was tried:
    "date", "commit", "dirty", "python", "platform".

    Raises:
        UserError: it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): get it back with `git checkout -- {path}`") from error


def summary(faults: Sequence[Fault]) -> str:
    """When and where the faults were tried, and what came of them, as HTML."""
    counts = Counter(fault["outcome"] for fault in faults)
    came = ", ".join(f"{counts[outcome]} {word}" for outcome, word in WORDS.items() if counts[outcome])
    dates, commits, pythons, platforms = (
        ", ".join(sorted({str(fault[name]) for fault in faults})) for name in ("date", "commit", "python", "platform")
    )
    cases = sum(fault["cases"] for fault in faults)
    text = (
        f"{len(faults)} faults in {cases} cases, tried on {dates} at commit {commits} "
        f"with Python {pythons} on {platforms}. Outcome: {came}."
    )
    return f"<p>{escape(text)}</p>"


def table(faults: Sequence[Fault]) -> Table:
    """One line per fault."""
    lines = [
        {
            "Fault": with_code(fault["fault"]),
            "Required outcome": with_code(fault["expected"]),
            "Outcome": WORDS[fault["outcome"]],
            "Cases": fault["cases"],
            "Test": Markup(
                f"<code>{escape(fault['test'].partition('::')[0]).replace('/', '/<wbr>').replace('_', '_<wbr>')}</code>"
            ),
        }
        for fault in faults
    ]
    return Table(pd.DataFrame(lines), "Faults that the tests make happen.", wrap=True)


def with_code(text: str) -> Markup:
    """A sentence in which `code` stands between backticks, as HTML."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text)))


def page(path: Path = RECORD) -> str:
    """What ``book/faults.md`` includes, as HTML; a sentence where nothing is recorded."""
    if not path.exists():
        return "<p>Nothing is recorded yet.</p>"
    faults = read(path)
    return f"{summary(faults)}\n\n{table(faults)._repr_html_()}"
