"""Table 7: counts of the data sets."""

from typing import Any

import torch

from apg_repro.catalogue import data_set
from apg_repro.config import Measurement
from apg_repro.data.dataset import Dataset, load, split
from apg_repro.suite import SEEDS


def measure(measurement: Measurement) -> dict[str, Any]:
    """Rows, distinct users and items, the share of positive labels, and ids that training does not see."""
    data, entry = load(measurement.dataset), data_set(measurement.dataset)
    return {
        "rows": len(data),
        "users": n_distinct(data, entry.user),
        "items": n_distinct(data, entry.item),
        "positive_rate": round(float(data.labels.double().mean()), 6),
        "unseen": {str(seed): unseen(data, entry.user, entry.item, seed) for seed in SEEDS["full"]},
        "data": data.checksum,
    }


def n_distinct(data: Dataset, field: str) -> int:
    """How many ids of a field occur."""
    return len(data.fields[:, data.schema.column(field)].unique())


def unseen(data: Dataset, user: str, item: str, seed: int) -> dict[str, int]:
    """How many test rows of a split have a user, an item, or either that none of its training rows has."""
    train, _, test = split(data, seed)
    new = [~torch.isin(test.column(field), train.column(field)) for field in (user, item)]
    counts = {"test rows": torch.ones_like(new[0]), "new user": new[0], "new item": new[1], "either": new[0] | new[1]}
    return {name: int(found.sum()) for name, found in counts.items()}
