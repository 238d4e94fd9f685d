"""How fast training is: rows per second, compared with the machine and with a peer, and a step's cost by ids.

Shapes: R rows, F fields.
"""

import dataclasses
import json
import subprocess
from contextlib import nullcontext
from itertools import cycle, pairwise
from typing import Any, get_args

import torch

from apg_repro.catalogue import data_set
from apg_repro.config import Measurement, OptimizerName, Profile, RunConfig
from apg_repro.data.dataset import Dataset, load, split
from apg_repro.errors import UserError
from apg_repro.experiments.speed.plan import IDS, N_IDS, ONE_THREAD, PEER_DATASET
from apg_repro.experiments.table5.plan import options
from apg_repro.nn import fused
from apg_repro.paths import ROOT
from apg_repro.rows.provenance import cores
from apg_repro.seeds import generator
from apg_repro.training.build import build
from apg_repro.training.graphs import timed_step
from apg_repro.training.timing import Clock, Effort, clock, ratios, spread, take_turns, threads
from apg_repro.training.train import make_step, train_epoch

CPU = torch.device("cpu")
ROWS: dict[Profile, int] = {"quick": 20_000, "full": 100_000}  # trained on in a round
ROUNDS: dict[Profile, Effort] = {
    "quick": Effort(rounds=3, seconds=5.0),
    "full": Effort(rounds=12, at_least=5, seconds=180.0),
}
STEPS: dict[Profile, Effort] = {
    "quick": Effort(rounds=5, seconds=2.0),
    "full": Effort(rounds=30, at_least=8, seconds=20.0),
}
STEPS_PER_ROUND = 5  # dense Adam over large tables empties the caches for the contender that comes next
SQUARE = (1024, 1024, 1024)  # a product's rows, inner size and columns, at which sgemm is about as fast as it gets
PEER_PYTHON, PEER_SPEED = ROOT / ".venv-peers" / "bin" / "python", ROOT / "benchmarks" / "peer_speed.py"


def measure(measurement: Measurement) -> dict[str, Any]:
    """Rows per second with one thread, with all cores or on a GPU, or a step's cost by the number of ids.

    Raises:
        UserError: the data set is not prepared.
    """
    data = split(load(measurement.dataset), seed=0)[0].copy()
    one = measurement.case == ONE_THREAD or measurement.profile == "quick"
    with threads(1 if one else cores()) as n_threads:
        work = step_by_ids if measurement.case == IDS else rows_per_second
        return {"threads": n_threads, "data": data.checksum, **work(data, measurement)}


def rows_per_second(data: Dataset, measurement: Measurement) -> dict[str, Any]:
    """Base, v5, on a GPU also fused, and the peer, in turn with bare matrix products, which give the roofline.

    The roofline is how many rows per second there would be if base did nothing but the multiplications of its deep
    part, as fast as the fastest of these products: two operations per weight, for the output and for each of two
    gradients. v5 needs fewer operations; its share is of base's roofline too.
    """
    device = torch.device(measurement.device_kind)
    configs = {version: configure(measurement.dataset, version) for version in ("base", "v5")}
    n_rows, batch = min(ROWS[measurement.profile], len(data)), configs["base"].batch_size
    if device.type == "cuda" and n_rows > batch:
        n_rows -= n_rows % batch  # a smaller batch is not recorded: one in so few steps would count for many
    rows = data.take(torch.arange(n_rows)).to(device)
    clocks: dict[str, Clock] = {version: epoch(rows, config) for version, config in configs.items()}
    if device.type == "cuda" and fused.is_usable(rows.labels.device):
        clocks["v5, fused"] = epoch(rows, configs["v5"], is_plain=False)
    sizes = [len(rows.schema.inputs) * configs["base"].d_embedding + len(rows.schema.numbers), *configs["base"].hidden]
    products = [SQUARE, *((configs["base"].batch_size, i, o) for i, o in pairwise(sizes))]
    clocks |= {f"{m} × {k} × {n}": product(m, k, n, device) for m, k, n in products}
    without_peer = why_no_peer(measurement)
    if not without_peer:
        clocks["peer"] = peer(len(rows))
    costs = take_turns(clocks, ROUNDS[measurement.profile])
    sgemm = {name: costs[name] for name in list(clocks) if "×" in name}
    fastest = min(sgemm.values(), key=lambda seconds: spread(seconds)["p50"])
    operations = 6 * sum(i * o for i, o in pairwise([*sizes, 1]))
    trained = [name for name in clocks if name not in sgemm]
    return {
        "operations_a_row": operations,
        "sgemm": {name: rate(seconds, 1e-9) for name, seconds in sgemm.items()},
        "roofline": rate(fastest, 1 / operations),
        "models": {
            name: {"rows_a_second": rate(costs[name])}
            | {"of_roofline": spread([operations / x for x in ratios(costs[name], fastest)])}
            | ({} if without_peer else {"to_peer": spread(ratios(costs["peer"], costs[name]))})
            for name in trained
        }
        | ({"peer": {"not_run": without_peer}} if without_peer else {}),
        "rounds": len(fastest),
        "rows_a_round": len(rows),
    }


