"""Golden runs: small trainings in double precision that say whether the code still gives the numbers of its rows.

Every *case* (``rows/numerics.py``) is trained through ``train`` itself on a few thousand made rows with every kind of
column, until early stopping has chosen an epoch. Other threads, kernels and orders of summation move the values by
1e-15; the smallest real change that was tried moves them by 1e-8. So ``TOLERANCE`` is a definition of "the same".
"""

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from apg_repro.config import RunConfig, changed
from apg_repro.data.dataset import Dataset
from apg_repro.data.schema import Schema
from apg_repro.paths import write_record
from apg_repro.rows.numerics import PATH, case_of, record
from apg_repro.run.task import check_device
from apg_repro.training.timing import threads
from apg_repro.training.train import Result, train

TOLERANCE, ELSEWHERE = 1e-10, 1e-6  # relative: on a CPU, which made the record, and on other devices
N_ROWS = 1_250
SIZES = {"user": 40, "item": 30, "category": 4, "kind": 3, "group": 5}
BAG = ("colour_red", "colour_green", "colour_blue")
SCHEMAS = {
    # Every kind of column: ids that are features and ids that are not, a number, a bag, indicators of a kind of item.
    "mixed": Schema(fields=SIZES, inputs=("user", "item", "category"), numbers=("price", *BAG), bags={"colour": BAG}),
    "ids": Schema(fields=SIZES, inputs=("user", "item", "category"), numbers=(), bags={}),
}
SHORT = 1  # epochs of the run on ids alone
# Small sizes at which everything matters: clipping bites, early stopping ends the run.
SMALL: dict[str, Any] = {
    "dataset": "golden", "seed": 1, "d_embedding": 4, "hidden": (8, 6), "batch_size": 100, "learning_rate": 0.02,
    "max_epochs": 20, "patience": 2,
}  # fmt: skip
RANK, OVER = 2, 3
LARGE_RANK, LARGE_OVER = 9, 10  # above every width of ``hidden``

Values = Mapping[str, Sequence[float]]


def golden_config(config: RunConfig) -> RunConfig:
    """The golden run of a configuration's case: the same choices of code at small sizes."""
    large = config.rank is not None and config.rank > min(config.hidden)
    options = {name: value for name, value in changed(config).items() if name not in ("rows", "features")} | SMALL
    options["observe"] = "" if config.observe == "truth" else config.observe
    if config.rank is not None:
        options["rank"] = LARGE_RANK if large else RANK
    if config.over is not None:
        options["over"] = LARGE_OVER if large else OVER
    if config.mix:
        options["condition"] = f"{config.mix.where}_{config.mix.how}(user,item,category)"
    elif config.condition not in ("self", "none"):
        options["condition"] = "user"
    if config.domain:
        options["domain"] = "category+kind" if "+" in config.domain else "category"
    if config.generator_layers > 1:
        options["generator_layers"] = 2
    if config.weight_decay:
        options["weight_decay"] = 1e-3
    if config.clip_norm:
        options["clip_norm"] = 0.05
    return RunConfig(**options)


def made_rows(kind: str = "mixed") -> Dataset:
    """The rows of every golden run, in double precision: the same on every platform and with every library.

    Args:
        kind: a key of ``SCHEMAS``.
    """
    schema = SCHEMAS[kind]
    chance = {name: hashed(N_ROWS, stream) for stream, name in enumerate([*SIZES, "price", *BAG, "label"])}
    # Squares make some users and items frequent, as they are in data of clicks.
    ids = {name: (chance[name] ** 2 * size).astype(np.int32) for name, size in SIZES.items()}
    taste = hashed(SIZES["user"] * SIZES["item"], 20).reshape(SIZES["user"], SIZES["item"])
    score = taste[ids["user"], ids["item"]] + 0.3 * chance["price"] + 0.2 * (ids["category"] == 1)
    numbers = [chance["price"] - 0.5, *((chance[name] < 0.4).astype(float) for name in BAG)]
    return Dataset(
        name="golden",
        schema=schema,
        fields=torch.from_numpy(np.stack([ids[name] for name in schema.fields], axis=1)),
        numbers=torch.from_numpy(np.stack(numbers, axis=1) if schema.numbers else np.zeros((N_ROWS, 0))),
        labels=torch.from_numpy((score + 0.5 * chance["label"] > 1.0).astype(float)),
        checksum="golden",
    )


