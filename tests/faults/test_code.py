"""What the code itself must not do: load pickles, evaluate text, need what Windows lacks."""

import ast
import subprocess

import pytest

from apg_repro.paths import ROOT

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


@pytest.mark.fault("git turns line ends into CRLF on Windows", "rows and sources keep LF: .gitattributes")
def test_git_keeps_line_ends():
    found = subprocess.run(
        ["git", "check-attr", "eol", "--", "results/full/runs/movielens.jsonl", "apg_repro/config.py", "Makefile"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert [line.rpartition(": ")[2] for line in found.stdout.splitlines()] == ["lf"] * 3
    assert not any(b"\r" in path.read_bytes() for path in SOURCES)
