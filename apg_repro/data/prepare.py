"""What the scripts in ``data_scripts/`` share: finding, reading and checking a source, writing what comes of it.

Nothing here knows a data set, and nothing needs torch. Rows are read one at a time and kept as numbers, so that a
million of them need some 100 MB.
"""

import argparse
import codecs
import contextlib
import csv
import hashlib
import http.client
import json
import os
import sys
import urllib.error
import urllib.request
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from apg_repro.catalogue import data_set, how_to_prepare
from apg_repro.data import checksums, gate
from apg_repro.data.shapes import Shape
from apg_repro.errors import UserError
from apg_repro.paths import DATA

# P(the k-th most frequent id) ∝ k^-ZIPF in a shape twin. An assumption: between even use and Zipf's law.
ZIPF = 0.7
BLOCK = 1 << 16  # bytes
# Standard deviations: counts and scores have long tails, and APG multiplies inputs with each other.
MAX_DEVIATIONS = 3.0
COMPRESSED = {b"PK\x03\x04": "a zip archive", b"\x1f\x8b": "compressed with gzip"}  # by their first bytes

# The ids of a row as text, in the order of the fields; its numbers, NaN where missing; its label.
Parsed = tuple[Sequence[str], Sequence[float], bool]


class NotFoundError(UserError):
    """A source is not at hand, and could not be fetched."""