def hashed(n: int, stream: int) -> np.ndarray:
    """n numbers from 0 to 1 that look random: splitmix64 in whole numbers, so that no library can change them."""
    with np.errstate(over="ignore"):
        state = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(stream << 32)) * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((state ^ (state >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2**53


def golden_run(config: RunConfig, *, device: str = "cpu", dtype: torch.dtype = torch.float64) -> dict[str, list[float]]:
    """What the golden run of a configuration's case gives.

    Returns:
        Losses epoch by epoch, scores on the test rows, and sums of whatever is observed, by name.
    """
    golden = golden_config(config)
    with default_dtype(dtype), threads(1):  # of products as small as these, more threads only wait for each other
        whole = train(golden, placed(made_rows(), device, dtype))
        # Observers may need columns that these rows lack; they have been seen above.
        short = replace(golden, max_epochs=SHORT, observe="")
        ids = train(short, placed(made_rows("ids"), device, dtype))
    return values_of(whole) | {f"ids: {name}": found for name, found in values_of(ids).items()}


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """New weights have this type for a while."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def placed(rows: Dataset, device: str, dtype: torch.dtype) -> Dataset:
    """The rows on a device, numbers and labels of a type."""
    return replace(rows, numbers=rows.numbers.to(dtype), labels=rows.labels.to(dtype)).to(torch.device(device))


def values_of(result: Result) -> dict[str, list[float]]:
    """The numbers of a result, but for times."""
    names = ("train_loss", "worst_batch_loss", "valid_logloss", "valid_auc")
    found = {name: [entry[name] for entry in result.history] for name in names}
    for protocol, test in result.test.items():
        found[protocol] = [test["epoch"], test["logloss"], test["auc"]]
    for protocol, observed in result.observed.items():
        numbers = [-1.0 if np.isnan(number) else number for number in leaves(observed)]  # a NaN would hide the others
        found[f"{protocol} observed"] = [sum(numbers), sum(value * place for place, value in enumerate(numbers, 1))]
    found["parameters"] = [result.n_parameters, result.n_hidden, result.n_served]
    return found


def leaves(value: Any) -> Iterator[float]:
    """Every number in nested lists and dicts."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, int | float):
        yield float(value)


def distance(ours: Values, theirs: Values) -> float:
    """The largest relative difference between two golden runs; infinite if they are not of one form."""
    if {name: len(found) for name, found in ours.items()} != {name: len(found) for name, found in theirs.items()}:
        return float("inf")
    pairs = [pair for name in ours for pair in zip(ours[name], theirs[name], strict=True)]
    return max(apart(*pair) for pair in pairs)


def apart(one: float, other: float) -> float:
    """The relative difference of two numbers; 0 if both are undefined, infinite if one is."""
    if np.isnan(one) or np.isnan(other):
        return 0.0 if np.isnan(one) and np.isnan(other) else float("inf")
    return 0.0 if one == other else abs(one - other) / max(abs(one), abs(other), 1e-3)


def cases_of(configs: Sequence[RunConfig]) -> dict[str, RunConfig]:
    """One configuration for each case, by name, in order."""
    found: dict[str, RunConfig] = {}
    for config in configs:
        found.setdefault(case_of(config), config)
    return dict(sorted(found.items()))


def run_cases(
    cases: Mapping[str, RunConfig], *, device: str = "cpu", dtype: torch.dtype = torch.float64
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """The golden runs of these cases, under a progress bar."""
    for name, config in tqdm(cases.items(), desc="golden runs", unit="case", dynamic_ncols=True, leave=False):
        yield name, golden_run(config, device=device, dtype=dtype)


def record_cases(cases: Mapping[str, RunConfig], path: Path = PATH) -> dict[str, str]:
    """Runs these cases and writes what they give; raises the version of those that moved. Others are dropped.

    Returns:
        What changed, by case.
    """
    known, kept, news = record(path), {}, {}
    for name, values in run_cases(cases):
        old = known.get(name)
        moved = distance(values, old["values"]) if old else 0.0
        if old and moved <= TOLERANCE:
            kept[name] = old
            continue
        version = old["version"] + 1 if old else 1
        kept[name] = {"version": version, "values": values}
        news[name] = f"version {version}, moved by {moved:.1e}" if old else "new"
    news |= {name: "dropped: no suite asks for it" for name in known if name not in kept}
    head = {"tolerance": TOLERANCE, "torch": torch.__version__, "python": platform.python_version()}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(case)}" for name, case in kept.items())
    write_record(path, f'{{\n "made with": {json.dumps(head)},\n "cases": {{\n{lines}\n }}\n}}\n')
    record.cache_clear()
    return news


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far golden runs are from their record.

    Attributes:
        text: for a terminal. is_same: whether all lie within ``tolerance_on`` the device in double precision.
    """

    text: str
    is_same: bool


def tolerance_on(device: str) -> float:
    """How far a golden run in double precision may be from the record, which a CPU made."""
    return TOLERANCE if torch.device(device).type == "cpu" else ELSEWHERE


def compare_cases(cases: Mapping[str, RunConfig], *, device: str = "cpu") -> Report:
    """Runs these cases in double precision, on another device in single precision as well, and says how far they are.

    Raises:
        UserError: torch cannot use the device.
    """
    check_device(device)
    known, on_cpu, most = record(), torch.device(device).type == "cpu", tolerance_on(device)
    lines, moved = [], []
    single: dict[str, float] = {}
    if not on_cpu:
        single = {
            name: distance(values, known[name]["values"])
            for name, values in run_cases(cases, device=device, dtype=torch.float32)
            if name in known
        }
    for name, values in run_cases(cases, device=device):
        if name not in known:
            lines.append(f"{name}: not recorded")
            moved.append(name)
            continue
        far = distance(values, known[name]["values"])
        if far > most:
            moved.append(name)
        if far > most or not on_cpu:
            more = "" if on_cpu else f", in single precision {single[name]:.1e}"
            lines.append(f"{name}: {far:.1e}{more}")
    lines.append(f"{len(cases) - len(moved)} of {len(cases)} cases are within {most:g} of the record")
    return Report(text="\n".join(lines), is_same=not moved)
