"""The gate: the one way by which prepared rows enter. Imports no torch.

A prepared data set is a folder ``data/NAME/`` with ``rows.parquet`` (one column of whole numbers per field, ids from
0; one column per number; ``label``, 0 or 1; ``part``, where its makers have split it) and ``manifest.json``. The
scripts in ``data_scripts/`` write both. Whatever is wrong with them ends here, in one sentence with the file, the
column and the command that prepares them again: an id that is too large would otherwise read the embeddings of another
field, and a label of 2 would train.

Shapes: R rows, F fields, C number columns.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float32, Int8, Int32

from apg_repro.catalogue import check_prepared, how_to_prepare
from apg_repro.data.checksums import checksum
from apg_repro.data.schema import Schema
from apg_repro.errors import UserError, first_line
from apg_repro.paths import DATA, within

# A tenth of the rows are validation rows and a tenth are test rows: two each, so that both classes fit in.
MIN_ROWS = 20
PART = "part"  # a column: which rows are for training, validation and test
PARTS = ("training", "validation", "test")  # what its 0, 1 and 2 stand for
LARGEST_FIELD = 2**31 - 1  # ids are int32
LARGEST_NUMBER = float(np.finfo(np.float32).max)
KINDS = {
    dict: "an object", list: "a list", str: "text", int: "a whole number", float: "a number", bool: "true or false",
}  # fmt: skip
# Columns are copied into one matrix by so many rows at a time: these stay in the processor's cache meanwhile.
CHUNK = 4096


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Prepared rows that have passed the gate.

    Attributes:
        schema: which columns there are, and which of them the model sees.
        fields: ids, from 0 within each field.
        numbers: the feature set's numbers, finite.
        labels: 0 or 1, both present.
        parts: the part of every row, a position in ``PARTS``; None where the seed of a run splits the rows.
        checksum: of all this, see ``checksums.checksum``.
        extra: the further columns that were asked for, as they are stored.
    """

    schema: Schema
    fields: Int32[np.ndarray, "R F"]
    numbers: Float32[np.ndarray, "R C"]
    labels: Float32[np.ndarray, " R"]
    parts: Int8[np.ndarray, " R"] | None
    checksum: str
    extra: dict[str, np.ndarray]


def enter(name: str, *, features: str = "default", extra: Sequence[str] = (), root: Path = DATA) -> Rows:
    """All rows of a prepared data set.

    Args:
        name: the data set.
        features: a key of the manifest's ``features``: which columns the model sees.
        extra: further columns, such as the probabilities of planted rows.
        root: where prepared data sets lie.

    Raises:
        UserError: not prepared, damaged, or no such feature set.
    """
    manifest = load_manifest(name, root)
    if features not in manifest["features"]:
        raise UserError(f"{name} has no feature set {features!r}; it has {', '.join(manifest['features'])}")
    path = root / name / "rows.parquet"
    rows = read_rows(path, manifest, features, extra)
    if rows.checksum != manifest["checksums"][features]:
        raise UserError(f"{path} has changed since it was prepared: run `{how_to_prepare(name)}` again")
    return rows


def load_manifest(name: str, root: Path = DATA) -> dict[str, Any]:
    """The manifest of a prepared data set: rows, sizes of the fields, feature sets, source, checksums.

    Raises:
        UserError: the data set has not been prepared, or its manifest is damaged.
    """
    path = within(root, name) / "manifest.json"
    check_prepared(name, root)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        check_manifest(manifest)
        if manifest["name"] != name:
            raise ValueError(f"it is the manifest of {manifest['name']!r}")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): run `{how_to_prepare(name)}` again") from error
    return manifest


