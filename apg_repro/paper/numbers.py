"""The numbers that the paper prints: measured ones, and those that it derives from them. Imports no torch."""

import math
from functools import cache
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent
FILES = ("numbers.csv", "derived.csv")
KEY = ("table", "dataset", "backbone", "variant", "metric")


@cache
def numbers() -> pd.DataFrame:
    """Every printed number: table, dataset, backbone, variant, metric, value, unit, where. AUC in percent."""
    return read("numbers.csv")


@cache
def derived() -> pd.DataFrame:
    """Numbers that the paper derives from its cells: differences, averages, factors in the text. Columns as above.

    A metric ends in what was done: auc_difference, epoch_time_change (relative to base), hidden_memory_extra.
    """
    return read("derived.csv")


def read(name: str) -> pd.DataFrame:
    """A table of printed numbers, empty cells as empty text."""
    return pd.read_csv(FOLDER / name, keep_default_na=False, dtype={"value": float})


@cache
def by_key() -> dict[tuple[str, ...], float]:
    """Every printed number by its table, dataset, backbone, variant and metric."""
    rows = numbers()
    return dict(zip(zip(*(rows[name] for name in KEY), strict=True), rows["value"], strict=True))


def value(table: str, dataset: str, backbone: str, variant: str, metric: str = "auc") -> float:
    """The number in one cell of the paper; NaN where it prints none."""
    return by_key().get((table, dataset, backbone, variant, metric), math.nan)


def difference(table: str, dataset: str, backbone: str, ours: str, theirs: str) -> float:
    """The AUC of one of the paper's cells less that of another, in points; NaN where it lacks either."""
    return value(table, dataset, backbone, ours) - value(table, dataset, backbone, theirs)


@cache
def table5_widths() -> tuple[str, ...]:
    """The hidden layers of Table 5, as its cells name them: "64-32-16" and so on, the least first."""
    variants = numbers().query("table == 'table5'")["variant"]
    return tuple(dict.fromkeys(variant.partition("/")[2] for variant in variants))
