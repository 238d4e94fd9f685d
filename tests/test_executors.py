"""Faults as they happen: drivers, workers and nodes are killed, and every row arrives once and is the same."""

import importlib.util
import os
import signal
import sys

import pytest

from apg_repro.__main__ import main, parse_options
from apg_repro.catalogue import is_prepared
from apg_repro.errors import UserError
from apg_repro.run.executors import Cluster, optional
from apg_repro.run.suite import workers
from tests.checkout import ENOUGH, Checkout, eventually

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc"),
    pytest.mark.skipif(not is_prepared("synthetic"), reason="python data_scripts/synthetic.py"),
]


def needs(name):
    absent = importlib.util.find_spec(name) is None
    return pytest.mark.skipif(absent, reason=f"{name} is not installed: pip install --editable '.[{name}]'")


@pytest.fixture
def checkout(tmp_path):
    made = Checkout(tmp_path / "checkout")
    yield made
    for process in made.processes():  # of a test that has failed
        os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The rows of a command that nobody interrupts."""
    made = Checkout(tmp_path_factory.mktemp("whole") / "checkout")
    assert made.run("--jobs", "2").wait(ENOUGH) == 0, made.words()
    assert len(made.lines()) == 8
    return made.lines()


def is_idle(checkout):
    return eventually(lambda: not checkout.processes())


def test_workers_end_after_a_driver_that_was_killed_while_they_import(checkout):
    driver = checkout.run("--jobs", "2")
    assert eventually(lambda: len(checkout.processes("spawn_main")) == 2)
    driver.kill()
    driver.wait()
    assert is_idle(checkout)
    assert checkout.lines() == []


def test_what_ends_a_command_ends_its_workers_and_the_rows_are_those_of_one_that_nothing_ended(checkout, whole):
    """A worker killed, Ctrl-C, SIGTERM and a closed terminal, one after the other; then one run alone is left."""
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        driver = checkout.run("--jobs", "2")
        assert eventually(lambda: "epoch" in checkout.words() and checkout.lines()), checkout.words()
        victim = checkout.processes("spawn_main")[0] if number == signal.SIGKILL else driver.pid
        os.kill(victim, number)
        assert driver.wait(ENOUGH) == (1 if number == signal.SIGKILL else 130), checkout.words()
        last = checkout.words().splitlines()[-1]
        assert last.startswith("error: a training process was killed" if number == signal.SIGKILL else "stopped;"), last
        assert "Traceback" not in checkout.words()
        assert is_idle(checkout)
    assert checkout.run("--jobs", "2").wait(ENOUGH) == 0
    assert checkout.lines() == whole
    checkout.rows.write_text("\n".join(checkout.rows.read_text().splitlines()[:7]) + "\n")
    assert checkout.run("--jobs", "2").wait(ENOUGH) == 0
    assert checkout.lines() == whole


def test_two_drivers_of_one_suite_train_no_run_twice(checkout, whole):
    """A run that was trained by both would be refused by the store, which ends the command that is late."""
    drivers = [checkout.run("--jobs", "1"), checkout.run("--jobs", "1")]
    assert [driver.wait(ENOUGH) for driver in drivers] == [0, 0], checkout.words()
    assert checkout.lines() == whole


@needs("submitit")
def test_jobs_of_submitit_give_the_same_rows_and_end_with_their_driver(checkout, whole):
    driver = checkout.run("--executor", "submitit", "--jobs", "2")
    assert eventually(lambda: len(checkout.lines()) > 0), checkout.words()
    driver.kill()
    driver.wait()
    assert is_idle(checkout)
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


@needs("ray")
def test_a_ray_cluster_that_loses_a_node_gives_every_row_once_and_the_same(checkout, whole):
    """The code and the data set are shipped. What a row says of its commit is the driver's."""
    driver = checkout.start("-c", LOSES_A_NODE)
    assert driver.wait(2 * ENOUGH) == 0, checkout.words()
    assert "a node is gone" in checkout.words()
    assert checkout.lines() == whole
    assert is_idle(checkout)


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
