"""The files of the project agree with each other."""

import json
import re
import tomllib

import yaml

from apg_repro.config import RunConfig
from apg_repro.paths import RESULTS, ROOT
from apg_repro.provenance import STANDS, number_modules
from apg_repro.report import age
from apg_repro.suites import SUITES

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]


def names(requirements):
    return {re.split(r"[<>=\[]", line)[0].strip() for line in requirements}


def constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_package_that_the_project_names_has_a_version_in_the_constraints():
    wanted = names(PROJECT["dependencies"]) | {
        name for extra in PROJECT["optional-dependencies"].values() for name in names(extra)
    }
    assert wanted <= names(constraints())
    assert "torch==2.13.0" in constraints()
    assert all("==" in line for line in constraints())


def test_conda_users_get_the_same_environment():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["--constraint constraints.txt", "--editable .[book,test]"]
    assert set(PROJECT["optional-dependencies"]) == {"book", "test"}
    assert "python=3.11" in environment["dependencies"]


def test_ci_runs_the_readmes_test_command():
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
    assert "make reproduce" in (ROOT / "README.md").read_text()


def test_the_citation_names_the_version_and_licence_of_the_package():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"] == "MIT"


def test_pre_commit_has_the_quick_checks_of_make_test():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    for hook in hooks:
        tool = hook["entry"].split()[0].removeprefix(".venv/")
        assert f"$({'BIN'}){tool.removeprefix('bin')}" in makefile, hook["entry"]


def test_every_package_folder_is_installed():
    folders = {path.parent for path in (ROOT / "apg_repro").rglob("__init__.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert packages == set(PYPROJECT["tool"]["setuptools"]["packages"])


def test_committed_rows_are_of_the_full_profile_and_of_a_known_suite():
    files = sorted((RESULTS / "full").rglob("*.jsonl"))
    assert files
    for path in files:
        assert path.stem in SUITES[path.parent.name].datasets
        for line in path.read_text().splitlines():
            row = json.loads(line)
            assert (row["profile"], row["suite"], row["dataset"]) == ("full", path.parent.name, path.stem)


def test_committed_rows_are_those_of_todays_code():
    """A change of code that determines numbers comes with new rows, or says in ``provenance.STANDS`` why not."""
    stale = [
        f"{path.parent.name}/{path.name}, line {number}"
        for path in sorted((RESULTS / "full").rglob("*.jsonl"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if age(json.loads(line)) == "stale"
    ]
    assert stale == []


def test_a_committed_row_is_named_by_its_configuration():
    """Base has no generated weights: what its rows say of their start and damping need not be part of the name."""
    for path in sorted((RESULTS / "full").rglob("*.jsonl")):
        for row in map(json.loads, path.read_text().splitlines()):
            if "seed" in row:
                config = RunConfig.of_row(row)
                assert row["id"] in (config.id, config.effective.id)


def test_what_stands_to_rounding_serves_a_committed_row():
    digests = {
        json.loads(line)["code"]
        for path in (RESULTS / "full").rglob("*.jsonl")
        for line in path.read_text().splitlines()
    }
    assert set(STANDS) <= digests


def test_the_modules_of_every_digest_exist():
    for version in ("base", "v1", "v2", "v3", "v4", "v5"):
        config = RunConfig(
            suite="s", dataset="d", variant="v", seed=1, version=version, rank=2, over=2, condition="user"
        )
        assert all((ROOT / "apg_repro" / f"{name}.py").exists() for name in number_modules(config))
