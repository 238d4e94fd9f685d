"""Where runs are trained: in this process, in worker processes side by side. The driver alone writes rows.

An executor is like one of ``concurrent.futures``: it takes a run and gives a future of its row. On a CPU, two runs with
one thread each get more done than one run with two. Those of other machines are in ``ray_cluster.py`` and ``slurm.py``.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from importlib import import_module
from queue import Empty
from typing import Any, Literal, Protocol

import torch

from apg_repro.config import RunConfig
from apg_repro.errors import UserError
from apg_repro.rows.row import TrainedRow
from apg_repro.run.task import train_row


class RunFailed(Exception):  # noqa: N818 (an outcome of a run, which the others survive)
    """A run failed; the driver says so and goes on with the others."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Other machines than this one.

    Attributes:
        kind: which library reaches them; "submitit" is SLURM.
        address: of a running Ray cluster, such as "auto" or "10.0.0.1:6379"; "" starts one on this machine.
        gpus_per_run: the share of a GPU that Ray sets aside for a run; None: one on a GPU, none on a CPU.
        options: of ``submitit.AutoExecutor.update_parameters``, such as {"slurm_partition": "gpu", "timeout_min": 600}.

    Raises:
        UserError: an option is of the other kind, or out of range.
    """

    kind: Literal["ray", "submitit"]
    address: str = ""
    gpus_per_run: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind != "ray" and (self.address or self.gpus_per_run is not None):
            raise UserError("--address and --gpus-per-run are for --executor ray; SLURM takes --cluster-options")
        if self.kind != "submitit" and self.options:
            raise UserError("--cluster-options are for --executor submitit; Ray takes --address and --gpus-per-run")
        share = self.gpus_per_run
        if share is not None and not (0 <= share <= 1 or (share > 1 and float(share).is_integer())):
            raise UserError(f"--gpus-per-run must be from 0 to 1, or a whole number, not {share}")


class Executor(Protocol):
    """Trains runs."""

    @property
    def width(self) -> int:
        """How many runs it trains side by side; a cluster may grow and shrink."""
        ...

    def submit(self, config: RunConfig) -> "Future[TrainedRow]":
        """Starts a run."""
        ...

    def progress(self) -> str:
        """Looks after the runs; the latest word from one of them, "" for none. The driver asks twice a second."""
        ...

    def close(self, *, now: bool) -> None:
        """Ends it; ``now``: without waiting for runs, which start again next time."""
        ...


class InThisProcess:
    """Trains a run when it is submitted."""

    width = 1

    def __init__(self, device: str, threads: int, show: Callable[[str], None]) -> None:
        self.device, self.show = device, show
        self.before = torch.get_num_threads()
        torch.set_num_threads(threads)

    def submit(self, config: RunConfig) -> "Future[TrainedRow]":
        future: Future[TrainedRow] = Future()
        try:
            future.set_result(train_row(config, self.device, lambda entry: self.show(describe(config, entry))))
        except Exception as error:  # not KeyboardInterrupt, which ends the driver
            future.set_exception(error)
        return future

    def progress(self) -> str:
        return ""

    def close(self, *, now: bool) -> None:
        torch.set_num_threads(self.before)


class Processes:
    """Trains runs in worker processes."""

    def __init__(self, device: str, threads: int, width: int) -> None:
        self.device, self.width = device, width
        context = multiprocessing.get_context("spawn")
        self.words = context.Queue()
        arguments = (self.words, threads, torch.are_deterministic_algorithms_enabled())
        self.pool = ProcessPoolExecutor(width, context, initializer=start_worker, initargs=arguments)

    def submit(self, config: RunConfig) -> "Future[TrainedRow]":
        try:
            return self.pool.submit(train_in_worker, config, self.device)
        except BrokenProcessPool as error:
            raise UserError(KILLED) from error

    def progress(self) -> str:
        word = ""
        while True:
            try:
                word = self.words.get_nowait()
            except Empty:
                return word

    def close(self, *, now: bool) -> None:
        workers = list((self.pool._processes or {}).values()) if now else []
        for worker in workers:
            worker.terminate()
        self.pool.shutdown(wait=not now, cancel_futures=True)


KILLED = (
    "a training process was killed, by lack of memory perhaps: rows of finished runs are in the store; "
    "run the same command with --jobs 1"
)
_words: Any = None


def start_worker(words: Any, threads: int, is_deterministic: bool) -> None:
    """Runs once in each worker process."""
    global _words
    _words = words
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(is_deterministic)
    threading.Thread(target=exit_when_orphaned, daemon=True).start()


def exit_when_orphaned() -> None:
    """Ends this process when the driver is gone: one that was killed cannot end its workers."""
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os._exit(1)


def train_in_worker(config: RunConfig, device: str) -> TrainedRow:
    """A row, with progress sent to the driver."""
    return train_row(config, device, lambda entry: _words.put(describe(config, entry)))


def optional(name: str) -> Any:
    """A package that only some executors need; a UserError if it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"--executor {name} needs {error.name}: "
            f"pip install --constraint constraints.txt --editable '.[train,{name}]'"
        ) from error


def describe(config: RunConfig, entry: dict[str, Any]) -> str:
    """A line for the progress bar."""
    size = "".join(f" {name}={value}" for name, value in (("K", config.rank), ("P", config.over)) if value)
    speed = f"{entry['rows_per_second'] / 1000:.0f}k rows/s"
    state = f"valid AUC {entry['valid_auc']:.4f}" if "valid_auc" in entry else f"{entry['done']:.0%}"
    return f"{config.backbone} {config.version}{size} seed {config.seed}, epoch {entry['epoch']}: {state}, {speed}"
