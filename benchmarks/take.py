"""Takes rows from another folder into ``results/full/``: those that a GPU has made, or another machine.

    python benchmarks/take.py results/cuda

Measurements are of one kind of device each, and stand beside those of the other. Runs of a data set take the place of
those that are there, unless a difference would then be of two machines: it says of which, and leaves that data set as
it is, until the suites that share its runs have been trained there too. Afterwards: ``make test``, and commit.
"""

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from apg_repro.config import PROTOCOLS
from apg_repro.errors import UserError
from apg_repro.experiments import SUITES
from apg_repro.paths import write_whole
from apg_repro.rows import record
from apg_repro.rows.evidence import gather
from apg_repro.rows.store import Store, locked
from apg_repro.suite import SEEDS, Plan


def take(theirs: Store, ours: Store, path: Path = record.RECORD) -> list[str]:
    """Takes what may be taken, and records it; a sentence per file.

    Args:
        path: of the record. Of files whose runs are taken it is made anew; to others it adds new rows.

    Raises:
        UserError: rows of a folder cannot be read.
    """
    said, taken = list[str](), list[str]()
    for measured in sorted((theirs.root / "full" / "measured").glob("*.jsonl")):
        n_new = sum(ours.append("full", row) for row in theirs.read(measured))
        said.append(f"{measured.name}: {n_new} new measurements")
    for runs in sorted((theirs.root / "full" / "runs").glob("*.jsonl")):
        into = ours.runs_path("full", runs.stem)
        into.parent.mkdir(parents=True, exist_ok=True)
        with locked(into.with_suffix(".lock")):  # nobody adds a row in between
            mixed = take_runs(runs.stem, theirs, ours)
        n = len(theirs.runs("full", runs.stem))
        if not mixed:
            taken.append(f"runs/{runs.name}")
        said.append(
            f"{runs.stem}: none of {n} runs, as differences would be of two machines in {', '.join(mixed)}: train "
            "these suites there too, with the same seeds"
            if mixed
            else f"{runs.stem}: {n} runs"
        )
    record.record(ours, path, replace=taken)
    return said


def take_runs(dataset: str, theirs: Store, ours: Store) -> list[str]:
    """Takes the runs of a data set, unless a difference would be of two machines then: the suites in which it would."""
    whole = ours.runs("full", dataset) | theirs.runs("full", dataset)
    lines = "".join(json.dumps(row.as_json(), allow_nan=False) + "\n" for row in whole.values())
    with TemporaryDirectory() as folder:
        tried = Store(Path(folder))
        path = tried.runs_path("full", dataset)
        path.parent.mkdir(parents=True)
        path.write_text(lines, encoding="utf-8")
        mixed = of_two_machines(dataset, tried)
        if not mixed:
            write_whole(ours.runs_path("full", dataset), lines)
        return mixed


def of_two_machines(dataset: str, store: Store) -> list[str]:
    """The suites in which a difference is of two machines."""
    found = []
    for suite in SUITES.values():
        if suite.is_trained and dataset in suite.datasets:
            evidence = gather(suite, Plan(profile="full", dataset=dataset, seeds=SEEDS["full"]), store)
            if any(evidence.on_another_machine(cell, how) for cell in evidence.cells for how in PROTOCOLS):
                found.append(suite.name)
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with full/, as `apg run --results` and `on_gpu.sh` leave it")
    folder = parser.parse_args().folder
    if not (folder / "full").is_dir():
        print(f"error: {folder} has no folder full/: give the one that `--results` named", file=sys.stderr)
        return 1
    try:
        print("\n".join(take(Store(folder), Store())))
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
