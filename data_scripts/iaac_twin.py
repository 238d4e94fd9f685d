"""Writes the shape twin of IAAC as ``data/iaac_twin/``, to measure costs on: see ``prepare.write_twin``.

    python data_scripts/iaac_twin.py

Rows, users and items are Table 7's. The other numbers of ids are assumptions: those of small fields follow
from the codes of the file's format (ages 1000 to 1007 and -1, for one), the rest is of the right order of magnitude.
"""

import sys
from pathlib import Path

from apg_repro.paths import DATA
from apg_repro.prepare import main_of_made, write_twin

ROWS = 478_138
PRINTED = {"user": 197_694, "item": 10_075}
ASSUMED = {
    "category": 13, "brand": 2_055, "city": 128, "gender": 4, "age": 9, "occupation": 5, "user_star": 12, "page": 20,
    "shop": 3_959, "shop_star": 22, "hour": 24,
}  # fmt: skip
NUMBERS = (
    "item_price_level", "item_sales_level", "item_collected_level", "item_pv_level", "shop_review_num_level",
    "shop_review_positive_rate", "shop_score_service", "shop_score_delivery", "shop_score_description",
)  # fmt: skip
FIELDS = PRINTED | ASSUMED
FEATURES = {
    "default": {"inputs": [name for name in FIELDS if name != "hour"], "numbers": list(NUMBERS), "bags": {}}
}  # fmt: skip


def prepare(root: Path = DATA) -> None:
    """Generates and writes."""
    write_twin("iaac", rows=ROWS, fields=FIELDS, features=FEATURES, assumed=list(ASSUMED), root=root)


if __name__ == "__main__":
    sys.exit(main_of_made(__doc__, prepare))
