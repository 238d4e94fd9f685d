"""The command line: ``python -m apg_repro``, or ``apg`` once installed.

Commands import what they need: with the layer alone installed, or where there is no torch, the others still answer.
"""

import argparse
import errno
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from apg_repro import __version__
from apg_repro.config import Profile
from apg_repro.errors import UserError
from apg_repro.paths import RESULTS, require_checkout
from apg_repro.suite import Plan

if TYPE_CHECKING:
    from apg_repro.run.executors import Cluster

Commands = Any  # what argparse's ``add_subparsers`` gives, whose class has no public name


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand; a user's mistake prints one line and returns 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no Δ
    try:
        args = parser().parse_args(arguments)
        args.typed = list(sys.argv[2:] if arguments is None else arguments[1:])
        if args.command is not try_:
            require_checkout()
        with signals_interrupt():
            args.command(args)
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; rows that were written are kept, and the same command goes on from there", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's exit would write there once more
        if error.errno == errno.ENOSPC:  # else who read the output, such as head, has seen enough
            print(f"error: the output cannot be written ({error.strerror}); rows are in the store", file=sys.stderr)
        return 1
    return 0


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Lets SIGTERM and a closed terminal end a command as Ctrl-C does, so that workers and kernels end with it."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    found = [signal.SIGTERM] + ([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])
    if threading.current_thread() is not threading.main_thread():
        found = []
    found = [number for number in found if signal.getsignal(number) is signal.SIG_DFL]  # not what nohup ignores
    for number in found:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in found:
            signal.signal(number, signal.SIG_DFL)


def parser() -> argparse.ArgumentParser:
    """The subcommands and their options."""
    whole = argparse.ArgumentParser(prog="apg", description="Runs, pages and checks of the replication.")
    whole.add_argument("--version", action="version", version=f"apg-repro {__version__}")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for add in (add_run, add_status, add_numerics, add_selfcheck, add_notebooks, add_try):
        add(commands)
    return whole


def add_run(commands: Commands) -> None:
    """``apg run``."""
    train = commands.add_parser("run", help="train the runs of a table or figure that the store lacks")
    train.set_defaults(command=run)
    train.add_argument("suite", help="its name, such as table4; `apg status` lists them")
    train.add_argument("--datasets", help="names joined by commas; default: movielens, or all of a suite")
    train.add_argument("--jobs", type=int, help="runs side by side; default: one per core, or 16 per GPU (SLURM: 100)")
    train.add_argument("--threads", type=int, help="of each run; default: cores divided by jobs, 1 on a cluster")
    train.add_argument(
        "--deterministic", action="store_true", help="torch's deterministic kernels alone: slower on a GPU"
    )
    train.add_argument(
        "--executor", choices=["processes", "ray", "submitit"], default="processes",
        help="where: processes of this machine (default), a Ray cluster, or SLURM",
    )  # fmt: skip
    train.add_argument("--address", default="", help="ray: of a running cluster, such as auto; default: start one here")
    train.add_argument("--gpus-per-run", type=float, help="ray: share of a GPU, such as 0.25; default: 1, 0 on a CPU")
    train.add_argument(
        "--cluster-options", default="", metavar="NAME=VALUE,...",
        help="submitit: such as slurm_partition=gpu,timeout_min=600,mem_gb=8",
    )  # fmt: skip
    train.add_argument(
        "--results", type=Path, default=RESULTS, metavar="FOLDER",
        help="where rows are, in quick/ and full/; default: results, whose full/ the book shows",
    )  # fmt: skip
    train.add_argument(
        "--again", type=int, metavar="N", help="train N random runs of each data set again, and print the differences"
    )
    add_what_is_trained(train)


def add_status(commands: Commands) -> None:
    """``apg status``."""
    count = commands.add_parser("status", help="what each suite has and lacks")
    count.set_defaults(command=status)
    count.add_argument("--profile", choices=get_args(Profile), default="full")


def add_numerics(commands: Commands) -> None:
    """``apg numerics``."""
    check = commands.add_parser("numerics", help="golden runs: does the code still give the numbers of its rows?")
    check.set_defaults(command=numerics)
    check.add_argument("--record", action="store_true", help="record what moved, and raise the versions of these cases")
    check.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1; others than cpu are compared, not recorded")


def add_selfcheck(commands: Commands) -> None:
    """``apg selfcheck``."""
    device = commands.add_parser("selfcheck", help="does this machine's GPU train as it should? a minute or two")
    device.set_defaults(command=selfcheck)
    device.add_argument("--device", default="cuda", help="cuda, cuda:1; on cpu, what needs a GPU is skipped")


def add_notebooks(commands: Commands) -> None:
    """``apg notebooks``."""
    book = commands.add_parser("notebooks", help="execute the notebooks for the book")
    book.set_defaults(command=notebooks)
    book.add_argument("names", nargs="*", help="such as table4; default: all")
    book.add_argument("--datasets", help="names joined by commas; default: what is at hand")
    book.add_argument("--run", choices=["missing", "none"], default="missing", help="train what is missing, or not")
    add_what_is_trained(book)


