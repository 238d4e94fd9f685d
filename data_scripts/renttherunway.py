"""Prepares the reviews of Rent the Runway (Misra, Wan & McAuley, RecSys 2018) as ``data/renttherunway/``.

    python data_scripts/renttherunway.py --archive renttherunway_final_data.json.gz

The file is "Rent the Runway" under "clothing fit" on the page of its makers, cseweb.ucsd.edu/~jmcauley/datasets.html.
``cleandata.parquet``, a table of the same rows without the texts of the reviews, serves as well and gives the same
rows.

The label is 1 for a rating of 10, the best of five that occur; rows without a rating are left out. What was told after
the rental is no feature: neither ``fit``, nor ``recommend`` (which is the label), nor the texts and the date of the
review. All other columns are fields, body measures in whole pounds, inches and years included, so that a missing value
is an id of its own. As in the table, the cups dd and d+ are d, ddd/e is e, and "party: cocktail" is a party.
"""

import gzip
import json
import re
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from apg_repro.catalogue import CATALOGUE
from apg_repro.data.prepare import check_counts, coded, digest_of, main, own_archive_or_advice, write_dataset
from apg_repro.errors import UserError, first_line
from apg_repro.paths import DATA

NAME = "renttherunway"
FILE, TABLE = "renttherunway_final_data.json.gz", "cleandata.parquet"
ROWS, USERS, ITEMS = 192_462, 105_508, 5_850  # with a rating
FIELDS = ("user", "item", "category", "rented_for", "body_type", "size", "weight", "height", "age", "bust")
FEATURES = {"default": {"inputs": list(FIELDS), "numbers": [], "bags": {}}}
RATINGS = ("2", "4", "6", "8", "10")
POSITIVE = "10"
MISSING = ""

# Our names → the columns of either form; a bust is in two columns of the table.
KEYS = {
    "user": "user_id", "item": "item_id", "category": "category", "rented_for": "rented for", "body_type": "body type",
    "size": "size", "weight": "weight", "height": "height", "age": "age", "bust": "bust size", "rating": "rating",
}  # fmt: skip
COLUMNS = {
    "user": "user_id", "item": "item_id", "category": "category", "rented_for": "rented_for", "body_type": "body_type",
    "size": "size", "weight": "weight_lbs", "height": "height_in", "age": "age", "rating": "rating",
}  # fmt: skip
BUST = ("bust_size_num", "bust_size_letter")
WHOLE = ("user", "item", "size", "weight", "height", "age", "rating")  # numbers
CUPS = {"dd": "d", "d+": "d", "ddd/e": "e"}
REQUIRED = ("user", "item", "category", "size")


def read(path: Path) -> pd.DataFrame:
    """The prepared rows, from either form.

    Raises:
        UserError: it is neither form, or damaged; the text names the line of a JSON file.
    """
    with path.open("rb") as file:
        is_table = file.read(4) == b"PAR1"
    texts = read_parquet(path) if is_table else read_json(path)
    rated = texts[texts["rating"] != MISSING].reset_index(drop=True)
    if rated.empty:
        raise UserError(f"{path} has no row with a rating: is it {FILE}?")
    table = pd.DataFrame({field: coded(rated[field]) for field in FIELDS})
    return table.assign(label=(rated["rating"] == POSITIVE).astype("int8"))


def read_json(path: Path) -> pd.DataFrame:
    """The columns as text, "" where missing, from one JSON object per line.

    Raises:
        UserError: see ``read``.
    """
    rows = []
    for number, line in lines(path):
        try:
            rows.append(parse(json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"{path}, line {number} is not a review ({error}): is it {FILE}?") from error
    return pd.DataFrame(rows, columns=list(KEYS))


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines of a file, compressed or not, blank ones left out; raises a UserError if it is damaged."""
    with path.open("rb") as file:
        is_compressed = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path, "rt", encoding="utf-8") if is_compressed else path.open(encoding="utf-8") as text:
            yield from ((number, line) for number, line in enumerate(text, 1) if line.strip())
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path} is damaged ({error}): get it again from {CATALOGUE[NAME].source}") from error


def parse(review: dict[str, Any]) -> list[str]:
    """A review's columns as text, in the order of ``KEYS``.

    Raises:
        ValueError: one is not what the data set has.
    """
    values = {name: "" if review.get(key) is None else str(review[key]).strip() for name, key in KEYS.items()}
    for name in REQUIRED:
        if not values[name]:
            raise ValueError(f"no {KEYS[name]}")
    if values["height"]:
        feet, inches = matched(r"(\d+)' ?(\d+)\"", values["height"], "height").groups()
        values["height"] = str(12 * int(feet) + int(inches))
    if values["weight"]:
        values["weight"] = matched(r"(\d+)lbs", values["weight"], "weight")[1]
    if values["bust"]:
        band, cup = matched(r"(\d+)(\D+)", values["bust"], "bust size").groups()
        values["bust"] = band + CUPS.get(cup, cup)
    values["rented_for"] = values["rented_for"].partition(":")[0]
    for name in WHOLE:
        if values[name]:
            values[name] = str(int(values[name]))
    if values["rating"] not in (MISSING, *RATINGS):
        raise ValueError(f"rating {values['rating']!r} is none of {', '.join(RATINGS)}")
    return list(values.values())


def matched(pattern: str, text: str, what: str) -> re.Match[str]:
    """The match of a whole text; raises a ValueError if it is of another form."""
    found = re.fullmatch(pattern, text)
    if not found:
        raise ValueError(f"{what} {text!r}")
    return found


def read_parquet(path: Path) -> pd.DataFrame:
    """The columns as text, "" where missing, from the table.

    Raises:
        UserError: see ``read``.
    """
    try:
        table = pq.read_table(path, columns=[*COLUMNS.values(), *BUST]).to_pandas()
        columns = {name: as_text(table[column], name in WHOLE) for name, column in COLUMNS.items()}
        band, cup = (as_text(table[name], name == BUST[0]) for name in BUST)
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be used ({first_line(error)}): is it {TABLE}?") from error
    found = pd.DataFrame({**columns, "bust": band + cup})
    if odd := sorted(set(found["rating"]) - {MISSING, *RATINGS}):
        raise UserError(f"{path}: rating {odd[0]!r} is none of {', '.join(RATINGS)}")
    return found


def as_text(values: pd.Series, is_number: bool) -> pd.Series:
    """A column as text, whole numbers without a point, "" where missing; raises a ValueError if one has a fraction."""
    if is_number:
        numbers = pd.to_numeric(values).astype("float64")
        if (numbers % 1 > 0).any():
            raise ValueError(f"{values.name} {numbers[numbers % 1 > 0].iloc[0]} is not a whole number")
        values = numbers.astype("Int64")
    return values.astype("string").fillna(MISSING).astype("object")


def prepare(archive: Path | None, root: Path = DATA) -> None:
    """Reads, compares with the known counts, writes.

    Raises:
        NotFoundError: there is no file; the text says how to get it.
        UserError: it is not the right one.
    """
    path = own_archive_or_advice(archive, (FILE, TABLE), NAME)
    table = read(path)
    check_counts(CATALOGUE[NAME].title, table, rows=ROWS, users=USERS, items=ITEMS, where="the data of 2018")
    write_dataset(
        NAME, table, fields=FIELDS, features=FEATURES, counts={"users": USERS, "items": ITEMS}, root=root,
        source={"file": path.name, "sha256": digest_of(path), "official": False},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(NAME, __doc__, prepare, file=FILE))
