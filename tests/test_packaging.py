"""The package is installed whole and light, and the files that say with what agree with each other."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import apg_repro
from apg_repro.paths import ROOT
from tests import second_python

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
PYTHONS = second_python.PYTHONS
PACKAGE = ROOT / "apg_repro"
FOR_TORCH = {"filelock"}  # torch itself imports it


def constraints() -> dict[str, set[str]]:
    """Each package with its versions; it has several if they depend on the Python."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition(";")[0].strip().partition("==")
            found.setdefault(name, set()).add(version)
    return found


def python(code: str, **options) -> subprocess.CompletedProcess:
    """What a fresh interpreter prints."""
    options = {"cwd": ROOT, "capture_output": True, "text": True} | options
    return subprocess.run([sys.executable, "-c", code], check=False, **options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built offline from a copy of the files that it is made of."""
    copy, folder = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    shutil.copytree(PACKAGE, copy / "apg_repro", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    build = [sys.executable, "-m", "pip", "wheel", copy, "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    done = subprocess.run(build, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def installed(wheel: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables under which the package is the wheel's, far from any checkout."""
    folder = tmp_path_factory.mktemp("site")
    wheel.extractall(folder)
    return os.environ | {"PYTHONPATH": str(folder)}


def metadata(wheel: zipfile.ZipFile):
    """The wheel's METADATA."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


# Versions.


def test_every_package_that_the_project_names_has_one_exact_version_per_python():
    pinned = constraints()
    named = {line for extra in EXTRAS for line in second_python.requirements(extra)} | set(PROJECT["dependencies"])
    for package in map(Requirement, named):
        assert package.name in pinned
        assert all(package.specifier.contains(version) for version in pinned[package.name]), package
    assert all(re.fullmatch(r"[\w.]+", version) for versions in pinned.values() for version in versions)
    assert pinned["torch"] == {"2.13.0"}


def test_the_installed_packages_have_those_versions():
    for name, versions in constraints().items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # torch, under the second Python
        assert version.partition("+")[0] in versions, name


def test_conda_users_get_the_same_environment():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == ["--constraint constraints.txt", "--editable .[test]"]
    (conda,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python=")]
    assert tuple(map(int, conda.removeprefix("python=").split("."))) in PYTHONS


def test_the_last_extra_has_everything():
    assert set(second_python.requirements("test")) == set(second_python.requirements(*EXTRAS))


def test_the_citation_the_wheel_and_the_package_name_the_same_version_and_licence(wheel):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "apg_repro.__version__"}
    assert citation["version"] == metadata(wheel)["Version"] == apg_repro.__version__
    assert citation["license"] == metadata(wheel)["License-Expression"] == "MIT"
    codemeta = json.loads((ROOT / "codemeta.json").read_text())
    assert codemeta["version"] == citation["version"]
    assert codemeta["license"].endswith("/MIT")


@pytest.mark.parametrize("place", ["README.md", "book/reproduce.md", "Makefile"])
def test_every_place_names_the_same_pythons(place):
    first, last = (second_python.name(number) for number in (PYTHONS[0], PYTHONS[-1]))
    assert f"any Python from {first} to {last}" in (ROOT / place).read_text()
    assert PROJECT["requires-python"] == f">={first}"


# Commands.


def test_ci_runs_the_readmes_test_command():
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()
    assert "make reproduce" in (ROOT / "README.md").read_text()


def make_environment(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """What the Makefile does in this folder, whose programs are found first."""
    shutil.copy(ROOT / "Makefile", folder)
    outer = ("MAKEFLAGS", "MAKEOVERRIDES", "PYTHON")  # of the `make test` that runs this
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    environment["PATH"] = f"{folder}:{environment['PATH']}"
    command = ["make", ".venv/bin/python", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)


def pretend(path: Path, minor: int) -> None:
    """A Python that claims to be of this version; asked for a virtual environment, it makes the folder."""
    code = f"import sys; sys.version_info = (3, {minor}, 0); exec(sys.argv[1])"
    path.write_text(
        f'#!/bin/sh\ntest "$1" = -c || exec mkdir .venv\nexec "{sys.executable}" -c "{code}" "$2"\n', encoding="utf-8"
    )
    path.chmod(0o755)


@pytest.mark.parametrize("minor", [PYTHONS[0][1] - 1, PYTHONS[0][1], PYTHONS[-1][1], PYTHONS[-1][1] + 1])
def test_make_accepts_the_pythons_for_which_torch_has_wheels_and_no_other(minor, tmp_path):
    pretend(tmp_path / "snake", minor)
    done = make_environment(tmp_path, f"PYTHON={tmp_path / 'snake'}")
    suits = (3, minor) in PYTHONS
    assert (tmp_path / ".venv").exists() == suits
    assert (done.returncode == 0) == suits
    assert ("is not a Python from 3.11 to 3.14" in done.stdout) == (not suits)


def test_make_finds_the_first_python_that_suits_and_runs(tmp_path):
    for name, minor in {"python3.11": 10, "python3.12": 15, "python3.13": 13, "python3.14": 14}.items():
        pretend(tmp_path / name, minor)
    done = make_environment(tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'python3.13'} -m venv .venv" in done.stdout


def test_a_failed_environment_is_not_taken_for_one(tmp_path):
    broken = tmp_path / "broken"
    broken.write_text('#!/bin/sh\nif [ "$1" = -m ]; then mkdir -p .venv/bin; touch .venv/bin/python; exit 1; fi\n')
    broken.chmod(0o755)
    assert make_environment(tmp_path, f"PYTHON={broken}").returncode
    assert not (tmp_path / ".venv").exists()


# The second Python.


def test_the_second_python_is_the_newest_that_is_supported_and_not_this_one():
    this = tuple(sys.version_info[:2])
    found = {
        Path("old"): (3, PYTHONS[0][1] - 1),
        Path("new"): (3, PYTHONS[-1][1] + 1),
        Path("no"): None,
        Path("me"): this,
    }
    assert second_python.second(found) is None
    others = [number for number in PYTHONS if number != this]
    found |= {Path(second_python.name(number)): number for number in others}
    assert second_python.second(found) == Path(second_python.name(others[-1]))


def test_without_a_second_python_one_sentence_says_so(monkeypatch, capsys):
    monkeypatch.setattr(second_python, "candidates", lambda: [Path(sys.executable), Path("/nowhere/python3.13")])
    assert second_python.main([]) == 0
    assert capsys.readouterr().out.count("\n") == 1


def test_a_python_that_is_named_must_suit(capsys):
    assert second_python.main(["/nowhere/python3.13"]) == 1
    assert "/nowhere/python3.13" in capsys.readouterr().err


def test_the_second_environment_has_everything_but_torch():
    wanted = second_python.requirements("test")
    assert "torch" not in wanted
    assert {"jaxtyping", "pandas", "matplotlib", "pytest"} <= set(wanted)
    assert not any(name.startswith(PROJECT["name"]) for name in wanted)


# The wheel.


def test_the_wheel_has_every_module_and_every_file_of_data(wheel):
    kept = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    kept = {name for name in kept if "__pycache__" not in name}
    assert any(name.endswith(".csv") for name in kept)
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == kept


def test_the_layer_needs_torch_and_jaxtyping_and_nothing_else(wheel):
    plain = {line for line in metadata(wheel).get_all("Requires-Dist") if "extra ==" not in line}
    assert plain == {"torch", "jaxtyping"}


def test_the_layer_is_imported_from_the_package_and_loads_nothing_that_only_training_needs():
    pytest.importorskip("torch")
    absent = [name.replace("scikit-learn", "sklearn") for name in EXTRAS["train"] if name not in FOR_TORCH]
    done = python(
        f"import sys; sys.modules |= dict.fromkeys({absent})\n"
        "import apg_repro, apg_repro.nn.apg as layer\n"
        "assert all(getattr(apg_repro, name) is getattr(layer, name) for name in apg_repro.__all__)"
    )
    assert done.returncode == 0, done.stderr


def test_the_package_lists_the_layer_and_knows_no_other_names():
    assert set(apg_repro.__all__) <= set(dir(apg_repro))
    with pytest.raises(AttributeError, match="ApgV9"):
        _ = apg_repro.ApgV9


def test_the_readmes_example_runs():
    torch = pytest.importorskip("torch")
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names = {"x": torch.rand(3, 185)}
    exec(example, names)
    assert names["y"].shape == (3, 256)


def test_importing_the_package_imports_no_torch():
    done = python("import sys, apg_repro; assert apg_repro.__version__; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_what_only_reads_results_can_be_imported_where_there_is_no_torch():
    """As the contract of ``lint-imports``, by trying, so that imports it cannot see count too."""
    assert readers()
    assert imported_without_torch(readers()) == ""


def test_the_tests_of_these_modules_can_be_imported_there_too():
    """A test that needs torch in a file that otherwise does not imports it where it needs it."""
    files = {f"test_{name.rpartition('.')[2]}" for name in readers()}
    present = [f"tests.{name}" for name in files if (ROOT / "tests" / f"{name}.py").exists()]
    assert len(present) > 5
    assert imported_without_torch(present) == ""


def readers() -> list[str]:
    """The modules that the contract names, those inside its packages included."""
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    named = [name for one in contracts if "torch" in one.get("forbidden_modules", []) for name in one["source_modules"]]
    files = (path.relative_to(ROOT).with_suffix("").parts for path in PACKAGE.rglob("*.py"))
    modules = [".".join(parts).removesuffix(".__init__") for parts in files]
    return [m for m in modules if any(fnmatch(m, name) or fnmatch(m, f"{name}.*") for name in named)]


NO_TORCH = """
import importlib, sys
class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError("it imports torch", name=name)
sys.meta_path.insert(0, Refusal())
for name in {}:
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}")
"""


def imported_without_torch(modules: list[str]) -> str:
    """Which of these modules cannot be imported, and why."""
    done = python(NO_TORCH.replace("{}", repr(sorted(modules)), 1))
    return done.stdout + done.stderr


def test_the_command_is_the_one_of_python_m(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert wheel.read(name).decode().split() == ["[console_scripts]", "apg", "=", "apg_repro.__main__:main"]


def test_away_from_a_checkout_what_needs_one_says_so(installed, tmp_path):
    code = "from apg_repro import paths; print(paths.ROOT); paths.require_checkout()"
    done = python(code, cwd=tmp_path, env=installed)
    assert done.stdout.strip() == installed["PYTHONPATH"]
    assert "UserError: this command needs a checkout" in done.stderr
    assert python("from apg_repro.paths import require_checkout; require_checkout()").returncode == 0


def test_away_from_a_checkout_apg_try_needs_none(installed, tmp_path):
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "apg_repro", "try", "clicks.csv", "--label", "click"]
    done = subprocess.run(command, cwd=tmp_path, env=installed, check=False, capture_output=True, text=True)
    assert done.stderr == "error: there is no file clicks.csv: give the path of your rows, such as clicks.csv\n"


@pytest.mark.parametrize("command", [["status"], ["run", "table4"], ["notebooks"]])
@pytest.mark.fault("the package is used away from a checkout", "one sentence; no folder is made")
def test_away_from_a_checkout_a_command_ends_in_one_line_and_makes_no_folder(command, installed, tmp_path):
    before = set(Path(installed["PYTHONPATH"]).iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "apg_repro", *command], cwd=tmp_path, env=installed, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("error: this command needs a checkout")
    assert done.stderr.count("\n") == 1
    assert set(Path(installed["PYTHONPATH"]).iterdir()) == before
    assert not list(tmp_path.iterdir())
