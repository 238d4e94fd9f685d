"""Table 10: how fast a trained model answers a request: base, v5 folded, and v1, in three engines.

A request asks for the logits of n candidates. One thread answers it, from ids and numbers to logits. On a GPU it begins
and ends on the CPU all the same, so what is timed contains the way there and back; there is a fourth engine, torch with
the model as a CUDA graph.

Shapes: n candidates, F fields, C number columns.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from apg_repro.config import DeviceKind, Measurement, Profile, RunConfig
from apg_repro.data.dataset import Dataset, load
from apg_repro.errors import in_a_line
from apg_repro.experiments.table5.plan import WIDTHS
from apg_repro.experiments.table10.plan import CANDIDATES, LOAD, MODELS, TIMEOUT, V1_CANDIDATES, WIDTH
from apg_repro.nn.apg import fold
from apg_repro.training.build import build
from apg_repro.training.graphs import captured
from apg_repro.training.timing import Effort, clock, ratios, spread, take_turns, threads
from apg_repro.training.train import count, make_step

# Who takes turns, and how often. The slowest one of a hundred requests is a result too, so there are many. v1 reads so
# many weights that those of base leave the caches: it takes turns with base alone, in one engine.
TURNS: dict[tuple[str, ...], dict[Profile, Effort]] = {
    ("base", "apg"): {
        "quick": Effort(rounds=50, at_least=10, seconds=3.0, warmup=3),
        "full": Effort(rounds=3000, at_least=200, seconds=60.0, warmup=20),
    },
    ("base", "v1"): {
        "quick": Effort(rounds=5, at_least=2, seconds=1.0),
        "full": Effort(rounds=300, at_least=20, seconds=30.0, warmup=2),
    },
}
TRAINED_STEPS, TRAINED_BATCH = 5, 64  # before serving, so that every instance has weights of its own
REQUESTS = 64  # different ones, asked in turn
SIMULATED = 100_000  # requests
COMPILERS = ("g++", "clang++", "c++")

Request = tuple[torch.Tensor, torch.Tensor]  # ids and numbers of the candidates
Engine = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def measure(measurement: Measurement) -> dict[str, Any]:
    """What serving costs.

    Returns:
        models: by model, its parameters.
        engines: by engine and model, milliseconds per request, also as a ratio to base in the same engine, and the
            share of requests answered in time, in a simulation; or why an engine was not run.

    Raises:
        UserError: the data set is not prepared.
    """
    n = CANDIDATES[measurement.case]
    device = torch.device(measurement.device_kind)
    rows = load(measurement.dataset, rows=max(REQUESTS * n, TRAINED_STEPS * TRAINED_BATCH))
    requests = list(zip(rows.fields.split(n), rows.numbers.split(n), strict=True))[:REQUESTS]
    missing = missing_engines(measurement.device_kind)
    models: dict[str, dict[str, int]] = {}
    engines: dict[str, dict[str, Any]] = {engine: {"not_run": reason} for engine, reason in missing.items()}
    with threads(1), torch.inference_mode(), TemporaryDirectory() as folder:
        for names, efforts in TURNS.items():
            if "v1" in names and n > V1_CANDIDATES:
                continue
            served = {name: serve(name, rows.to(device)) for name in names}
            running = {("eager", name): by_way_of(device, model) for name, model in served.items()}
            if "v1" not in names:
                others, failed = other_engines(served, requests[0], Path(folder), missing, device)
                running |= others
                engines |= {engine: {"not_run": reason} for engine, reason in failed.items()}
            for (engine, name), values in time_engines(running, requests, efforts[measurement.profile]).items():
                engines.setdefault(engine, {}).setdefault(name, values)  # for base, the first turns count
            for name, model in served.items():
                models[name] = {"n_hidden": count(model.get_submodule("deep")), "n_parameters": count(model)}
    return {"threads": 1, "data": rows.checksum, "models": models, "engines": engines}


def other_engines(
    models: dict[str, nn.Module], example: Request, folder: Path, missing: Collection[str], device: torch.device
) -> tuple[dict[tuple[str, str], Engine], dict[str, str]]:
    """The models in the engines other than torch itself, where these can be had; engines that fail here, and why."""
    found: dict[tuple[str, str], Engine] = {}
    failed: dict[str, str] = {}
    if "compiled" not in missing:
        compiled = {("compiled", name): by_way_of(device, torch.compile(model)) for name, model in models.items()}
        try:
            for engine in compiled.values():
                engine(*example)  # is compiled by its first call
            found |= compiled
        except Exception as error:  # whatever a compiler may say, of a header that is not there perhaps
            failed["compiled"] = f"torch.compile fails here: {in_a_line(error)}"
    if device.type == "cuda":
        found |= {("graph", name): Replayed(model, example, device) for name, model in models.items()}
    if "onnx" not in missing:
        found |= {("onnx", name): in_onnx_runtime(model, example, folder / name) for name, model in models.items()}
    return found, failed


def time_engines(
    engines: Mapping[tuple[str, str], Engine], requests: list[Request], effort: Effort
) -> dict[tuple[str, str], dict[str, Any]]:
    """Lets (engine, model) pairs answer requests in turn; what each costs."""
    logits = {key: engine(*requests[0]) for key, engine in engines.items()}
    costs = take_turns({key: clock(answering(engine, requests)) for key, engine in engines.items()}, effort)
    return {
        (engine, name): {
            "ms": spread([1000 * s for s in seconds], (50, 90, 99)),
            "ratio": spread(ratios(seconds, costs[engine, "base"])),
            "answered": share_answered(seconds, costs[engine, "base"]),
            "differs_by": float((logits[engine, name] - logits["eager", name]).abs().max()),
            "requests": len(seconds),
        }
        for (engine, name), seconds in costs.items()
    }


def by_way_of(device: torch.device, model: Engine) -> Engine:
    """The model on a device, from candidates on the CPU to logits on the CPU."""
    if device.type == "cpu":
        return model
    return lambda fields, numbers: model(fields.to(device), numbers.to(device)).cpu()


class Replayed:
    """An engine: the model as a CUDA graph, for as many candidates as the example has.

    Args:
        model: on the device.
        example: a request on the CPU.
    """

    def __init__(self, model: nn.Module, example: Request, device: torch.device) -> None:
        self.fields, self.numbers = (tensor.to(device) for tensor in example)
        self.logits = torch.empty(0)
        self.model = model
        self.replay = captured(self.answer)

    def answer(self) -> None:
        """From the tensors that a request is copied to, to the logits."""
        self.logits = self.model(self.fields, self.numbers)

    def __call__(self, fields: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        self.fields.copy_(fields)
        self.numbers.copy_(numbers)
        self.replay()
        return self.logits.cpu()


def missing_engines(kind: DeviceKind = "cpu") -> dict[str, str]:
    """Engines that cannot be had here, and why."""
    reasons = {}
    if kind == "cuda":
        reasons["onnx"] = "ONNX Runtime is measured on a CPU only"
        if find_spec("triton") is None:
            reasons["compiled"] = "torch.compile needs Triton for a GPU"
    if not any(shutil.which(compiler) for compiler in COMPILERS):
        reasons["compiled"] = "torch.compile needs a C++ compiler"
    if kind == "cpu" and not all(find_spec(package) for package in ("onnx", "onnxscript", "onnxruntime")):
        reasons["onnx"] = "ONNX Runtime is not installed here; make bench has it"
    return reasons


@torch.inference_mode(False)
def serve(name: str, rows: Dataset) -> nn.Module:
    """A model after some steps of training, v5 folded, ready to serve."""
    config = RunConfig(
        dataset=rows.name, seed=1, hidden=WIDTHS[WIDTH], optimizer="row_adam", batch_size=TRAINED_BATCH, **MODELS[name]
    )
    device = rows.labels.device
    model = build(config, rows.schema).to(device)
    step = make_step(model, rows, config)
    for batch in torch.arange(TRAINED_STEPS * TRAINED_BATCH, device=device).split(TRAINED_BATCH):
        step(batch)
    return fold(model).eval()


def in_onnx_runtime(model: nn.Module, request: Request, folder: Path) -> Engine:
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


def answering(engine: Engine, requests: list[Request]) -> Callable[[], object]:
    """Answers the next request."""
    following: Iterator[Request] = cycle(requests)
    return lambda: engine(*next(following))


def share_answered(seconds: list[float], base: list[float], n: int = SIMULATED) -> float:
    """The share of requests answered in time, where base would be busy for ``LOAD`` of the time.

    One server answers in the order of arrival. Requests arrive at random (Poisson); each takes one of the measured
    times, drawn at random. A request is answered in time within ``TIMEOUT`` times base's median, waiting
    included; one that has waited so long is given up.

    Args:
        seconds: measured times of a request.
        base: those of base.
        n: how many requests.
    """
    random = np.random.default_rng(0)
    timeout = TIMEOUT * float(np.median(base))
    arrivals = np.cumsum(random.exponential(np.mean(base) / LOAD, n))
    free, in_time = 0.0, 0  # when the server is free again
    for arrival, service in zip(arrivals, random.choice(seconds, n), strict=True):
        start = max(arrival, free)
        if start - arrival <= timeout:
            free = start + service
            in_time += free - arrival <= timeout
    return float(in_time / n)
