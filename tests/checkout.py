"""A small checkout of its own, with the synthetic data set and one suite that trains in seconds; and its processes.

What is tested with it are commands as users give them, and faults as they happen: signals, kills, lost nodes.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from apg_repro.catalogue import is_prepared
from apg_repro.paths import ROOT

in_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
needs_synthetic = pytest.mark.skipif(not is_prepared("synthetic"), reason="python data_scripts/synthetic.py")

PLAN = '''"""One model, small and long."""

from apg_repro.suite import Cell, Suite

SIZE = {"rows": 2000, "d_embedding": 4, "hidden": (8,), "max_epochs": 60, "patience": 60}
SUITE = Suite(
    name="mini", title="Mini", datasets=("synthetic",),
    cells=lambda plan: (Cell(name="base", options=SIZE, against=None),),
)
'''
TIMES = ("seconds", "finished")  # what two trainings of one run differ in
ENOUGH = 300  # seconds: a busy machine takes long to import torch; nothing here waits longer than it has to


class Checkout:
    """A copy of the package in a folder, where ``python -m apg_repro run mini`` works."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(ROOT / "apg_repro", folder / "apg_repro", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "results/numerics.json", "results/data.json"):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        (folder / "notebooks").mkdir()
        (folder / "data").symlink_to(ROOT / "data")
        (folder / "apg_repro" / "experiments" / "mini.py").write_text(PLAN)
        # Processes that are started from here are known by their environment, even when their parents are dead.
        self.mark = f"APG_TEST={uuid.uuid4().hex}"

    @property
    def rows(self) -> Path:
        """The file of rows."""
        return self.folder / "results" / "quick" / "runs" / "synthetic.jsonl"

    def lines(self) -> list[dict]:
        """The rows without the times, by seed. Raises if a line is not whole."""
        text = self.rows.read_text() if self.rows.exists() else ""
        found = [json.loads(line) for line in text.splitlines()]
        for row in found:
            row["history"] = [{k: v for k, v in entry.items() if k not in TIMES} for entry in row["history"]]
        return sorted(({k: v for k, v in row.items() if k not in TIMES} for row in found), key=lambda row: row["seed"])

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """A process with one thread for each run; its words go to ``words.txt``."""
        name, _, value = self.mark.partition("=")
        own = {"PYTHONPATH": str(self.folder), "OMP_NUM_THREADS": "1", name: value}
        environment = {**os.environ, **own, **environment}
        with (self.folder / "words.txt").open("w") as words:
            return subprocess.Popen(
                [sys.executable, *command], cwd=self.folder, env=environment, stdout=words, stderr=words, text=True,
                preexec_fn=usual_signals,
            )  # fmt: skip

    def run(self, *options: str, **environment: str) -> subprocess.Popen[str]:
        """``python -m apg_repro run mini``."""
        command = ("-m", "apg_repro", "run", "mini", "--seeds", "1,2,3,4,5,6,7,8", "--threads", "1", *options)
        return self.start(*command, **environment)

    def notebook(self, name: str, source: str) -> None:
        """Adds a notebook of one cell."""
        kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
        cells = [nbformat.v4.new_code_cell(source)]
        made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
        nbformat.write(made, self.folder / "notebooks" / f"{name}.ipynb")

    def words(self) -> str:
        """What the last process has said."""
        return (self.folder / "words.txt").read_text()

    def processes(self, containing: str = "") -> list[int]:
        """The numbers of the processes that were started from here and still run."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                environment, command = (path / "environ").read_bytes(), (path / "cmdline").read_bytes()
            except OSError:
                continue
            if self.mark.encode() in environment and containing.encode() in command:
                found.append(int(path.name))
        return found


def usual_signals() -> None:
    """As in a terminal: in the background of a shell, Ctrl-C is ignored, and by what is started there too."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def eventually(what: Callable[[], bool]) -> bool:
    """Waits until something is true; False if it never is."""
    end = time.monotonic() + ENOUGH
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return what()


def is_idle(checkout: Checkout) -> bool:
    """Whether all processes of a checkout end."""
    return eventually(lambda: not checkout.processes())
