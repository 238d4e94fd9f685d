"""The command line: ``python -m apg_repro run | status | notebooks``."""

import argparse
import os
import sys
from collections.abc import Sequence

from apg_repro.config import UserError
from apg_repro.store import Store
from apg_repro.suites import SEEDS, SUITES, Plan, get_suite


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand; a user's mistake prints one line and returns 1."""
    args = parser().parse_args(arguments)
    try:
        args.command(args)
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; what was trained is in the store, and the same command goes on from there", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who read the output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's exit would write there once more
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The subcommands and their options."""
    whole = argparse.ArgumentParser(prog="python -m apg_repro", description=__doc__)
    commands = whole.add_subparsers(required=True)

    train = commands.add_parser("run", help="train the runs of a table or figure that the store lacks")
    train.set_defaults(command=run)
    train.add_argument("suite", help=", ".join(SUITES))
    train.add_argument(
        "--datasets", default="", help="names joined by commas; default: movielens, or all of a suite without it"
    )
    train.add_argument("--jobs", type=int, help="processes side by side; default: one a core, or one on a GPU")

    commands.add_parser("status", help="what each suite has and lacks").set_defaults(command=status)

    book = commands.add_parser("notebooks", help="execute the notebooks for the book")
    book.set_defaults(command=notebooks)
    book.add_argument("names", nargs="*", help="such as table4_versions; default: all")
    book.add_argument("--datasets", default="", help="names joined by commas; default: what is at hand")
    book.add_argument("--run", choices=["missing", "none"], default="missing", help="train what is missing, or not")

    for command in (train, book):
        command.add_argument("--profile", choices=["quick", "full"], default="quick")
        command.add_argument("--seeds", default="", help="numbers joined by commas; default: the profile's")
        command.add_argument("--device", default="cpu", help="where to train: cpu, cuda, cuda:1")
    return whole


def run(args: argparse.Namespace) -> None:
    """Trains what is missing, then prints the summary; without the packages that summaries need, where the rows are."""
    from apg_repro.run import run_suite

    suite, store = get_suite(args.suite), Store()
    seeds = parse_seeds(args.seeds) or SEEDS[args.profile]
    usual = ("movielens",) if "movielens" in suite.datasets else suite.wanted(args.profile)
    datasets = parse_names(args.datasets) or usual
    for dataset in datasets:
        if dataset not in suite.datasets:
            raise UserError(f"{suite.title} has no data set {dataset!r}; choose from {', '.join(suite.datasets)}")
    for dataset in datasets:
        plan = Plan(profile=args.profile, dataset=dataset, seeds=seeds)
        run_suite(suite, plan, device=args.device, jobs=args.jobs, store=store)
        print(f"\n{suite.title}, {dataset}, profile {args.profile}")
        try:
            from apg_repro.report import open_panel
            from apg_repro.summary import summary
        except ModuleNotFoundError as error:  # a machine that is there to train
            rows = store.path(args.profile, suite.name, dataset)
            print(f"rows: {rows}; a summary needs {error.name}: pip install -e '.[book]'")
        else:
            print(summary(open_panel(suite, plan, store)))


def notebooks(args: argparse.Namespace) -> None:
    """Executes notebooks into ``book/executed/``."""
    from apg_repro.notebooks import execute_for_book

    parameters = {
        "profile": args.profile,
        "datasets": parse_names(args.datasets),
        "seeds": list(parse_seeds(args.seeds)),
        "device": args.device,
        "run": args.run,
    }
    execute_for_book(args.names, parameters)


def parse_names(text: str) -> list[str]:
    """Names joined by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_seeds(text: str) -> tuple[int, ...]:
    """Numbers joined by commas."""
    try:
        return tuple(int(seed) for seed in text.split(",") if seed)
    except ValueError as error:
        raise UserError(f"--seeds must be numbers joined by commas, not {text!r}") from error


def status(args: argparse.Namespace) -> None:
    """Prints how many runs each suite has and lacks, per data set."""
    store = Store()
    for suite in SUITES.values():
        for profile, seeds in SEEDS.items():
            for dataset in suite.datasets:
                plan = Plan(profile=profile, dataset=dataset, seeds=seeds)
                pool = store.pool(profile, dataset)
                done = {*pool, *(row["id"] for row in store.rows(profile, suite.name, dataset))}
                search, wanted = suite.search(plan), [*suite.runs(plan, pool), *suite.measurements(plan)]
                later = any(config.key not in done for config in search)
                print(
                    f"{suite.name:12} {profile:6} {dataset:12}"
                    f" search {sum(config.key in done for config in search)} of {len(search)},"
                    f" rows {sum(task.key in done for task in wanted)} of {len(wanted)}"
                    + (" (more once the search is done)" if later else "")
                )


if __name__ == "__main__":
    sys.exit(main())
