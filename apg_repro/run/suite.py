"""What a suite lacks, trained and measured; and runs of a page trained again, to compare."""

import random
import shutil
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from tqdm import tqdm

from apg_repro.config import PROTOCOLS, Measurement, Protocol, RunConfig
from apg_repro.errors import UserError
from apg_repro.rows import provenance
from apg_repro.rows.evidence import gather
from apg_repro.rows.row import TrainedRow
from apg_repro.rows.store import Store
from apg_repro.run.driver import train_all
from apg_repro.run.task import measured_row
from apg_repro.suite import Plan, Suite

Task = TypeVar("Task", RunConfig, Measurement)


def run_suite(
    suite: Suite, plan: Plan, *, device: str = "cpu", jobs: int | None = None, store: Store | None = None
) -> None:
    """Trains every run of a suite that the store lacks: the search first, then the runs that it decides.

    Args:
        suite: which table or figure.
        plan: which profile, data set and seeds.
        device: "cpu", "cuda" or "cuda:1": where runs are trained and times are measured. Counts are made on the CPU.
        jobs: processes side by side; default: one per core on a CPU, one on a GPU. 1 trains in this process.
        store: where the rows go.

    Raises:
        UserError: no such device or data set; a run failed (rows of other runs are kept).
    """
    store = store or Store()
    jobs, threads = workers(device, jobs)
    for stage in ("search", "runs"):
        evidence = gather(suite, plan, store)
        todo = missing(evidence.search() if stage == "search" else evidence.wanted(), evidence.runs)
        if todo:
            store.check_writable(store.runs_path(plan.profile, plan.dataset))
            title = f"{suite.name} {plan.dataset} {stage}"
            for _ in train_all(todo, store, plan.profile, device=device, jobs=jobs, threads=threads, title=title):
                pass  # each is in the store by now
    measured = store.measured(plan.profile, suite.name, plan.dataset)
    todo = missing(suite.measurements(plan.on(device)), measured)
    if todo:
        store.check_writable(store.measured_path(plan.profile, suite.name))
        for measurement in tqdm(todo, desc=f"{suite.name} {plan.dataset}", unit="measurement", dynamic_ncols=True):
            store.append(plan.profile, measured_row(measurement, suite.is_timed, device))


def missing(tasks: Sequence[Task], done: Container[str]) -> list[Task]:
    """The runs or measurements that are not done, each once."""
    return list({task.id: task for task in tasks if task.id not in done}.values())


def workers(device: str, jobs: int | None) -> tuple[int, int]:
    """How many processes side by side, and how many threads each has. Threads do not depend on what is left to do.

    Raises:
        UserError: torch cannot use the device; less than one process.
    """
    check_device(device)
    if jobs is not None and jobs < 1:
        raise UserError(f"jobs must be at least 1, not {jobs}")
    cores = provenance.cores()
    jobs = jobs or (cores if torch.device(device).type == "cpu" else 1)
    return jobs, max(1, cores // jobs)


def check_device(device: str) -> None:
    """Raises a UserError if torch cannot use the device."""
    try:
        if torch.device(device).type not in ("cpu", "cuda"):
            raise UserError(f"device {device!r} is none of cpu, cuda, cuda:0, cuda:1 and so on")
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {device!r} cannot be used here: {str(error).splitlines()[0][:200]}") from error


@dataclass(frozen=True, kw_only=True)
class Again:
    """A run of the store and the same run trained again."""

    stored: TrainedRow
    again: TrainedRow

    def difference(self, protocol: Protocol) -> float:
        """Test AUC of the new run less that of the stored one, in points; NaN if either has none."""
        return self.again.test_auc(protocol) - self.stored.test_auc(protocol)


def run_again(
    suite: Suite, plan: Plan, n: int, *, device: str = "cpu", jobs: int | None = None, store: Store | None = None,
    seed: int | None = None,
) -> list[Again]:  # fmt: skip
    """Trains runs of a page again, drawn at random, beside the stored ones. They go to ``results/again/``.

    Args:
        n: how many; all if there are fewer.
        seed: of the draw; None: another one each time.

    Raises:
        UserError: as ``run_suite``; the page has no run of training in the store.
    """
    store = store or Store()
    if n < 1:
        raise UserError(f"--again must be at least 1, not {n}")
    stored = [row for row in gather(suite, plan, store).rows if isinstance(row, TrainedRow)]
    if not stored:
        raise UserError(f"{suite.title} has no run of training on {plan.dataset} to make again")
    drawn = random.Random(seed).sample(stored, min(n, len(stored)))
    jobs, threads = workers(device, jobs)
    if device == "cpu":
        jobs, threads = same_threads(drawn, jobs)
    beside = Store(store.root / "again")
    shutil.rmtree(beside.root, ignore_errors=True)  # of the last time
    by_id, title = {row.id: row for row in drawn}, f"{suite.name} {plan.dataset} again"
    configs = [row.config for row in drawn]
    again = train_all(configs, beside, plan.profile, device=device, jobs=jobs, threads=threads, title=title)
    return [Again(stored=by_id[row.id], again=row) for row in again]


def same_threads(rows: Sequence[TrainedRow], jobs: int) -> tuple[int, int]:
    """Jobs and threads with which these rows were trained, where one number of threads serves all of them."""
    threads = {row.origin.threads for row in rows}
    return (jobs, threads.pop()) if len(threads) == 1 else (jobs, max(1, provenance.cores() // jobs))


def describe_again(found: Sequence[Again]) -> str:
    """The differences, one line per run."""
    lines = []
    for pair in found:
        what = " ".join(f"{name} {pair.difference(name):+.4f}" for name in PROTOCOLS)
        config = pair.stored.config
        lines.append(f"{config.id} {config.backbone} {config.version} seed {config.seed}: {what}")
    return "\n".join(lines)
