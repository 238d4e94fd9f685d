"""Where a number comes from: the commit, and a digest of the code that determines it. Imports no torch."""

import ast
import functools
import hashlib
import subprocess
from pathlib import Path

from apg_repro.config import RunConfig
from apg_repro.paths import ROOT

PACKAGE = Path(__file__).resolve().parent
# Modules that every run's numbers go through. ``build`` only hands the configuration on, and stands in no digest.
COMMON = ("data", "metrics", "train", "nn/dense", "nn/embedding")


def number_modules(config: RunConfig) -> list[str]:
    """The modules that determine the numbers of a run, as paths without suffix."""
    modules = [*COMMON, f"models/{config.backbone.lower()}"]
    if config.version != "base":
        modules.append("nn/apg")
        if config.condition != "self":
            modules.append("nn/conditions")
    return modules


def code_digest(config: RunConfig) -> str:
    """Eight hex digits of what those modules say, comments, docstrings and layout aside."""
    return digest_of(tuple(number_modules(config)))


@functools.cache
def digest_of(modules: tuple[str, ...]) -> str:
    """Eight hex digits of what these modules say."""
    total = hashlib.sha256()
    for name in modules:
        tree = ast.parse((PACKAGE / f"{name}.py").read_text())
        total.update(ast.dump(without_docstrings(tree)).encode())
    return total.hexdigest()[:8]


def without_docstrings(tree: ast.AST) -> ast.AST:
    """The tree, its docstrings removed in place."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and body
            and ast.get_docstring(node) is not None
        ):
            node.body = body[1:]
    return tree


def commit(config: RunConfig) -> tuple[str | None, bool | None]:
    """The checkout's commit, and whether a module of the digest differs from it; (None, None) outside of git."""
    files = [f"apg_repro/{name}.py" for name in number_modules(config)]
    try:
        head = git("rev-parse", "--short=12", "HEAD").strip()
        return head, bool(git("status", "--porcelain", "--", *files).strip())
    except (OSError, subprocess.CalledProcessError):
        return None, None


def git(*arguments: str) -> str:
    """The output of a git command in this checkout."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout
