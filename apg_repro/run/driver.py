"""Trains runs through an executor and writes each row as soon as it is there: the only writer of a suite.

Several drivers may be at the same suite. A run is claimed before it is trained, by a lock that its driver's death
releases, so none is trained twice.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from shlex import quote
from tempfile import mkdtemp

import torch
from filelock import BaseFileLock
from tqdm import tqdm

from apg_repro.catalogue import check_prepared
from apg_repro.config import Profile, RunConfig
from apg_repro.errors import UserError, first_line, lacks_memory
from apg_repro.rows.numerics import case_of, version_of
from apg_repro.rows.row import Row, TrainedRow
from apg_repro.rows.store import Store
from apg_repro.run.executors import KILLED, Cluster, Executor, InThisProcess, Processes, RunFailed
from apg_repro.run.fleet import Fleet, devices_of, fitting

POLL_SECONDS = 0.5  # between two looks at what is done


def train_all(
    configs: Sequence[RunConfig], store: Store, profile: Profile, *, device: str, jobs: int | None, threads: int,
    title: str, cluster: Cluster | None = None,
) -> Iterator[TrainedRow]:  # fmt: skip
    """Trains these runs into the store; each row as soon as it is there. Runs that are there already are left out.

    Args:
        jobs: side by side; 1 trains in this process, as do all of them on a GPU, None as many as a cluster takes.
        threads: that each run uses.
        title: of the progress bar.
        cluster: other machines to train on; None: this one.

    Raises:
        UserError: a data set is not prepared; a run of the full profile has no golden run to guard its row; a run
            failed. Rows of finished runs are in the store.
    """
    if profile == "full":
        check_recorded(configs)
    datasets = {config.dataset for config in configs}
    for dataset in datasets:
        check_prepared(dataset)  # a worker takes long to find out
    width = min(jobs or len(configs), len(configs))
    with tqdm(total=len(configs), desc=title, unit="run", dynamic_ncols=True) as bar:
        executor: Executor
        if cluster and cluster.kind == "ray":
            from apg_repro.run.ray_cluster import Ray

            executor = Ray(cluster, device, threads, width, datasets)
        elif cluster:
            from apg_repro.run.slurm import Submitit

            executor = Submitit(cluster, device, threads, jobs, store.root / "jobs")
        elif torch.device(device).type == "cuda":
            devices = devices_of(device)
            width, need = fitting(configs, devices, width)
            tqdm.write(need)
            executor = Fleet(devices, threads, width)
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


def check_recorded(configs: Sequence[RunConfig]) -> None:
    """Raises a UserError if the golden run of a case is not recorded: its rows could not be told from stale ones."""
    unknown = sorted({case_of(config) for config in configs if not version_of(config)})
    if unknown:
        raise UserError(
            f"no golden run of {unknown[0]!r} is recorded{f' nor of {len(unknown) - 1} more' if unknown[1:] else ''}: "
            "run `python -m apg_repro numerics --record` first, and commit what it writes"
        )


def drive(
    configs: Sequence[RunConfig], store: Store, profile: Profile, executor: Executor, show: Callable[[str], None]
) -> Iterator[TrainedRow | None]:
    """The rows in the order in which they are done; None for a run that failed, or that another driver has
    trained meanwhile."""
    todo, pending = deque(configs), dict[Future[TrainedRow], RunConfig]()
    claims: dict[str, BaseFileLock | None] = {}  # by the run's id
    failed: list[str] = []
    try:
        while todo or pending:
            elsewhere = []
            while todo and len(pending) < executor.width:
                config = todo.popleft()
                claims[config.id] = store.claim(profile, config)
                if config.id in store.runs(profile, config.dataset):  # asked after the claim: it may have just come
                    store.release(claims.pop(config.id))
                    yield None
                elif claims[config.id] is None:
                    elsewhere.append(config)
                else:
                    pending[executor.submit(config)] = config
            todo.extend(elsewhere)
            if elsewhere and not pending:
                show(f"{len(elsewhere)} runs are trained by another process")
                time.sleep(POLL_SECONDS)
            if word := executor.progress():
                show(word)
            done = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED).done if pending else ()
            for future in sorted(done, key=lambda future: future.exception() is not None):  # a failed one ends it all
                if isinstance(error := future.exception(), RunFailed):
                    failed.append(pending[future].id)
                    tqdm.write(f"run {error}")
                    store.release(claims.pop(pending.pop(future).id))
                    yield None
                    continue
                row = row_of(future, pending[future])
                write(row, store, profile, pending)
                store.release(claims.pop(pending.pop(future).id))
                yield row
        if failed:
            raise UserError(
                f"{len(failed)} of {len(configs)} runs failed, the others are in the store: {', '.join(failed)}"
            )
    finally:
        for claim in claims.values():  # also of a run that was stopped while it was submitted
            store.release(claim)


def row_of(future: Future[TrainedRow], config: RunConfig) -> TrainedRow:
    """The row of a run that is done; a UserError if it had too little memory."""
    try:
        return future.result()
    except (MemoryError, RuntimeError) as error:
        if lacks_memory(error):
            raise UserError(
                f"run {config.id} ({config.backbone} {config.version}) needs more memory than there is: rows of "
                "finished runs are in the store; run the same command with fewer --jobs"
            ) from error
        raise


def write(row: TrainedRow, store: Store, profile: Profile, pending: Iterable[Future[TrainedRow]]) -> None:
    """Writes a row into the store; where that fails, a UserError says where it and all that is done by now are kept."""
    try:
        is_new = store.append(profile, row)
    except (OSError, UserError) as error:  # the disk is full; somebody has damaged the file meanwhile
        done = [future.result() for future in pending if future.done() and not future.exception()]
        raise rescued(done, store, profile, error) from error
    if not is_new:
        path = store.runs_path(profile, row.dataset)
        tqdm.write(f"run {row.id} was trained, but {path} held it by then: the row that was there stays")


def rescued(rows: Sequence[Row], store: Store, profile: Profile, error: OSError | UserError) -> UserError:
    """Saves rows that the store could not write, in a file of their own or else in the text of the error.

    Args:
        rows: of one data set; at least one.
        error: what the store met.

    Returns:
        What says where they are.
    """
    path = store.path(profile, rows[0])
    reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
    remedy = "free some space" if isinstance(error, OSError) else "mend it"
    what = f"{path} cannot be written ({reason})"
    try:
        beside = Store(Path(mkdtemp(prefix="apg-rows-")))
        for row in rows:
            beside.append(profile, row)
    except OSError:
        lines = "\n".join(json.dumps(row.as_json()) for row in rows)
        return UserError(f"{what}: {remedy}, and add what was trained to that file, these lines:\n{lines}")
    kept = beside.path(profile, rows[0])
    return UserError(
        f"{what}: what was trained is in {kept}; {remedy}, `cat {quote(str(kept))} >> {quote(str(path))}`, and "
        "run the same command again"
    )
