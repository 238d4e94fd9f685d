"""How fast a trained model answers a request: base, v5 folded, and v1, in three engines (Table 10).

A request asks for the logits of n candidates. One thread answers it, from ids and numbers to logits.

Shapes: n candidates, F fields, C number columns.
"""

import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from apg_repro.build import build
from apg_repro.config import Measurement, Profile, RunConfig
from apg_repro.data import Dataset, load
from apg_repro.measure.timing import Effort, clock, cores, ratios, spread, take_turns, threads
from apg_repro.nn.apg import fold
from apg_repro.suites import CANDIDATES, COST_OVER, COST_RANK, COST_WIDTHS, SERVING_LOAD, SERVING_TIMEOUT, SERVING_WIDTH
from apg_repro.train import count, make_step

# Who takes turns, and how often. The slowest one of a hundred requests is a result too, so there are many. v1 reads so
# many weights that base's leave the caches: it takes turns with base alone, in one engine.
TURNS: dict[tuple[str, ...], dict[Profile, Effort]] = {
    ("base", "apg"): {
        "quick": Effort(rounds=50, at_least=10, seconds=3, warmup=3),
        "full": Effort(rounds=3000, at_least=200, seconds=60, warmup=20),
    },
    ("base", "v1"): {
        "quick": Effort(rounds=5, at_least=2, seconds=1),
        "full": Effort(rounds=300, at_least=20, seconds=30, warmup=2),
    },
}
# v1 needs the weights of D = 32, not of self-wise layers, to fit in memory at all.
MODELS: dict[str, dict[str, Any]] = {
    "base": {"version": "base"},
    "apg": {"version": "v5", "rank": COST_RANK, "over": COST_OVER},
    "v1": {"version": "v1", "condition": "user"},
}
V1_CANDIDATES = 100  # at most: it makes 4 MB of weights for each
TRAINED_STEPS, TRAINED_BATCH = 5, 64  # before serving, so that every instance has weights of its own
REQUESTS = 64  # different ones, asked in turn
SIMULATED = 100_000  # requests
COMPILERS = ("g++", "clang++", "c++")

Engine = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def measure(measurement: Measurement) -> dict[str, Any]:
    """By model and engine: milliseconds a request, also as a ratio to base's in the same engine, and the share of
    requests answered in time, in a simulation. By model: parameters.

    Raises:
        UserError: the data set is not prepared.
    """
    n = CANDIDATES[measurement.case]
    rows = load(measurement.dataset, rows=max(REQUESTS * n, TRAINED_STEPS * TRAINED_BATCH))
    requests = list(zip(rows.fields.split(n), rows.numbers.split(n), strict=True))[:REQUESTS]
    not_run = why_not()
    values: dict[str, Any] = {"threads": 1, "cores": cores(), "data": rows.checksum[:12], "models": {}, "engines": {}}
    values["engines"] |= {engine: {"not_run": reason} for engine, reason in not_run.items()}
    with threads(1), torch.inference_mode(), TemporaryDirectory() as folder:
        for names, efforts in TURNS.items():
            if "v1" in names and n > V1_CANDIDATES:
                continue
            models = {name: served(name, rows, measurement) for name in names}
            engines: dict[tuple[str, str], Engine] = {("eager", name): model for name, model in models.items()}
            if "apg" in names and "compiled" not in not_run:
                engines |= {("compiled", name): torch.compile(model) for name, model in models.items()}
            if "apg" in names and "onnx" not in not_run:
                paths = {name: Path(folder) / name for name in names}
                engines |= {("onnx", name): in_onnx_runtime(models[name], requests[0], paths[name]) for name in names}
            logits = {key: engine(*requests[0]) for key, engine in engines.items()}
            clocks = {key: clock(answering(engine, requests)) for key, engine in engines.items()}
            costs = take_turns(clocks, efforts[measurement.profile])
            for (engine, name), seconds in costs.items():
                of_engine = values["engines"].setdefault(engine, {})
                base = costs[engine, "base"]
                answered = {
                    "ms": spread([1000 * s for s in seconds], (50, 90, 99)),
                    "ratio": spread(ratios(seconds, base)),
                    "answered": share_answered(seconds, base),
                    "differs_by": float((logits[engine, name] - logits["eager", name]).abs().max()),
                    "requests": len(seconds),
                }
                of_engine.setdefault(name, answered)  # of base, the first turns count
            for name, model in models.items():
                values["models"][name] = {"n_hidden": count(model.deep), "n_parameters": count(model)}  # pyright: ignore[reportArgumentType]
    return values


def why_not() -> dict[str, str]:
    """Engines that cannot be had here, and why."""
    reasons = {}
    if not any(shutil.which(compiler) for compiler in COMPILERS):
        reasons["compiled"] = "torch.compile needs a C++ compiler"
    if not all(find_spec(package) for package in ("onnx", "onnxscript", "onnxruntime")):
        reasons["onnx"] = "ONNX Runtime is not installed here; make bench has it"
    return reasons


@torch.inference_mode(False)
def served(name: str, rows: Dataset, measurement: Measurement) -> nn.Module:
    """A model after some steps of training, v5 folded, ready to serve."""
    config = RunConfig(
        suite="table10", dataset=measurement.dataset, variant=name, seed=1, hidden=COST_WIDTHS[SERVING_WIDTH],
        optimizer="row_adam", batch_size=TRAINED_BATCH, **MODELS[name],
    )  # fmt: skip
    model = build(config, rows.schema)
    step = make_step(model, rows, config)
    for batch in torch.arange(TRAINED_STEPS * TRAINED_BATCH).split(TRAINED_BATCH):
        step(batch)
    return fold(model).eval()


def in_onnx_runtime(model: nn.Module, request: tuple[torch.Tensor, torch.Tensor], folder: Path) -> Engine:
    """The model, exported to ONNX for any number of candidates, in ONNX Runtime."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    folder.mkdir()
    path = folder / "model.onnx"
    example = tuple(tensor[:1].repeat(3, 1) for tensor in request)
    torch.onnx.export(
        model, example, path, input_names=["fields", "numbers"], output_names=["logits"],
        dynamic_shapes=({0: "n"}, {0: "n"}), dynamo=True, verbose=False,
    )  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def engine(fields: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run(None, {"fields": fields.numpy(), "numbers": numbers.numpy()})[0])

    return engine


def answering(engine: Engine, requests: list[tuple[torch.Tensor, torch.Tensor]]) -> Callable[[], object]:
    """Answers the next request."""
    following: Iterator[tuple[torch.Tensor, torch.Tensor]] = cycle(requests)
    return lambda: engine(*next(following))


def share_answered(seconds: list[float], base: list[float], n: int = SIMULATED) -> float:
    """The share of requests answered in time, where base would be busy for ``SERVING_LOAD`` of the time.

    One server answers in the order of arrival. Requests arrive at random (Poisson); each takes one of the measured
    times, drawn at random. A request is answered in time within ``SERVING_TIMEOUT`` times base's median, waiting
    included; one that has waited so long is given up.

    Args:
        seconds: measured times of a request. base: those of base.
        n: how many requests.
    """
    random = np.random.default_rng(0)
    timeout = SERVING_TIMEOUT * float(np.median(base))
    arrivals = np.cumsum(random.exponential(np.mean(base) / SERVING_LOAD, n))
    free, in_time = 0.0, 0  # when the server is free again
    for arrival, service in zip(arrivals, random.choice(seconds, n), strict=True):
        start = max(arrival, free)
        if start - arrival <= timeout:
            free = start + service
            in_time += free - arrival <= timeout
    return float(in_time / n)