def check_manifest(manifest: Any) -> None:
    """Checks that a manifest has all its entries, with the right types.

    Raises:
        ValueError: it has not; the text says which entry.
    """
    if not isinstance(manifest, dict):
        raise ValueError("it is not a JSON object")
    for key, kind in {"name": str, "rows": int, "positive_rate": float, "users": int, "items": int}.items():
        entry(manifest, key, kind)
    source, fields, views = (entry(manifest, key, dict) for key in ("source", "fields", "features"))
    entry(source, "sha256", str, "source.")
    entry(source, "official", bool, "source.")
    for field in fields:
        size = entry(fields, field, int, "fields.")
        if not 1 <= size <= LARGEST_FIELD:
            raise ValueError(f"fields.{field} is {size}, not between 1 and {LARGEST_FIELD:,}")
    if "label" in fields:
        raise ValueError("fields has an entry 'label'")
    if PART in manifest:
        entry(manifest, PART, str)
    entry(views, "default", dict, "features.")
    checksums = entry(manifest, "checksums", dict)
    for view in views:
        check_view(entry(views, view, dict, "features."), fields, f"features.{view}.")
        entry(checksums, view, str, "checksums.")


def check_view(view: dict[str, Any], fields: Collection[str], where: str) -> None:
    """Checks one feature set of a manifest; raises a ValueError as ``check_manifest`` does."""
    inputs = distinct(entry(view, "inputs", list, where), f"{where}inputs")
    numbers = distinct(entry(view, "numbers", list, where), f"{where}numbers")
    bags = entry(view, "bags", dict, where)
    members = [name for bag in bags for name in distinct(entry(bags, bag, list, f"{where}bags."), f"{where}bags.{bag}")]
    if not inputs:
        raise ValueError(f"{where}inputs is empty")
    if unknown := [name for name in inputs if name not in fields]:
        raise ValueError(f"{where}inputs has {unknown[0]!r}, which is not a field")
    if wrong := [name for name in numbers if name in fields or name == "label"]:
        raise ValueError(f"{where}numbers has {wrong[0]!r}, which is not a number")
    if unknown := [name for name in members if name not in numbers]:
        raise ValueError(f"{where}bags has {unknown[0]!r}, which is none of its numbers")
    distinct(members, f"{where}bags")
    if empty := [bag for bag, found in bags.items() if not found]:
        raise ValueError(f"{where}bags.{empty[0]} is empty")


def entry(values: dict[str, Any], key: str, kind: type, where: str = "") -> Any:
    """The entry of that name; raises a ValueError if there is none or it is of another type."""
    if key not in values:
        raise ValueError(f"it has no entry {where}{key}")
    value = values[key]
    # JSON writes the rate 1.0 as 1 in some programs; Python's True is an int.
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where}{key} is {json.dumps(value)[:40]}, not {KINDS[kind]}")
    return value


def distinct(names: list[Any], where: str) -> list[str]:
    """Names as they are; raises a ValueError if one is not text or occurs twice."""
    for position, name in enumerate(names):
        if not isinstance(name, str):
            raise ValueError(f"{where} has {json.dumps(name)[:40]}, which is not a name")
        if name in names[:position]:
            raise ValueError(f"{where} has {name!r} twice")
    return names


def schema_of(manifest: dict[str, Any], features: str) -> Schema:
    """The schema of a feature set."""
    view = manifest["features"][features]
    return Schema(
        fields=manifest["fields"], inputs=tuple(view["inputs"]), numbers=tuple(view["numbers"]),
        bags={bag: tuple(members) for bag, members in view["bags"].items()},
    )  # fmt: skip


def read_rows(path: Path, manifest: dict[str, Any], features: str, extra: Sequence[str] = ()) -> Rows:
    """The rows of a parquet file, checked against a manifest that is right in itself.

    Raises:
        UserError: a column is not what the manifest says, or the file cannot be read.
    """
    schema = schema_of(manifest, features)
    try:
        with pq.ParquetFile(path) as file:
            check_columns(file, manifest, extra)
            table = file.read(list(schema.fields))
            fields = matrix([ids_of(table, name, size) for name, size in schema.fields.items()], len(table), np.int32)
            table = file.read(list(dict.fromkeys([*schema.numbers, "label", *extra])))
            parts = parts_of(file.read([PART])) if PART in manifest else None
        columns = [numbers_of(table, name) for name in schema.numbers]
        for name in (member for bag in (schema.bags or {}).values() for member in bag):
            check_binary(columns[schema.numbers.index(name)], name)
        numbers = matrix(columns, len(table), np.float32)
        label = numbers_of(table, "label")
        check_binary(label, "label")
        if label.min() == label.max():
            raise ValueError(f"all labels are {int(label[0])}, and an AUC needs both classes")
        labels = label.astype(np.float32)
        return Rows(
            schema=schema, fields=fields, numbers=numbers, labels=labels, parts=parts,
            checksum=checksum(schema, fields, numbers, labels, parts),
            extra={name: table.column(name).to_numpy() for name in extra},
        )  # fmt: skip
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(
            f"{path} cannot be used ({first_line(error)}): run `{how_to_prepare(manifest['name'])}` again"
        ) from error


