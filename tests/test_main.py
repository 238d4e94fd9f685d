"""The command line: a user's mistake is one line and exit status 1."""

import subprocess
import sys

import pytest

from apg_repro.__main__ import main
from apg_repro.catalogue import is_prepared
from apg_repro.paths import ROOT
from tests.checkout import needs_synthetic


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "table3"], "suite 'table3' is unknown"),
        (["run", "table4", "--datasets", "amazn"], "not made for data set 'amazn'"),
        (["run", "table4", "--seeds", "a"], "--seeds must be numbers joined by commas"),
        (["run", "table4", "--seeds", "1..3"], "--seeds must be numbers joined by commas"),
        (["run", "table4", "--seeds", ","], "--seeds must be numbers joined by commas"),
        (
            ["run", "table4", "--datasets", "synthetic,synthetic"],
            "data sets must be different; got synthetic, synthetic",
        ),
        (["run", "table4", "--datasets", ","], "--datasets names none in ','"),
        (["run", "table4", "--datasets", ""], "--datasets names none in ''"),
        (["run", "table4", "--seeds", ""], "--seeds must be numbers joined by commas"),
        (["run", "table4", "--seeds", "1,1"], "seeds must be different"),
        (["run", "table4", "--datasets", "synthetic", "--threads", "99999999999"], "threads must be at most 1024"),
        (["run", "table4", "--seeds", "0,1"], "which chooses K and P"),
        (["run", "table4", "--datasets", "synthetic", "--device", "gpu"], "device 'gpu' is none of cpu, cuda"),
        (["run", "table4", "--datasets", "synthetic", "--device", "meta"], "device 'meta' is none of cpu, cuda"),
        (["run", "table4", "--datasets", "synthetic, foo"], "not made for data set 'foo'"),
        (["run", "table4", "--datasets", "synthetic", "--jobs", "-3"], "jobs must be at least 1, not -3"),
        (["run", "table7", "--datasets", "synthetic", "--seeds", "99"], "table7 trains nothing, it counts or measures"),
        (
            ["run", "table7", "--datasets", "synthetic", "--threads", "2"],
            "leave out --seeds, --jobs, --threads and --executor",
        ),
        (["run", "table4", "--executor", "ray", "--gpus-per-run", "inf"], "--gpus-per-run must be from 0 to 1"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_remedy(arguments, message, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@needs_synthetic
@pytest.mark.skipif(is_prepared("iaac"), reason="IAAC is prepared, so nothing is missing")
def test_every_data_set_is_asked_for_before_the_first_is_trained(monkeypatch, capsys):
    def trains(*_, **__):
        raise AssertionError("something is trained")

    monkeypatch.setattr("apg_repro.run.suite.train_all", trains)
    arguments = ["run", "table4", "--profile", "quick", "--datasets", "synthetic,iaac", "--seeds", "91,92"]
    assert main(arguments) == 1
    assert "'iaac' is not prepared: run `python data_scripts/iaac.py`" in capsys.readouterr().err


def test_status_counts_what_each_suite_has_and_lacks(capsys):
    assert main(["status"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (table7,) = [line for line in lines if line.startswith("table7       full   movielens ")]
    assert table7.endswith("measurements 1 of 1")
    assert "table4       full   nothing yet: amazon" in "\n".join(lines)
    assert main(["status", "--profile", "quick"]) == 0
    assert "table7       quick " in capsys.readouterr().out


@pytest.mark.fault("the reader of the output goes, such as head", "the command ends without a word")
def test_a_reader_that_has_seen_enough_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "apg_repro", "status"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_an_interruption_says_that_nothing_is_lost(monkeypatch, capsys):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("apg_repro.experiments.get_suite", interrupted)
    assert main(["run", "table4"]) == 130
    assert "the same command goes on from there" in capsys.readouterr().err


def test_training_needs_no_package_of_the_book():
    """A rented GPU's image has neither Jupyter nor matplotlib."""
    absent = "import sys; sys.modules |= dict.fromkeys(['IPython', 'matplotlib', 'seaborn', 'papermill'])"
    trains = "import apg_repro.__main__, apg_repro.run.suite, apg_repro.run.golden, apg_repro.rows.evidence"
    subprocess.run([sys.executable, "-c", f"{absent}; {trains}"], cwd=ROOT, check=True)


def test_without_those_packages_a_run_ends_with_where_its_rows_are(monkeypatch, capsys):
    monkeypatch.setattr("apg_repro.run.suite.run_suite", lambda *args, **options: None)
    monkeypatch.setitem(sys.modules, "apg_repro.summary", None)
    assert main(["run", "table7", "--datasets", "synthetic"]) == 0
    assert "quick; a summary needs" in capsys.readouterr().out
