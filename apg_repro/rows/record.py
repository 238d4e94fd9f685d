"""The record of the committed rows, ``results/rows.json``: which there are, and a checksum of what each says.

A row that is altered or removed by hand differs from it: ``make test`` names it, and pages that show it say so.

    python -m apg_repro.rows.record            # compares
    python -m apg_repro.rows.record --record   # adds rows that are new; of all others, the record stays
    python -m apg_repro.rows.record --replace  # takes all rows as they are, and forgets those that are gone

Imports no torch.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
from collections.abc import Collection
from pathlib import Path

from apg_repro.config import RunConfig, changed
from apg_repro.errors import UserError
from apg_repro.paths import RESULTS, read_record, write_record
from apg_repro.rows.row import Row, TrainedRow
from apg_repro.rows.store import Store

RECORD = RESULTS / "rows.json"
REMEDY = "take it from git, or `python -m apg_repro.rows.record --replace`"

Record = dict[str, dict[str, str]]  # file of rows, relative to ``results/full`` → id → checksum


def checksum(row: Row) -> str:
    """The first twelve hex digits of the sha256 of what a row says, whatever the order of its columns.

    Options at their defaults do not count, so that a new option of runs leaves every checksum as it is.
    """
    said = row.as_json()
    if isinstance(row, TrainedRow):
        at_default = {field.name for field in dataclasses.fields(RunConfig)} - changed(row.config).keys()
        said = {name: value for name, value in said.items() if name not in at_default}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:12]


def read(path: Path = RECORD) -> Record:
    """The record; empty if there is no such file.

    Raises:
        UserError: it cannot be read.
    """
    return read_record(path)


def is_altered(row: Row, path: Path = RECORD) -> bool:
    """Whether a row says something else than when it was recorded; rows that are not recorded are not altered."""
    found = [known[row.id] for known in read(path).values() if row.id in known]
    return found != [] and checksum(row) not in found


def present(store: Store) -> Record:
    """What the record would be if it were made of the rows that are there now."""
    folder = store.root / "full"
    return {
        path.relative_to(folder).as_posix(): {row.id: checksum(row) for row in store.read(path)}
        for path in sorted(folder.glob("*/*.jsonl"))
    }


def differences(store: Store, path: Path = RECORD) -> list[str]:
    """One sentence for each row that was altered, is gone or is not recorded, with what to do."""
    known, now = read(path), present(store)
    return [
        f"results/full/{file}: row {one} {what}"
        for file in sorted(known | now)
        for one in sorted(known.get(file, {}) | now.get(file, {}))
        if (what := difference(known.get(file, {}).get(one), now.get(file, {}).get(one)))
    ]


def difference(known: str | None, now: str | None) -> str:
    """What became of a row with this checksum in the record, and this one now; "" if nothing."""
    if known == now:
        return ""
    if known is None:
        return "is not recorded: `python -m apg_repro.rows.record --record` adds it"
    return f"{'is gone' if now is None else 'was altered'}: {REMEDY}"


def record(store: Store, path: Path = RECORD, *, replace: bool | Collection[str] = False) -> None:
    """Writes the record.

    Args:
        replace: whether rows that were altered or are gone are taken as they are, or in which files (relative to
            ``results/full``); in others new rows are added only.
    """
    known, now = read(path), present(store)
    if replace is not True:
        as_they_are = replace or ()
        now = {file: now.get(file, {}) | ({} if file in as_they_are else known.get(file, {})) for file in known | now}
    text = json.dumps({file: dict(sorted(now[file].items())) for file in sorted(now)}, indent=0)
    write_record(path, f"{text}\n")


def main(arguments: list[str] | None = None, *, store: Store | None = None, path: Path = RECORD) -> int:
    """The command line: compares or records; the exit status is 1 if something differs from the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="add the rows that are new")
    parser.add_argument("--replace", action="store_true", help="take all rows as they are, and forget those gone")
    args = parser.parse_args(arguments)
    store = store or Store()
    try:
        if args.record or args.replace:
            record(store, path, replace=args.replace)
        found = differences(store, path)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(found) or "all rows are as they were recorded")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
