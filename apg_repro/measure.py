"""What is measured without training to the end: counts of the data sets, and costs."""

from typing import Any

from apg_repro.config import Measurement
from apg_repro.cost import measure_cost
from apg_repro.counts import count_dataset
from apg_repro.serving import measure_serving
from apg_repro.speed import measure_speed

MEASURES = {"table5": measure_cost, "table7": count_dataset, "table10": measure_serving, "speed": measure_speed}


def measure(measurement: Measurement) -> dict[str, Any]:
    """The values of a measurement, ready for its row.

    Raises:
        UserError: the data set is not prepared.
    """
    return MEASURES[measurement.suite](measurement)