def add_try(commands: Commands) -> None:
    """``apg try``."""
    yours = commands.add_parser("try", help="does APG pay on your data? a search, a verdict, a report, a model")
    yours.set_defaults(command=try_)
    yours.add_argument("file", type=Path, help="your rows: CSV, TSV, JSON lines (also .gz) or Parquet")
    yours.add_argument("--label", default="", metavar="COLUMN", help="what to predict")
    yours.add_argument("--positive", default="", metavar="VALUE", help="the label's value that counts as 1")
    for name, what in {
        "fields": "ids and categories", "numbers": "quantities", "drop": "to be left out",
    }.items():  # fmt: skip
        yours.add_argument(
            f"--{name}", default="", metavar="A,B", help=f"columns that are {what}, whatever they look like"
        )
    for name in ("user", "item", "time"):
        yours.add_argument(f"--{name}", default="", metavar="COLUMN", help=f"the column of the {name}")
    yours.add_argument(
        "--schema", type=Path, metavar="FILE", help="columns as in this file, an edited schema.json or TOML"
    )
    yours.add_argument("--show", action="store_true", help="show the columns, and stop")
    yours.add_argument("--split", default="", help="random (default), time, or column:NAME with train, valid and test")
    yours.add_argument("--min-count", type=int, metavar="N", help="rarer ids share one id with unseen ones; default: 2")
    yours.add_argument("--backbone", default="WDL", help="WDL (default), DeepFM, DCN and so on")
    yours.add_argument("--minutes", type=float, default=5.0, help="for the search and the seeds; default: 5")
    yours.add_argument("--trials", type=int, help="of each side; default: what fits into the minutes")
    yours.add_argument("--seeds", type=int, help="paired seeds of the best; default: what fits into the minutes")
    yours.add_argument("--rows", type=int, help="of a random sample; default: all, or what fits into the minutes")
    yours.add_argument("--out", metavar="FOLDER", help="where everything is kept; default: NAME_apg")
    yours.add_argument("--device", default="cpu", help="where to train: cpu, cuda, cuda:1")


def add_what_is_trained(command: argparse.ArgumentParser) -> None:
    """The options that ``run`` and ``notebooks`` share."""
    command.add_argument("--profile", choices=get_args(Profile), default="quick")
    command.add_argument("--seeds", help="numbers joined by commas; default: the profile's")
    command.add_argument("--device", default="cpu", help="where to train and to take times: cpu, cuda, cuda:1")


def run(args: argparse.Namespace) -> None:
    """Trains what is missing, then prints the tables; or trains runs again and prints the differences."""
    from apg_repro.experiments import get_suite
    from apg_repro.rows.evidence import gather
    from apg_repro.rows.store import Store
    from apg_repro.run.suite import check_ready, describe_again, run_again, run_suite
    from apg_repro.study import usual_datasets

    suite, store = get_suite(args.suite), Store(args.results)
    cluster = cluster_of(args)
    if args.deterministic:
        if cluster:
            raise UserError("--deterministic is for runs on this machine: leave out --executor")
        from apg_repro.run.task import be_deterministic

        be_deterministic()
    where = {"device": args.device, "jobs": args.jobs, "threads": args.threads, "cluster": cluster, "store": store}
    if not suite.is_trained and (args.seeds or args.jobs or args.threads or cluster):
        raise UserError(
            f"{suite.name} trains nothing, it counts or measures: leave out --seeds, --jobs, --threads and --executor"
        )
    datasets = parse_datasets(args.datasets) or usual_datasets(suite, args.profile)
    suite.check_datasets(*datasets)
    plans = [Plan(profile=args.profile, dataset=dataset, seeds=parse_seeds(args.seeds)) for dataset in datasets]
    for plan in plans if args.again is None else ():
        check_ready(suite, plan, store)  # of all, before the first is trained
    for plan in plans:
        if args.again is not None:
            print(describe_again(run_again(suite, plan, args.again, **where)))
            continue
        run_suite(suite, plan, **where)
        print(f"\n{suite.title}, {plan.dataset}, profile {args.profile}")
        try:
            from apg_repro.summary import summary

            print(summary(gather(suite, plan.on(args.device), store)))
        except ModuleNotFoundError as error:  # a machine that is there to train
            print(f"rows: {store.root / args.profile}; a summary needs {error.name}: pip install 'apg-repro[book]'")


def cluster_of(args: argparse.Namespace) -> "Cluster | None":
    """The other machines to train on; None for this one."""
    options = parse_options(args.cluster_options)
    if args.executor == "processes":
        if args.address or args.gpus_per_run is not None or options:
            raise UserError("--address, --gpus-per-run and --cluster-options need --executor ray or submitit")
        return None
    from apg_repro.run.executors import Cluster

    return Cluster(kind=args.executor, address=args.address, gpus_per_run=args.gpus_per_run, options=options)


