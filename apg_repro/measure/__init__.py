"""What is measured without a run of training.

Suite NAME is measured by the module ``measure/NAME.py``: its function ``measure`` takes a ``Measurement`` and returns
the values of its row. A row's digest covers that module and the code that it goes through (``provenance.py``), so
suites do not touch each other's rows.
"""

from importlib import import_module
from typing import Any

from apg_repro.config import Measurement


def measure(measurement: Measurement) -> dict[str, Any]:
    """The values of a measurement, ready for its row.

    Raises:
        UserError: the data set is not prepared.
    """
    return import_module(f"{__name__}.{measurement.suite}").measure(measurement)
