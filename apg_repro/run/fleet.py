"""Many runs side by side on one GPU, or on all of them: one process, a thread and a stream for each run.

A step of these models is some hundred short kernels, which fill a small part of a GPU. On one H200, a step of base took
292 µs alone, 84 µs with 8 runs side by side and 69 µs with 16. Steps are CUDA graphs (``training/graphs.py``), so a
thread launches one graph per step, and threads hardly wait for each other's Python. What must not happen twice at once
has a lock where it happens: building a model, recording a graph; and here, reading data.
"""

import gc
import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import accumulate

import torch

from apg_repro.config import RunConfig
from apg_repro.errors import out_of_memory
from apg_repro.rows.row import TrainedRow
from apg_repro.run.executors import RunFailed, describe
from apg_repro.run.task import loaded, train_row
from apg_repro.training.graphs import RECORDING, STREAMS, end_graphs, with_index
from apg_repro.training.memory import predicted_by_run
from apg_repro.training.train import Progress

# A GPU has 8 queues for its streams unless this says otherwise before it is used: of 16 runs, some would wait in line.
os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")
# cuBLAS keeps a workspace for each thread and stream, on a Hopper 32 MiB unless this says otherwise: these are 8 MiB.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2:16:8")

RUNS_PER_GPU = 16  # on each GPU, unless --jobs says otherwise: more gain little
MEMORY_SHARE = 0.8  # of what is free may be used

Train = Callable[[RunConfig, str, Progress], TrainedRow]