def main(
    name: str, description: str | None, prepare: Callable[..., None], *, file: str = "",
    variants: Sequence[str] = (), arguments: Sequence[str] | None = None,
) -> int:  # fmt: skip
    """The command line of a script; the exit status.

    Args:
        name: of the data set.
        description: the script's docstring.
        prepare: does the work; takes the path that the user gave (None if none) where there is a source, and the
            variant ("" if none) where there are some.
        file: what the source is called; "" where rows are made and not read.
        variants: of the data set, which are prepared one at a time.
        arguments: the command line's, where they are not the process's.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if file:
        parser.add_argument("--archive", type=Path, metavar="FILE", help=f"a copy of {file}")
        parser.add_argument("--if-possible", action="store_true", help="if there is no such file, say so and exit 0")
    if variants:
        parser.add_argument("--variant", choices=variants, default="", help="instead of the usual data set")
    args = parser.parse_args(arguments)
    try:
        prepare(*([args.archive] if file else []), *([args.variant] if variants else []))
    except (UserError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 0 if isinstance(error, NotFoundError) and args.if_possible else 1
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        return 130
    return 0


def find_archive(named: Path | None, file: str, url: str, is_official: Callable[[Path], bool], name: str = "") -> Path:
    """The source to read.

    Looked for in this order: ``--archive``; the folder APG_ARCHIVES and its subfolder ``name``; ``data/``, where an
    earlier download lies; the official address. A copy of the user's own may differ from the official file, a download
    may not.

    Raises:
        UserError: the path given to ``--archive`` is not a file, or an earlier download is not the official one.
        NotFoundError: the download failed.
    """
    own = own_archive(named, file, name)
    if own:
        return own
    target = DATA / file
    if not target.is_file():
        download(url, target, is_official)
    elif not is_official(target):
        raise UserError(f"{target} is not the official file: delete it, then run this script again")
    return target


def own_archive(named: Path | None, file: str, name: str = "") -> Path | None:
    """The user's own copy of a source: ``--archive``, else in the folder APG_ARCHIVES or in its subfolder ``name``.

    None if there is none.

    Raises:
        UserError: the path given to ``--archive`` is not a file.
    """
    if named is not None:
        if not named.is_file():
            raise UserError(f"there is no file {named}: give the path of {file} to --archive")
        return named
    folder = os.environ.get("APG_ARCHIVES")
    places = [Path(folder) / file, Path(folder) / name / file] if folder else []
    return next((place for place in places if place.is_file()), None)


def own_archive_or_advice(named: Path | None, files: Sequence[str], name: str) -> Path:
    """The user's own copy of a source that no script can fetch, under one of the names of its forms.

    Raises:
        UserError: the path given to ``--archive`` is not a file.
        NotFoundError: there is none; the text says where to get it.
    """
    for file in files:
        if own := own_archive(named, file, name):
            return own
    raise NotFoundError(
        f"get {files[0]} from {data_set(name).source}, then run `{how_to_prepare(name)} --archive {files[0]}`"
    )


def download(url: str, target: Path, is_official: Callable[[Path], bool]) -> None:
    """Fetches a file over https; a broken transfer, or another file than the official one, leaves nothing behind.

    Raises:
        NotFoundError: it could not be fetched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    advice = f"fetch it on another machine, then run this script with --archive {target.name}"
    try:
        with part.open("wb") as file:
            for block in fetched(url, advice):
                file.write(block)
        if not is_official(part):
            raise NotFoundError(f"{url} gave another file than the official one, such as a login page: {advice}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def fetched(url: str, advice: str) -> Iterator[bytes]:
    """The blocks of a file, as they come over https, under a progress bar.

    Raises:
        NotFoundError: not all of it came; the text ends with the advice.
    """
    try:
        with open_https(url) as answer:
            size = answer.length
            with tqdm(total=size, desc=url.rpartition("/")[2], unit="B", unit_scale=True, dynamic_ncols=True) as bar:
                for block in iter(partial(answer.read, BLOCK), b""):
                    yield block
                    bar.update(len(block))
                if size is not None and bar.n != size:
                    raise http.client.IncompleteRead(b"", size - bar.n)
    except http.client.IncompleteRead as error:
        raise NotFoundError(f"the download of {url} broke off: {advice}") from error
    except (OSError, http.client.HTTPException) as error:  # a URLError is an OSError
        reason = " ".join(str(error).split()).removeprefix("<urlopen error ").rstrip(">") or type(error).__name__
        raise NotFoundError(f"{url} could not be downloaded ({reason}): {advice}") from error


def open_https(url: str) -> http.client.HTTPResponse:
    """The answer of an address; raises a URLError if it is not https, or leads to one that is not."""
    if not url.startswith("https://"):
        raise urllib.error.URLError("the address is not https")
    return urllib.request.build_opener(StayOnHttps).open(url, timeout=60)


class StayOnHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https only."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"it leads to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def digest_of(path: Path, algorithm: str = "sha256") -> str:
    """The checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def git_blob_of(path: Path) -> str:
    """The name that git gives to a file's content: a checksum that every public repository publishes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        for block in iter(partial(file.read, BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


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
            raise UserError(f"{path}, line {line}: {error}") from error
        for code, seen, value in zip(codes, known, ids, strict=True):
            code.append(seen.setdefault(value, len(seen)))
        for quantity, value in zip(quantities, values, strict=True):
            quantity.append(value)
        labels.append(label)
    if not labels:
        raise UserError(f"{path}, line 1 is a header, and no row follows it")
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
    check_text(path)
    header, line = list(columns), 1
    # surrogateescape: bytes that are no UTF-8 stay different from each other
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        reader = csv.reader(without_nul(path, text), delimiter=delimiter, quoting=quoting, strict=True)
        try:
            if next(reader, None) != header:
                raise UserError(f"{path}, line 1 does not name the {len(header)} columns of this data set")
            line = reader.line_num + 1
            for row in reader:
                if any(row) and row != header:
                    if len(row) != len(header):
                        raise UserError(f"{path}, line {line}: {len(row)} columns where {len(header)} are expected")
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise UserError(f"{path}, line {line}: {error}") from error


def check_text(path: Path) -> None:
    """Raises a UserError if the first bytes of a file are not those of UTF-8 text."""
    with path.open("rb") as file:
        start = file.read(4)
    for magic, what in COMPRESSED.items():
        if start.startswith(magic):
            raise UserError(f"{path} is {what}: unpack it and give the file in it to --archive")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UserError(f"{path}, line 1 is text in UTF-16: save it as UTF-8")


def without_nul(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """The lines as they are; raises a UserError if one has a NUL byte, which no text has."""
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise UserError(f"{path}, line {number} has a NUL byte: is the file damaged?")
        yield line


def coded(values: pd.Series) -> pd.Series:
    """Ids from 0 in order of first appearance."""
    return pd.Series(pd.factorize(values)[0].astype("int32"), index=values.index)


def standardise(values: pd.Series) -> pd.Series:
    """Mean 0 and variance 1 over what is known, at most ``MAX_DEVIATIONS`` away; 0 where missing. Float32."""
    spread = values.std(ddof=0)
    found = ((values - values.mean()) / (spread if spread > 0 else 1.0)).clip(-MAX_DEVIATIONS, MAX_DEVIATIONS)
    return found.fillna(0.0).astype("float32")


def check_counts(
    what: str, table: pd.DataFrame, *, rows: int, users: int, items: int, item: str = "item", where: str = "Table 7"
) -> None:
    """Compares rows, users and items with what Table 7 prints, or where else they stand.

    Raises:
        UserError: one differs.
    """
    found = {"rows": len(table), "users": table["user"].nunique(), "items": table[item].nunique()}
    for name, expected in {"rows": rows, "users": users, "items": items}.items():
        if found[name] != expected:
            raise UserError(
                f"{what} {name}: {found[name]:,} found, {expected:,} expected ({where}): is the file complete?"
            )


def write_dataset(
    name: str, table: pd.DataFrame, *, fields: Sequence[str], features: dict[str, dict[str, Any]],
    source: dict[str, Any], counts: dict[str, int], extra: dict[str, Any] | None = None, part: str = "",
    root: Path = DATA, say: Callable[[str], None] = print,
) -> None:  # fmt: skip
    """Writes ``root/name/rows.parquet`` and its ``manifest.json``.

    Both are written under temporary names, and the rows pass the gate, before they replace the old ones. Whenever the
    process is killed, the old data set or none is there, never half of one.

    Args:
        name: the data set.
        table: one row per instance: id columns, number columns, ``label``.
        fields: the id columns.
        features: feature-set name → {"inputs", "numbers", "bags"}; one must be "default".
        source: {"file", "sha256", "official"} of what the rows were made from.
        counts: {"users", "items"} as Table 7 counts them.
        extra: further entries of the manifest.
        part: what the table's column ``part`` is, for people; "" if it has none and the seed of a run splits the rows.
        root: where prepared data sets lie.
        say: takes what people are told when it is done.

    Raises:
        UserError: the rows do not pass the gate, or cannot be written.
    """
    folder = root / name
    rows, manifest_file = folder / "rows.parquet", folder / "manifest.json"
    new_rows, new_manifest = (path.with_name(f"{path.name}.part") for path in (rows, manifest_file))
    manifest = {
        "name": name, "rows": len(table), "positive_rate": round(float(table["label"].mean()), 6), **counts,
        "fields": {field: int(table[field].max()) + 1 for field in fields}, "features": features, "source": source,
        "checksums": dict.fromkeys(features, ""), **({gate.PART: part} if part else {}), **(extra or {}),
    }  # fmt: skip
    gate.check_manifest(manifest)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        table.to_parquet(new_rows, index=False)
        for view in features:
            manifest["checksums"][view] = gate.read_rows(new_rows, manifest, view).checksum
        new_manifest.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        manifest_file.unlink(missing_ok=True)  # no manifest while the rows are not those that it describes
        new_rows.replace(rows)
        new_manifest.replace(manifest_file)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}): free some space or choose a folder that can be "
            f"written, then run `{how_to_prepare(name)}` again"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            new_rows.unlink(missing_ok=True)
            new_manifest.unlink(missing_ok=True)
    say(f"{name}: {len(table):,} rows, {manifest['positive_rate']:.1%} positive, written to {folder}")
    known = {view: checksums.recorded(name, view) for view in features}
    if other := [view for view in features if known[view] not in (None, manifest["checksums"][view])]:
        say(
            f"{name}: these are not the rows that the committed results were computed on, in feature set "
            f"{', '.join(other)} (results/data.json)"
        )