def check_columns(file: pq.ParquetFile, manifest: dict[str, Any], extra: Sequence[str]) -> None:
    """Checks the names of the columns and the number of rows; raises a ValueError."""
    present = file.schema_arrow.names
    wanted = [*manifest["fields"], "label", *([PART] if PART in manifest else []), *extra]
    for view in manifest["features"].values():
        wanted += view["numbers"]
    for name in wanted:
        if present.count(name) != 1:
            raise ValueError(f"column {name!r} is {'there twice' if name in present else 'missing'}")
    n_rows = file.metadata.num_rows
    if n_rows != manifest["rows"]:
        raise ValueError(f"it has {n_rows:,} rows, its manifest {manifest['rows']:,}")
    if n_rows < MIN_ROWS:
        raise ValueError(f"it has {n_rows} rows, and training, validation and test rows need at least {MIN_ROWS}")


def ids_of(table: pa.Table, name: str, size: int) -> np.ndarray:
    """The ids of a field, (R,); raises a ValueError if one is not a whole number from 0 to size - 1."""
    column = complete(table, name)
    if not pa.types.is_integer(column.type):
        raise ValueError(f"column {name!r} holds {column.type}, not whole numbers")
    values = column.to_numpy()
    if values.min() < 0 or values.max() >= size:
        row = int(np.argmax((values < 0) | (values >= size)))
        raise ValueError(f"column {name!r} has the id {values[row]} in row {row:,}, but its ids are 0 to {size - 1:,}")
    return values


def parts_of(table: pa.Table) -> Int8[np.ndarray, " R"]:
    """The part of every row; raises a ValueError if one of ``PARTS`` has no row, or a row has another."""
    values = ids_of(table, PART, len(PARTS)).astype(np.int8)
    if missing := sorted(set(range(len(PARTS))) - set(np.unique(values).tolist())):
        raise ValueError(f"no row is for {PARTS[missing[0]]}")
    return values


def numbers_of(table: pa.Table, name: str) -> np.ndarray:
    """A column of numbers, (R,); raises a ValueError if one is not finite as a float32."""
    column = complete(table, name)
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    if not any(is_kind(column.type) for is_kind in kinds):
        raise ValueError(f"column {name!r} holds {column.type}, not numbers")
    values = column.to_numpy()
    if not (values.min() >= -LARGEST_NUMBER and values.max() <= LARGEST_NUMBER):  # nor if one is NaN
        row = int(np.argmin(np.abs(values) <= LARGEST_NUMBER))
        raise ValueError(f"column {name!r} has the value {values[row]} in row {row:,}, which is not a finite float32")
    return values


def complete(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column; raises a ValueError if it lacks values."""
    column = table.column(name)
    if column.null_count:
        raise ValueError(f"column {name!r} lacks {column.null_count:,} of its values")
    return column


def check_binary(values: np.ndarray, name: str) -> None:
    """Raises a ValueError if a value is neither 0 nor 1."""
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"column {name!r} has the value {values[row]} in row {row:,}, neither 0 nor 1")


def matrix(columns: Sequence[np.ndarray], n_rows: int, kind: type) -> np.ndarray:
    """Columns side by side, (R, n)."""
    found = np.empty((n_rows, len(columns)), kind)
    for start in range(0, n_rows, CHUNK):
        for position, column in enumerate(columns):
            found[start : start + CHUNK, position] = column[start : start + CHUNK]
    return found
