"""Writes the shape twin of Amazon as ``data/amazon_twin/``, to measure costs on: see ``prepare.write_twin``.

    python data_scripts/amazon_twin.py

Rows, users and items are Table 7's, ten categories Section 4.6's. The other numbers of ids are assumptions.
"""

import sys
from pathlib import Path

from apg_repro.paths import DATA
from apg_repro.prepare import main_of_made, write_twin

ROWS = 1_292_954
PRINTED = {"user": 1_157_633, "item": 9_560, "category": 10}
ASSUMED = {"timestamp": 6_500, "model_attr": 3, "brand": 50, "year": 20, "user_attr": 3}
INPUTS = ("user", "item", "timestamp", "model_attr", "category", "brand", "year", "user_attr")
FEATURES = {"default": {"inputs": list(INPUTS), "numbers": [], "bags": {}}}


def prepare(root: Path = DATA) -> None:
    """Generates and writes."""
    sizes = PRINTED | ASSUMED
    fields = {name: sizes[name] for name in INPUTS}
    write_twin("amazon", rows=ROWS, fields=fields, features=FEATURES, assumed=list(ASSUMED), root=root)


if __name__ == "__main__":
    sys.exit(main_of_made(__doc__, prepare))
