"""Runs on a Ray cluster, which may lose nodes and gain others meanwhile. Needs the extra ``[ray]``.

What is shipped to a cluster: the package, the record of golden runs, and the prepared data sets, so that nodes need
torch and the extra ``[train]`` but neither a checkout nor a shared file system. Claims and rows stay with the driver.
"""

import hashlib
import json
import logging
import os
import shutil
import socket
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import torch

from apg_repro.catalogue import is_prepared
from apg_repro.config import RunConfig
from apg_repro.errors import UserError, first_line
from apg_repro.paths import DATA, ROOT
from apg_repro.rows import provenance
from apg_repro.rows.numerics import PATH as NUMERICS
from apg_repro.rows.row import TrainedRow
from apg_repro.run.executors import Cluster, RunFailed, optional
from apg_repro.run.task import row_or_mistake

FILES = ("rows.parquet", "manifest.json")  # of a prepared data set
CONNECT_SECONDS = 10
RETRIES = 3  # of a run whose node or process died
Commit = tuple[str | None, bool | None]


class Ray:
    """Trains runs on the nodes of a Ray cluster.

    Args:
        threads: of each run; as many CPUs are set aside for it.
        width: at most so many runs at once.
        datasets: that the runs are of.

    Raises:
        UserError: Ray is not installed; there is no such cluster; none of its nodes could train a run.
    """

    def __init__(self, cluster: Cluster, device: str, threads: int, width: int, datasets: Collection[str]) -> None:
        self.ray = optional("ray")
        is_gpu = torch.device(device).type == "cuda"
        if torch.device(device).index is not None:
            raise UserError(f"Ray chooses the GPU of each run: write --device cuda, not {device}")
        share = float(is_gpu) if cluster.gpus_per_run is None else cluster.gpus_per_run
        if is_gpu != bool(share):
            raise UserError("--gpus-per-run must be above 0 with --device cuda, and needs it")
        self.device, self.threads, self.most, self.share = device, threads, width, share
        self.running: dict[Future[TrainedRow], Any] = {}
        self.commit = provenance.commit()
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
        content = {name: read(name) for name in datasets} if cluster.address else {}
        try:
            connect(self.ray, cluster.address, content)
            self.check_room()
            self.shipped = {name: self.ray.put(files) for name, files in content.items()}
        except BaseException:
            self.ray.shutdown()
            raise
        # A run is a pure function of its configuration: one that was lost with its node gives the same row elsewhere.
        # A process keeps its first GPU, and Ray may give its next run another: on a GPU each run has its own process.
        options = {"num_cpus": threads, "num_gpus": share, "max_retries": RETRIES, "max_calls": int(is_gpu)}
        self.train = self.ray.remote(**options, scheduling_strategy="SPREAD")(train_there)

    def room(self, resources: Mapping[str, float]) -> int:
        """How many runs fit into so much at once."""
        by_cpu = int(resources.get("CPU", 0) // self.threads)
        return min(by_cpu, int(resources.get("GPU", 0) / self.share + 1e-9)) if self.share else by_cpu

    def check_room(self) -> None:
        """Raises a UserError if no node could train a run: it would wait for ever."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        if not any(self.room(resources) for resources in nodes):
            most = {kind: max((node.get(kind, 0) for node in nodes), default=0) for kind in ("CPU", "GPU")}
            raise UserError(
                f"a run takes {self.threads} CPUs and {self.share:g} GPUs, but no node of the cluster has more than "
                f"{most['CPU']:g} and {most['GPU']:g}: choose fewer --threads or --gpus-per-run, or add a node"
            )

    @property
    def width(self) -> int:
        return max(1, min(self.most, self.room(self.ray.cluster_resources())))

    def submit(self, config: RunConfig) -> "Future[TrainedRow]":
        future: Future[TrainedRow] = Future()
        reference = self.train.remote(config, self.device, self.threads, self.commit, self.shipped)
        self.running[future] = reference
        reference.future().add_done_callback(lambda done: self.settle(future, config, done))
        return future

    def settle(self, future: "Future[TrainedRow]", config: RunConfig, done: "Future[Any]") -> None:
        """Hands the outcome of a task on."""
        self.running.pop(future, None)
        error = done.exception()
        if error is None and isinstance(done.result(), TrainedRow):
            future.set_result(done.result())
        elif error is None:
            future.set_exception(done.result())
        elif isinstance(error, self.ray.exceptions.RayError) and not isinstance(
            error, self.ray.exceptions.RayTaskError
        ):
            future.set_exception(
                RunFailed(
                    f"{config.id} was lost with its node or process {RETRIES + 1} times ({type(error).__name__}; short "
                    "of memory?)"
                )
            )
        else:
            future.set_exception(error)

    def progress(self) -> str:
        return f"{len(self.running)} runs on {sum(node['Alive'] for node in self.ray.nodes())} nodes"

    def close(self, *, now: bool) -> None:
        self.ray.shutdown()  # the runs of a driver end with it


def connect(ray: Any, address: str, content: Mapping[str, Mapping[str, bytes]]) -> None:
    """Starts a cluster of this machine, or joins a running one and ships the code to it.

    Raises:
        UserError: there is none at this address, or it has another version of Ray or Python.
    """
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        ray.init(address="local", num_cpus=provenance.cores(), include_dashboard=False, **quiet)
        return
    with TemporaryDirectory() as folder:
        stage(Path(folder), content)
        try:
            knock(address)  # Ray itself knocks for seven minutes
            ray.init(address=address, runtime_env={"working_dir": folder}, **quiet)
        except (OSError, RuntimeError, ValueError) as error:
            raise UserError(
                f"no Ray cluster could be joined at {address} ({first_line(error)}): start one with "
                "`ray start --head` on one node, and with the command that it prints on the others"
            ) from error


def knock(address: str) -> None:
    """Raises an OSError if nobody listens at ``host:port``, with or without ``ray://``; the rest is Ray's."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS):
            pass


def stage(folder: Path, content: Mapping[str, Mapping[str, bytes]]) -> None:
    """Copies what nodes need of the checkout. Ray names its copy by all that is in it, so the data's checksums are."""
    shutil.copytree(ROOT / "apg_repro", folder / "apg_repro", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "results").mkdir()
    if NUMERICS.exists():
        shutil.copy(NUMERICS, folder / "results")
    checksums = {
        name: {file: hashlib.sha256(text).hexdigest() for file, text in files.items()}
        for name, files in content.items()
    }
    (folder / "shipped.json").write_text(json.dumps(checksums, sort_keys=True), encoding="utf-8")


def read(name: str) -> dict[str, bytes]:
    """The files of a prepared data set."""
    return {file: (DATA / name / file).read_bytes() for file in FILES}


def train_there(
    config: RunConfig, device: str, threads: int, commit: Commit, shipped: Mapping[str, Any]
) -> TrainedRow | UserError:
    """Runs on a node. The commit is the driver's, whose code it is; threads and device are the node's."""
    for name, reference in shipped.items():
        if not is_prepared(name):
            unpack(name, optional("ray").get(reference))
    row = row_or_mistake(config, device, threads)
    if isinstance(row, UserError):
        return row
    return replace(row, origin=replace(row.origin, commit=commit[0], dirty=commit[1]))


def unpack(name: str, files: Mapping[str, bytes], root: Path = DATA) -> None:
    """Writes a data set where this node looks for it, whole or not at all; the gate checks it whenever it is read.

    ``root`` lies in Ray's copy of the code, which is this session's and, by ``stage``, these data's alone.
    """
    root.mkdir(parents=True, exist_ok=True)
    part = Path(mkdtemp(dir=root, prefix=f".{name}."))
    for file, content in files.items():
        (part / file).write_bytes(content)
    try:
        part.rename(root / name)
    except OSError:
        shutil.rmtree(part)
        if not is_prepared(name, root):  # another process of this node was faster, or else the disk is at fault
            raise
