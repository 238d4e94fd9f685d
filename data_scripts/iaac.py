"""Prepares the IJCAI-18 Alimama contest's training data (the paper's IAAC) as ``data/iaac/``.

    python data_scripts/iaac.py --archive round1_ijcai_18_train_20180301.txt

The file cannot be fetched by a script. It belongs to the contest "IJCAI-18 Alimama Sponsored Search Conversion Rate
Prediction" at tianchi.aliyun.com/competition/entrance/231647 (the paper's footnote 8), first round, and is given
to those who sign in; data set 147588 of the same site is the contest's archive. Unpack what you get. A copy may
hold a part only: the counts are held against Table 7.

The label is ``is_trade``. Features are twelve categorical columns and nine numbers: 12 × 32 + 9 = 393 inputs, which
Table 5 prints. A missing value (-1) of a categorical column is a value like any other, with an id of its own.
Numbers are standardised over all rows and clipped to ±3, a missing one becomes 0, the mean. The hour of day in
Beijing is a field that can serve as a condition, but no feature. Not used: the instance and context ids, and the
property lists. Some instance ids occur twice; Table 7 counts every row, and so do we.
"""

import csv
import math
import sys
from pathlib import Path

import pandas as pd

from apg_repro.config import UserError
from apg_repro.paths import DATA
from apg_repro.prepare import Parsed, check_counts, main, own_archive, read_table, sha256_of, write_dataset

FILE = "round1_ijcai_18_train_20180301.txt"
TABLE_7 = {"rows": 478_138, "users": 197_694, "items": 10_075}
COLUMNS = (
    "instance_id", "item_id", "item_category_list", "item_property_list", "item_brand_id", "item_city_id",
    "item_price_level", "item_sales_level", "item_collected_level", "item_pv_level", "user_id", "user_gender_id",
    "user_age_level", "user_occupation_id", "user_star_level", "context_id", "context_timestamp", "context_page_id",
    "predict_category_property", "shop_id", "shop_review_num_level", "shop_review_positive_rate", "shop_star_level",
    "shop_score_service", "shop_score_delivery", "shop_score_description", "is_trade",
)  # fmt: skip
# Our name → the file's.
INPUTS = {
    "user": "user_id", "item": "item_id", "category": "item_category_list", "brand": "item_brand_id",
    "city": "item_city_id", "gender": "user_gender_id", "age": "user_age_level", "occupation": "user_occupation_id",
    "user_star": "user_star_level", "page": "context_page_id", "shop": "shop_id", "shop_star": "shop_star_level",
}  # fmt: skip
FIELDS = (*INPUTS, "hour")
NUMBERS = (
    "item_price_level", "item_sales_level", "item_collected_level", "item_pv_level", "shop_review_num_level",
    "shop_review_positive_rate", "shop_score_service", "shop_score_delivery", "shop_score_description",
)  # fmt: skip
FEATURES = {"default": {"inputs": list(INPUTS), "numbers": list(NUMBERS), "bags": {}}}
MISSING = -1.0
LARGEST = 3e38  # of a float32, about
BEIJING = 8  # hours ahead of UTC
LIMIT = 3.0  # standard deviations: a shop's scores have a long tail, and APG multiplies inputs with each other


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
    second = row["item_category_list"].split(";")[:2][-1]
    ids = [second if name == "category" else row[column] for name, column in INPUTS.items()]
    hour = (int(row["context_timestamp"]) // 3600 + BEIJING) % 24
    return [*ids, str(hour)], [number(row[column]) for column in NUMBERS], row["is_trade"] == "1"


def number(text: str) -> float:
    """A number, NaN for -1.

    Raises:
        ValueError: the text is no number, or beyond those of float32.
    """
    value = float(text)
    if not abs(value) < LARGEST:  # nor if it is NaN
        raise ValueError(f"{text!r} is no number")
    return math.nan if value == MISSING else value


def standardise(values: pd.Series) -> pd.Series:
    """Mean 0 and standard deviation 1 over the values that are known, within ±3; 0 where none is."""
    spread = values.std(ddof=0)
    return ((values - values.mean()) / (spread if spread > 0 else 1.0)).clip(-LIMIT, LIMIT).fillna(0.0)


def read(path: Path) -> pd.DataFrame:
    """The prepared rows.

    Raises:
        UserError: it is not the contest's training file, or a line of it is torn or malformed.
    """
    table = read_table(
        path, COLUMNS, parse, fields=FIELDS, numbers=NUMBERS, delimiter=" ", quoting=csv.QUOTE_NONE
    )  # fmt: skip
    return table.assign(**{name: standardise(table[name].astype("float64")).astype("float32") for name in NUMBERS})


def prepare(archive: Path | None, root: Path = DATA) -> None:
    """Reads, checks against Table 7, writes.

    Raises:
        UserError: there is no file, with how to get it; or it is not the right one.
    """
    path = own_archive(archive, FILE)
    if path is None:
        raise UserError(
            f"{FILE} lies behind a login. Sign in at https://tianchi.aliyun.com/competition/entrance/231647, get the "
            f"first round's training data, unpack them, then run `python data_scripts/iaac.py --archive {FILE}`"
        )
    table = read(path)
    check_counts("IAAC", table, TABLE_7)
    write_dataset(
        "iaac", table, fields=FIELDS, features=FEATURES,
        counts={"users": TABLE_7["users"], "items": TABLE_7["items"]},
        source={"file": path.name, "sha256": sha256_of(path), "official": False}, root=root,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("iaac", __doc__, FILE, prepare))
