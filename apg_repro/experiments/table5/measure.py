"""What one training step costs, version by version, in time and in memory (Table 5).

Shapes: B batch, I inputs, E embedding size.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import cycle, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import profiler

from apg_repro.config import DeviceKind, Measurement, Profile, RunConfig, kind_of
from apg_repro.data.dataset import Dataset, load
from apg_repro.experiments.table5.plan import (
    CASES,
    FUSED,
    MEMORY_LIMIT,
    N_INPUTS,
    OPTIMIZERS,
    SHARE_OF_FREE,
    WIDTHS,
    Case,
    options,
)
from apg_repro.nn import fused
from apg_repro.nn.dense import DeepPart
from apg_repro.paper.complexity import evaluate
from apg_repro.rows.provenance import cores
from apg_repro.training.build import build, make_dense
from apg_repro.training.graphs import Work, captured, timed_step
from apg_repro.training.timing import Effort, clock, ratios, spread, take_turns, threads
from apg_repro.training.train import count, make_step
from apg_repro.versions import PAPER_VERSIONS

CPU = torch.device("cpu")
BATCH = 1024
BATCHES = 16  # drawn in turn
# Versions that make whole matrices for every instance take turns with base by themselves, in fewer rounds. Their first
# rounds are slower, until the memory that they need has been allocated once.
SLOW = ("v1", "v2")
SLOW_EFFORT: dict[Profile, Effort] = {
    "quick": Effort(rounds=3, at_least=2, seconds=2.0),
    "full": Effort(rounds=15, seconds=20.0, warmup=4),
}
EFFORT: dict[Profile, Effort] = {
    "quick": Effort(rounds=5, seconds=2.0),
    "full": Effort(rounds=40, at_least=10, seconds=25.0),
}
# Long enough that timer resolution, and caches emptied by another contender, do not matter; and that a GPU has recorded
# its graphs in the first round, which does not count.
STEPS_PER_ROUND: dict[DeviceKind, int] = {"cpu": 10, "cuda": 20}
SLOW_STEPS_PER_ROUND: dict[DeviceKind, int] = {"cpu": 1, "cuda": 5}


def measure(measurement: Measurement) -> dict[str, Any]:
    """One case of Table 5: for every version its seconds per step, its ratios to its rivals, and its parameters.

    For the hidden layers alone also the most bytes that a step holds at once, besides weights and moments. On a GPU a
    step is a CUDA graph, as in training, and v4 and v5 run fused as well, where there are kernels for that.

    Raises:
        UserError: the data set is not prepared.
    """
    case, profile = CASES[measurement.case], measurement.profile
    kind: DeviceKind = measurement.device_kind
    rows = load(measurement.dataset, rows=BATCH * BATCHES).to(torch.device(kind))
    fast = [version for version in PAPER_VERSIONS if version not in SLOW]
    with_kernels = [*FUSED] if kind == "cuda" and fused.is_usable(rows.labels.device) else []
    with threads(1 if profile == "quick" else cores()) as n_threads:
        found = time_versions(case, [*fast, *with_kernels], rows, EFFORT[profile], STEPS_PER_ROUND[kind])
        slow = time_versions(case, ["base", *SLOW], rows, SLOW_EFFORT[profile], SLOW_STEPS_PER_ROUND[kind])
    found = slow | found  # for base, the turns with the fast ones count
    return {
        "threads": n_threads,
        "data": rows.checksum,
        "versions": {version: found[version] for version in (*PAPER_VERSIONS, *with_kernels)},
    }


def time_versions(
    case: Case, versions: Sequence[str], rows: Dataset, effort: Effort, n_steps: int
) -> dict[str, dict[str, Any]]:
    """Lets versions take turns, ``n_steps`` steps per round; what each costs, or why it is not run."""
    found: dict[str, dict[str, Any]] = {}
    work: dict[str, Work] = {}
    device = rows.labels.device
    limit = MEMORY_LIMIT if device.type == "cpu" else SHARE_OF_FREE * torch.cuda.mem_get_info(device)[0]
    for version in versions:
        config = configure(case, version, rows.name, kind_of(device.type))
        found[version] = {"n_hidden": count(hidden_shape(config))}
        needed = bytes_needed(config)
        if needed > limit:
            found[version]["not_run"] = f"needs about {needed / 1e9:.0f} GB of memory"
            continue
        with nullcontext() if version in FUSED else fused.plain_layers():  # a graph is recorded here
            if case.part == "step":
                work[version] = whole_step(config, rows)
            else:
                step = hidden_step(config, device)
                found[version]["peak_bytes"] = peak_bytes(step, device)
                work[version] = captured(step) if device.type == "cuda" else step
    clocks = {version: clock(run, n_steps, str(device)) for version, run in work.items()}
    costs = take_turns(clocks, effort)
    for version, seconds in costs.items():
        found[version] |= {
            "seconds": spread(seconds),
            "ratio": {rival: spread(ratios(seconds, costs[rival])) for rival in costs},
            "rounds": len(seconds),
            "steps_a_round": n_steps,
        }
    return found


def configure(case: Case, version: str, dataset: str, kind: DeviceKind = "cpu") -> RunConfig:
    """The run whose steps are timed."""
    return RunConfig(
        dataset=dataset, seed=1, condition=case.condition, hidden=WIDTHS[case.width], optimizer=OPTIMIZERS[kind],
        batch_size=BATCH, **options(version),
    )  # fmt: skip


def hidden_layers(config: RunConfig) -> DeepPart:
    """The hidden layers of the run's model, by themselves."""
    return DeepPart(N_INPUTS, config.hidden, make_dense(config, d_condition(config)))


