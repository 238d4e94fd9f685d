"""What a training step costs with each layer and floor: all take turns with base in one process, one thread each."""

from typing import Any

import torch

from apg_repro.config import DeviceKind, Measurement, Profile, RunConfig
from apg_repro.data.dataset import load
from apg_repro.experiments.comparators.plan import cells
from apg_repro.experiments.table5.measure import whole_step
from apg_repro.suite import Plan, configure
from apg_repro.training.timing import Effort, clock, ratios, spread, take_turns, threads

BATCHES = 16  # drawn in turn
STEPS_PER_ROUND: dict[DeviceKind, int] = {"cpu": 5, "cuda": 20}
EFFORT: dict[Profile, Effort] = {
    "quick": Effort(rounds=3, seconds=5.0),
    "full": Effort(rounds=30, at_least=10, seconds=90.0),
}


def measure(measurement: Measurement) -> dict[str, Any]:
    """Seconds per step and their ratio to base's, by layer and, as generators see it, by condition.

    Raises:
        UserError: the data set is not prepared.
    """
    kind = measurement.device_kind
    configs = timed(Plan(profile=measurement.profile, dataset=measurement.dataset))
    rows = load(measurement.dataset, rows=BATCHES * max(config.batch_size for config in configs.values()))
    on_device = rows.to(torch.device(kind))
    with threads(1) as n_threads:
        clocks = {
            name: clock(whole_step(config, on_device), STEPS_PER_ROUND[kind], kind) for name, config in configs.items()
        }
        costs = take_turns(clocks, EFFORT[measurement.profile])
    (base,) = (name for name in costs if name[0] == "base")
    found: dict[str, dict[str, Any]] = {}
    for (layer, condition), seconds in costs.items():
        values = {"seconds": spread(seconds), "ratio": spread(ratios(seconds, costs[base])), "rounds": len(seconds)}
        found.setdefault(layer, {})[condition] = values
    return {"threads": n_threads, "data": rows.checksum, "layers": found}


def timed(plan: Plan) -> dict[tuple[str, str], RunConfig]:
    """A run of every layer with every condition that it may choose, by both names; rate and decay cost no time."""
    runs = ((cell.name, configure(plan, cell, plan.seeds[0], point)) for cell in cells(plan) for point in cell.grid)
    return {(name, config.condition): config for name, config in runs}
