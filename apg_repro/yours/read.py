"""A user's file → a table of text, one column per column of the file, with None where a value is missing.

CSV, TSV and other delimited text, JSON lines and Parquet; text may be compressed with gzip. What a file is, its first
bytes say, not its name. Every fault ends in one sentence with the line and the remedy.
"""

import codecs
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pcsv
import pyarrow.json as pjson
import pyarrow.parquet as pq

from apg_repro.errors import UserError, first_line
from apg_repro.paths import read_object

Form = Literal["text", "json", "parquet"]

pc: Any = pyarrow.compute  # makes its functions when it is imported: their names are nowhere in its source

MAX_BYTES = 10 * 10**9  # bytes: all columns are held in memory
MIN_ROWS = 200  # rows; with fewer, a tenth of them are too few test rows to rank
BLOCK = 1 << 24  # bytes
WHOLE = (1 << 31) - 1  # bytes, the largest block that pyarrow takes
DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "\\N")  # what is read as no value
GZIP = b"\x1f\x8b"
UNREADABLE = (OSError, EOFError, zlib.error)  # what a file that is torn or damaged raises, packed or not
REFUSED = {
    b"PK\x03\x04": "a zip archive or an Excel sheet: unpack it, or save the sheet as CSV",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"BZh": "compressed with bzip2: unpack it, or compress it with gzip",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it, or compress it with gzip",
    codecs.BOM_UTF16_LE: "text in UTF-16: save it as UTF-8",
    codecs.BOM_UTF16_BE: "text in UTF-16: save it as UTF-8",
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that was read.

    Attributes:
        table: columns of text, in the order of the file.
        form: what the file is. delimiter: of its columns, where it is delimited text.
        sha256: of the file.
    """

    path: Path
    table: pa.Table
    form: Form
    delimiter: str
    sha256: str


def read(path: Path) -> Source:
    """Reads a file.

    Raises:
        UserError: there is no such file, it is too large, or it has a fault; the text says where, and what to do.
    """
    form = form_of(path)
    sha256 = check_bytes(path, is_text=form != "parquet")
    delimiter = ""
    try:
        if form == "parquet":
            check_names(path, [name.strip() for name in pq.read_schema(path).names])  # pyarrow reads no name twice
            table = pq.read_table(path)
        elif form == "json":
            table = read_json(path)
        else:
            delimiter, table = read_text(path)
    except (*UNREADABLE, ValueError, pa.ArrowException) as error:
        raise UserError(
            f"{path} cannot be read ({first_line(error)}): correct that, or save it as CSV again"
        ) from error
    table = table.rename_columns([name.strip() for name in table.column_names])
    check_names(path, table.column_names)
    if not len(table):
        raise UserError(f"{path} has a header and no row below it: give a file with at least {MIN_ROWS} rows")
    if len(table) < MIN_ROWS:
        raise UserError(f"{path} has {len(table)} rows, too few to compare models: give at least {MIN_ROWS}")
    try:
        columns = [as_text(path, name, table.column(name)) for name in table.column_names]
    except pa.ArrowException as error:
        raise UserError(f"{path} has a column that is not text ({first_line(error)}): write it as text") from error
    return Source(
        path=path, table=pa.table(columns, names=table.column_names), form=form, delimiter=delimiter, sha256=sha256
    )


def form_of(path: Path) -> Form:
    """What a file is, by its first bytes."""
    try:
        if not path.exists():
            raise UserError(f"there is no file {path}: give the path of your rows, such as clicks.csv")
        if not path.is_file():
            raise UserError(f"{path} is not a file: give the path of one file, such as clicks.csv")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(
                f"{path} has {path.stat().st_size / 1e9:.0f} GB, and {MAX_BYTES / 1e9:.0f} GB are the most: take a "
                "random sample of its rows, all rows of some users rather than some rows of all"
            )
        with opened(path) as file:
            start = file.read(BLOCK)
    except UNREADABLE as error:
        raise UserError(f"{path} cannot be read ({first_line(error)}): is it complete, and may you read it?") from error
    if not start.strip():
        raise UserError(f"{path} is empty: give a file with a header and at least {MIN_ROWS} rows")
    for magic, what in REFUSED.items():
        if start.startswith(magic):
            raise UserError(f"{path} is {what}")
    if start.startswith(b"PAR1"):
        return "parquet"
    first = start.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if first == b"[":
        raise UserError(f"{path} is one JSON array: write one object per line, as `jq -c '.[]'` does")
    return "json" if first == b"{" else "text"


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if gzip has packed them."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
        file.seek(0)
        if packed:
            with gzip.open(file) as unpacked:
                yield unpacked  # pyright: ignore[reportReturnType]
        else:
            yield file


def check_bytes(path: Path, *, is_text: bool) -> str:
    """The sha256 of a file; raises a UserError at the first byte that no text in UTF-8 has."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if not is_text:
        return sha256
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    try:
        with opened(path) as file:
            while block := file.read(BLOCK):
                if (place := block.find(b"\0")) >= 0:
                    line += block.count(b"\n", 0, place)
                    raise UserError(f"{path}, line {line} has a NUL byte: the file is damaged, write it again")
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    line += error.object.count(b"\n", 0, error.start)
                    raise UserError(f"{path}, line {line} is not UTF-8 text: save the file as UTF-8") from error
                line += block.count(b"\n")
    except UNREADABLE as error:
        raise UserError(f"{path} cannot be unpacked ({first_line(error)}): is it complete?") from error
    return sha256


def read_text(path: Path) -> tuple[str, pa.Table]:
    """The delimiter of a text file, and its columns, all as text."""
    with opened(path) as file:
        header = file.readline().decode("utf-8-sig").rstrip("\r\n")
    delimiter = max(DELIMITERS, key=header.count)
    if not header.count(delimiter):
        names = ", ".join(DELIMITERS.values())
        raise UserError(f"{path}, line 1 names a single column, {header[:40]!r}: separate columns by {names}")
    faults: list[Any] = []
    parsing = pcsv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, invalid_row_handler=lambda row: faults.append(row) or "skip"
    )

    def table(use_threads: bool) -> pa.Table:
        with opened(path) as file:
            names = pcsv.open_csv(file, parse_options=parsing).schema.names
        converting = pcsv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=list(MISSING)
        )
        with opened(path) as file:
            reading = pcsv.ReadOptions(use_threads=use_threads, block_size=BLOCK)
            return pcsv.read_csv(file, read_options=reading, parse_options=parsing, convert_options=converting)

    found = table(use_threads=True)
    if faults:  # only a reader without threads knows the number of a row
        faults.clear()
        table(use_threads=False)
        row = next(fault for fault in faults if fault.number is not None)  # opening a file to see its columns uses them
        raise UserError(
            f"{path}, line {row.number}: {row.actual_columns} columns where the header has {row.expected_columns}: put "
            "values with a delimiter in quotes, or correct that line"
        )
    last = " ".join(str(found.column(place)[-1]) for place in range(found.num_columns)) if len(found) else ""
    if "\n" in last and quotes_of(path) % 2:
        raise UserError(f"{path}: the quote before {last.partition(chr(10))[0][-40:]!r} is never closed: close it")
    return delimiter, found


