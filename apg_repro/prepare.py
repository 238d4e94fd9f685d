"""Writes a prepared data set: what every script in ``data_scripts/`` ends with."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from apg_repro.config import UserError
from apg_repro.paths import DATA


def check_count(what: str, found: int, expected: int) -> None:
    """Holds a count against the one that the paper prints.

    Raises:
        UserError: they differ.
    """
    if found != expected:
        raise UserError(f"{what}: {found:,} found, {expected:,} expected (Table 7): is the file complete?")


def write_dataset(
    name: str, table: pd.DataFrame, *, fields: list[str], features: dict[str, dict[str, Any]],
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
