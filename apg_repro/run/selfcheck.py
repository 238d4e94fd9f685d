"""Whether a device trains as it should: ``python -m apg_repro selfcheck --device cuda``, the first thing to do on one.

Checks run on made rows (``run/golden.py``), so nothing has to be prepared, and need what training needs and no more.
What needs a GPU is skipped elsewhere, with a word.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from subprocess import CalledProcessError
from typing import Literal

import torch

from apg_repro.config import RunConfig
from apg_repro.data.dataset import Dataset
from apg_repro.errors import in_a_line
from apg_repro.models import BACKBONES
from apg_repro.nn import fused
from apg_repro.rows.numerics import case_of, record
from apg_repro.run.fleet import RUNS_PER_GPU, own_stream
from apg_repro.run.golden import (
    default_dtype,
    distance,
    golden_config,
    golden_run,
    made_rows,
    placed,
    tolerance_on,
    values_of,
)
from apg_repro.run.task import check_device
from apg_repro.training.build import build
from apg_repro.training.graphs import Eager, Graphed, Side
from apg_repro.training.scoring import auc
from apg_repro.training.train import make_step, train, train_epoch

SIZES = {"dataset": "golden", "seed": 1}
BASE = RunConfig(**SIZES)
V4 = RunConfig(**SIZES, version="v4", rank=8, condition="user")
V5 = RunConfig(**SIZES, version="v5", rank=8, over=32)
GRAPHED = [
    BASE, V4, V5, RunConfig(**SIZES, optimizer="row_adam"),
    *(RunConfig(**SIZES, backbone=name) for name in BACKBONES if name != "WDL"),
]  # fmt: skip
LARGE = replace(golden_config(BASE), d_embedding=512)
GOLDEN = [
    V5,
    replace(V5, condition="output_attention(a,b)"),
    RunConfig(**SIZES, version="v4", rank=8, condition="user", observe="states"),
    RunConfig(**SIZES, observe="user_groups"),
    *(RunConfig(**SIZES, backbone=name, domain="genres", optimizer="row_adam") for name in ("MMoE", "Star")),
]
Outcome = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was checked, and what came out.

    Attributes:
        far: how far two ways are apart, relative, and how far they may be; or why it was skipped or failed.
    """

    name: str
    outcome: Outcome
    far: str
    seconds: float


class Skipped(Exception):  # noqa: N818 (no error)
    """A check does not apply here; says why."""


Measured = tuple[float, float]  # how far, and how far it may be


def self_check(device: str) -> Iterator[Check]:
    """The checks of a device, one after the other; one that fails does not end the others.

    Raises:
        UserError: torch cannot use the device.
    """
    check_device(device)
    for name, check in checks(device).items():
        start = time.perf_counter()
        try:
            far, most = check()
            outcome: Outcome = "ok" if far <= most else "failed"  # a NaN fails
            word = f"{far:.1e} of at most {most:.0e}"
        except Skipped as reason:
            outcome, word = "skipped", str(reason)
        except Exception as error:  # whatever a device does not know
            outcome, word = "failed", in_a_line(error, 120)
        yield Check(name=name, outcome=outcome, far=word, seconds=time.perf_counter() - start)


def checks(device: str) -> dict[str, Callable[[], Measured]]:
    """Every check by name."""
    return {
        "AUC with ties": lambda: auc_with_ties(device),
        "fused layer, self-wise": lambda: fused_layer(device, None),
        "fused layer, group-wise": lambda: fused_layer(device, 32),
        "streams to record on": lambda: streams_apart(device),
        **{
            f"graphed epoch, {name_of(config)}": lambda c=config: graphed_epoch(golden_config(c), device)
            for config in GRAPHED
        },
        "graphed epoch, a table in pieces": lambda: graphed_epoch(LARGE, device),
        **{f"golden run, {case_of(config)}": lambda c=config: golden(c, device) for config in GOLDEN},
        "the same run twice": lambda: twice(device),
        "side by side in threads": lambda: side_by_side(device),
    }


def name_of(config: RunConfig) -> str:
    """What a check calls a run: "WDL v5"."""
    return f"{config.backbone} {config.version}{' by row' if config.optimizer == 'row_adam' else ''}"


def rows_on(device: str) -> Dataset:
    """Made rows in single precision."""
    return placed(made_rows(), device, torch.float32)


