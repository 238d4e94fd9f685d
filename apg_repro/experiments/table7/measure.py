"""Table 7: counts of the data sets."""

from typing import Any

from apg_repro.catalogue import data_set
from apg_repro.config import Measurement
from apg_repro.data.dataset import Dataset, load


def measure(measurement: Measurement) -> dict[str, Any]:
    """Rows, distinct users and items, and the share of positive labels of a prepared data set."""
    data, entry = load(measurement.dataset), data_set(measurement.dataset)
    return {
        "rows": len(data),
        "users": n_distinct(data, entry.user),
        "items": n_distinct(data, entry.item),
        "positive_rate": round(float(data.labels.double().mean()), 6),
        "data": data.checksum,
    }


def n_distinct(data: Dataset, field: str) -> int:
    """How many ids of a field occur."""
    return len(data.fields[:, data.schema.column(field)].unique())
