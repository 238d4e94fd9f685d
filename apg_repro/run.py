"""Suites → runs → rows in the store.

Runs are independent, so several processes can train side by side: on a CPU, two runs with one thread each get
more done than one run with two. Only this process writes rows.
"""

import ctypes
import multiprocessing
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from queue import Empty
from typing import Any, TypeVar

import torch
from tqdm import tqdm

from apg_repro import provenance
from apg_repro.config import Measurement, RunConfig, UserError
from apg_repro.data import Dataset, load
from apg_repro.measure import measure
from apg_repro.paths import DATA
from apg_repro.store import Store
from apg_repro.suites import PROTOCOLS, Plan, Suite
from apg_repro.train import Result, train


def run_suite(
    suite: Suite, plan: Plan, *, device: str = "cpu", jobs: int | None = None, store: Store | None = None
) -> None:
    """Trains every run of a suite that the store lacks: the search first, then the runs that it decides.

    Args:
        suite: which table or figure.
        plan: which profile, data set and seeds.
        device: "cpu", "cuda" or "cuda:1": where runs are trained. Measurements stay on the CPU.
        jobs: processes side by side; default: one a core on a CPU, one on a GPU. 1 trains in this process.
        store: where the rows go.

    Raises:
        UserError: no such device or data set; a run failed (rows of other runs are kept).
    """
    store = store or Store()
    check_device(device)
    if jobs is not None and jobs < 1:
        raise UserError(f"jobs must be at least 1, not {jobs}")
    jobs = jobs or (os.cpu_count() or 1 if device == "cpu" else 1)
    for stage, configs in (
        ("search", lambda pool: suite.search(plan)),
        ("runs", lambda pool: suite.runs(plan, pool)),
    ):
        pool = store.pool(plan.profile, plan.dataset)
        todo = missing(configs(pool), pool)
        if todo:
            store.check_writable(plan.profile, suite.name, plan.dataset)
            train_all(todo, device, min(jobs, len(todo)), store, f"{suite.name} {plan.dataset} {stage}")
    measured = {row["id"]: row for row in store.rows(plan.profile, suite.name, plan.dataset)}
    for measurement in missing(suite.measurements(plan), measured):
        store.check_writable(plan.profile, suite.name, plan.dataset)
        origin = origin_of(measurement)
        with kept_memory():
            values = measure(measurement)
        store.append(row_of(measurement, {"device": device_name("cpu")} | values, origin))


Task = TypeVar("Task", RunConfig, Measurement)


def missing(tasks: Sequence[Task], done: Container[str]) -> list[Task]:
    """The runs or measurements whose key is not done, each once."""
    return list({task.key: task for task in tasks if task.key not in done}.values())


def check_device(device: str) -> None:
    """Raises a UserError if torch cannot use the device."""
    try:
        if torch.device(device).type not in ("cpu", "cuda"):
            raise UserError(f"device {device!r} is none of cpu, cuda, cuda:0, cuda:1 and so on")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {device!r} cannot be used here: {str(error).splitlines()[0][:200]}") from error


def check_prepared(dataset: str) -> None:
    """Raises a UserError, before any process is started, if the data set is not prepared."""
    if not (DATA / dataset / "manifest.json").exists():
        raise UserError(f"data set {dataset!r} is not prepared: run `{preparing(dataset)}` (see --help)")


def preparing(dataset: str) -> str:
    """What prepares a data set; one script makes all planted ones."""
    return f"python data_scripts/{dataset.partition('-')[0]}.py"


def train_all(configs: Sequence[RunConfig], device: str, jobs: int, store: Store, title: str) -> None:
    """Trains these runs and appends each row as soon as it is there, under one progress bar."""
    with tqdm(total=len(configs), desc=title, unit="run", dynamic_ncols=True) as bar:
        results = in_this_process(configs, device, bar) if jobs == 1 else in_processes(configs, device, jobs, bar)
        for row in results:
            store.append(row)
            bar.update()


def in_this_process(configs: Sequence[RunConfig], device: str, bar: tqdm) -> Iterator[dict[str, Any]]:
    """The rows, trained one after the other."""
    for config in configs:
        yield make_row(config, device, lambda entry, config=config: bar.set_postfix_str(describe(config, entry)))


