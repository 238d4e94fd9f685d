"""What the code itself must not do: load pickles, evaluate text, need what Windows lacks."""

import ast
import subprocess
import sys

import pytest

from apg_repro.paths import ROOT
from tests.checkout import needs_synthetic

SOURCES = [path for folder in ("apg_repro", "data_scripts") for path in sorted((ROOT / folder).rglob("*.py"))]
UNIX = {"fcntl", "grp", "pwd", "resource", "termios"}


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.fault("a file that runs code when it is read", "no pickle, eval or shell; torch.load reads weights alone")
def test_nothing_that_is_read_can_run_code():
    """Also checked by ruff's rules S301 to S605; torch.load is not among them."""
    for path in SOURCES:
        tree = ast.parse(path.read_text("utf-8"))
        for call in calls(tree):
            name = ast.unparse(call.func)
            safe = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
            assert name not in ("eval", "exec", "os.system", "yaml.load", "pd.read_pickle", "joblib.load"), path
            assert not name.startswith(("pickle.", "cloudpickle.", "marshal.", "shelve.")), path
            assert name != "torch.load" or safe.get("weights_only") == "True", path
            assert not name.endswith("np.load") or safe.get("allow_pickle") != "True", path
            assert safe.get("shell", "False") == "False", path


@pytest.mark.fault("Windows has no fcntl, pwd, resource", "no module imports them when it is imported")
def test_no_module_imports_what_windows_lacks():
    for path in SOURCES:
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {name.partition(".")[0] for name in names} & UNIX, path


ELSEWHERE = """
import importlib, os, pkgutil, signal, sys
from pathlib import Path
import filelock, jupyter_client.manager, pandas, papermill, torch, tqdm  # what they need is theirs

for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("SIGHUP", "SIGKILL", "SIGALRM", "SIGUSR1"):
    delattr(signal, name)
for name in ("fork", "geteuid", "getuid", "getpgid", "killpg", "sched_getaffinity", "sysconf", "uname"):
    delattr(os, name)

import apg_repro
for module in pkgutil.walk_packages(apg_repro.__path__, "apg_repro."):
    if module.name != "apg_repro.nn.kernels":  # Triton's
        importlib.import_module(module.name)

sys.platform = "win32"  # others' imports would now ask for what Windows alone has
from apg_repro.__main__ import main
from apg_repro.config import RunConfig
from apg_repro.rows.store import Store
from apg_repro.run.driver import train_all

tiny = dict(rows=3000, d_embedding=4, hidden=(8,), max_epochs=1)
configs = [RunConfig(dataset="synthetic", seed=seed, version="v5", rank=2, over=4, **tiny) for seed in (1, 2)]
store = Store(Path(sys.argv[1]))
rows = list(train_all(configs, store, "quick", device="cpu", jobs=1, threads=1, title="tiny"))
assert [row.id for row in rows] == list(Store(Path(sys.argv[1])).runs("quick", "synthetic"))
assert rows[0].origin.cores and rows[0].origin.memory_gb is None
assert main(["status"]) == 0
"""


@needs_synthetic
@pytest.mark.fault(
    "there are none of fcntl, pwd, resource, SIGHUP, SIGKILL, fork, killpg: Windows and macOS, pretended",
    "every module is imported; runs are trained and stored, and the committed rows are read",
)
def test_without_what_linux_alone_has_rows_are_trained_and_read(tmp_path):
    command = [sys.executable, "-c", ELSEWHERE, tmp_path]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "table4       full   movielens" in done.stdout


@pytest.mark.fault("git turns line ends into CRLF on Windows", "rows and sources keep LF: .gitattributes")
def test_git_keeps_line_ends():
    found = subprocess.run(
        ["git", "check-attr", "eol", "--", "results/full/runs/movielens.jsonl", "apg_repro/config.py", "Makefile"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [line.rpartition(": ")[2] for line in found.stdout.splitlines()] == ["lf"] * 3
    assert not any(b"\r" in path.read_bytes() for path in SOURCES)
