"""One task, a run of training or a measurement → its row."""

import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from importlib import import_module
from platform import python_version
from typing import Any

import torch

from apg_repro.catalogue import check_prepared
from apg_repro.config import PROTOCOLS, Measurement, Protocol, RunConfig, kind_of
from apg_repro.data.dataset import Dataset, load
from apg_repro.errors import UserError, first_line
from apg_repro.rows import provenance
from apg_repro.rows.numerics import version_of
from apg_repro.rows.row import MeasuredRow, Origin, Score, TrainedRow
from apg_repro.training.train import Progress, Result, train


def train_row(config: RunConfig, device: str, on_progress: Progress = lambda _: None) -> TrainedRow:
    """Trains one run; its row.

    Raises:
        UserError: the data set is not prepared or damaged; the run asks for what there is not.
    """
    commit, dirty = provenance.commit()
    numerics = version_of(config)
    data = loaded(config.dataset, config.features, config.rows, device)
    # A GPU keeps its memory anyhow, and many runs share this process there.
    with kept_memory() if torch.device(device).type == "cpu" else nullcontext():
        result = train(config, data, on_progress)
    return trained_row(config, result, numerics, origin(device, data.checksum, commit, dirty))


def trained_row(config: RunConfig, result: Result, numerics: int, origin: Origin) -> TrainedRow:
    """The row of a run that has been trained.

    Args:
        numerics: the version of its case; 0 where no golden run guards it.
    """
    return TrainedRow(
        config=config, status=result.status, scores=scores_of(result), history=result.history,
        observed=result.observed, n_parameters=result.n_parameters, n_hidden=result.n_hidden,
        n_served=result.n_served, train_rows=result.train_rows, seconds=result.seconds, numerics=numerics,
        origin=origin,
    )  # fmt: skip


def row_or_mistake(config: RunConfig, device: str, threads: int) -> TrainedRow | UserError:
    """What another machine sends back: the row, or the mistake that would lose its kind as an exception on the way."""
    torch.set_num_threads(threads)
    try:
        check_device(device)
        return train_row(config, device)
    except UserError as error:
        return error


def be_deterministic() -> None:
    """Lets torch use deterministic kernels alone, here and in workers; it raises a RuntimeError where it has none."""
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS asks for it; read when a GPU is first used
    torch.use_deterministic_algorithms(True)


def check_device(device: str) -> None:
    """Raises a UserError if torch cannot use the device; on one that it can, products are in float32."""
    kind_of(device)
    try:
        torch.zeros(1, device=device)
        torch.set_float32_matmul_precision("highest")  # TORCH_ALLOW_TF32_CUBLAS_OVERRIDE may say otherwise
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {device!r} cannot be used here: {first_line(error)}") from error


def scores_of(result: Result) -> dict[Protocol, Score]:
    """What a run scored under each protocol that it reached."""
    found: dict[Protocol, Score] = {}
    for protocol in PROTOCOLS:
        if protocol in result.test:
            test = result.test[protocol]
            epoch = int(test["epoch"])
            found[protocol] = Score(
                epoch=epoch, valid_auc=result.history[epoch - 1]["valid_auc"], test_auc=test["auc"],
                test_logloss=test["logloss"],
            )  # fmt: skip
    return found


def measured_row(measurement: Measurement, is_timed: bool, device: str = "cpu") -> MeasuredRow:
    """Makes one measurement; its row.

    Args:
        is_timed: whether it is a time.
        device: of the measurement's kind, such as "cuda:1": where times are measured.

    Raises:
        UserError: the data set is not prepared or damaged.
    """
    check_prepared(measurement.dataset)
    commit, dirty = provenance.commit()
    measure: Callable[[Measurement], dict[str, Any]]
    measure = import_module(f"apg_repro.experiments.{measurement.name}.measure").measure
    if measurement.device_kind == "cpu":
        device = "cpu"  # also of counts that are asked for together with runs on a GPU
    with kept_memory(), torch.cuda.device(device) if device != "cpu" else nullcontext():
        values = measure(measurement)
    threads, checksum = values.pop("threads", None), values.pop("data")
    return MeasuredRow(
        measurement=measurement, values=values, timing=provenance.TIMING if is_timed else None,
        origin=origin(device, checksum, commit, dirty, threads),
    )  # fmt: skip


def origin(device: str, checksum: str, commit: str | None, dirty: bool | None, threads: int | None = None) -> Origin:
    """Where a row that is made now comes from."""
    return Origin(
        commit=commit, dirty=dirty, torch=torch.__version__, python=python_version(), device=device_name(device),
        threads=threads or torch.get_num_threads(), cores=provenance.cores(), memory_gb=provenance.memory_gb(),
        finished=time.strftime("%Y-%m-%d %H:%M", time.gmtime()), data=checksum[:12],
    )  # fmt: skip


def device_name(device: str) -> str:
    """What the device is called: the GPU's name, or the CPU's."""
    is_cuda = torch.device(device).type == "cuda"
    return torch.cuda.get_device_name(device) if is_cuda else provenance.cpu_name()


@cache
def loaded(name: str, features: str, rows: int | None, device: str) -> Dataset:
    """The data set, read once per process."""
    check_prepared(name)
    return load(name, features=features, rows=rows).to(torch.device(device))


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
USUAL_TRIM_THRESHOLD, USUAL_MMAP_MAX = 128 * 1024, 65_536  # its defaults


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keeps the memory that big tensors free for the next ones, and gives it back at the end.

    glibc gives blocks above 32 MB back at once, and the system hands them out again page by page: half of a step of
    Star, or of v2. Other C libraries are left as they are.
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    is_glibc = hasattr(libc, "mallopt")
    if is_glibc:
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        if is_glibc:
            libc.mallopt(M_MMAP_MAX, USUAL_MMAP_MAX)
            libc.mallopt(M_TRIM_THRESHOLD, USUAL_TRIM_THRESHOLD)
            libc.malloc_trim(0)
