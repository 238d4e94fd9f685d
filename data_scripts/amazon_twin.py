"""Writes the shape twin of Amazon as ``data/amazon_twin/``, to measure costs on: see ``prepare.write_twin``.

    python data_scripts/amazon_twin.py

Rows, users and items are Table 7's, ten categories Section 4.6's. The other numbers of ids are assumptions.
"""

import sys
from pathlib import Path

from apg_repro.data.prepare import main, write_twin
from apg_repro.data.shapes import AMAZON
from apg_repro.paths import DATA

PRINTED = {"category": 10}
ASSUMED = {"timestamp": 6_500, "model_attr": 3, "brand": 50, "year": 20, "user_attr": 3}


def prepare(root: Path = DATA) -> None:
    """Generates and writes."""
    write_twin("amazon", AMAZON, printed=PRINTED, assumed=ASSUMED, root=root)


if __name__ == "__main__":
    sys.exit(main("amazon_twin", __doc__, prepare))
