"""Prepares the repeat buyers of Tmall (IJCAI-15 contest) as ``data/tmall/``.

    python data_scripts/tmall.py --archive train_format1.csv

The file is in ``data_format1.zip`` of tianchi.aliyun.com/dataset/42, which is given to those who sign in. Beside it
must lie ``merchant_features.csv``: for each merchant, counts over the log of the half year before (users, actions,
items, brands, categories, actions of each kind, buyers), the share of its users who bought, and actions per user. It
was made from the contest's log, ``user_log_format1.csv``; age and gender of users, and the log, are not used
otherwise.

The label is the contest's: a new buyer buys from the merchant again within six months. Features are user and merchant,
and the twelve numbers of the merchant: logarithms of counts (log(1 + n)), then all standardised over the rows and
clipped to ±3. A merchant without counts has 0, the mean. Most users have one row. There is no field of a context, so
``reach`` takes its place, by how many users a merchant had, in powers of two; it is no feature. Merchants without
counts are a kind of their own.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from apg_repro.catalogue import CATALOGUE
from apg_repro.data.prepare import (
    NotFoundError,
    Parsed,
    check_counts,
    coded,
    digest_of,
    main,
    own_archive_or_advice,
    read_table,
    standardise,
    write_dataset,
)
from apg_repro.errors import UserError, first_line
from apg_repro.paths import DATA

FILE, FEATURES_FILE = "train_format1.csv", "merchant_features.csv"
ROWS, USERS, MERCHANTS = 260_864, 212_062, 1_993
COLUMNS = ("user_id", "merchant_id", "label")
COUNTS = (
    "user_cnt", "total_actions", "item_cnt", "brand_cnt", "cat_cnt", "action_0_cnt", "action_1_cnt", "action_2_cnt",
    "action_3_cnt", "buy_user_cnt",
)  # fmt: skip
RATIOS = ("buy_ratio", "avg_actions_per_user")
NUMBERS = (*COUNTS, *RATIOS)
FEATURES = {"default": {"inputs": ["user", "merchant"], "numbers": list(NUMBERS), "bags": {}}}


def parse(row: dict[str, str]) -> Parsed:
    """The ids and the label of a row; the merchant's id once more, as a number.

    Raises:
        ValueError: an id is not a whole number, or the label is not 0 or 1.
    """
    if row["label"] not in ("0", "1"):
        raise ValueError(f"label {row['label']!r} is neither 0 nor 1")
    for column in ("user_id", "merchant_id"):
        if not row[column].isdecimal() or len(row[column]) > 7:
            raise ValueError(f"{column} {row[column]!r} is not an id")
    return (row["user_id"], row["merchant_id"]), (float(row["merchant_id"]),), row["label"] == "1"


def read_merchants(path: Path) -> pd.DataFrame:
    """The numbers of every merchant as they are, by its id.

    Raises:
        UserError: it is not that file, or a value is negative or no number.
    """
    try:
        table = pd.read_csv(path)
        table = table[["merchant_id", *(f"merchant_{name}" for name in NUMBERS)]].astype("float64")
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be used ({first_line(error)}): is it {FEATURES_FILE}?") from error
    table.columns = ["merchant_id", *NUMBERS]
    if table["merchant_id"].isna().any() or table["merchant_id"].duplicated().any():
        raise UserError(f"{path}: a merchant is there twice, or without an id")
    if (table < 0).any(axis=None) or np.isinf(table).any(axis=None):
        raise UserError(f"{path}: a number is negative or infinite")
    return table.set_index("merchant_id")


def read(path: Path, merchants: Path) -> pd.DataFrame:
    """The prepared rows.

    Raises:
        UserError: a file is not the right one, or a line of it is torn or malformed.
    """
    rows = read_table(path, COLUMNS, parse, fields=("user", "merchant"), numbers=("merchant_id",))
    known = read_merchants(merchants).reindex(rows["merchant_id"].astype("float64")).reset_index(drop=True)
    digits = np.frexp(known["user_cnt"].fillna(0.0).to_numpy())[1]  # binary ones
    reach = pd.Series(digits, index=known.index).where(known["user_cnt"].notna(), -1)
    counts = known.assign(**{name: np.log1p(known[name].to_numpy()) for name in COUNTS})
    numbers = {name: standardise(counts[name]) for name in NUMBERS}
    return rows[["user", "merchant", "label"]].assign(reach=coded(reach), **numbers)


def prepare(archive: Path | None, root: Path = DATA) -> None:
    """Reads, compares with the known counts, writes.

    Raises:
        NotFoundError: there is no file; the text says how to get it.
        UserError: it is not the right one.
    """
    path = own_archive_or_advice(archive, (FILE,), "tmall")
    merchants = path.parent / FEATURES_FILE
    if not merchants.is_file():
        raise NotFoundError(f"{FEATURES_FILE} is not beside {path}: put it there (see --help for what it holds)")
    table = read(path, merchants)
    check_counts(
        CATALOGUE["tmall"].title, table, rows=ROWS, users=USERS, items=MERCHANTS, item="merchant", where="the contest"
    )
    write_dataset(
        "tmall", table, fields=("user", "merchant", "reach"), features=FEATURES, root=root,
        counts={"users": USERS, "items": MERCHANTS},
        source={"file": path.name, "sha256": digest_of(path), "official": False},
        extra={"merchants": {"file": merchants.name, "sha256": digest_of(merchants)}},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("tmall", __doc__, prepare, file=FILE))
