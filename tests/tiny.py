"""A data set of 40 rows with every kind of column, for the tests of prepared data: see the fixture ``tiny``."""

import numpy as np
import pandas as pd

from apg_repro.data.prepare import write_dataset

N = 40


def table():
    """40 rows with users 0 to 7, items 0 to 4, a price, a bag of two, and a further column."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "user": np.arange(N, dtype=np.int32) % 8, "item": np.arange(N, dtype=np.int32) % 5,
            "price": random.normal(size=N).astype(np.float32),
            "war": random.integers(2, size=N, dtype=np.int8), "love": random.integers(2, size=N, dtype=np.int8),
            "label": np.arange(N, dtype=np.int8) % 2, "probability": random.random(N),
        }
    )  # fmt: skip


def write(root, rows, **more):
    features = {
        "default": {
            "inputs": ["user", "item"], "numbers": ["price", "war", "love"], "bags": {"genre": ["war", "love"]},
        },
        "ids": {"inputs": ["user"], "numbers": [], "bags": {}},
    }  # fmt: skip
    write_dataset(
        "tiny", rows, fields=["user", "item"], features=features, counts={"users": 8, "items": 5}, root=root,
        source={"file": "f", "sha256": "ab" * 32, "official": False}, **more,
    )  # fmt: skip
