"""Checksums of what models are trained on, and the record of them, ``results/data.json``.

The record holds the checksum of every feature set as it is prepared today. A row of results names the checksum of the
data it was computed on, so a row is out of date if a label rule, an encoding or an id has changed since.

Reading it imports neither pandas nor torch; ``record.py`` writes it.

Shapes: R rows, F fields, C number columns.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int8, Int32

from apg_repro.data.schema import Schema
from apg_repro.paths import RESULTS, read_record

RECORD = RESULTS / "data.json"


def checksum(
    schema: Schema, fields: Int32[np.ndarray, "R F"], numbers: Float32[np.ndarray, "R C"],
    labels: Float32[np.ndarray, " R"], parts: Int8[np.ndarray, " R"] | None = None,
) -> str:  # fmt: skip
    """The sha256 of prepared columns as 64 hex digits, the same on every platform.

    What is hashed: one line of JSON with the columns' names, the sizes of the fields and what the model sees of them;
    then ``fields``, ``numbers`` and ``labels``, each row by row, as little-endian numbers of four bytes; then the
    ``parts`` of rows that have some, as bytes.
    """
    columns = {
        "fields": list(schema.fields.items()), "inputs": schema.inputs, "numbers": schema.numbers,
        "bags": list((schema.bags or {}).items()),
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(columns).encode() + b"\n")
    for values, kind in ((fields, "<i4"), (numbers, "<f4"), (labels, "<f4")):
        digest.update(np.ascontiguousarray(values, kind).data)
    if parts is not None:
        digest.update(np.ascontiguousarray(parts, "i1").data)
    return digest.hexdigest()


def recorded(name: str, features: str, path: Path = RECORD) -> str | None:
    """The recorded checksum of a data set's feature set; None if there is none."""
    return read(path).get(name, {}).get(features, {}).get("sha256")


def read(path: Path = RECORD) -> dict[str, dict[str, dict[str, str]]]:
    """The record: data set → feature set → {"sha256"}; empty if there is no such file.

    Raises:
        UserError: it cannot be read.
    """
    return read_record(path)
