"""Counts of the data sets (Table 7)."""

from typing import Any

import pandas as pd

from apg_repro.config import Measurement
from apg_repro.data import load_manifest
from apg_repro.paths import DATA

ITEM_FIELD = {"movielens": "movie"}  # where it is not called "item"


def count_dataset(measurement: Measurement) -> dict[str, Any]:
    """Rows, distinct users and items, and the share of positive labels of a prepared data set."""
    name = measurement.dataset
    manifest = load_manifest(name)
    item = ITEM_FIELD.get(name, "item")
    table = pd.read_parquet(DATA / name / "rows.parquet", columns=["user", item, "label"])
    return {
        "rows": len(table),
        "users": int(table["user"].nunique()),
        "items": int(table[item].nunique()),
        "positive_rate": round(float(table["label"].mean()), 6),
        "data": manifest["source"]["sha256"][:12],
    }
