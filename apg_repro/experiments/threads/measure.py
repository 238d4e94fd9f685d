"""What threads change: a run is trained with one thread, once more with one, and with two."""

from typing import Any

import torch

from apg_repro.config import Measurement, Protocol
from apg_repro.data.dataset import load
from apg_repro.experiments.threads.plan import THREADS, configure
from apg_repro.training.timing import threads
from apg_repro.training.train import train

CPU = torch.device("cpu")


def measure(measurement: Measurement) -> dict[str, Any]:
    """Test AUC by protocol and number of threads.

    Returns:
        auc: by protocol, of each number of threads.
        again: by protocol, of one thread once more.

    Raises:
        UserError: the data set is not prepared.
    """
    config = configure(measurement.profile, measurement.dataset, measurement.case)
    data = load(config.dataset, features=config.features, rows=config.rows)
    found: dict[str, dict[Protocol, float]] = {}
    for name, n in [("again", 1), *((str(n), n) for n in THREADS)]:
        with threads(n):
            found[name] = {protocol: test["auc"] for protocol, test in train(config, data, CPU).test.items()}
    by_protocol = {protocol: {str(n): found[str(n)][protocol] for n in THREADS} for protocol in found["1"]}
    return {"threads": max(THREADS), "data": data.checksum, "auc": by_protocol, "again": found["again"]}
