"""What one training step costs, version by version, in time and in memory (Table 5).

Shapes: B batch, I inputs, E embedding size.
"""

import json
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import torch
from torch.profiler import ProfilerActivity, profile

from apg_repro.build import build, make_dense
from apg_repro.config import Measurement, Profile, RunConfig, Version
from apg_repro.data import Dataset, load
from apg_repro.measure.timing import Effort, clock, cores, ratios, spread, take_turns, threads
from apg_repro.nn.apg import ApgLayer, ApgV1, ApgV2, ApgV3
from apg_repro.nn.dense import DeepPart
from apg_repro.suites import COST_CASES, COST_INPUTS, COST_LIMIT, COST_OVER, COST_RANK, COST_WIDTHS, CostCase
from apg_repro.train import count, make_step

BATCH = 1024
BATCHES = 16  # drawn in turn
SLOW: tuple[Version, ...] = ("v1", "v2")  # those that make whole matrices for every instance
# Who takes turns with base. The slow ones get fewer rounds; it takes some until their memory lies where it stays.
TURNS: dict[tuple[Version, ...], dict[Profile, Effort]] = {
    ("v3", "v4", "v5"): {"quick": Effort(rounds=5, seconds=2), "full": Effort(rounds=40, at_least=10, seconds=25)},
    SLOW: {"quick": Effort(rounds=3, at_least=2, seconds=2), "full": Effort(rounds=15, seconds=20, warmup=4)},
}
STEPS_A_ROUND = 10  # of the fast ones: long beside the machine's ticks, and beside what a slow one before left cold

Work = Callable[[], object]


def measure(measurement: Measurement) -> dict[str, Any]:
    """One case of Table 5: for every version its seconds a step, also as ratios to its rivals', and its parameters.

    Of the hidden layers alone, also the most bytes that a step holds at once, besides weights and moments.

    Raises:
        UserError: the data set is not prepared.
    """
    case = COST_CASES[measurement.case]
    rows = load(measurement.dataset, rows=BATCH * BATCHES)
    versions: dict[Version, Any] = {}
    with threads(1 if measurement.profile == "quick" else cores()) as n_threads:
        for rivals, efforts in TURNS.items():
            work: dict[Version, Work] = {}
            for version in ("base", *rivals):
                config = configure(case, version, measurement.dataset)
                shape = hidden_shape(config)
                needed = bytes_needed(shape)
                versions.setdefault(version, {"n_hidden": count(shape)})
                if needed > COST_LIMIT:
                    versions[version]["not_run"] = f"needs about {needed / 1e9:.0f} GB of memory"
                elif case.part == "step":
                    work[version] = whole_step(config, rows)
                else:
                    work[version] = hidden_step(config)
                    versions[version]["peak_bytes"] = peak_bytes(work[version])
            steps = {version: 1 if version in SLOW else STEPS_A_ROUND for version in work}
            clocks = {version: clock(run, steps[version]) for version, run in work.items()}
            costs = take_turns(clocks, efforts[measurement.profile])
            for version in work:
                timed = {
                    "seconds": spread(costs[version]),
                    "ratio": {rival: spread(ratios(costs[version], costs[rival])) for rival in work},
                    "rounds": len(costs[version]),
                    "steps_a_round": steps[version],
                }
                versions[version] = timed | versions[version]  # of base, the first turns count
    return {
        "threads": n_threads,
        "cores": cores(),
        "data": rows.checksum[:12],
        "versions": {version: versions[version] for version in get_args(Version)},
    }


def configure(case: CostCase, version: Version, dataset: str) -> RunConfig:
    """The run whose steps are timed."""
    return RunConfig(
        suite="table5", dataset=dataset, variant=version, seed=1, version=version, condition=case.condition,
        rank=COST_RANK if version in ("v2", "v3", "v4", "v5") else None, over=COST_OVER if version == "v5" else None,
        hidden=COST_WIDTHS[case.width], optimizer="row_adam", batch_size=BATCH,
    )  # fmt: skip


def hidden_layers(config: RunConfig) -> DeepPart:
    """The hidden layers of the run's model, by themselves."""
    return DeepPart(COST_INPUTS, config.hidden, make_dense(config, d_condition(config)))


def hidden_shape(config: RunConfig) -> DeepPart:
    """The same without storage, to count and to estimate by."""
    with torch.device("meta"):
        return hidden_layers(config)


def d_condition(config: RunConfig) -> int | None:
    """D, or None for a self-wise layer."""
    return None if config.condition == "self" else config.d_embedding


def bytes_needed(deep: DeepPart) -> int:
    """About how much memory these hidden layers need for a step.

    Weights, gradients and two moments; what is generated for every instance, kept for the backward pass; and the
    largest such part twice more, as a gradient and as a temporary.
    """
    made = [per_instance(layer) for layer in deep.layers if isinstance(layer, ApgLayer)]
    return 4 * (4 * count(deep) + BATCH * (sum(made) + 2 * max(made, default=0)))


def per_instance(layer: ApgLayer) -> int:
    """How many numbers a layer makes for each instance: v1 its matrix, v2 and v3 the factors, v2 their product too."""
    whole, factors = layer.d_in * layer.d_out, 0
    if isinstance(layer, ApgV2):
        factors = (layer.d_in + layer.d_out + layer.rank) * layer.rank
    if isinstance(layer, ApgV1):
        return whole
    return factors if isinstance(layer, ApgV3) or not factors else factors + whole


def whole_step(config: RunConfig, rows: Dataset) -> Work:
    """A training step as every run takes it, on the next batch."""
    step = make_step(build(config, rows.schema), rows, config)
    batches: Iterator[torch.Tensor] = cycle(torch.arange(len(rows)).split(config.batch_size))
    return lambda: step(next(batches))


def hidden_step(config: RunConfig) -> Work:
    """Forward and backward of the hidden layers, down to the gradients of input and condition; random tensors."""
    deep, d = hidden_layers(config), d_condition(config)
    x = torch.randn(config.batch_size, COST_INPUTS, requires_grad=True)
    z = None if d is None else torch.randn(config.batch_size, d, requires_grad=True)
    above = torch.randn(config.batch_size, config.hidden[-1])  # the gradient that comes from above

    def work() -> None:
        deep(x, z).backward(above)
        for tensor in (x, z, *deep.parameters()):  # now, so that the next one frees nothing of this one
            if tensor is not None:
                tensor.grad = None

    return work


def peak_bytes(work: Work) -> int:
    """The most bytes that torch's allocator holds at once for some work, on the CPU, besides what it held before.

    From the allocator's own record, so it is exact, and the same on a busy machine. The work must free what it makes:
    of what was there before it, the record knows the end only by chance.
    """
    work()  # so that nothing of a first time counts
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        work()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        record.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    held = peak = 0
    for event in sorted((event for event in events if event["name"] == "[memory]"), key=lambda event: event["ts"]):
        held += event["args"]["Bytes"]
        peak = max(peak, held)
    return peak