def read_json(path: Path) -> pa.Table:
    """The columns of a file of JSON lines.

    Raises:
        ValueError: it has a fault; the text counts rows as they are in the file, from 1, without empty lines.
    """
    try:
        with opened(path) as file:
            return pjson.read_json(file)
    except pa.ArrowInvalid:  # it counts the rows of a block, so the file is read as one
        try:
            with opened(path) as file:
                return pjson.read_json(file, read_options=pjson.ReadOptions(block_size=WHOLE))
        except pa.ArrowInvalid as error:
            raise ValueError(re.sub(r"row (\d+)", lambda found: f"row {int(found[1]) + 1}", str(error))) from error


def quotes_of(path: Path) -> int:
    """How many quotes a file has."""
    with opened(path) as file:
        return sum(block.count(b'"') for block in iter(lambda: file.read(BLOCK), b""))


def check_names(path: Path, names: list[str]) -> None:
    """Raises a UserError if a column has no name, or the name of another one."""
    for place, name in enumerate(names, 1):
        if not name.strip():
            raise UserError(f"{path}, line 1: column {place} has no name: give it one")
        if name in names[: place - 1]:
            raise UserError(f"{path}, line 1 has the column {name!r} twice: rename one")


def as_text(path: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as ``plain`` text; raises a UserError if its values are none."""
    if pa.types.is_nested(column.type):
        raise UserError(
            f"{path}: column {name!r} holds lists or objects: write one value per row in columns of its own"
        )
    return plain(column)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text without spaces around it; whole numbers have no decimal point."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, pa.float64()))
        is_whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), 2.0**63))
        if pc.all(is_whole).as_py():
            column = column.cast(pa.int64(), safe=False)
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    column = pc.utf8_trim_whitespace(column)
    column = pc.if_else(pc.is_in(column, pa.array(MISSING)), pa.scalar(None, pa.string()), column)
    is_pointed = pc.all(pc.match_substring_regex(column, r"^-?\d+\.0+$")).as_py()  # pandas, where a value is missing
    return pc.replace_substring_regex(column, r"\.0+$", "") if is_pointed else column


def stored(path: Path, *entries: str) -> dict[str, Any]:
    """What an earlier run has written to the work folder as JSON.

    Args:
        entries: that it must have.

    Raises:
        UserError: it is damaged.
    """
    try:
        found = read_object(path)
        if lacking := [name for name in entries if name not in found]:
            raise ValueError(f"it has no entry {lacking[0]!r}")
        return found
    except (OSError, ValueError) as error:
        raise damaged(path, first_line(error)) from error


def damaged(path: Path, why: str) -> UserError:
    """That a file of the work folder cannot be used, and what to do."""
    return UserError(f"{path} is damaged ({why}): delete it, and run the same command again")