def in_processes(configs: Sequence[RunConfig], device: str, jobs: int, bar: tqdm) -> Iterator[dict[str, Any]]:
    """The rows in the order in which they are done, trained by worker processes."""
    for dataset in {config.dataset for config in configs}:
        check_prepared(dataset)  # a worker takes long to find out
    context = multiprocessing.get_context("spawn")
    events = context.Queue()
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, context, initializer=start_worker, initargs=(events, threads)) as pool:
        waiting: set[Future] = {pool.submit(make_row_in_worker, config, device) for config in configs}
        try:
            while waiting:
                with suppress(Empty):
                    bar.set_postfix_str(events.get(timeout=0.5))
                done = {future for future in waiting if future.done()}
                waiting -= done
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise UserError(
                "a training process was killed, by lack of memory perhaps: rows of finished runs are in the store; "
                "run the same command with --jobs 1"
            ) from error
        finally:
            for process in list((pool._processes or {}).values()) if waiting else []:
                process.terminate()  # on Ctrl-C: their runs start anew next time
            pool.shutdown(wait=not waiting, cancel_futures=True)


_events: Any = None


def start_worker(events: Any, threads: int) -> None:
    """Runs once in each worker process."""
    global _events
    _events = events
    torch.set_num_threads(threads)
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()


def end_with(parent: int) -> None:
    """Ends this process when its parent is gone: one that was killed cannot end its workers."""
    while os.getppid() == parent:
        time.sleep(5)
    os._exit(1)


def make_row_in_worker(config: RunConfig, device: str) -> dict[str, Any]:
    return make_row(config, device, lambda entry: _events.put(describe(config, entry)))


def describe(config: RunConfig, entry: dict[str, Any]) -> str:
    """A line for the progress bar."""
    size = "".join(f" {name}={value}" for name, value in (("K", config.rank), ("P", config.over)) if value)
    speed = f"{entry['rows_per_second'] / 1000:.0f}k rows/s"
    state = f"valid AUC {entry['valid_auc']:.4f}" if "valid_auc" in entry else f"{entry['done']:.0%}"
    return f"{config.variant}{size} seed {config.seed}, epoch {entry['epoch']}: {state}, {speed}"


@cache
def cached(name: str, features: str, rows: int | None, device: str) -> Dataset:
    """The data set, read once a process."""
    check_prepared(name)
    try:
        return load(name, features=features, rows=rows).to(torch.device(device))
    except (KeyError, TypeError, AttributeError) as error:  # an entry is missing or no longer what it was
        raise UserError(
            f"{DATA / name}/manifest.json is damaged or of another version: run `{preparing(name)}` again"
        ) from error


def make_row(config: RunConfig, device: str, on_progress: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Trains one run; its row: configuration, metrics, history, cost, provenance."""
    origin = origin_of(config)
    data = cached(config.dataset, config.features, config.rows, device)
    with kept_memory():
        result = train(config, data, torch.device(device), on_progress)
    values = columns_of(result) | {"data": data.checksum[:12], "device": device_name(device)}
    return row_of(config, values, origin)


M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h
USUAL_TRIM_THRESHOLD, USUAL_MMAP_MAX = 128 * 1024, 65_536  # its defaults


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keeps the memory that big tensors free for the next ones, and gives it back at the end.

    glibc gives blocks above 32 MB back at once, and the system hands them out anew page by page: half of a step of
    Star, or of v2. Other C libraries stay as they are.
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


def origin_of(task: RunConfig | Measurement) -> dict[str, Any]:
    """Commit and digest of the code that a task goes through; asked before it starts, as files may change meanwhile."""
    commit, dirty = provenance.commit(task)
    return {"commit": commit, "dirty": dirty, "code": provenance.code_digest(task)}


def row_of(task: RunConfig | Measurement, values: dict[str, Any], origin: dict[str, Any]) -> dict[str, Any]:
    """The row of a task: what it is, what came out, and where it comes from."""
    return {
        "id": task.id,
        **task.as_dict(),
        "threads": torch.get_num_threads(),
        **values,
        **origin,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "finished": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


def columns_of(result: Result) -> dict[str, Any]:
    """A result as flat columns: AUC from 0 to 1, logloss in nats, time in seconds."""
    row: dict[str, Any] = {"status": result.status}
    for protocol in PROTOCOLS:
        test: dict[str, Any] = result.test.get(protocol, {})
        epoch = test.get("epoch")
        row[f"{protocol}_epoch"] = epoch
        row[f"{protocol}_valid_auc"] = round(result.history[epoch - 1]["valid_auc"], 6) if epoch else None
        row[f"{protocol}_test_auc"] = round(test["auc"], 6) if test else None
        row[f"{protocol}_test_logloss"] = round(test["logloss"], 6) if test else None
    if result.observed:
        row["observed"] = result.observed
    history = [{key: round(value, 6) for key, value in entry.items()} for entry in result.history]
    return row | {
        "history": history,
        "n_parameters": result.n_parameters,
        "n_hidden": result.n_hidden,
        "train_rows": result.train_rows,
        "seconds": result.seconds,
    }


def device_name(device: str) -> str:
    """What the device is called: the GPU's name, or the CPU's."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        with Path("/proc/cpuinfo").open() as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
