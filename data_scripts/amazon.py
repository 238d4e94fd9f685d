"""Prepares the electronics ratings of the "marketing bias" data (Wan et al., WSDM 2020) as ``data/amazon/``.

    python data_scripts/amazon.py                               # downloads df_electronics.csv (about 83 MB)
    python data_scripts/amazon.py --archive df_electronics.csv  # takes a copy that you have

The paper names only Amazon's electronics; its three counts are those of this file. It lies in the folder ``data``
of github.com/MengtingWan/marketBias, open to all. No checksum is published: the manifest records the file's
own, and the counts are held against Table 7.

The label is 1 for a rating of 4 or 5; the paper does not say. All of the file's other columns but its split are
features. A missing value (most ``user_attr``, some brands) is a value like any other, with an id of its own.
"""

import sys
from pathlib import Path

import pandas as pd

from apg_repro.paths import DATA
from apg_repro.prepare import Parsed, check_counts, find_archive, main, read_table, sha256_of, write_dataset

FILE = "df_electronics.csv"
URL = f"https://raw.githubusercontent.com/MengtingWan/marketBias/master/data/{FILE}"
TABLE_7 = {"rows": 1_292_954, "users": 1_157_633, "items": 9_560}
COLUMNS = (
    "item_id", "user_id", "rating", "timestamp", "model_attr", "category", "brand", "year", "user_attr", "split",
)  # fmt: skip
# 8 × 32 = 256 inputs explain the memory that the paper prints for Amazon in Table 6.
FIELDS = ("user", "item", "timestamp", "model_attr", "category", "brand", "year", "user_attr")
FEATURES = {"default": {"inputs": list(FIELDS), "numbers": [], "bags": {}}}
MISSING = ("nan", "NaN")  # beside nothing at all


def parse(row: dict[str, str]) -> Parsed:
    """The ids and the label of a rating; of its time, the day.

    Raises:
        ValueError: a rating other than 1 to 5, or no last column.
    """
    if row["rating"] not in ("1", "2", "3", "4", "5", "1.0", "2.0", "3.0", "4.0", "5.0"):
        raise ValueError(f"rating {row['rating']!r} is none of 1, 2, 3, 4, 5")
    if not row["split"]:
        raise ValueError("no split: is the line torn?")
    values = [
        row["user_id"], row["item_id"], row["timestamp"][:10], row["model_attr"], row["category"], row["brand"],
        row["year"], row["user_attr"],
    ]  # fmt: skip
    return ["" if value in MISSING else value for value in values], (), row["rating"] >= "4"


def read(path: Path) -> pd.DataFrame:
    """The prepared rows.

    Raises:
        UserError: it is not df_electronics.csv, or a line of it is torn or malformed.
    """
    return read_table(path, COLUMNS, parse, fields=FIELDS)


def prepare(archive: Path | None, root: Path = DATA) -> None:
    """Reads, checks against Table 7, writes."""
    path, own = find_archive(archive, FILE, URL)
    table = read(path)
    check_counts("Amazon", table, TABLE_7)
    write_dataset(
        "amazon", table, fields=FIELDS, features=FEATURES,
        counts={"users": TABLE_7["users"], "items": TABLE_7["items"]},
        source={"file": path.name, "sha256": sha256_of(path), "official": not own}, root=root,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("amazon", __doc__, FILE, prepare))
