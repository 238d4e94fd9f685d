"""Prepares a synthetic CTR set with planted per-group weights as ``data/synthetic/``: the data for use offline.

    python data_scripts/synthetic.py

How the rows come about: ``apg_repro/data/planted.py``. Seeds are fixed; the same rows come out everywhere.
"""

import sys
from pathlib import Path

from apg_repro.data.planted import N_ITEMS, N_USERS, best_auc, checksum, generate
from apg_repro.data.prepare import main, write_dataset
from apg_repro.paths import DATA

N_ROWS, N_GROUPS, HETEROGENEITY = 200_000, 20, 1.0


def prepare(root: Path = DATA) -> None:
    """Generates and writes."""
    table = generate(n_rows=N_ROWS, n_groups=N_GROUPS, heterogeneity=HETEROGENEITY)
    write_dataset(
        "synthetic", table.drop(columns="probability"), fields=["user", "group", "item", "category"],
        features={"default": {"inputs": ["user", "group", "item", "category"], "numbers": [], "bags": {}}},
        source={"file": Path(__file__).name, "sha256": checksum(table), "official": True},
        counts={"users": N_USERS, "items": N_ITEMS}, extra={"best_auc": round(best_auc(table), 6)}, root=root,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("synthetic", __doc__, prepare))
