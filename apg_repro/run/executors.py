"""Where runs are trained: in this process, in worker processes side by side. The driver alone writes rows.

An executor is like one of ``concurrent.futures``: it takes a run and gives a future of its row. On a CPU, two runs with
one thread each get more done than one run with two.
"""

import multiprocessing
import os
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from queue import Empty
from typing import Any, Protocol

import torch

from apg_repro.config import RunConfig
from apg_repro.errors import UserError
from apg_repro.rows.row import TrainedRow
from apg_repro.run.task import train_row

LOOK_AGAIN = 2.0  # seconds between two looks at whether the driver is still there


class RunFailed(Exception):  # noqa: N818 (an outcome of a run, which the others survive)
    """A run failed; the driver says so and goes on with the others."""


class Executor(Protocol):
    """Trains runs.

    Attributes:
        width: how many runs it trains side by side.
    """

    width: int

    def submit(self, config: RunConfig) -> "Future[TrainedRow]":
        """Starts a run."""
        ...

    def progress(self) -> str:
        """The latest word from a run; "" for none."""
        ...

    def close(self, *, now: bool) -> None:
        """Ends it; ``now``: without waiting for runs, which start again next time."""
        ...


class InThisProcess:
    """Trains a run when it is submitted."""

    width = 1

    def __init__(self, device: str, threads: int, show: Any = None) -> None:
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
        # The driver's number comes with the arguments: a worker that asked for it after its imports would find none
        # that has died by then.
        arguments = (self.words, threads, os.getpid())
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


def start_worker(words: Any, threads: int, driver: int) -> None:
    """Runs once in each worker process."""
    global _words
    _words = words
    torch.set_num_threads(threads)
    threading.Thread(target=exit_when_orphaned, args=(driver,), daemon=True).start()


def exit_when_orphaned(driver: int) -> None:
    """Ends this process when the driver is gone: one that was killed cannot end its workers."""
    while os.getppid() == driver:
        time.sleep(LOOK_AGAIN)
    os._exit(1)


def train_in_worker(config: RunConfig, device: str) -> TrainedRow:
    """A row, with progress sent to the driver."""
    return train_row(config, device, lambda entry: _words.put(describe(config, entry)))


def describe(config: RunConfig, entry: dict[str, Any]) -> str:
    """A line for the progress bar."""
    size = "".join(f" {name}={value}" for name, value in (("K", config.rank), ("P", config.over)) if value)
    speed = f"{entry['rows_per_second'] / 1000:.0f}k rows/s"
    state = f"valid AUC {entry['valid_auc']:.4f}" if "valid_auc" in entry else f"{entry['done']:.0%}"
    return f"{config.backbone} {config.version}{size} seed {config.seed}, epoch {entry['epoch']}: {state}, {speed}"
