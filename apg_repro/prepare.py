"""What the scripts in ``data_scripts/`` share: finding, reading and checking a source, writing what comes of it.

Nothing here knows a data set. Rows are read one at a time and kept as numbers, so that a million of them need
some 100 MB.
"""

import argparse
import csv
import hashlib
import json
import os
import sys
import urllib.error
import urllib.request
import zipfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from apg_repro.config import UserError
from apg_repro.paths import DATA

# P(the k-th most frequent id) ∝ k^-ZIPF in a shape twin. An assumption: between even use and Zipf's law.
ZIPF = 0.7

# The ids of a row as text, in the order of the fields; its numbers, NaN where missing; its label.
Parsed = tuple[Sequence[str], Sequence[float], bool]


def main(name: str, description: str | None, file: str, prepare: Callable[[Path | None], None]) -> int:
    """The command line of a script; the exit status.

    Args:
        name: of the data set.
        description: the script's docstring.
        file: what the source is called.
        prepare: takes the path that the user gave, None if none.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--archive", type=Path, metavar="FILE", help=f"a copy of {file}")
    parser.add_argument("--if-possible", action="store_true", help="if there is no such file, say so and exit 0")
    args = parser.parse_args()
    try:
        prepare(args.archive)
    except (UserError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 0 if args.if_possible and isinstance(error, NotFoundError) else 1
    return 0


def main_of_made(description: str | None, prepare: Callable[[], None]) -> int:
    """The command line of a script whose rows are made and not read; the exit status."""
    formatter = argparse.RawDescriptionHelpFormatter
    argparse.ArgumentParser(description=description, formatter_class=formatter).parse_args()
    try:
        prepare()
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


class NotFoundError(UserError):
    """A source is not at hand, and could not be fetched."""


def find_archive(named: Path | None, file: str, url: str) -> tuple[Path, bool]:
    """The source to read, and whether it is the user's own copy.

    Looked for in this order: ``--archive``; the folder APG_ARCHIVES; ``data/``; the official address.

    Raises:
        UserError: the path given to ``--archive`` is not a file. NotFoundError: the download failed.
    """
    own = own_archive(named, file)
    if own:
        return own, True
    target = DATA / file
    if not target.is_file():
        download(url, target)
    return target, False


def own_archive(named: Path | None, file: str) -> Path | None:
    """The user's own copy of a source: ``--archive``, else in the folder APG_ARCHIVES; None if there is none.

    Raises:
        UserError: the path given to ``--archive`` is not a file.
    """
    if named is not None:
        if not named.is_file():
            raise UserError(f"there is no file {named}: give the path of {file} to --archive")
        return named
    folder = os.environ.get("APG_ARCHIVES")
    if folder and (Path(folder) / file).is_file():
        return Path(folder) / file
    return None


def download(url: str, target: Path) -> None:
    """Fetches a file; a broken transfer leaves nothing behind.

    Raises:
        NotFoundError: it could not be fetched.
    """
    print(f"downloading {url}")
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise NotFoundError(
            f"{url} could not be downloaded ({error}). Fetch it on another machine, then run this script with "
            f"--archive {target.name}"
        ) from error
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    part.write_bytes(content)
    part.replace(target)


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_table(
    path: Path, columns: Sequence[str], parse: Callable[[dict[str, str]], Parsed], *,
    fields: Sequence[str], numbers: Sequence[str] = (), delimiter: str = ",", quoting: Any = csv.QUOTE_MINIMAL,
) -> pd.DataFrame:  # fmt: skip
    """The rows of a text file: ids from 0 in order of first appearance, numbers, and the label.

    Args:
        path: UTF-8 text whose first line names its columns.
        columns: those names.
        parse: makes a row's ids, numbers and label from its columns; a ValueError says what is wrong with them.
        fields: names of the ids.
        numbers: names of the numbers.
        delimiter: between columns.
        quoting: of the csv module.

    Raises:
        UserError: it is not that file, or a line is torn or malformed; the text names the line.
    """
    known: list[dict[str, int]] = [{} for _ in fields]
    codes = [array("i") for _ in fields]
    quantities = [array("f") for _ in numbers]
    labels = array("b")
    for line, row in read_rows(path, columns, delimiter, quoting):
        try:
            ids, values, label = parse(dict(zip(columns, row, strict=True)))
        except ValueError as error:
            raise UserError(f"{path.name}, line {line}: {error}") from error
        for code, seen, value in zip(codes, known, ids, strict=True):
            code.append(seen.setdefault(value, len(seen)))
        for quantity, value in zip(quantities, values, strict=True):
            quantity.append(value)
        labels.append(label)
    return pd.DataFrame(
        {
            **{name: np.array(code, np.int32) for name, code in zip(fields, codes, strict=True)},
            **{name: np.array(quantity, np.float32) for name, quantity in zip(numbers, quantities, strict=True)},
            "label": np.array(labels, np.int8),
        }
    )


def read_rows(path: Path, columns: Sequence[str], delimiter: str, quoting: Any) -> Iterator[tuple[int, list[str]]]:
    """The number of its first line and the columns of each row. Blank lines and repeated headers are left out.

    Raises:
        UserError: see ``read_table``.
    """
    if zipfile.is_zipfile(path):
        raise UserError(f"{path} is a zip archive: unpack it and give the file in it to --archive")
    header, line = list(columns), 1
    # surrogateescape: bytes that are no UTF-8 stay different from each other
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, quoting=quoting, strict=True)
        try:
            if next(reader, None) != header:
                raise UserError(f"{path.name}, line 1 does not name the {len(header)} columns of this data set")
            line = reader.line_num + 1
            for row in reader:
                if any(row) and row != header:
                    if len(row) != len(header):
                        raise UserError(
                            f"{path.name}, line {line}: {len(row)} columns where {len(header)} are expected"
                        )
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise UserError(f"{path.name}, line {line}: {error}") from error


def check_counts(what: str, table: pd.DataFrame, expected: dict[str, int], item: str = "item") -> None:
    """Holds rows, users and items against what Table 7 prints.

    Raises:
        UserError: one differs.
    """
    found = {"rows": len(table), "users": table["user"].nunique(), "items": table[item].nunique()}
    for name, count in found.items():
        if count != expected[name]:
            raise UserError(
                f"{what} {name}: {count:,} found, {expected[name]:,} expected (Table 7): is the file complete?"
            )


def write_dataset(
    name: str, table: pd.DataFrame, *, fields: Sequence[str], features: dict[str, dict[str, Any]],
    source: dict[str, Any], counts: dict[str, int], extra: dict[str, Any] | None = None, root: Path = DATA,
) -> None:  # fmt: skip
    """Writes ``root/name/rows.parquet`` and, last, its ``manifest.json``.

    Args:
        name: the data set.
        table: one row an instance: id columns, number columns, ``label``.
        fields: the id columns.
        features: feature-set name → {"inputs", "numbers", "bags"}; one must be "default".
        source: {"file", "sha256", "official"} of what the rows were made from.
        counts: {"users", "items"} as Table 7 counts them.
        extra: further entries of the manifest.
        root: where prepared data sets lie.
    """
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)  # no manifest while the rows are not whole
    table.to_parquet(folder / "rows.parquet", index=False)
    manifest = {
        "name": name, "rows": len(table), "positive_rate": round(float(table["label"].mean()), 6), **counts,
        "fields": {field: int(table[field].max()) + 1 for field in fields}, "features": features, "source": source,
        **(extra or {}),
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{name}: {len(table):,} rows, {manifest['positive_rate']:.1%} positive, written to data/{name}/")


def write_twin(
    of: str, *, rows: int, fields: dict[str, int], features: dict[str, dict[str, Any]], assumed: Sequence[str],
    root: Path = DATA,
) -> None:  # fmt: skip
    """Writes the *shape twin* of a data set as ``root/{of}_twin``: as many rows, fields and ids, and random values.

    What a model costs does not depend on the values, so times and memory can be measured on a twin. Nothing can
    be learned from it: its labels are thrown with a fair coin, so any AUC is 0.5 but for chance.

    Args:
        of: the data set.
        rows: how many; at least as many as the largest field has ids.
        fields: each field's number of ids. Every id occurs; the rest of the rows follows Zipf's law (``ZIPF``).
        features: as the data set's; its numbers are drawn from a normal distribution.
        assumed: fields whose numbers of ids the paper does not print.
        root: where prepared data sets lie.
    """
    random = np.random.default_rng(0)
    columns: dict[str, np.ndarray] = {}
    for field, size in fields.items():
        popularity = np.arange(1, size + 1) ** -ZIPF
        ids = [np.arange(size), random.choice(size, rows - size, p=popularity / popularity.sum())]
        columns[field] = random.permutation(np.concatenate(ids).astype(np.int32))
    for number in features["default"]["numbers"]:
        columns[number] = random.standard_normal(rows, np.float32)
    columns["label"] = random.integers(2, size=rows, dtype=np.int8)
    shape = {"rows": rows, "fields": fields, "features": features, "zipf": ZIPF}
    write_dataset(
        f"{of}_twin", pd.DataFrame(columns), fields=list(fields), features=features,
        source={"file": None, "sha256": hashlib.sha256(json.dumps(shape).encode()).hexdigest(), "official": False},
        counts={"users": fields["user"], "items": fields["item"]},
        extra={"twin": True, "assumed": list(assumed)}, root=root,
    )  # fmt: skip
