"""Where a number comes from: the commit, and a digest of the code that determines it. Imports no torch."""

import ast
import functools
import hashlib
import subprocess
from pathlib import Path
from typing import Literal

from apg_repro.config import LARGE_RANK, Measurement, RunConfig
from apg_repro.paths import ROOT

Age = Literal["today's", "equal to rounding", "stale"]

PACKAGE = Path(__file__).resolve().parent
# Modules that every run's numbers go through. ``build`` only hands the configuration on, and ``observe`` scores as the
# model does (a test holds them equal), so neither stands in the digest of a run.
COMMON = ("data", "metrics", "optimizer", "train", "nn/dense", "nn/embedding")
# The modules and packages that count where a module that counts imports them. A timing goes through the code it times:
# through ``build``, every model.
FOLLOWED = tuple(f"apg_repro.{name}" for name in ("nn", "models", "measure", "build", "data", "train", "optimizer"))
# Of nn/apg, the classes that a version goes through.
APG_CLASSES = {
    "base": (),
    "v1": ("ApgV1",),
    "v2": ("ApgV2",),
    "v3": ("ApgV2", "ApgV3"),
    "v4": ("ApgV4",),
    "v5": ("ApgV5",),
    "v5, large K": ("ApgV5", "ApgV5LargeRank"),
}
# Digests of earlier code whose rows stand: today's digest gives the same numbers to rounding. An entry lapses as soon
# as today's digest is another. Since the first of these, look-ups add gradients up in another order: thirty steps of
# base and v5 and six of v1 on MovieLens gave losses equal to seven digits.
STANDS = {
    "1e5f4f66": "5b8a827c",  # base
    "2f9b45a2": "52c2696d",  # v1
    "20c98ef9": "60f142fb",  # v4
    "55f566f8": "60f142fb",  # v4, before there was a third start
    "6a5cffc7": "1dd184eb",  # v5
    "e78defce": "1dd184eb",  # v5, likewise
    # Measurements, before their digests held what they reach through ``build`` and ``data``, and before v5 had a second
    # class for ranks that none of them has: the same code.
    "57e2a7cb": "ffd97f8f",  # figure1
    "c416eb19": "af3370fa",  # table1
    "47f64c5e": "e18a777b",  # table5
    "233f30b4": "e18a777b",  # whole steps of table5, before the peak of the hidden layers was mended
    "96b86cb2": "946c159a",  # table7
    "0eda6d5c": "c1fe18d1",  # table10
    "4c0a2b4b": "5ab376e8",  # table6_memory
}
VERSION_CLASSES = frozenset(name for names in APG_CLASSES.values() for name in names)


def number_modules(config: RunConfig | Measurement) -> list[str]:
    """The modules that determine the numbers of a run or measurement, as paths without suffix."""
    if isinstance(config, Measurement):
        return list(dict.fromkeys(imported(f"measure/{config.suite}")))
    modules = [*COMMON, *imported(f"models/{config.backbone.lower()}")]
    if config.version != "base":
        modules.append("nn/apg")
        if config.condition != "self":
            modules.append("nn/conditions")
            modules += ["nn/mix"] if config.condition.startswith("output_") else []
    return list(dict.fromkeys(modules))


def imported(module: str) -> list[str]:
    """A module and, before it, those of ``FOLLOWED`` that it imports, whether directly or not."""
    found = []
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(FOLLOWED):
            name = node.module.removeprefix("apg_repro.").replace(".", "/")
            found += imported(f"{name}/__init__" if (PACKAGE / name).is_dir() else name)
    return [*found, module]


def code_digest(config: RunConfig | Measurement) -> str:
    """Eight hex digits of what those modules say, comments, docstrings, layout and other versions of APG aside.

    A measurement's may use every version.
    """
    return digest_of(tuple(number_modules(config)), versions(config))


def versions(config: RunConfig | Measurement) -> tuple[str, ...]:
    """The classes of nn/apg that the numbers of a run or measurement may go through."""
    if isinstance(config, Measurement):
        return tuple(VERSION_CLASSES)
    large = config.version == "v5" and config.rank is not None and config.rank >= LARGE_RANK
    return APG_CLASSES["v5, large K" if large else config.version]


def age(config: RunConfig | Measurement, digest: str) -> Age:
    """What a row's digest says of the code that made it."""
    today = code_digest(config)
    if digest == today:
        return "today's"
    return "equal to rounding" if STANDS.get(digest) == today else "stale"


@functools.cache
def digest_of(modules: tuple[str, ...], versions: tuple[str, ...] = ()) -> str:
    """Eight hex digits of what these modules say, of the classes of APG's versions only the named ones."""
    total = hashlib.sha256()
    for name in modules:
        tree = without_docstrings(ast.parse((PACKAGE / f"{name}.py").read_text()))
        if name == "nn/apg":
            tree.body = [node for node in tree.body if getattr(node, "name", "") not in VERSION_CLASSES - set(versions)]
            drop_what_makes_no_number(tree)
        total.update(ast.dump(tree).encode())
    return total.hexdigest()[:8]


def drop_what_makes_no_number(tree: ast.Module) -> None:
    """Removes, in place, what only serving uses, and ``check_…`` functions and their use, which only refuse."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not (getattr(part, "name", "") == "fold" or is_check(part))]


def is_check(part: ast.stmt) -> bool:
    """Whether a statement defines a ``check_…`` function or calls one, or hands it on."""
    names = [part.name] if isinstance(part, ast.FunctionDef) else []
    if isinstance(part, ast.Expr):
        names = [node.id for node in ast.walk(part) if isinstance(node, ast.Name)]
    return any(name.startswith("check_") for name in names)


def without_docstrings(tree: ast.Module) -> ast.Module:
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


def commit(config: RunConfig | Measurement) -> tuple[str | None, bool | None]:
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
