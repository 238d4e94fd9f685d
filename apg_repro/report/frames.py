"""Rows as lines of a tidy table, for readers who compute with them. Imports no torch."""

from collections.abc import Iterator
from typing import Any

from apg_repro.config import PROTOCOLS, changed
from apg_repro.rows.evidence import Evidence

LAST_COLUMNS = ("n_parameters", "n_hidden", "n_served", "seconds", "status", "id")


def run_lines(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """One line per cell, protocol and seed: see ``study.runs``."""
    rows = [row for cell in evidence.cells for how in PROTOCOLS for row in evidence.found(cell, how)]
    options = sorted({name for row in rows for name in changed(row.config)} - {"dataset", "backbone", "seed"})
    for cell in evidence.cells:
        for protocol in PROTOCOLS:
            reference = evidence.reference(cell, protocol)
            theirs = evidence.by_seed(reference, protocol) if reference else {}
            for row in evidence.found(cell, protocol):
                score, config = row.scores.get(protocol), row.config
                yield {
                    "dataset": config.dataset,
                    "backbone": cell.backbone,
                    "cell": cell.name,
                    "protocol": protocol,
                    "seed": config.seed,
                    "epoch": row.epoch(protocol),
                    "valid_auc": row.valid_auc(protocol),
                    "test_auc": row.test_auc(protocol),
                    "test_logloss": score.test_logloss if score else None,
                    "difference": row.test_auc(protocol) - theirs[config.seed] if config.seed in theirs else None,
                    "reference": reference.name if reference else None,
                    **{name: getattr(config, name) for name in options},
                    **{name: getattr(row, name) for name in LAST_COLUMNS},
                }