class Fleet:
    """Trains runs in threads of this process.

    A run that fails fails alone. One for which the memory does not suffice is put back, and fewer run side by side on
    its device from then on; alone on its device, it fails.

    Args:
        devices: such as ["cuda:0", "cuda:1"]; "cpu" works too.
        threads: that each run uses on the CPU.
        width: how many runs side by side on all devices together.
        train: what trains a run.
    """

    def __init__(self, devices: Sequence[str], threads: int, width: int, train: Train = train_row) -> None:
        self.threads, self.width, self.train = threads, width, train
        self.most = {device: -(-width // len(devices)) for device in devices}  # side by side on each, rounded up
        self.running: dict[str, set[str]] = {device: set() for device in devices}  # ids
        self.shared: set[str] = set()  # ids of runs that have had another beside them since they started
        self.todo: deque[tuple[RunConfig, Future[TrainedRow]]] = deque()
        self.words: dict[str, str] = {}
        self.changed = threading.Condition()
        self.reading = threading.Lock()
        self.ends = False
        self.lost: list[str] = []  # why threads have died
        self.workers = [
            threading.Thread(target=self.work, args=(device,), name=f"{device} {number}", daemon=True)
            for device, most in self.most.items()
            for number in range(most)
        ]
        for worker in self.workers:
            worker.start()

    def submit(self, config: RunConfig) -> "Future[TrainedRow]":
        future: Future[TrainedRow] = Future()
        with self.changed:
            self.todo.append((config, future))
            self.fail_what_waits()
            self.changed.notify_all()
        return future

    def progress(self) -> str:
        """How many runs are in progress, and the latest word of one of them."""
        with self.changed:
            n, words = sum(map(len, self.running.values())), list(self.words.values())
        return f"{n} side by side; {words[-1]}" if words else ""

    def close(self, *, now: bool) -> None:
        """Ends it. Runs in progress stop at their next word, which comes within a second or two."""
        with self.changed:
            self.ends = True
            if now:
                for _, future in self.todo:
                    future.cancel()
                self.todo.clear()
            self.changed.notify_all()
        for worker in self.workers:
            worker.join()

    def work(self, device: str) -> None:
        """What a thread does: one run after the other, until the end or until its device fails."""
        try:
            self.work_on(device)
        except Exception as error:
            with self.changed:
                self.lost.append(f"{device} cannot be used ({type(error).__name__}: {error})")
                self.fail_what_waits()

    def fail_what_waits(self) -> None:
        """Fails the runs that wait if no thread is left to train them."""
        while self.todo and len(self.lost) == len(self.workers):
            _, future = self.todo.popleft()
            future.set_exception(RunFailed(self.lost[-1]))

    def work_on(self, device: str) -> None:
        """One run after the other, on a stream of its own."""
        torch.set_num_threads(self.threads)
        with own_stream(device):
            while (task := self.next_task(device)) is not None:
                config, future = task
                try:
                    self.train_one(config, device, future)
                except Exception as error:  # the device itself: after some errors a GPU answers nothing any more
                    if config.id in self.running[device]:
                        self.fail(config, device, future, error)
                    raise

    def train_one(self, config: RunConfig, device: str, future: "Future[TrainedRow]") -> None:
        """Trains a run, and settles what becomes of one that fails."""
        error = self.attempt(config, device, future)
        if error is not None and out_of_memory(error):
            del error
            give_back_memory(device)
            self.put_back(config, device, future)
        elif error is not None:
            self.fail(config, device, future, error)

    def fail(self, config: RunConfig, device: str, future: "Future[TrainedRow]", error: Exception) -> None:
        """Ends a run with its error."""
        self.left(config, device)
        future.set_exception(RunFailed(f"{config.id} failed: {type(error).__name__}: {error}"))

    def next_task(self, device: str) -> "tuple[RunConfig, Future[TrainedRow]] | None":
        """The next run for this device, once it may have one more; None at the end."""
        with self.changed:
            while not (self.todo and len(self.running[device]) < self.most[device]):
                if self.ends and not self.todo and not any(self.running.values()):
                    return None  # while others run, one of them may be put back
                self.changed.wait()
            config, future = self.todo.popleft()
            self.running[device].add(config.id)
            if len(self.running[device]) > 1:
                self.shared |= self.running[device]
            return config, future

    def attempt(self, config: RunConfig, device: str, future: "Future[TrainedRow]") -> Exception | None:
        """Trains a run; the error if it fails, without the frames that would keep its tensors."""
        try:
            with self.reading:
                loaded(config.dataset, config.features, config.rows, device)
                if torch.device(device).type == "cuda":
                    torch.cuda.current_stream().synchronize()  # other streams read these rows too
            row = self.train(config, device, lambda entry: self.hear(config, describe(config, entry)))
        except Exception as error:
            if torch.device(device).type == "cuda":
                torch.cuda.current_stream().synchronize()  # before what its last steps use is given to others
            lost = error
            while lost is not None:
                lost.__traceback__ = None
                lost = lost.__cause__ or lost.__context__
            return error
        self.left(config, device)
        future.set_result(row)
        return None

    def hear(self, config: RunConfig, word: str) -> None:
        """Keeps a run's word as the latest; ends the run if all is to end."""
        with self.changed:
            if self.ends and not self.todo:
                raise RunFailed("stopped")
            self.words.pop(config.id, None)
            self.words[config.id] = word

    def left(self, config: RunConfig, device: str) -> None:
        """A run is no longer in progress."""
        with self.changed:
            self.running[device].remove(config.id)
            self.shared.discard(config.id)
            self.words.pop(config.id, None)
            self.changed.notify_all()

    def put_back(self, config: RunConfig, device: str, future: "Future[TrainedRow]") -> None:
        """After an error of memory: fewer runs side by side on this device, and this one once more."""
        with self.changed:
            was_alone = config.id not in self.shared
            if not was_alone:
                self.most[device] = max(1, min(self.most[device], len(self.running[device]) - 1))
                self.todo.appendleft((config, future))
            self.left(config, device)  # before another thread can take it again
        if was_alone:
            why = f"{config.id} needs more memory than {device} has free, with no other run of this command beside it"
            future.set_exception(RunFailed(why))


def fitting(configs: Sequence[RunConfig], devices: Sequence[str], width: int) -> tuple[int, str]:
    """How many of these runs fit side by side, at most ``width``, and what that needs, in words.

    The largest runs are taken to run at the same time. At least one run is tried on each device. The prediction leaves
    out the rows, which all share, and what CUDA itself takes: so a part of the memory stays free.
    """
    needed, free = predicted_by_run(configs), [free_bytes(device) for device in devices]
    limit = MEMORY_SHARE * min(free)
    most = min(-(-width // len(devices)), STREAMS)
    each = max(1, sum(total <= limit for total in accumulate(needed[:most])))
    width = min(width, each * len(devices))
    peak = sum(needed[:each]) / 1e9
    room = "" if math.isinf(limit) else f" of {min(free) / 1e9:.1f} GB that are free"
    return width, f"{width} runs side by side on {', '.join(devices)}: at most about {peak:.2g} GB on each{room}"


def free_bytes(device: str) -> float:
    """What a GPU has free; a CPU's memory is not asked."""
    if torch.device(device).type != "cuda":
        return math.inf
    torch.cuda.empty_cache()  # what torch keeps of earlier runs is free as well
    return torch.cuda.mem_get_info(device)[0]


def devices_of(device: str) -> list[str]:
    """The devices that a name stands for: "cuda" for all GPUs."""
    found = torch.device(device)
    if found.type == "cuda" and found.index is None:
        return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    return [device]


@contextmanager
def own_stream(device: str) -> Iterator[None]:
    """A stream of this thread's own on a GPU; all that it was asked for is done in the end."""
    if torch.device(device).type != "cuda":
        yield
        return
    torch.cuda.set_device(with_index(device))
    stream = torch.cuda.Stream(device)
    with torch.cuda.stream(stream):
        yield
    stream.synchronize()


def give_back_memory(device: str) -> None:
    """What a failed run held, for others."""
    gc.collect()
    if torch.device(device).type == "cuda":
        with RECORDING:
            end_graphs()
            torch.cuda.empty_cache()
