"""Runs the tests that need no torch under a second Python: ``python tests/second_python.py [--install] [PYTHON]``.

``make test`` calls it, so that reading results and making pages of them is known to work with more than one Python. On
Linux torch and what comes with it are a download of several GB, too much for every run of the tests. So
``.venv-second`` has every package that the project names except torch and Triton, and ``tests.without_torch`` skips the
tests that need torch. To run all tests under another Python: ``make test PYTHON=/path/to/python`` in a fresh clone.

Where there is no second Python, or no way to install packages for it, this says so and succeeds.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-second"
CONSTRAINTS = ROOT / "constraints.txt"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = [
    (3, int(line.rpartition(".")[2])) for line in PYPROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", line)
]
INSTALL_SECONDS, TEST_SECONDS = 300, 600  # at most; on two cores it takes one to three minutes each

# Prints the version if this Python can make a virtual environment and binary packages for it are usual.
PROBE = """
import ensurepip, sys, sysconfig
assert sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
print(*sys.version_info[:2])
"""


def main(arguments: list[str]) -> int:
    """Returns 0 if the tests passed, or could not be run because something outside the project is missing."""
    parser = argparse.ArgumentParser(description="the tests that need no torch, under another Python")
    parser.add_argument("python", nargs="?", type=Path, help="the newest that is found and supported if left out")
    parser.add_argument("--install", action="store_true", help="make .venv-second, and run no tests")
    options = parser.parse_args(arguments)
    if python := options.python:
        if version(python) not in PYTHONS:
            print(f"{python} is no Python from {name(PYTHONS[0])} to {name(PYTHONS[-1])}", file=sys.stderr)
            return 1
    elif (python := second({path: version(path) for path in candidates()})) is None:
        span = f"{name(PYTHONS[0])} to {name(PYTHONS[-1])}"
        print(f"No second Python: {name(sys.version_info[:2])} is the only one from {span} found here.")
        return 0
    if problem := install(python):
        print(problem)
    if problem or options.install:
        return 0
    print(f"Under Python {name(version(python))}, without torch:", flush=True)
    # To compile all packages takes longer than to unpack them. The tests compile what they import, and once only.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    try:
        # Commands that the tests of faults start and kill train, and would be waited for.
        left_out = [f"--ignore=tests/{name}" for name in ("browser", "faults")]
        tests = [VENV / "bin" / "python", "-m", "pytest", *left_out, "-p", "tests.without_torch", "-n", "2"]
        return subprocess.run(tests, cwd=ROOT, check=False, timeout=TEST_SECONDS, env=environment).returncode
    except subprocess.TimeoutExpired:
        print(f"The tests did not end within {TEST_SECONDS} seconds.", file=sys.stderr)
        return 1


def candidates() -> Iterator[Path]:
    """Pythons on the path, of pyenv and of uv."""
    for command in (*(f"python{name(python)}" for python in PYTHONS), "python3"):
        if found := shutil.which(command):
            yield Path(found)
    pyenv = os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")
    uv = os.environ.get("UV_PYTHON_INSTALL_DIR", Path.home() / ".local" / "share" / "uv" / "python")
    for folder in (Path(pyenv, "versions"), Path(uv)):
        yield from sorted(folder.glob("*/bin/python3"))


def version(python: Path | str) -> tuple[int, int] | None:
    """Major and minor number; None if this Python does not run or cannot make a virtual environment."""
    try:
        done = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor = map(int, done.stdout.split())
    return major, minor


def second(found: dict[Path, tuple[int, int] | None]) -> Path | None:
    """The newest Python that the project supports and that does not run this program."""
    others = [path for path, number in found.items() if number in PYTHONS and number != sys.version_info[:2]]
    return max(others, key=lambda path: found[path], default=None)


def name(number: Iterable[int]) -> str:
    """3.13, from its numbers."""
    return ".".join(map(str, number))


def requirements(*extras: str) -> list[str]:
    """What the project and these extras name, except torch, Triton and the project itself."""
    project = PYPROJECT["project"]
    wanted = list(project["dependencies"])
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            inner = re.fullmatch(rf"{project['name']}\[(.+)\]", line)
            wanted += requirements(*inner[1].split(",")) if inner else [line]
    return sorted({line for line in wanted if not line.startswith(("torch", "triton"))})


def install(python: Path) -> str:
    """Makes ``.venv-second``, unless it has all that is wanted; returns why that was not possible, or nothing.

    Raises:
        SystemExit: packages can be downloaded, but not the ones that are wanted.
    """
    wanted = "\n".join([str(python.resolve()), *requirements("test"), CONSTRAINTS.read_text()])
    installed, pip = VENV / "installed.txt", [VENV / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    if installed.exists() and installed.read_text() == wanted:
        return ""
    packages = ["install", "--quiet", "--no-compile", "--constraint", CONSTRAINTS, *requirements("test")]
    project = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", ROOT]
    try:
        subprocess.run([python, "-m", "venv", "--clear", VENV], check=True, timeout=INSTALL_SECONDS)
        done = subprocess.run([*pip, *packages], check=False, timeout=INSTALL_SECONDS, capture_output=True, text=True)
        if done.returncode:
            # Without network pip says the same as for a version that does not exist, so it is asked for a tiny package.
            probe = ["download", "--no-deps", "--no-cache-dir", "--dest", VENV / "probe", "tqdm"]
            if subprocess.run([*pip, *probe], check=False, timeout=60, capture_output=True).returncode:
                return "No second Python: its packages cannot be downloaded here."
            sys.exit(done.stderr)
        subprocess.run([*pip, *project], check=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        return f"No second Python: its packages were not installed within {INSTALL_SECONDS} seconds."
    installed.write_text(wanted)
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
