"""What the book shows of the faults that the tests try: ``results/faults.json``, which the tests write themselves.

Imports no torch.
"""

import json
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from apg_repro.paths import RESULTS
from apg_repro.report.tables import Markup, Table

RECORD = RESULTS / "faults.json"
WORDS = {"passed": "as it must", "skipped": "not tried there", "failed": "fails"}


def read(path: Path = RECORD) -> dict[str, Any]:
    """The record: "date", "commit", "dirty", "python", "platform", and "faults", one entry per test."""
    return json.loads(path.read_text(encoding="utf-8"))


def summary(record: dict[str, Any]) -> str:
    """When and where the faults were tried, and what came of them, as HTML."""
    faults = record["faults"]
    counts = {word: sum(fault["outcome"] == outcome for fault in faults) for outcome, word in WORDS.items()}
    cases = sum(fault["cases"] for fault in faults)
    came = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    text = (
        f"{len(faults)} faults, {cases} cases, tried on {record['date']} at commit {record['commit']} with Python "
        f"{record['python']} on {record['platform']}. What happened: {came}."
    )
    return f"<p>{escape(text)}</p>"


def table(record: dict[str, Any]) -> Table:
    """One line per fault."""
    lines = [
        {
            "Fault": fault["fault"],
            "What must happen": fault["expected"],
            "Happens": WORDS[fault["outcome"]],
            "Cases": fault["cases"],
            "Test": Markup(f"<code>{escape(fault['test'].replace('::', ' '))}</code>"),
        }
        for fault in record["faults"]
    ]
    return Table(pd.DataFrame(lines), "Faults that the tests make happen.", wrap=True)


def page(path: Path = RECORD) -> str:
    """What ``book/faults.md`` includes, as HTML."""
    record = read(path)
    return f"{summary(record)}\n\n{table(record)._repr_html_()}"
