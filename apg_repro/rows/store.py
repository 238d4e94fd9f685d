"""The store: one JSON line per run, in ``results/PROFILE/runs/DATASET.jsonl`` and ``…/measured/NAME.jsonl``.

A line is written whole and synced; one torn by a crash costs that run only. Imports no torch.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

from filelock import BaseFileLock, FileLock, Timeout
from tqdm import tqdm

from apg_repro.config import Profile, RunConfig
from apg_repro.errors import UserError
from apg_repro.paths import RESULTS, within
from apg_repro.rows.row import KINDS, MeasuredRow, Row, TrainedRow

Found = TypeVar("Found")

QUIET_SECONDS = 5.0  # of waiting for another process without a word
MAX_ROW_BYTES = 256 * 1024  # several times the longest row


class Store:
    """The rows under one folder.

    Args:
        root: holds ``quick/`` and ``full/``.
    """

    def __init__(self, root: Path = RESULTS) -> None:
        self.root = root
        self._read: dict[Path, tuple[Any, list[Row]]] = {}
        self._by_line: dict[Path, dict[bytes, Row]] = {}

    def path(self, profile: Profile, row: Row) -> Path:
        """Where a row belongs."""
        if isinstance(row, TrainedRow):
            return self.runs_path(profile, row.dataset)
        return self.measured_path(profile, row.measurement.name)

    def runs_path(self, profile: Profile, dataset: str) -> Path:
        """Where the training runs of a data set are."""
        return within(self.root / profile / "runs", f"{dataset}.jsonl")

    def measured_path(self, profile: Profile, name: str) -> Path:
        """Where the measurements of an artefact are."""
        return within(self.root / profile / "measured", f"{name}.jsonl")

    def runs(self, profile: Profile, dataset: str) -> dict[str, TrainedRow]:
        """The training runs of a data set by id, whichever tables show them.

        Raises:
            UserError: a line other than the last is damaged or of another version, or a run is there twice.
        """
        rows = self.read(self.runs_path(profile, dataset))
        return {row.id: row for row in rows if isinstance(row, TrainedRow)}

    def measured(self, profile: Profile, name: str, dataset: str) -> dict[str, MeasuredRow]:
        """The measurements of an artefact on a data set by id.

        Raises:
            UserError: as ``runs``.
        """
        rows = self.read(self.measured_path(profile, name))
        return {row.id: row for row in rows if isinstance(row, MeasuredRow) and row.dataset == dataset}

    def read(self, path: Path) -> list[Row]:
        """The rows of a file in the order in which they were written; read again only when the file has changed.

        Raises:
            UserError: as ``runs``; it cannot be read.
        """
        if not os.path.lexists(path):
            return []
        known, rows = self._read.get(path, (None, []))
        try:
            state = (path.stat().st_mtime_ns, path.stat().st_size)
            content = path.read_bytes() if known != state else b""
        except OSError as error:
            raise UserError(
                f"{path} cannot be read ({error.strerror}): check its permissions, or move it away"
            ) from error
        if known != state:
            rows = self.parsed(path, content)
            self._read[path] = state, rows
        return rows

    def parsed(self, path: Path, content: bytes) -> list[Row]:
        """``parse``, which makes a row of a line that it has met before only once: files grow by a row per run."""
        known = self._by_line.get(path, {})
        self._by_line[path] = found = {}
        return parse(path, content, known, found)

    def check_writable(self, path: Path) -> None:
        """Raises a UserError, before anything is trained, if no row could be written to this file."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=path.parent) as file:  # the file itself is not made: another process may be at it
                file.write(bytes(MAX_ROW_BYTES))
            if path.exists():
                path.open("ab").close()
        except OSError as error:
            raise UserError(
                f"{path} cannot be written ({error.strerror}): check the permissions of its folder"
            ) from error

    def claim(self, profile: Profile, config: RunConfig) -> BaseFileLock | None:
        """A lock on training this run; None if another process has it. The death of its owner releases it.

        Raises:
            UserError: there is no room for a lock.
        """
        folder = self.root / profile / "claims"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{config.id}.lock")
            return lock.acquire(blocking=False) and lock
        except Timeout:
            return None
        except OSError as error:
            raise UserError(
                f"{folder} cannot be written ({error.strerror}): free some space, or check its permissions"
            ) from error

    def release(self, claim: BaseFileLock | None) -> None:
        """Gives a claim back."""
        if claim is not None:
            claim.release()
            Path(claim.lock_file).unlink(missing_ok=True)

    def append(self, profile: Profile, row: Row) -> bool:
        """Adds a row, unless its run is there already; returns whether it was added.

        A torn last line is replaced. Other processes may append to the same file.

        Raises:
            OSError: it cannot be written; the file is as it was.
        """
        path = self.path(profile, row)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: closing the file would try once more to write what did not fit.
        with locked(path.with_suffix(".lock")), path.open("a+b", buffering=0) as file:
            file.seek(0)
            content = file.read()
            if row.id in {other.id for other in self.parsed(path, content)}:
                return False
            line = json.dumps(row.as_json(), allow_nan=False).encode() + b"\n"
            whole = len(content)
            if content and not content.endswith(b"\n"):
                tail = content.rpartition(b"\n")[2]
                if values_of(tail):
                    line = b"\n" + line
                else:
                    whole -= len(tail)
                    file.truncate(whole)
            try:
                while line:
                    line = line[file.write(line) :]  # a full disk may take a part
                os.fsync(file.fileno())
            except OSError:
                file.truncate(whole)
                raise
        return True


