"""Where runs are trained: other machines, whose nodes are lost, and the options of the command."""

import importlib.util
import os
import signal
import sys

import pytest

from apg_repro.__main__ import main, parse_options
from apg_repro.errors import UserError
from apg_repro.run.executors import Cluster, optional
from apg_repro.run.suite import workers
from tests.checkout import ENOUGH, eventually, in_proc, is_idle, needs_synthetic


def needs(name):
    absent = importlib.util.find_spec(name) is None
    return pytest.mark.skipif(absent, reason=f"{name} is not installed: pip install --editable '.[{name}]'")


@in_proc
@needs_synthetic
@needs("submitit")
@pytest.mark.fault("a driver of SLURM jobs is killed", "its jobs end; the next run goes on, with the same rows")
def test_jobs_of_submitit_give_the_same_rows_and_end_with_their_driver(checkout, whole):
    driver = checkout.run("--executor", "submitit", "--jobs", "2")
    assert eventually(lambda: len(checkout.lines()) > 0), checkout.words()
    driver.kill()
    driver.wait()
    assert is_idle(checkout)
    assert checkout.run("--executor", "submitit", "--jobs", "2").wait(ENOUGH) == 0, checkout.words()
    assert checkout.lines() == whole


@in_proc
@needs_synthetic
@needs("submitit")
@pytest.mark.fault("a SLURM job is killed", "that run fails alone; the same command trains it")
def test_a_job_that_is_killed_costs_its_own_run_alone(checkout, whole):
    driver = checkout.run("--executor", "submitit", "--jobs", "2")
    jobs = []
    assert eventually(lambda: bool(jobs.extend(checkout.processes("submitit.core._submit")) or jobs)), checkout.words()
    os.kill(jobs[0], signal.SIGKILL)
    assert driver.wait(ENOUGH) == 1, checkout.words()
    assert "ended without a row" in checkout.words()
    assert f"1 of {len(whole)} runs failed, the others are in the store" in checkout.words()
    assert len(checkout.lines()) == len(whole) - 1
    assert checkout.run("--executor", "submitit", "--jobs", "2").wait(ENOUGH) == 0, checkout.words()
    assert checkout.lines() == whole


LOSES_A_NODE = """
from ray.cluster_utils import Cluster as Nodes
from apg_repro.experiments import get_suite
from apg_repro.rows.evidence import gather
from apg_repro.rows.store import Store
from apg_repro.run.driver import train_all
from apg_repro.run.executors import Cluster
from apg_repro.suite import Plan

nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 1})
second = nodes.add_node(num_cpus=1)
store, plan = Store(), Plan(profile="quick", dataset="synthetic", seeds=(1, 2, 3, 4, 5, 6, 7, 8))
runs = gather(get_suite("mini"), plan, store).wanted()
where = {"device": "cpu", "jobs": None, "threads": 1, "cluster": Cluster(kind="ray", address=nodes.address)}
for row in train_all(runs, store, "quick", title="runs", **where):
    if second:
        nodes.remove_node(second, allow_graceful=False)
        second = None
        print("a node is gone")
nodes.shutdown()
"""


@in_proc
@needs_synthetic
@needs("ray")
@pytest.mark.fault("a Ray cluster loses a node", "every row arrives once, as without the loss")
def test_a_ray_cluster_that_loses_a_node_gives_every_row_once_and_the_same(checkout, whole):
    """The code and the data set are shipped. What a row says of its commit is the driver's."""
    driver = checkout.start("-c", LOSES_A_NODE, RAY_raylet_start_wait_time_s="200")  # on a busy machine
    assert driver.wait(2 * ENOUGH) == 0, checkout.words()
    assert "a node is gone" in checkout.words()
    assert checkout.lines() == whole
    assert is_idle(checkout)


@needs("submitit")
def test_jobs_of_this_machine_take_its_gpu_in_turn_and_choose_none(tmp_path):
    """There submitit shows the first GPU to every job."""
    from apg_repro.run.slurm import Submitit

    local = Cluster(kind="submitit")
    assert Submitit(local, "cuda", 1, None, tmp_path).width == 1
    assert Submitit(local, "cuda", 1, 3, tmp_path).width == 3
    with pytest.raises(UserError, match="write --device cuda, not cuda:1"):
        Submitit(local, "cuda:1", 1, None, tmp_path)


@needs("ray")
def test_a_ray_cluster_that_is_not_there_is_one_sentence(capsys):
    arguments = ["run", "table4", "--datasets", "synthetic", "--seeds", "77", "--executor", "ray"]
    assert main([*arguments, "--address", "127.0.0.1:1"]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: no Ray cluster could be joined at 127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--address", "auto"], "--address, --gpus-per-run and --cluster-options need --executor"),
        (["--executor", "submitit", "--address", "auto"], "--gpus-per-run are for --executor ray"),
        (["--executor", "ray", "--cluster-options", "mem_gb=8"], "--cluster-options are for --executor submitit"),
        (["--executor", "ray", "--gpus-per-run", "1.5"], "from 0 to 1, or a whole number, not 1.5"),
        (["--executor", "submitit", "--cluster-options", "mem_gb"], "must be NAME=VALUE joined by commas"),
        (["--executor", "submitit", "--deterministic"], "--deterministic is for runs on this machine"),
        (["--threads", "0"], "threads must be at least 1, not 0"),
    ],
)
def test_options_that_do_not_fit_the_executor_are_refused(arguments, message, capsys):
    assert main(["run", "table4", "--datasets", "synthetic", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_options_of_slurm_are_numbers_where_they_look_like_numbers():
    assert parse_options("slurm_partition=gpu,timeout_min=600") == {"slurm_partition": "gpu", "timeout_min": 600}


def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--executor ray needs ray: pip install .* '\.\[train,ray\]'"):
        optional("ray")


def test_threads_and_jobs_share_the_cores_and_a_cluster_is_asked_elsewhere():
    jobs, threads = workers("cpu", None, 1)
    assert jobs == os.process_cpu_count() if hasattr(os, "process_cpu_count") else jobs
    assert threads == 1
    assert workers("cuda", None, None, Cluster(kind="ray")) == (None, 1)
