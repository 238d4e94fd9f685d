"""Prepares the electronics ratings of the "marketing bias" data (Wan et al., WSDM 2020) as ``data/amazon/``.

    python data_scripts/amazon.py                               # downloads df_electronics.csv (about 83 MB)
    python data_scripts/amazon.py --archive df_electronics.csv  # takes a copy that you have

The paper names only Amazon's electronics; its three counts are those of this file. It lies in the folder ``data``
of github.com/MengtingWan/marketBias, open to all. The download is compared with git's checksum of it; a copy of your
own may be another file, so the manifest records its checksum, and the counts are compared with Table 7.

The label is 1 for a rating of 4 or 5; the paper does not say. All of the file's other columns but its split are
features. A missing value (most ``user_attr``, some brands) is a value like any other, with an id of its own.
"""

import sys
from pathlib import Path

import pandas as pd

from apg_repro.catalogue import CATALOGUE
from apg_repro.data.prepare import (
    Parsed,
    check_counts,
    digest_of,
    find_archive,
    git_blob_of,
    main,
    read_table,
    write_dataset,
)
from apg_repro.data.shapes import AMAZON
from apg_repro.paths import DATA

FILE = "df_electronics.csv"
COMMIT = "c5f94806c0f2ced577dbfc839c979b4dc7d459cf"  # of 2020-07-19, the repository's last
URL = f"https://raw.githubusercontent.com/MengtingWan/marketBias/{COMMIT}/data/{FILE}"
GIT_BLOB = "21f1831db84e11faaf7d7469b075c91c0c53c003"  # in that commit
SHAPE = AMAZON
COLUMNS = (
    "item_id", "user_id", "rating", "timestamp", "model_attr", "category", "brand", "year", "user_attr", "split",
)  # fmt: skip
MISSING = ("nan", "NaN")  # besides nothing at all


def parse(row: dict[str, str]) -> Parsed:
    """The ids and the label of a rating; of its time, the day.

    Raises:
        ValueError: a rating other than 1 to 5, or no last column.
    """
    if row["rating"] not in ("1", "2", "3", "4", "5", "1.0", "2.0", "3.0", "4.0", "5.0"):
        raise ValueError(f"rating {row['rating']!r} is none of 1, 2, 3, 4, 5")
    if not row["split"]:
        raise ValueError("no split: is the line torn?")
    row["timestamp"] = row["timestamp"][:10]
    values = [row[column] for column in AMAZON.fields.values()]
    return ["" if value in MISSING else value for value in values], (), row["rating"] >= "4"


def read(path: Path) -> pd.DataFrame:
    """The prepared rows.

    Raises:
        UserError: it is not df_electronics.csv, or a line of it is torn or malformed.
    """
    return read_table(path, COLUMNS, parse, fields=tuple(AMAZON.fields))


def is_official(path: Path) -> bool:
    """Whether a file is the one in the authors' repository."""
    return git_blob_of(path) == GIT_BLOB


def prepare(archive: Path | None, root: Path = DATA) -> None:
    """Reads, compares with Table 7, writes."""
    path = find_archive(archive, FILE, URL, is_official, "amazon")
    table = read(path)
    check_counts(CATALOGUE["amazon"].title, table, rows=SHAPE.rows, users=SHAPE.users, items=SHAPE.items)
    write_dataset(
        "amazon", table, fields=tuple(AMAZON.fields), features=AMAZON.features,
        counts={"users": SHAPE.users, "items": SHAPE.items}, root=root,
        source={"file": path.name, "sha256": digest_of(path), "official": is_official(path)},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("amazon", __doc__, prepare, file=FILE))
