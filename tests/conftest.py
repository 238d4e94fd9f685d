"""Shapes in annotations are checked while the tests run."""

import json
import sys
from pathlib import Path

from jaxtyping import install_import_hook

sys.path.insert(0, str(Path(__file__).parent.parent))  # data_scripts are no package of the installation
CHECKED = [
    "apg_repro.data",
    "apg_repro.graphs",
    "apg_repro.metrics",
    "apg_repro.models",
    "apg_repro.nn",
    "apg_repro.observe",
    "apg_repro.train",
]
install_import_hook(CHECKED, "beartype.beartype")

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch

torch.set_num_threads(1)
matplotlib.use("agg")

from apg_repro.data import Dataset, Schema, load
from apg_repro.paths import DATA
from apg_repro.prepare import write_dataset


@pytest.fixture(scope="session")
def schema() -> Schema:
    """Three fields, one of them no input, a plain number and a bag of three."""
    return Schema(
        fields={"user": 7, "item": 5, "group": 3}, inputs=("user", "item"), numbers=("price", "a", "b", "c"),
        bags={"abc": ("a", "b", "c")},
    )  # fmt: skip


@pytest.fixture(scope="session")
def batch(schema: Schema) -> Dataset:
    """64 random rows of that schema."""
    return random_rows(schema, 64)


def random_rows(schema: Schema, n: int, seed: int = 0) -> Dataset:
    random = np.random.default_rng(seed)
    fields = np.stack([random.integers(size, size=n) for size in schema.fields.values()], axis=1)
    numbers = random.normal(size=(n, len(schema.numbers)))
    for bag in (schema.bags or {}).values():
        columns = [schema.numbers.index(name) for name in bag]
        numbers[:, columns] = random.integers(2, size=(n, len(columns)))
    return Dataset(
        name="random", schema=schema, checksum="0" * 64,
        fields=torch.tensor(fields, dtype=torch.int32), numbers=torch.tensor(numbers, dtype=torch.float32),
        labels=torch.tensor(random.integers(2, size=n), dtype=torch.float32),
    )  # fmt: skip


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A prepared data set of 3,000 rows whose label depends on user and item, and which a model can learn."""
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(1)
    user, item = random.integers(20, size=3000), random.integers(10, size=3000)
    taste = random.normal(size=(20, 10))
    label = (taste[user, item] + 0.3 * random.normal(size=3000) > 0).astype("int8")
    table = pd.DataFrame({"user": user.astype("int32"), "item": item.astype("int32"), "label": label})
    write_dataset(
        "small", table, fields=["user", "item"],
        features={"default": {"inputs": ["user", "item"], "numbers": [], "bags": {}}},
        source={"file": "none", "sha256": "1" * 64, "official": True}, counts={"users": 20, "items": 10}, root=root,
    )  # fmt: skip
    return load("small", root=root)


@pytest.fixture(scope="session")
def movielens() -> Dataset:
    """MovieLens-1M, where it is prepared."""
    if not (DATA / "movielens" / "manifest.json").exists():
        pytest.skip("MovieLens-1M is not prepared: python data_scripts/movielens.py")
    return load("movielens")


@pytest.fixture
def row() -> dict:
    """A row of a run of base, as it stands in the store."""
    from apg_repro.config import RunConfig
    from apg_repro.provenance import code_digest

    config = RunConfig(suite="table4", dataset="movielens", variant="base", seed=1)
    values = {
        "id": config.id, **config.as_dict(), "status": "ok",
        "one_epoch_epoch": 1, "one_epoch_valid_auc": 0.79, "one_epoch_test_auc": 0.79, "one_epoch_test_logloss": 0.5,
        "early_stopping_epoch": 2, "early_stopping_valid_auc": 0.8, "early_stopping_test_auc": 0.8,
        "early_stopping_test_logloss": 0.5,
        "history": [
            {"epoch": 1, "valid_auc": 0.79, "worst_batch_loss": 0.7},
            {"epoch": 2, "valid_auc": 0.8, "worst_batch_loss": 0.7},
        ],
        "n_parameters": 1, "n_hidden": 1, "train_rows": 1, "seconds": 1.0, "commit": "abc", "dirty": False,
        "code": code_digest(config), "data": "0" * 12, "device": "a CPU", "threads": 1, "torch": "2", "python": "3",
        "finished": "2026-11-24 00:00",
    }  # fmt: skip
    return json.loads(json.dumps(values))
