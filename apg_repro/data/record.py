"""Writes the record of checksums, ``results/data.json``, or compares it with what is prepared here.

python -m apg_repro.data.record                    # compares
python -m apg_repro.data.record --record NAME ...  # records
"""

import argparse
import json
import sys
from pathlib import Path

from apg_repro.data.checksums import RECORD, read, recorded
from apg_repro.data.gate import enter, load_manifest
from apg_repro.errors import UserError
from apg_repro.paths import DATA, write_record


def prepared(name: str, root: Path = DATA) -> dict[str, str]:
    """The checksums of a prepared data set, by feature set.

    Raises:
        UserError: it is not prepared, or damaged.
    """
    views = load_manifest(name, root)["features"]
    return {features: enter(name, features=features, root=root).checksum for features in views}


def record(name: str, *, root: Path = DATA, path: Path = RECORD) -> None:
    """Records the checksums of a prepared data set in place of those it had.

    Raises:
        UserError: it is not prepared, or damaged; the record cannot be written.
    """
    found = read(path) | {name: {features: {"sha256": value} for features, value in prepared(name, root).items()}}
    write_record(path, json.dumps(dict(sorted(found.items())), indent=1) + "\n")


def main(arguments: list[str] | None = None, *, root: Path = DATA, path: Path = RECORD) -> int:
    """The command line: compares or records; the exit status is 1 if something differs from the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="data sets (default: all that are prepared here)")
    parser.add_argument("--record", action="store_true", help="record them in place of the checksums they had")
    args = parser.parse_args(arguments)
    differ = False
    try:
        for name in args.names or sorted(manifest.parent.name for manifest in root.glob("*/manifest.json")):
            if args.record:
                record(name, root=root, path=path)
            for features, value in prepared(name, root).items():
                known = recorded(name, features, path)
                differ |= value != known
                answer = "as recorded" if value == known else "not recorded" if known is None else "differs"
                print(f"{name}, {features}: {value[:12]}, {answer}")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