def write_twin(
    of: str, shape: Shape, *, printed: dict[str, int] | None = None, assumed: dict[str, int], root: Path = DATA
) -> None:
    """Writes the *shape twin* of a data set as ``root/{of}_twin``: as many rows, fields and ids, and random values.

    What a model costs does not depend on the values, so times and memory can be measured on a twin. Nothing can
    be learned from it: its labels are tossed with a fair coin, so any AUC is 0.5 but for chance.

    Every id occurs; the rest of the rows follows Zipf's law (``ZIPF``). Numbers are uniform with mean 0 and variance
    1: unlike a normal distribution's, their bytes depend on no platform's logarithm.

    Args:
        of: the data set.
        shape: its shape.
        printed: numbers of ids that the paper prints, besides those of users and items.
        assumed: numbers of ids of all other fields, which it does not print.
        root: where prepared data sets lie.
    """
    sizes = {"user": shape.users, "item": shape.items, **(printed or {}), **assumed}
    fields = {field: sizes[field] for field in shape.fields}
    random = np.random.default_rng(0)
    columns: dict[str, np.ndarray] = {}
    for field, size in fields.items():
        popularity = np.arange(1, size + 1) ** -ZIPF
        ids = [np.arange(size), random.choice(size, shape.rows - size, p=popularity / popularity.sum())]
        columns[field] = random.permutation(np.concatenate(ids).astype(np.int32))
    for number in shape.numbers:
        columns[number] = (random.random(shape.rows, np.float32) - np.float32(0.5)) * np.float32(12**0.5)
    columns["label"] = random.integers(2, size=shape.rows, dtype=np.int8)
    made_from = {"rows": shape.rows, "fields": fields, "features": shape.features, "zipf": ZIPF}
    write_dataset(
        f"{of}_twin", pd.DataFrame(columns), fields=list(fields), features=shape.features,
        source={"file": None, "sha256": hashlib.sha256(json.dumps(made_from).encode()).hexdigest(), "official": False},
        counts={"users": shape.users, "items": shape.items},
        extra={"twin": True, "assumed": list(assumed)}, root=root,
    )  # fmt: skip