def hidden_shape(config: RunConfig) -> DeepPart:
    """The same without storage, to count."""
    with torch.device("meta"):
        return hidden_layers(config)


def d_condition(config: RunConfig) -> int | None:
    """D, or None for a self-wise layer."""
    return None if config.condition == "self" else config.d_embedding


def bytes_needed(config: RunConfig) -> int:
    """About how much memory the hidden layers need for a step.

    Weights, gradients and two moments; what is generated for every instance, kept for the backward pass; and the
    largest such part twice more, as a gradient and as a temporary.
    """
    generated = [
        evaluate(PAPER_VERSIONS[config.version].generated,
                 {"N": n, "M": m, "D": d_condition(config) or m, "K": config.rank or 0})
        for m, n in pairwise((N_INPUTS, *config.hidden))
    ]  # fmt: skip
    return 4 * (4 * count(hidden_shape(config)) + BATCH * (sum(generated) + 2 * max(generated)))


def whole_step(config: RunConfig, rows: Dataset) -> Work:
    """A training step of a new model on these rows, batch after batch."""
    device = rows.labels.device
    steps = make_step(build(config, rows.schema).to(device), rows, config)
    return timed_step(steps, cycle(torch.arange(len(rows), device=device).split(config.batch_size)))


def hidden_step(config: RunConfig, device: torch.device = CPU) -> Work:
    """Forward and backward of the hidden layers, down to the gradients of input and condition; random tensors."""
    with device:
        deep, d = hidden_layers(config), d_condition(config)
        x = torch.randn(config.batch_size, N_INPUTS, requires_grad=True)
        z = None if d is None else torch.randn(config.batch_size, d, requires_grad=True)
        above = torch.randn(config.batch_size, config.hidden[-1])  # the gradient that comes from above

    def work() -> None:
        deep(x, z).backward(above)
        for tensor in (x, z, *deep.parameters()):  # now, so that the next step frees nothing of this one
            if tensor is not None:
                tensor.grad = None

    return work


def peak_bytes(work: Work, device: torch.device = CPU) -> int:
    """The most bytes that torch's allocator holds at once for some work, besides what it held before.

    From the allocator's own record, so it is exact, and the same on a busy machine. On a CPU the work must free what it
    makes: whether the record has the end of what was there before is a matter of chance.
    """
    work()  # so that nothing that happens the first time only is counted
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with profiler.profile(activities=[profiler.ProfilerActivity.CPU], profile_memory=True, acc_events=True) as record:
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