def rate(seconds: list[float], unit: float = 1.0) -> dict[str, float]:
    """How many per second, in ``unit``, of what takes these seconds each."""
    return spread([unit / cost for cost in seconds])


def configure(dataset: str, version: str, optimizer: OptimizerName = "adam") -> RunConfig:
    """The run whose training is timed: the paper's settings, self-wise, with the K and P of Table 5."""
    return RunConfig(dataset=dataset, seed=1, optimizer=optimizer, **options(version))


def epoch(rows: Dataset, config: RunConfig, *, is_plain: bool = True) -> Clock:
    """Trains one epoch as every run does; seconds per row."""
    device = rows.labels.device
    model = build(config, rows.schema).to(device)
    steps, shuffle = make_step(model, rows, config), generator(config.seed, "batches")

    def work() -> None:
        with fused.plain_layers() if is_plain else nullcontext():
            train_epoch(model, steps, len(rows), shuffle)

    return per(len(rows), clock(work, device=str(device)))


def product(m: int, k: int, n: int, device: torch.device = CPU) -> Clock:
    """Multiplies random matrices, (m, k) by (k, n); seconds per operation."""
    with device:
        left, right, into = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
    return per(2 * m * k * n, clock(lambda: torch.mm(left, right, out=into), times=20, device=str(device)))


def peer(rows: int) -> Clock:
    """DeepCTR-Torch's WDL, which trains in a process and an environment of its own; seconds per row."""
    command = [PEER_PYTHON, PEER_SPEED, "--rows", str(rows), "--threads", str(torch.get_num_threads())]

    def seconds() -> float:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            raise UserError(f"the peer failed: {said[-1]}")
        return 1 / json.loads(done.stdout)["rows_per_second"]

    return seconds


def why_no_peer(measurement: Measurement) -> str:
    """Why the peer is not measured; "" if it is."""
    if measurement.device_kind != "cpu":
        return "it is compared on a CPU only"
    if measurement.profile == "quick":
        return "the quick profile leaves it out"
    if measurement.dataset != PEER_DATASET:
        return f"it is set up for {data_set(PEER_DATASET).title} only"
    return "" if PEER_PYTHON.exists() else "its environment is not there; make bench makes it"


def per(n: int, whole: Clock) -> Clock:
    """The clock of one of the n things that another clock's contender does."""
    return lambda: whole() / n


def step_by_ids(data: Dataset, measurement: Measurement) -> dict[str, Any]:
    """Seconds per step of base with dense Adam and with Adam row by row, users drawn from more and more ids."""
    steps = {}
    for n_ids in N_IDS[measurement.profile]:
        rows = with_users(data, n_ids).to(torch.device(measurement.device_kind))
        clocks = {how: one_step(rows, configure(measurement.dataset, "base", how)) for how in get_args(OptimizerName)}
        costs = take_turns(clocks, STEPS[measurement.profile])
        steps[str(n_ids)] = {
            how: {"seconds": spread(seconds), "ratio": spread(ratios(seconds, costs["adam"])), "rounds": len(seconds)}
            for how, seconds in costs.items()
        }
    return {"ids": steps}


def with_users(data: Dataset, n_ids: int) -> Dataset:
    """The same rows, with users drawn at random from so many ids."""
    users = torch.randint(n_ids, (len(data),), generator=generator(0, "users"), dtype=data.fields.dtype)
    column = data.schema.column("user")
    fields = data.fields.clone()
    fields[:, column] = users
    schema = dataclasses.replace(data.schema, fields=data.schema.fields | {"user": n_ids})
    return dataclasses.replace(data, schema=schema, fields=fields)


def one_step(rows: Dataset, config: RunConfig) -> Clock:
    """Training steps of a new model on these rows; seconds per step."""
    device = rows.labels.device
    steps = make_step(build(config, rows.schema).to(device), rows, config)
    batches = cycle(torch.arange(len(rows), device=device).split(config.batch_size)[:-1])
    return clock(timed_step(steps, batches), STEPS_PER_ROUND, str(device))