def auc_with_ties(device: str) -> Measured:
    """The AUC there against that of the CPU, which is scikit-learn's."""
    random = torch.Generator().manual_seed(0)
    logits = torch.randint(500, (20_000,), generator=random) / 100
    labels = torch.randint(2, (20_000,), generator=random).float()
    return abs(auc(logits.to(device), labels.to(device)) - auc(logits, labels)), 1e-12


def graphed_epoch(config: RunConfig, device: str) -> Measured:
    """The loss of an epoch with recorded steps against that of the same epoch without; the last batch is smaller."""
    if torch.device(device).type != "cuda":
        raise Skipped("graphs need a CUDA device")
    losses = []
    rows = rows_on(device).take(torch.arange(1_150, device=device))
    for as_graph in (True, False):
        model = build(config, rows.schema).to(torch.device(device))
        steps = make_step(model, rows, config)
        if not as_graph:
            steps = Eager(steps.step, config.batch_size, steps.device)
        losses.append(train_epoch(model, steps, len(rows), torch.Generator().manual_seed(0))["train_loss"])
        if isinstance(steps, Graphed) and not steps.is_recorded:
            raise RuntimeError("no step was recorded")
    return abs(losses[0] - losses[1]) / losses[1], 1e-5 if config.version == "base" else 1e-2


def fused_layer(device: str, d: int | None) -> Measured:
    """The kernels of ``nn.fused`` against the plain layer: outputs and gradients. D is None in a self-wise layer."""
    where = torch.device(device)
    if not fused.SWITCH.is_on:
        raise Skipped("APG_FUSED=0 leaves the kernels out")
    if not fused.could_run(where):
        raise Skipped("it needs Triton and a GPU of compute capability 8 or more")
    try:
        fused.distance_from_plain(where)
    except Exception as error:  # models train without the kernels then
        if "C compiler" not in str(error) and not isinstance(error, CalledProcessError):  # of a header, perhaps
            raise
        raise Skipped(f"it is not used, as Triton cannot compile its launcher: {in_a_line(error, 100)}") from error
    return fused.largest(fused.distance_from_plain(where, k, d) for k in (2, 4, 5, 8, 32)), fused.TOLERANCE


def golden(config: RunConfig, device: str) -> Measured:
    """A golden run there, in double precision, against the record of the CPU: training, scores, what is observed."""
    known = record()[case_of(config)]["values"]
    return distance(golden_run(config, device=device), known), tolerance_on(device)


def twice(device: str) -> Measured:
    """A run that is trained again, as one is that was stopped: nothing of the first one remains in the second."""
    with default_dtype(torch.float64):
        rows = placed(made_rows(), device, torch.float64)
        first, second = (values_of(train(golden_config(V4), rows)) for _ in range(2))
    return distance(first, second), 1e-6


def streams_apart(device: str) -> Measured:
    """How many graphs that live together are recorded on a stream of another graph, or on one that a run can have."""
    if torch.device(device).type != "cuda":
        raise Skipped("graphs need a CUDA device")
    runs = {torch.cuda.Stream(device).cuda_stream for _ in range(100)}  # more than torch has
    sides = [Side(device) for _ in range(RUNS_PER_GPU)]
    streams = {side.stream.cuda_stream for side in sides}
    return float(RUNS_PER_GPU - len(streams - runs)), 0


def side_by_side(device: str) -> Measured:
    """Sixteen runs in threads, a stream each, against the same runs one by one; a recording that fails is a failure."""
    rows = rows_on(device)
    configs = [replace(golden_config(config), seed=seed, max_epochs=2) for config in (BASE, V4) for seed in range(1, 9)]

    def losses(config: RunConfig) -> list[float]:
        with own_stream(device):
            return [entry["train_loss"] for entry in train(config, rows).history]

    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()  # streams of threads read the rows
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="steps are launched one by one")
        with ThreadPoolExecutor(len(configs)) as pool:
            together = list(pool.map(losses, configs))
        alone = [losses(config) for config in configs]
    pairs = [pair for ours, theirs in zip(together, alone, strict=True) for pair in zip(ours, theirs, strict=True)]
    return fused.largest(abs(one - other) / other for one, other in pairs), 1e-2


def line(check: Check) -> str:
    """A line of the table."""
    return f"{check.outcome:8} {check.seconds:6.1f} s  {check.name}: {check.far}"
