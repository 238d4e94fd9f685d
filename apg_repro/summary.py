"""The tables of a suite as plain text, for the command line. Imports no torch."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from apg_repro.config import PROTOCOLS
from apg_repro.report.tables import Table, auc_table
from apg_repro.rows.evidence import Evidence


def summary(evidence: Evidence) -> str:
    """What the suite's page shows in tables, its own (``page.TABLES``) or those of AUC."""
    return "\n\n".join(map(str, tables(evidence)))


def tables(evidence: Evidence) -> list[Table]:
    """The tables that ``summary`` prints."""
    found = [auc_table(evidence, protocol) for protocol in PROTOCOLS] if evidence.cells else []
    return found + [table(evidence) for table in own_tables(evidence.suite.name)]


def own_tables(name: str) -> tuple[Callable[[Evidence], Table], ...]:
    """What the page of a room shows besides AUC."""
    room = f"apg_repro.experiments.{name}"
    spec = find_spec(room)
    if spec is None or spec.submodule_search_locations is None or find_spec(f"{room}.page") is None:
        return ()
    return getattr(import_module(f"{room}.page"), "TABLES", ())
