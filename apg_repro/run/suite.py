"""What a suite lacks, trained and measured; and runs of a page trained again, to compare."""

import random
import shutil
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from apg_repro.catalogue import check_prepared, how_to_prepare, is_prepared
from apg_repro.config import PROTOCOLS, Measurement, Protocol, RunConfig, kind_of
from apg_repro.data.gate import load_manifest
from apg_repro.errors import UserError
from apg_repro.rows import provenance
from apg_repro.rows.evidence import Evidence, gather
from apg_repro.rows.row import TrainedRow
from apg_repro.rows.store import Store, locked
from apg_repro.run.driver import rescued, train_all
from apg_repro.run.executors import Cluster
from apg_repro.run.fleet import RUNS_PER_GPU, devices_of
from apg_repro.run.task import check_device, measured_row
from apg_repro.suite import Plan, Suite

Task = TypeVar("Task", RunConfig, Measurement)
MAX_THREADS = 1024


def run_suite(
    suite: Suite, plan: Plan, *, device: str = "cpu", jobs: int | None = None, threads: int | None = None,
    cluster: Cluster | None = None, store: Store | None = None,
) -> None:  # fmt: skip
    """Trains every run of a suite that the store lacks: the search first, then the runs that it decides.

    Args:
        suite: which table or figure.
        plan: which profile, data set and seeds.
        device: "cpu", "cuda" or "cuda:1": where runs are trained and times are measured. Counts are made on the CPU.
        jobs: runs side by side; default: one per core on a CPU, ``RUNS_PER_GPU`` on every GPU, as many as fit into a
            cluster. 1 trains in this process.
        threads: of each run; default: the cores divided by the jobs, 1 on a cluster.
        cluster: other machines to train runs on. Measurements stay here.
        store: where the rows go.

    Raises:
        UserError: no such device or data set; the store has runs of this suite from another kind of device; a run
            failed (rows of other runs are kept).
    """
    store = store or Store()
    jobs, threads = workers(device, jobs, threads, cluster)
    for stage in ("search", "runs"):
        evidence = gather(suite, plan, store)
        todo = missing(evidence.search() if stage == "search" else evidence.wanted(), evidence.runs)
        if todo:
            check_data(evidence, store)
            check_kind(evidence, store, device)
            store.check_writable(store.runs_path(plan.profile, plan.dataset))
            title = f"{suite.name} {plan.dataset} {stage}"
            trained = train_all(
                todo, store, plan.profile, device=device, jobs=jobs, threads=threads, title=title, cluster=cluster
            )
            for _ in trained:
                pass  # each is in the store by now
            check_data(gather(suite, plan, store), store)
    measure(suite, plan.on(device), device, store)


def measure(suite: Suite, plan: Plan, device: str, store: Store) -> None:
    """Makes the measurements that the store lacks, one command at a time: two at once would slow each other down.

    Raises:
        UserError: a row cannot be written; it is kept elsewhere.
    """
    wanted, path = suite.measurements(plan), store.measured_path(plan.profile, suite.name)
    if not missing(wanted, store.measured(plan.profile, suite.name, plan.dataset)):
        return
    store.check_writable(path)
    with locked(path.with_suffix(".measuring.lock")):
        todo = missing(wanted, store.measured(plan.profile, suite.name, plan.dataset))  # another may have made some
        for measurement in tqdm(todo, desc=f"{suite.name} {plan.dataset}", unit="measurement", dynamic_ncols=True):
            row = measured_row(measurement, suite.is_timed, device)
            try:
                store.append(plan.profile, row)
            except (OSError, UserError) as error:
                raise rescued([row], store, plan.profile, error) from error


def check_ready(suite: Suite, plan: Plan, store: Store) -> None:
    """Raises a UserError if runs are missing, and their data set is not prepared, or not as it was (``check_data``)."""
    evidence = gather(suite, plan, store)
    if missing(evidence.search() + evidence.wanted(), evidence.runs):
        check_prepared(plan.dataset)
        check_data(evidence, store)


def check_data(evidence: Evidence, store: Store) -> None:
    """Raises a UserError if a run of the suite was trained on other rows than are prepared now.

    Its page would compare runs on different data.
    """
    plan = evidence.plan
    if not is_prepared(plan.dataset):
        return  # ``train_all`` says so
    now, there = load_manifest(plan.dataset)["checksums"], evidence.trained
    stale = [row.id for row in there if row.origin.data != now.get(row.config.features, row.origin.data)[:12]]
    if stale:
        path = store.runs_path(plan.profile, plan.dataset)
        raise UserError(
            f"{path}: {len(stale)} of {len(there)} runs of {evidence.suite.name} "
            f"were trained on other rows than `{how_to_prepare(plan.dataset)}` has prepared since, as {stale[0]}: "
            "prepare the former rows again or take these lines out, then run the same command again"
        )


