"""Trains runs through an executor and writes each row as soon as it is there: the only writer of a suite.

Several drivers may be at the same suite. A run is claimed before it is trained, by a lock that its driver's death
releases, so none is trained twice.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool

import torch
from filelock import BaseFileLock
from tqdm import tqdm

from apg_repro.catalogue import check_prepared
from apg_repro.config import Profile, RunConfig
from apg_repro.errors import UserError
from apg_repro.rows.row import TrainedRow
from apg_repro.rows.store import Store
from apg_repro.run.executors import KILLED, Executor, InThisProcess, Processes, RunFailed
from apg_repro.run.fleet import Fleet, devices_of

LOOK = 0.5  # seconds between two looks at what is done


def train_all(
    configs: Sequence[RunConfig], store: Store, profile: Profile, *, device: str, jobs: int, threads: int, title: str
) -> Iterator[TrainedRow]:
    """Trains these runs into the store; each row as soon as it is there. Runs that are there already are left out.

    Args:
        jobs: side by side; 1 trains in this process, as do all of them on a GPU. threads: that each run uses.
        title: of the progress bar.

    Raises:
        UserError: a data set is not prepared; a run failed. Rows of finished runs are in the store.
    """
    for dataset in {config.dataset for config in configs}:
        check_prepared(dataset)  # a worker takes long to find out
    width = min(jobs, len(configs))
    with tqdm(total=len(configs), desc=title, unit="run", dynamic_ncols=True) as bar:
        executor: Executor
        if torch.device(device).type == "cuda":
            executor = Fleet(devices_of(device), threads, width)
        elif width == 1:
            executor = InThisProcess(device, threads, bar.set_postfix_str)
        else:
            executor = Processes(device, threads, width)
        finished = False
        try:
            for row in drive(configs, store, profile, executor, bar.set_postfix_str):
                if row is not None:
                    yield row
                bar.update()
            finished = True
        except BrokenProcessPool as error:
            raise UserError(KILLED) from error
        finally:
            executor.close(now=not finished)


def drive(
    configs: Sequence[RunConfig], store: Store, profile: Profile, executor: Executor, show: Callable[[str], None]
) -> Iterator[TrainedRow | None]:
    """The rows in the order in which they are done; None for a run that failed, or that another driver has
    trained meanwhile."""
    todo, pending = deque(configs), dict[Future[TrainedRow], tuple[RunConfig, BaseFileLock]]()
    failed: list[str] = []
    try:
        while todo or pending:
            elsewhere = []
            while todo and len(pending) < executor.width:
                config = todo.popleft()
                claim = store.claim(profile, config)
                if config.id in store.runs(profile, config.dataset):  # asked after the claim: it may have just come
                    store.release(claim)
                    yield None
                elif claim is None:
                    elsewhere.append(config)
                else:
                    pending[executor.submit(config)] = config, claim
            todo.extend(elsewhere)
            if elsewhere and not pending:
                show(f"{len(elsewhere)} runs are trained by another process")
                time.sleep(LOOK)
            if word := executor.progress():
                show(word)
            for future in wait(pending, timeout=LOOK, return_when=FIRST_COMPLETED).done if pending else ():
                try:
                    row = future.result()
                except RunFailed as error:
                    failed.append(pending[future][0].id)
                    tqdm.write(f"run {error}")
                    store.release(pending.pop(future)[1])
                    yield None
                    continue
                if not store.append(profile, row):
                    raise UserError(
                        f"run {row.id} was trained, but {store.runs_path(profile, row.dataset)} held it by then: "
                        "nothing is lost, run the same command again"
                    )
                store.release(pending.pop(future)[1])
                yield row
        if failed:
            raise UserError(
                f"{len(failed)} of {len(configs)} runs failed, the others are in the store: {', '.join(failed)}"
            )
    finally:
        for _, claim in pending.values():
            store.release(claim)
