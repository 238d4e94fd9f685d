"""The numbers that the paper prints: measured ones, and those that it derives from them. Imports no torch."""

import math
from functools import cache
from pathlib import Path

import pandas as pd


@cache
def numbers() -> pd.DataFrame:
    """Every printed number: table, dataset, backbone, variant, metric, value, unit, where. AUC in percent."""
    return read("paper_numbers.csv")


@cache
def derived() -> pd.DataFrame:
    """What it prints beside them and says of them: differences, averages, factors. Columns as ``numbers``.

    A metric ends in what was done: auc_difference, epoch_time_change (relative to base), hidden_memory_extra.
    """
    return read("paper_derived.csv")


def read(name: str) -> pd.DataFrame:
    """A table of printed numbers, empty cells as empty text."""
    return pd.read_csv(Path(__file__).parent / name, keep_default_na=False, dtype={"value": float})


@cache
def value(table: str, dataset: str, backbone: str, variant: str, metric: str = "auc") -> float:
    """The number in one cell of the paper; NaN where it prints none."""
    rows = numbers()
    found = rows[
        (rows["table"] == table) & (rows["dataset"] == dataset) & (rows["backbone"] == backbone)
        & (rows["variant"] == variant) & (rows["metric"] == metric)
    ]  # fmt: skip
    return float(found["value"].iloc[0]) if len(found) else math.nan
