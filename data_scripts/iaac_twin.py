"""Writes the shape twin of IAAC as ``data/iaac_twin/``, to measure costs on: see ``prepare.write_twin``.

    python data_scripts/iaac_twin.py

Rows, users and items are Table 7's. The other numbers of ids are assumptions: those of small fields follow
from the codes of the file's format (ages 1000 to 1007 and -1, for one), the rest is of the right order of magnitude.
"""

import sys
from pathlib import Path

from apg_repro.data.prepare import main, write_twin
from apg_repro.data.shapes import IAAC
from apg_repro.paths import DATA

ASSUMED = {
    "category": 13, "brand": 2_055, "city": 128, "gender": 4, "age": 9, "occupation": 5, "user_star": 12, "page": 20,
    "shop": 3_959, "shop_star": 22, "hour": 24,
}  # fmt: skip


def prepare(root: Path = DATA) -> None:
    """Generates and writes."""
    write_twin("iaac", IAAC, assumed=ASSUMED, root=root)


if __name__ == "__main__":
    sys.exit(main("iaac_twin", __doc__, prepare))