def check_kind(evidence: Evidence, store: Store, device: str) -> None:
    """Raises a UserError if runs of the suite are of a CPU and others would be of a GPU: differences must not mix them.

    The quick profile, whose numbers are no results, may.
    """
    plan, kind = evidence.plan, kind_of(device)
    names = {row.origin.device for row in evidence.trained}
    others = sorted(name for name in names if provenance.kind_named(name) != kind)
    if others and plan.profile == "full":
        raise UserError(
            f"{store.runs_path(plan.profile, plan.dataset)} has runs of {evidence.suite.name} from {others[0]}, and a "
            "difference must not be of a CPU and a GPU: train all of them on one, into a folder of its own, such as "
            f"--results results/{kind}"
        )


def missing(tasks: Sequence[Task], done: Container[str]) -> list[Task]:
    """The runs or measurements that are not done, each once."""
    return list({task.id: task for task in tasks if task.id not in done}.values())


def workers(
    device: str, jobs: int | None, threads: int | None = None, cluster: Cluster | None = None
) -> tuple[int | None, int]:
    """How many runs side by side, and how many threads each has. Threads do not depend on what is left to do.

    Returns:
        Jobs, None for as many as the cluster takes; threads.

    Raises:
        UserError: torch cannot use the device; less than one run or thread, or more threads than any machine has.
    """
    for name, number in (("jobs", jobs), ("threads", threads)):
        if number is not None and number < 1:
            raise UserError(f"{name} must be at least 1, not {number}")
    if threads and threads > MAX_THREADS:
        raise UserError(f"threads must be at most {MAX_THREADS}, not {threads}: leave out --threads")
    if cluster:
        kind_of(device)  # whether torch can use it, the other machines say
        return jobs, threads or 1
    check_device(device)
    cores = provenance.cores()
    on_cpu = torch.device(device).type == "cpu"
    jobs = jobs or (max(1, cores // (threads or 1)) if on_cpu else RUNS_PER_GPU * len(devices_of(device)))
    return jobs, threads or max(1, cores // jobs)


@dataclass(frozen=True, kw_only=True)
class Again:
    """A run of the store and the same run trained again."""

    stored: TrainedRow
    again: TrainedRow

    def difference(self, protocol: Protocol) -> float:
        """Test AUC of the new run less that of the stored one, in points; NaN if either has none."""
        return self.again.test_auc(protocol) - self.stored.test_auc(protocol)


def run_again(
    suite: Suite, plan: Plan, n: int, *, device: str = "cpu", jobs: int | None = None, threads: int | None = None,
    cluster: Cluster | None = None, store: Store | None = None,
) -> list[Again]:  # fmt: skip
    """Trains runs of a page again, drawn at random, beside the stored ones. They go to ``results/again/``.

    Args:
        n: how many; all if there are fewer.
        device, jobs, cluster: as ``run_suite``'s.
        threads: of each run; default: those with which the stored rows were trained, if all had the same number.

    Raises:
        UserError: as ``run_suite``; the page has no run of training in the store, or one on other rows than are
            prepared now; another command does the same.
    """
    store = store or Store()
    if n < 1:
        raise UserError(f"--again must be at least 1, not {n}")
    evidence = gather(suite, plan, store)
    stored = evidence.trained
    if not stored:
        raise UserError(f"{suite.title} has no {plan.profile} run of training on {plan.dataset} to make again")
    check_data(evidence, store)
    drawn = random.sample(stored, min(n, len(stored)))
    if device == "cpu":
        threads = threads or same_threads(drawn)
    jobs, threads = workers(device, jobs, threads, cluster)
    beside = Store(store.root / "again")
    by_id, title = {row.id: row for row in drawn}, f"{suite.name} {plan.dataset} again"
    configs = [row.config for row in drawn]
    try:
        lock = FileLock(beside.root.with_suffix(".lock")).acquire(blocking=False)
    except Timeout as error:
        raise UserError(f"another command trains runs again in {beside.root}: wait until it has ended") from error
    except OSError as error:
        raise UserError(f"{store.root} cannot be written ({error.strerror}): check its permissions") from error
    with lock:
        shutil.rmtree(beside.root, ignore_errors=True)  # of the last time
        again = train_all(
            configs, beside, plan.profile, device=device, jobs=jobs, threads=threads, title=title, cluster=cluster
        )
        return [Again(stored=by_id[row.id], again=row) for row in again]


def same_threads(rows: Sequence[TrainedRow]) -> int | None:
    """The number of threads with which all of these rows were trained; None if they had several."""
    threads = {row.origin.threads for row in rows}
    return threads.pop() if len(threads) == 1 else None


def describe_again(found: Sequence[Again]) -> str:
    """The differences, one line per run."""
    lines = []
    for pair in found:
        what = " ".join(f"{name} {pair.difference(name):+.4f}" for name in PROTOCOLS)
        config = pair.stored.config
        lines.append(f"{config.id} {config.backbone} {config.version} seed {config.seed}: {what}")
    return "\n".join(lines)
