"""Where things lie in a checkout."""

import functools
import json
import re
from pathlib import Path
from typing import Any

from apg_repro.errors import UserError

# The checkout. For a package that was installed without one, the folder that it was installed into: nothing below lies
# there, see ``require_checkout``.
ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
RESULTS = ROOT / "results"
NOTEBOOKS = ROOT / "notebooks"
EXECUTED = ROOT / "book" / "executed"


def within(folder: Path, name: str) -> Path:
    """The entry of this name in a folder.

    Raises:
        UserError: the name could lead out of the folder.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise UserError(f"{name!r} is not a name: take letters, digits and any of _ . -")
    return folder / name


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file, text as UTF-8. If the process is killed, the file is the new one or as it was.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content.encode() if isinstance(content, str) else content)
    part.replace(path)


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        OSError, ValueError: it cannot be read, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError("it is not an object")
    return found


def read_record(path: Path) -> dict[str, Any]:
    """A record of results, a JSON file of objects that git has; empty if there is no such file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return parsed(path, path.stat().st_mtime_ns) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): get it back with `git checkout -- {path}`") from error


def write_record(path: Path, content: str) -> None:
    """Writes a record of results whole.

    Raises:
        UserError: it cannot be written.
    """
    try:
        write_whole(path, content)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror}): check its permissions") from error


@functools.lru_cache(maxsize=4)
def parsed(path: Path, changed: int) -> dict[str, Any]:
    """The content of a record, read once per change of the file: a page asks for every row."""
    found = read_object(path)
    if wrong := [name for name, value in found.items() if not isinstance(value, dict)]:
        raise ValueError(f"its entry {wrong[0]!r} is not an object")
    return found


def require_checkout() -> None:
    """For commands that need more than the package: its results, notebooks or data. Makes no folder.

    Raises:
        UserError: the package runs from where it was installed.
    """
    if not ((ROOT / "pyproject.toml").is_file() and NOTEBOOKS.is_dir()):
        raise UserError(
            "this command needs a checkout of the project, with its results and notebooks: install the package from "
            "there with pip install --editable ."
        )
