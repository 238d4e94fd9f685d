"""Notebooks that fail while they are executed, and what stays of pages that are gone."""

import nbformat
import papermill
import pytest
import yaml
from papermill.exceptions import PapermillExecutionError

from apg_repro import study
from apg_repro.__main__ import main
from apg_repro.errors import UserError
from apg_repro.paths import NOTEBOOKS
from tests.checkout import ENOUGH, Checkout, eventually, in_proc, is_idle, needs_synthetic

COMPLAINS = "import os\nos.write(2, b'Traceback')"  # as a kernel does at its end
GIVEN = {"profile": "quick", "datasets": [], "seeds": [], "device": "cpu", "run": "none"}


@in_proc
@pytest.mark.fault(
    "while the book is executed: a notebook raises, a kernel is killed, a notebook is not JSON; pages of notebooks "
    "that are gone or were never finished lie there",
    "the command fails and names each; the other notebooks are executed; such pages go",
)
def test_what_fails_is_named_and_the_other_notebooks_are_executed(tmp_path):
    made = Checkout(tmp_path)
    made.notebook("works", f"{COMPLAINS}\n1 + 1")
    made.notebook("raises", "raise ValueError('too odd')")
    made.notebook("dies", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    (tmp_path / "notebooks" / "torn.ipynb").write_text('{"cells": [')
    executed = tmp_path / "book" / "executed"
    executed.mkdir(parents=True)
    for name in ("renamed", ".unfinished"):
        (executed / f"{name}.ipynb").write_text("{}")
    assert made.start("-m", "apg_repro", "notebooks").wait(ENOUGH) == 1
    words = made.words()
    assert "Traceback" not in words
    for message in (
        "raises: cell 2: ValueError: too odd",
        "dies: its kernel was killed, by lack of memory perhaps",
        "torn cannot be executed into",
    ):
        assert message in words
    assert [path.name for path in executed.iterdir()] == ["works.ipynb"]
    assert nbformat.read(executed / "works.ipynb", as_version=4).cells[-1].outputs[0]["data"]["text/plain"] == "2"
    assert eventually(lambda: not made.processes())


def test_a_place_for_pages_that_is_a_file_is_one_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "executed").touch()
    monkeypatch.setattr("apg_repro.book.EXECUTED", tmp_path / "executed")
    assert main(["notebooks", "table7", "--run", "none"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'executed'} cannot be written (File exists)")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("run: no", "parameter run must be a str, not False: in YAML, put it into quotes"),
        ("run: yes", "parameter run must be a str, not True"),
        ("device: null", "parameter device must be a str, not None"),
        ("profile: ~", "parameter profile must be a str, not None"),
        ("seeds: null", "parameter seeds must be a list, not None"),
        ("seeds: [yes]", r"seeds must be whole numbers, as in \[1, 2\]; got \[True\]"),
        ("seeds: [null]", "seeds must be whole numbers"),
        ("seeds: {1: 2}", "parameter seeds must be a list"),
        ("datasets: [no]", "datasets must be names"),
        ("seeds: [1.5]", "seeds must be whole numbers"),
        ("seeds: 1e999", "seeds must be whole numbers"),
        ("datasets: 3", "datasets must be names"),
        (f"seeds: '{'[' * 5000}'", r"parameter seeds must be a list such as \[1, 2\]"),
        (f"seeds: '{'-' * 100_000}'", "seeds must be whole numbers"),
        ("datasets: on", "parameter datasets must be a list, not True"),
        ("datasets: 2026-11-26", "parameter datasets must be a list"),
    ],
)
@pytest.mark.fault(
    "papermill's parameters as YAML: booleans, nulls, dates, fractions, text nested too deep", "refused in one sentence"
)
def test_what_yaml_makes_of_a_word_is_refused(text, message):
    with pytest.raises(UserError, match=message):
        study.parameters(GIVEN | yaml.safe_load(text))


@pytest.mark.fault("a data set or a seed is named twice", "refused: means and intervals would count it twice")
def test_what_would_be_counted_twice_is_refused():
    for change in ({"datasets": ["movielens", "frappe", "movielens"]}, {"seeds": [1, 2, 1]}):
        with pytest.raises(UserError, match="must be different"):
            study.open("table4", GIVEN | change)


@pytest.mark.fault("a notebook gets `run: no` from papermill itself", "the page says why and ends there")
def test_a_notebook_with_a_wrong_parameter_says_so_without_a_traceback(tmp_path):
    path = tmp_path / "out.ipynb"
    with pytest.raises(PapermillExecutionError, match="parameter run must be a str, not False"):
        papermill.execute_notebook(
            str(NOTEBOOKS / "table7.ipynb"), str(path), GIVEN | yaml.safe_load("run: no"), kernel_name="python3",
            progress_bar=False,
        )  # fmt: skip
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    (error,) = [output for output in outputs if output["output_type"] == "error"]
    assert error["traceback"] == [f"error: {error['evalue']}"]


TRAINS = "from apg_repro import study\nlen(study.open('mini', globals()).found[0].rows)"


@in_proc
@needs_synthetic
@pytest.mark.fault(
    "`python -m apg_repro notebooks` is killed while a notebook trains",
    "its kernel ends; rows stay; the next command goes on, and the page is there, whole",
)
def test_a_killed_execution_leaves_its_rows_and_no_page_and_is_gone_on_with(checkout, whole):
    checkout.notebook("mini", TRAINS)
    command = ("-m", "apg_repro", "notebooks", "--profile", "quick", "--datasets", "synthetic", "--seeds", "1,2,3")
    driver = checkout.start(*command)
    assert eventually(lambda: checkout.lines() != []), checkout.words()
    driver.kill()
    driver.wait()
    assert is_idle(checkout)
    executed = checkout.folder / "book" / "executed"
    assert not (executed / "mini.ipynb").exists()
    assert checkout.start(*command).wait(ENOUGH) == 0, checkout.words()
    assert [row["seed"] for row in checkout.lines()] == [1, 2, 3]
    assert [path.name for path in executed.glob("*mini*")] == ["mini.ipynb"]
    assert nbformat.read(executed / "mini.ipynb", as_version=4).cells[-1].outputs[-1]["data"]["text/plain"] == "3"
    assert [row for row in checkout.lines() if row["seed"] == 1] == whole[:1]