def locked(path: Path) -> AbstractContextManager[Any]:
    """Holds a lock. Waits for another process as long as it takes, but says so."""
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=QUIET_SECONDS)
    except Timeout:
        tqdm.write(f"waiting for another process, which holds {path} (`fuser {path}` says which)", file=sys.stderr)
        return lock.acquire()


def parse(path: Path, content: bytes, known: Mapping[bytes, Row], found: dict[bytes, Row]) -> list[Row]:
    """The rows in a file's content; a torn last line is left out.

    Args:
        known: rows that were made before, by their lines.
        found: gets those of this content.
    """
    lines = content.split(b"\n")
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = known.get(line) or row_in(path, number, line, is_last=number == len(lines))
        if row is None:
            continue
        if row.id in seen:
            raise UserError(f"{path}: lines {seen[row.id]} and {number} hold the same run {row.id}: delete one")
        seen[row.id] = number
        found[line] = row
        rows.append(row)
    return rows


def row_in(path: Path, number: int, line: bytes, *, is_last: bool) -> Row | None:
    """The row in a line; None if it is the last one, and torn.

    Raises:
        UserError: it is damaged, or of another version.
    """
    values = values_of(line)
    if values is None:
        if is_last and is_torn(line):
            return None
        raise UserError(f"{path}, line {number} is damaged: delete that line and run the same command again")
    row = understood(path, number, lambda: KINDS[values["kind"]].of_json(values))
    if row.id != values["id"]:
        raise UserError(f"{path}, line {number} says id {values['id']}, but its run is {row.id}: delete that line")
    return row


def understood(path: Path, number: int, make: Callable[[], Found]) -> Found:
    """What is made of a line; a UserError that names file and line if it is none of this version."""
    try:
        return make()
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise UserError(f"{path}, line {number} is of another version ({error}): delete that line") from error


def values_of(line: bytes) -> dict[str, Any] | None:
    """The values of a whole line; None if it is none."""
    try:
        values = json.loads(line, parse_constant=refuse)
    except (ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) and {"kind", "id"} <= values.keys() else None


def refuse(word: str) -> None:
    """Raises a ValueError: NaN and Infinity are not JSON, and ``append`` writes null."""
    raise ValueError(f"{word} is not a number")


def is_torn(line: bytes) -> bool:
    """Whether the last line is what is left of a row whose writing was cut short: no whole row is in it.

    Rows whose newlines were turned into others are one line, and to be kept.
    """
    try:
        json.JSONDecoder().raw_decode(line.decode(errors="replace"))
    except (ValueError, RecursionError):
        return True
    return False
