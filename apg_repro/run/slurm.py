"""Runs as jobs of SLURM, or of this machine where there is no SLURM, by submitit. Needs the extra ``[submitit]``.

The checkout must lie where all nodes see it, as home folders of such clusters do. Jobs hand their rows back in files of
``results/jobs/``; the driver alone writes the store.
"""

import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch

from apg_repro.config import RunConfig
from apg_repro.errors import UserError
from apg_repro.rows import provenance
from apg_repro.rows.row import TrainedRow
from apg_repro.run.executors import Cluster, RunFailed, optional
from apg_repro.run.task import row_or_mistake

TIMEOUT_MINUTES = 24 * 60  # minutes that a job may take, unless the options say otherwise; submitit's own are five
MAX_QUEUED = 100  # runs that are queued or trained at once on SLURM, unless --jobs says otherwise
POLL_SECONDS = 2.0  # between two looks at whether the driver is still there


class Submitit:
    """Trains each run as a job.

    Args:
        threads: of each run; as many CPUs are asked for.
        jobs: at most so many at once; None: one per core here, one on a GPU here, a hundred on SLURM.
        folder: for logs, and for what goes to jobs and comes back.

    Raises:
        UserError: submitit is not installed, or does not know an option; the device names one GPU of several.
    """

    def __init__(self, cluster: Cluster, device: str, threads: int, jobs: int | None, folder: Path) -> None:
        submitit = optional("submitit")
        self.device, self.threads, self.folder = device, threads, folder
        self.failed = submitit.core.utils.UncompletedJobError
        self.queue = submitit.AutoExecutor(folder=folder / "%j")
        options = {"name": "apg", "timeout_min": TIMEOUT_MINUTES, "cpus_per_task": threads}
        on_gpu = torch.device(device).type == "cuda"
        if on_gpu and torch.device(device).index is not None:
            raise UserError(f"submitit chooses the GPU of each run: write --device cuda, not {device}")
        if on_gpu:
            options["gpus_per_node"] = 1
        try:
            self.queue.update_parameters(**{**options, **cluster.options})
        except (NameError, TypeError, ValueError, AssertionError) as error:
            raise UserError(f"submitit does not take these --cluster-options: {error}") from error
        self.is_local = self.queue.cluster == "local"
        here = 1 if on_gpu else max(1, provenance.cores() // threads)
        self.width = jobs or (here if self.is_local else MAX_QUEUED)
        self.running: dict[Future[TrainedRow], tuple[RunConfig, Any]] = {}

    def submit(self, config: RunConfig) -> "Future[TrainedRow]":
        future: Future[TrainedRow] = Future()
        driver = os.getpid() if self.is_local else None
        job = self.queue.submit(train_in_job, config, self.device, self.threads, driver)
        self.running[future] = config, job
        return future

    def progress(self) -> str:
        for future, (config, job) in list(self.running.items()):
            if job.done():
                del self.running[future]
                self.settle(future, config, job)
        return f"{len(self.running)} jobs"

    def settle(self, future: "Future[TrainedRow]", config: RunConfig, job: Any) -> None:
        """Hands the outcome of a job on."""
        found: TrainedRow | Exception
        try:
            found = job.result()
        except self.failed as error:
            found = error
            if not isinstance(error, optional("submitit").core.utils.FailedJobError):  # that is an exception in the job
                found = RunFailed(
                    f"{config.id} ended without a row (job {job.job_id}, {job.state}; out of time or memory?): its log "
                    f"is {job.paths.stderr}"
                )
        if isinstance(found, TrainedRow):
            future.set_result(found)
        else:
            future.set_exception(found)

    def close(self, *, now: bool) -> None:
        for _, job in self.running.values():
            job.cancel()


def train_in_job(config: RunConfig, device: str, threads: int, driver: int | None) -> TrainedRow | UserError:
    """Runs as a job. One of this machine ends with its driver; on SLURM, ``scancel --name apg`` ends those left."""
    if driver is not None:
        threading.Thread(target=exit_without, args=(driver,), daemon=True).start()
    return row_or_mistake(config, device, threads)


def exit_without(driver: int) -> None:
    """Ends this process when there is no process of that number any more."""
    while True:
        try:
            os.kill(driver, 0)
        except ProcessLookupError:
            os._exit(1)
        time.sleep(POLL_SECONDS)
