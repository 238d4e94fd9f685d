"""The store: one JSON line a run, in ``results/PROFILE/SUITE/DATASET.jsonl``.

Rows are flat, so that ``pandas.read_json(path, lines=True)`` reads them and git shows a run as a line. A row is
written whole and synced; a line torn by a crash costs that run only.
"""

import fcntl
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from apg_repro.config import RunConfig, UserError
from apg_repro.paths import RESULTS


class Store:
    """The rows under one folder.

    Args:
        root: holds ``quick/`` and ``full/``.
    """

    def __init__(self, root: Path = RESULTS) -> None:
        self.root = root
        self._pools: dict[tuple[str, str], tuple[Any, dict[str, dict[str, Any]]]] = {}

    def path(self, profile: str, suite: str, dataset: str) -> Path:
        """Where the rows of a suite on a data set lie."""
        return self.root / profile / suite / f"{dataset}.jsonl"

    def rows(self, profile: str, suite: str, dataset: str) -> list[dict[str, Any]]:
        """The rows in the order they were written; none if nothing has been run.

        Raises:
            UserError: a line other than the last is damaged, or a run stands there twice.
        """
        path = self.path(profile, suite, dataset)
        return parse(path, path.read_bytes()) if path.exists() else []

    def pool(self, profile: str, dataset: str) -> dict[str, dict[str, Any]]:
        """Every training run of a data set by its ``RunConfig.key``, whichever suite it was trained for.

        It is read anew when a file has changed: every page asks for it, suite by suite. Not to be changed.

        Raises:
            UserError: as ``rows``.
        """
        paths = sorted((self.root / profile).glob(f"*/{dataset}.jsonl"))
        state = [(path, path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
        known, found = self._pools.get((profile, dataset), (None, {}))
        if known != state:
            found = {}
            for path in paths:
                for row in self.rows(profile, path.parent.name, dataset):
                    if "seed" in row:
                        found.setdefault(config_of(path, row).key, row)
            self._pools[profile, dataset] = state, found
        return found

    def check_writable(self, profile: str, suite: str, dataset: str) -> None:
        """Raises a UserError, before anything is trained, if no row could be written."""
        path = self.path(profile, suite, dataset)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=path.parent):
                pass  # the file itself is not made: another process may be at it
            if path.exists():
                path.open("ab").close()
        except OSError as error:
            raise UserError(
                f"{path} cannot be written ({error.strerror}): make it a file in a folder of yours"
            ) from error

    def append(self, row: dict[str, Any]) -> bool:
        """Adds a row, unless its run is there already; returns whether it was added.

        A torn last line is replaced. Other processes may append to the same file.
        """
        path = self.path(row["profile"], row["suite"], row["dataset"])
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            content = file.read()
            rows = parse(path, content)
            if row["id"] in {other["id"] for other in rows}:
                return False
            if content and not content.endswith(b"\n"):
                tail = content.rpartition(b"\n")[2]
                if is_row(tail):
                    file.write(b"\n")
                else:
                    file.truncate(len(content) - len(tail))
            file.write(json.dumps(finite(row), allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return True


def config_of(path: Path, row: dict[str, Any]) -> RunConfig:
    """The configuration of a row; a UserError that names file and row if it is none of this version."""
    try:
        return RunConfig.of_row(row)
    except (TypeError, UserError) as error:
        raise UserError(f"{path}: row {row['id']} is damaged or of another version ({error}): delete it") from error


def parse(path: Path, content: bytes) -> list[dict[str, Any]]:
    """The rows in a file's content; a torn last line is left out."""
    lines = content.split(b"\n")
    rows: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if not is_row(line):
            if number == len(lines):  # no newline after it: a write was cut short
                continue
            raise UserError(f"{path}, line {number} is damaged: delete that line and run the same command again")
        row = json.loads(line)
        if row["id"] in seen:
            raise UserError(f"{path}: lines {seen[row['id']]} and {number} hold the same run {row['id']}: delete one")
        seen[row["id"]] = number
        rows.append(row)
    return rows


def is_row(line: bytes) -> bool:
    """Whether a line is a whole row."""
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, dict) and "id" in row


def finite(value: Any) -> Any:
    """The value with NaN and infinities as None, which JSON has no words for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(inner) for inner in value]
    return value
