"""What threads and devices change: a run is trained twice in one way, and on a CPU once more with two threads."""

from typing import Any

import torch

from apg_repro.config import Measurement, Protocol
from apg_repro.data.dataset import load
from apg_repro.experiments.threads.plan import THREADS, configure
from apg_repro.training.timing import threads
from apg_repro.training.train import train


def measure(measurement: Measurement) -> dict[str, Any]:
    """Test AUC by protocol and number of threads, which on a GPU is one.

    Returns:
        auc: by protocol, of each number of threads.
        again: by protocol, of one thread once more.

    Raises:
        UserError: the data set is not prepared.
    """
    config = configure(measurement.profile, measurement.dataset, measurement.case)
    device = torch.device(measurement.device_kind)
    data = load(config.dataset, features=config.features, rows=config.rows).to(device)
    counts = THREADS if device.type == "cpu" else THREADS[:1]
    found: dict[str, dict[Protocol, float]] = {}
    for name, n in [("again", 1), *((str(n), n) for n in counts)]:
        with threads(n):
            found[name] = {protocol: test["auc"] for protocol, test in train(config, data).test.items()}
    return {
        "threads": max(counts),
        "data": data.checksum,
        "auc": {protocol: {str(n): found[str(n)][protocol] for n in counts} for protocol in found["1"]},
        "again": found["again"],
    }
