"""Prepares the IJCAI-18 Alimama contest's training data (the paper's IAAC) as ``data/iaac/``.

    python data_scripts/iaac.py --archive round1_ijcai_18_train_20180301.txt

The file cannot be fetched by a script. It belongs to the contest "IJCAI-18 Alimama Sponsored Search Conversion Rate
Prediction" at tianchi.aliyun.com/competition/entrance/231647 (the paper's footnote 8), first round, and is given
to those who sign in; data set 147588 of the same site is the contest's archive. Unpack what you get. A copy may
hold a part only: the counts are compared with Table 7.

The label is ``is_trade``. Features are twelve categorical columns and nine numbers: 12 × 32 + 9 = 393 inputs, which
Table 5 prints (``apg_repro/data/shapes.py``). A missing value (-1) of a categorical column is a value like any other,
with an id of its own. Numbers are standardised over all rows and clipped to ±3, a missing one becomes 0, the mean.
The hour of day in Beijing is a field that can serve as a condition, but no feature. Not used: the instance and
context ids, and the property lists. Some instance ids occur twice; Table 7 counts every row, and so do we.
"""

import csv
import math
import sys
from pathlib import Path

import pandas as pd

from apg_repro.catalogue import CATALOGUE, how_to_prepare
from apg_repro.data.prepare import (
    NotFoundError,
    Parsed,
    check_counts,
    digest_of,
    main,
    own_archive,
    read_table,
    standardise,
    write_dataset,
)
from apg_repro.data.shapes import IAAC
from apg_repro.paths import DATA

FILE = "round1_ijcai_18_train_20180301.txt"
SHAPE = IAAC
COLUMNS = (
    "instance_id", "item_id", "item_category_list", "item_property_list", "item_brand_id", "item_city_id",
    "item_price_level", "item_sales_level", "item_collected_level", "item_pv_level", "user_id", "user_gender_id",
    "user_age_level", "user_occupation_id", "user_star_level", "context_id", "context_timestamp", "context_page_id",
    "predict_category_property", "shop_id", "shop_review_num_level", "shop_review_positive_rate", "shop_star_level",
    "shop_score_service", "shop_score_delivery", "shop_score_description", "is_trade",
)  # fmt: skip
MISSING = -1.0
LARGEST = 3e38  # of a float32, about
BEIJING = 8  # hours ahead of UTC


def parse(row: dict[str, str]) -> Parsed:
    """The ids, numbers and label of an instance.

    Raises:
        ValueError: a column is empty, a number or the time is none, or the label is not 0 or 1.
    """
    for column, value in row.items():
        if not value:
            raise ValueError(f"no {column}")
    if row["is_trade"] not in ("0", "1"):
        raise ValueError(f"is_trade {row['is_trade']!r} is neither 0 nor 1")
    # A category list goes from the root to the leaf, "root;second" or "root;second;third".
    row["item_category_list"] = row["item_category_list"].split(";")[:2][-1]
    if not row["context_timestamp"].isdecimal():
        raise ValueError(f"context_timestamp {row['context_timestamp']!r} is not a number of seconds")
    row["context_timestamp"] = str((int(row["context_timestamp"]) // 3600 + BEIJING) % 24)
    ids = [row[column] for column in IAAC.fields.values()]
    return ids, [number(row[column]) for column in IAAC.numbers], row["is_trade"] == "1"


def number(text: str) -> float:
    """A number, NaN for -1.

    Raises:
        ValueError: the text is not a number, or beyond those of float32.
    """
    value = float(text)
    if not abs(value) < LARGEST:  # nor if it is NaN
        raise ValueError(f"{text!r} is not a number")
    return math.nan if value == MISSING else value


def read(path: Path) -> pd.DataFrame:
    """The prepared rows.

    Raises:
        UserError: it is not the contest's training file, or a line of it is torn or malformed.
    """
    table = read_table(
        path, COLUMNS, parse, fields=tuple(IAAC.fields), numbers=IAAC.numbers, delimiter=" ", quoting=csv.QUOTE_NONE
    )
    numbers = {name: standardise(table[name].astype("float64")) for name in IAAC.numbers}
    return table.assign(**numbers)


def prepare(archive: Path | None, root: Path = DATA) -> None:
    """Reads, compares with Table 7, writes.

    Raises:
        NotFoundError: there is no file; the text says how to get it.
        UserError: it is not the right one.
    """
    path = own_archive(archive, FILE, "iaac")
    if path is None:
        raise NotFoundError(
            f"{FILE} lies behind a login. Sign in at {CATALOGUE['iaac'].source}, get the first round's training data, "
            f"unpack them, then run `{how_to_prepare('iaac')} --archive {FILE}`"
        )
    table = read(path)
    check_counts(CATALOGUE["iaac"].title, table, rows=SHAPE.rows, users=SHAPE.users, items=SHAPE.items)
    write_dataset(
        "iaac", table, fields=tuple(IAAC.fields), features=IAAC.features,
        counts={"users": SHAPE.users, "items": SHAPE.items}, root=root,
        source={"file": path.name, "sha256": digest_of(path), "official": False},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("iaac", __doc__, prepare, file=FILE))
