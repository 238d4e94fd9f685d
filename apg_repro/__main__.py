"""The command line: ``python -m apg_repro run | status | notebooks``."""

import argparse
import sys
from collections.abc import Sequence

from apg_repro.config import UserError
from apg_repro.store import Store
from apg_repro.suites import SEEDS, SUITES, Plan, get_suite


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand; a user's mistake prints one line and returns 1."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] == "notebooks":
        from apg_repro import notebooks

        return notebooks.main(arguments[1:])
    args = parser().parse_args(arguments)
    try:
        return run(args) if args.command == "run" else status()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what was trained is in the store, and the same command goes on from there", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The subcommands and their options."""
    whole = argparse.ArgumentParser(prog="python -m apg_repro", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True)
    train = commands.add_parser("run", help="train the runs of a table or figure that the store lacks")
    train.add_argument("suite", help=", ".join(SUITES))
    train.add_argument("--profile", choices=["quick", "full"], default="quick")
    train.add_argument("--datasets", default="movielens", help="names joined by commas")
    train.add_argument("--seeds", help="numbers joined by commas; default: the profile's")
    train.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    train.add_argument("--jobs", type=int, help="processes side by side; default: one a core, or one on a GPU")
    commands.add_parser("status", help="what each suite has and lacks")
    commands.add_parser("notebooks", help="execute the notebooks for the book (see `notebooks --help`)")
    return whole


def run(args: argparse.Namespace) -> int:
    """Trains what is missing, then prints the summary."""
    from apg_repro.report import Panel, summary
    from apg_repro.run import run_suite

    suite = get_suite(args.suite)
    try:
        seeds = tuple(int(seed) for seed in args.seeds.split(",")) if args.seeds else SEEDS[args.profile]
    except ValueError as error:
        raise UserError(f"--seeds must be numbers joined by commas, not {args.seeds!r}") from error
    for dataset in args.datasets.split(","):
        plan = Plan(profile=args.profile, dataset=dataset, seeds=seeds)
        run_suite(suite, plan, device=args.device, jobs=args.jobs)
        print(f"\n{suite.title}, {dataset}, profile {args.profile}")
        print(summary(Panel(suite=suite, plan=plan, rows=Store().rows(plan.profile, suite.name, dataset))))
    return 0


def status() -> int:
    """Prints how many runs each suite has and lacks, per data set."""
    store = Store()
    for suite in SUITES.values():
        for profile, seeds in SEEDS.items():
            for dataset in suite.datasets:
                plan = Plan(profile=profile, dataset=dataset, seeds=seeds)
                rows = store.rows(profile, suite.name, dataset)
                done = {row["id"] for row in rows}
                search, wanted = suite.search(plan), [*suite.runs(plan, rows), *suite.measurements(plan)]
                later = any(config.id not in done for config in search)
                print(
                    f"{suite.name:12} {profile:6} {dataset:12}"
                    f" search {sum(config.id in done for config in search)} of {len(search)},"
                    f" rows {sum(task.id in done for task in wanted)} of {len(wanted)}"
                    + (" (more once the search has chosen K and P)" if later else "")
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
