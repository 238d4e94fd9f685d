"""The numbers that the paper prints, from ``paper_numbers.csv``."""

import math
from functools import cache
from pathlib import Path

import pandas as pd


@cache
def numbers() -> pd.DataFrame:
    """Every printed number: table, dataset, backbone, variant, metric, value, unit, where. AUC in percent."""
    return pd.read_csv(Path(__file__).parent / "paper_numbers.csv", keep_default_na=False, dtype={"value": float})


def value(table: str, dataset: str, backbone: str, variant: str, metric: str = "auc") -> float:
    """The number in one cell of the paper; NaN where it prints none."""
    rows = numbers()
    found = rows[
        (rows["table"] == table) & (rows["dataset"] == dataset) & (rows["backbone"] == backbone)
        & (rows["variant"] == variant) & (rows["metric"] == metric)
    ]  # fmt: skip
    return float(found["value"].iloc[0]) if len(found) else math.nan
