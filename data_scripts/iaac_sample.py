"""Prepares four published parts of the IJCAI-18 contest's training data as ``data/iaac_sample/``: 11 % of IAAC.

    python data_scripts/iaac_sample.py --archive FOLDER/tr_2w.csv

The other three files, ``te_8k.csv``, ``train.tiny.csv`` and ``test.tiny.csv``, must lie beside the one that is named.
Two of them are uniform samples of the training file and two are blocks of it; a row that occurs twice is left in once.
Their columns have no names: which is which was worked out against rows of the contest's file. Ids of item, brand, city,
user and shop are numbers over the whole file, so the four files join.

Label and features are those of ``iaac.py``, twelve fields and nine numbers, but no hour, which is not in the files. A
missing value had been filled in by whoever made them, so there is none. Too few rows are positive to rank models by
their AUC: the data set shows that everything works on rows of IAAC, and what can be told from so few.
"""

import csv
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from apg_repro.catalogue import CATALOGUE
from apg_repro.data.prepare import (
    NotFoundError,
    check_counts,
    coded,
    digest_of,
    main,
    own_archive_or_advice,
    read_rows,
    standardise,
    write_dataset,
)
from apg_repro.data.shapes import IAAC
from apg_repro.errors import UserError
from apg_repro.paths import DATA

NAME = "iaac_sample"
FILES = ("tr_2w.csv", "te_8k.csv", "train.tiny.csv", "test.tiny.csv")
ROWS, USERS, ITEMS = 53_227, 40_781, 4_895
COLUMNS = ("Label", *(f"I{number}" for number in range(1, 14)), *(f"C{number}" for number in range(1, 9)))
FIELDS = {
    "user": "C5", "item": "C1", "category": "C2", "brand": "C3", "city": "C4", "gender": "C6", "age": "I5",
    "occupation": "C7", "user_star": "I6", "page": "I7", "shop": "C8", "shop_star": "I10",
}  # fmt: skip
NUMBERS = dict(zip(IAAC.numbers, ("I1", "I2", "I3", "I4", "I8", "I9", "I11", "I12", "I13"), strict=True))
FEATURES = {"default": {"inputs": list(FIELDS), "numbers": list(NUMBERS), "bags": {}}}


def read(paths: Sequence[Path]) -> pd.DataFrame:
    """The prepared rows of several files, each distinct row once, in order.

    Raises:
        UserError: one is not such a file, or a line of it is torn or malformed.
    """
    table = pd.DataFrame([row for path in paths for row in read_file(path)], columns=list(COLUMNS)).drop_duplicates()
    table = table.reset_index(drop=True)
    fields = {name: coded(table[column]) for name, column in FIELDS.items()}
    numbers = {name: standardise(table[column]) for name, column in NUMBERS.items()}
    return pd.DataFrame({**fields, **numbers, "label": table["Label"].astype("int8")})


def read_file(path: Path) -> Iterator[tuple[float | str, ...]]:
    """The values of each row, in the order of ``COLUMNS``; raises a UserError as ``read`` does."""
    for line, row in read_rows(path, COLUMNS, ",", csv.QUOTE_MINIMAL):
        try:
            yield parse(dict(zip(COLUMNS, row, strict=True)))
        except ValueError as error:
            raise UserError(f"{path}, line {line}: {error}") from error


def parse(row: dict[str, str]) -> tuple[float | str, ...]:
    """The values of a row: numbers, and the second level of the category as text.

    Raises:
        ValueError: a column is not a number, or the label is not 0 or 1.
    """
    # Two files have the second level of the category alone, the others "first;second", or a third level as well.
    category = row["C2"].split(";")[:2][-1]
    values = {column: category if column == "C2" else float(value) for column, value in row.items()}
    if values["Label"] not in (0, 1):
        raise ValueError(f"Label {row['Label']!r} is neither 0 nor 1")
    if not category:
        raise ValueError("no C2")
    for column, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{column} {row[column]!r} is not a number")
    return tuple(values.values())


def prepare(archive: Path | None, root: Path = DATA) -> None:
    """Reads the four files, leaves out repeated rows, compares with the known counts, writes.

    Raises:
        NotFoundError: there is no file; the text says how to get it.
        UserError: one is not the right one.
    """
    path = own_archive_or_advice(archive, FILES, NAME)
    paths = [path.parent / file for file in FILES]
    if missing := [one for one in paths if not one.is_file()]:
        raise NotFoundError(f"{missing[0].name} is not beside {path}: put all four there: {', '.join(FILES)}")
    table = read(paths)
    check_counts(CATALOGUE[NAME].title, table, rows=ROWS, users=USERS, items=ITEMS, where="the four files")
    digests = {one.name: digest_of(one) for one in paths}
    write_dataset(
        NAME, table, fields=tuple(FIELDS), features=FEATURES, counts={"users": USERS, "items": ITEMS}, root=root,
        source={"file": FILES[0], "sha256": digests[FILES[0]], "official": False}, extra={"files": digests},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(NAME, __doc__, prepare, file=FILES[0]))