def numerics(args: argparse.Namespace) -> None:
    """Compares the golden runs with the record, or records them."""
    from apg_repro.experiments import declared
    from apg_repro.run.golden import cases_of, compare_cases, record_cases

    cases = cases_of(declared())
    if args.record:
        if args.device != "cpu":
            raise UserError("golden runs are recorded on the CPU, in double precision: leave out --device")
        news = record_cases(cases)
        print("\n".join(f"{name}: {what}" for name, what in news.items()) or "nothing has moved")
        return
    report = compare_cases(cases, device=args.device)
    print(report.text)
    if not report.is_same and args.device != "cpu":
        raise UserError(f"golden runs on {args.device} are not recorded, or further from the record than rounding is")
    if not report.is_same:
        raise UserError(
            "golden runs have moved: if that was meant, `python -m apg_repro numerics --record` raises the versions of "
            "these cases, and `make test` lists the rows to be trained again"
        )


def selfcheck(args: argparse.Namespace) -> None:
    """Checks a device, line by line."""
    from apg_repro.run.selfcheck import line, self_check

    failed = 0
    for check in self_check(args.device):
        print(line(check), flush=True)
        failed += check.outcome == "failed"
    if failed:
        raise UserError(f"{failed} checks failed on {args.device}: do not trust rows that are trained there")


def notebooks(args: argparse.Namespace) -> None:
    """Executes notebooks into ``book/executed/``."""
    from apg_repro.book import execute_for_book

    parameters = {
        "profile": args.profile,
        "datasets": parse_datasets(args.datasets),
        "seeds": list(parse_seeds(args.seeds)),
        "device": args.device,
        "run": args.run,
    }
    execute_for_book(args.names, parameters)


def try_(args: argparse.Namespace) -> None:
    """Tries APG on the user's own rows."""
    try:
        from apg_repro.yours.columns import Wishes
        from apg_repro.yours.trying import Request, try_apg
    except ModuleNotFoundError as error:
        raise UserError(f"`apg try` needs {error.name}: pip install 'apg-repro[try]'") from error
    wishes = Wishes(
        positive=args.positive, fields=tuple(parse_names(args.fields)), numbers=tuple(parse_names(args.numbers)),
        drop=tuple(parse_names(args.drop)), user=args.user, item=args.item, time=args.time, split=args.split,
        min_count=args.min_count,
    )  # fmt: skip
    if args.schema and wishes != Wishes():
        raise UserError("--schema says what each column is: write it there, and leave out other options on columns")
    if args.out == "":  # an unset variable of a shell, say
        raise UserError("--out names no folder: leave it out, or give one")
    names = ("file", "label", "schema", "backbone", "minutes", "trials", "seeds", "rows", "device", "show")
    request = Request(
        wishes=wishes, out=args.out and Path(args.out), **{name: getattr(args, name) for name in names}
    )  # fmt: skip
    try_apg(request, ["apg", "try", *args.typed])


def parse_names(text: str) -> list[str]:
    """Names joined by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_datasets(text: str | None) -> list[str]:
    """Names joined by commas; none where the option is left out."""
    names = parse_names(text or "")
    if text is not None and not names:
        raise UserError(f"--datasets names none in {text!r}: name some, joined by commas, or leave the option out")
    return names


def parse_options(text: str) -> dict[str, Any]:
    """NAME=VALUE joined by commas; values that are JSON, such as numbers, are taken as such."""
    found = {}
    for part in parse_names(text):
        name, equals, value = part.partition("=")
        if not (name and equals):
            raise UserError(f"--cluster-options must be NAME=VALUE joined by commas, not {text!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def parse_seeds(text: str | None) -> tuple[int, ...]:
    """Numbers joined by commas; none where the option is left out."""
    try:
        return () if text is None else tuple(int(seed) for seed in text.split(","))
    except ValueError as error:
        raise UserError(f"--seeds must be numbers joined by commas, not {text!r}") from error


def status(args: argparse.Namespace) -> None:
    """Prints how many runs each suite has and lacks, per data set."""
    from apg_repro.experiments import SUITES
    from apg_repro.rows.evidence import gather, progress
    from apg_repro.rows.store import Store

    store = Store()
    for suite in SUITES.values():
        found = [gather(suite, Plan(profile=args.profile, dataset=name), store) for name in suite.datasets]
        for evidence in found:
            if evidence.is_begun:
                print(f"{suite.name:12} {args.profile:6} {evidence.plan.dataset:20} {in_words(progress(evidence))}")
        if nothing := [evidence.plan.dataset for evidence in found if not evidence.is_begun]:
            print(f"{suite.name:12} {args.profile:6} nothing yet: {', '.join(nothing)}")


def in_words(found: Mapping[str, tuple[int, int]]) -> str:
    """How many runs and measurements there are, of how many."""
    have, wanted = found["search"]
    later = " (more runs once the search is done)" if have < wanted else ""
    return ", ".join(f"{name} {there} of {in_all}" for name, (there, in_all) in found.items()) + later


if __name__ == "__main__":
    sys.exit(main())
