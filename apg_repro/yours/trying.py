"""``apg try``: from a file of rows to an answer, a report and a model, in a folder that a stopped run goes on in."""

import contextlib
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from tqdm import tqdm

from apg_repro import __version__
from apg_repro.config import kind_of
from apg_repro.errors import UserError, lacks_memory
from apg_repro.models import BACKBONES
from apg_repro.paths import write_whole
from apg_repro.rows.row import TrainedRow, finite
from apg_repro.run.task import check_device, kept_memory
from apg_repro.training.timing import threads
from apg_repro.yours import export, report, search
from apg_repro.yours.columns import Columns, Wishes, check, choose, in_words, inspect, labels_of
from apg_repro.yours.costs import costs, latency
from apg_repro.yours.prepare import Encoding, Prepared, datasets, load, prepare
from apg_repro.yours.read import Source, read, stored
from apg_repro.yours.search import SIDES, Budget, Search, Side
from apg_repro.yours.seeds import BASELINE_SEEDS, GROUPS, Seeds, baselines
from apg_repro.yours.verdict import finding

CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for.

    Attributes:
        label: the column to predict; "" if the schema says it.
        schema: a file that ``Columns.save`` wrote, in place of wishes.
        minutes: how long the search and the seeds may take together.
        trials, seeds, rows: of the plan, where they are not to follow from the minutes.
        out: the work folder.
        show: whether to stop when the columns are shown.
    """

    file: Path
    label: str = ""
    wishes: Wishes = field(default_factory=Wishes)
    schema: Path | None = None
    backbone: str = "WDL"
    minutes: float = 5.0
    trials: int | None = None
    seeds: int | None = None
    rows: int | None = None
    device: str = "cpu"
    out: Path | None = None
    show: bool = False

    @property
    def folder(self) -> Path:
        """The work folder: NAME_apg, beside the current directory's files, unless one is named."""
        return self.out or Path(f"{self.file.name.split('.')[0] or 'rows'}_apg")


def try_apg(request: Request, command: Sequence[str] = ()) -> dict[str, Any] | None:
    """Does it all, or what is still missing of it; the answer, None where only the columns were shown.

    Args:
        command: what was typed, for the report.

    Raises:
        UserError: the file, its columns or the request cannot be used; the text says why, and what to do.
    """
    start = time.monotonic()
    check_request(request)
    source = read(request.file)
    inspected, columns = columns_of(source, request)
    print(in_words(inspected, columns))
    if lacking := source.table.column(columns.label).null_count:
        print(f"{lacking:,} rows lack the label, and are left out")
    if request.show:
        return None
    folder = request.folder
    with at_work(folder), kept_memory():
        prepared = begin(folder, source, columns, request)
        todo = budget_of(folder, prepared, request)
        print(f"{todo.words}; everything is kept in {folder}")
        try:
            with threads(todo.threads):
                found = work(folder, prepared, source, todo, request, start)
        finally:
            minutes = spent(folder, time.monotonic() - start)
        found |= {
            "source": {
                "file": readable(source.path.name), "sha256": source.sha256,
                "positive_rate": float(prepared.rows.labels.mean()),
            },
            "columns": asdict(columns), "inspected": [asdict(column) for column in inspected],
            "command": readable(shlex.join(command)), "version": f"apg-repro {__version__}",
            "minutes": minutes,
        }  # fmt: skip
        return finish(folder, found)


def check_request(request: Request) -> None:
    """Raises a UserError if what is asked for cannot be, before anything is read."""
    if request.backbone not in BACKBONES:
        raise UserError(f"backbone {request.backbone!r} is unknown; choose one of {', '.join(BACKBONES)}")
    for name, value, least, most in (
        ("minutes", request.minutes, 0.1, float("inf")), ("trials", request.trials, 1, 10_000),
        ("seeds", request.seeds, 2, 1_000), ("rows", request.rows, 200, float("inf")),
    ):  # fmt: skip
        if value is not None and not value >= least:
            raise UserError(f"--{name} must be at least {least}, not {value}")
        if value is not None and value > most:
            raise UserError(f"--{name} must be at most {most:,}, not {value:,}")
    if not request.label and not request.schema:
        raise UserError("name the column to predict: --label click")
    check_device(request.device)


def columns_of(source: Source, request: Request) -> tuple[list[Any], Columns]:
    """What every column is, and which are used."""
    given = Columns.load(request.schema) if request.schema else None
    if given and request.label not in ("", given.label):
        raise UserError(
            f"--label {request.label} is not the label in {request.schema}, {given.label}: leave --label out, or write "
            "it there"
        )
    label = given.label if given else request.label
    positive = given.positive if given else request.wishes.positive
    inspected = inspect(source.table, label, labels_of(source.table, label, positive))
    names = [column.name for column in inspected]
    return inspected, check(given, names) if given else choose(inspected, label, request.wishes)


@contextlib.contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Makes the work folder, and keeps other processes out of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock").acquire(blocking=False)
    except Timeout as error:
        raise UserError(f"another process works in {folder}: wait for it, or give another folder, --out") from error
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): give another folder, --out") from error
    try:
        with lock:
            yield
    except BrokenPipeError:  # who reads the output has gone: ``main`` ends quietly
        raise
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        raise UserError("there is too little memory for these rows: take fewer, --rows 100000 --out FOLDER") from error
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be used ({error.strerror or error}): free some space, or check its "
            "permissions; the same command then goes on from there"
        ) from error


def begin(folder: Path, source: Source, columns: Columns, request: Request) -> Prepared:
    """Prepares the rows, unless they are there from an earlier run; refuses a folder that holds anything else."""
    what = {
        "sha256": source.sha256, **asdict(columns), "backbone": request.backbone, "device": kind_of(request.device)
    }  # fmt: skip
    key = hashlib.sha256(json.dumps(what).encode()).hexdigest()
    path = folder / "key"
    if path.exists():
        if path.read_bytes() != key.encode():
            raise UserError(
                f"{folder} holds the work on another file, other columns, another backbone or another kind of device: "
                "give another folder, --out"
            )
    elif others := sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith((".", "key."))):
        raise UserError(f"{folder} holds other files, such as {others[0]}: give a new folder, --out")
    else:
        write_whole(path, key)
    if (folder / "schema.json").exists():
        with contextlib.suppress(UserError):  # what is damaged is prepared again, from the same file
            return load(columns, folder)
    prepare(source, columns, folder)
    columns.save(folder / "schema.json")
    return load(columns, folder)


def budget_of(folder: Path, prepared: Prepared, request: Request) -> Budget:
    """What is done: what the folder's earlier run had planned, or what fits into the minutes; as the user wishes."""
    path, total = folder / "plan.json", len(prepared.rows.labels)
    if path.exists():
        todo = Budget.load(path)
    else:
        device = torch.device(request.device)
        n = min(total, search.MIN_SAMPLE)
        _, _, parts = datasets(prepared, 0, n, device)
        seconds, fastest = search.speed(parts[0], request.backbone)
        wanted = min(request.rows or total, total)
        todo = replace(search.budget(wanted, seconds, request.minutes, request.backbone, fastest), total=total)
    if request.rows:
        rows = min(request.rows, total)
        if path.exists() and rows != todo.rows:
            raise UserError(f"{folder} holds the work on {todo.rows:,} rows: for others give another folder, --out")
        todo = replace(todo, rows=rows, search_rows=min(todo.search_rows, rows))
    todo = replace(todo, trials=request.trials or todo.trials, seeds=request.seeds or todo.seeds)
    todo.save(path)
    return todo


def work(
    folder: Path, prepared: Prepared, source: Source, todo: Budget, request: Request, start: float
) -> dict[str, Any]:
    """The search, the seeds, the baselines, the costs and the model: what an answer says of them."""
    share = search.SEARCH_SHARE * 60 * request.minutes
    with tqdm(total=0, unit="run", file=sys.stderr) as bar:
        until = start + share if request.trials is None else float("inf")
        seek, todo = searched(folder, prepared, todo, request.device, until, bar)
        best: dict[Side, dict[str, Any]] = {side: seek.best(side)[0] for side in SIDES}
        until = start + 2 * share if request.seeds is None else float("inf")
        seeds, todo = trained(folder, prepared, todo, best, request.device, until, bar)
        stage(bar, "baselines", min(BASELINE_SEEDS, todo.seeds))
        plain = baselines(prepared, todo, folder / "baselines.json", bar.update)
        bar.set_description("times")
    rows = seeds.rows
    encoding, _, parts = datasets(prepared, 1, todo.rows, CPU)
    models = {
        side: export.trained(seeds.configs[side, 1], encoding, seeds.model_path(seeds.configs[side, 1]))
        for side in SIDES
    }
    found: dict[str, Any] = {
        "plan": asdict(todo),
        "search": {
            side: {"options": best[side], "valid_auc": seek.best(side)[1], "trials": seek.trials(side)}
            for side in SIDES
        },
        "seeds": seeds.paired, "group_names": list(GROUPS),
        "runs": {side: [run_of(rows[side, seed]) for seed in seeds.paired] for side in SIDES},
        "baselines": plain, "costs": costs(rows), "origin": origin_of(rows.values()),
        "latency": kept(
            folder / "latency.json", " ".join(seeds.configs[side, 1].id for side in SIDES),
            lambda: latency({side: export.fold(model) for side, model in models.items()}, parts[2]),
        ),
    }  # fmt: skip
    side = to_take(finding(found).word, {side: rows[side, 1] for side in SIDES})
    if not all((folder / "model" / name).exists() for name in export.FILES):  # it was taken away, to be used
        (folder / "exported.json").unlink(missing_ok=True)
    kept(
        folder / "exported.json", seeds.configs[side, 1].id,
        lambda: exported(models[side], encoding, folder / "model", source),
    )  # fmt: skip
    return found | {"exported": side}


def searched(
    folder: Path, prepared: Prepared, todo: Budget, device: str, until: float, bar: "tqdm[Any]"
) -> tuple[Search, Budget]:
    """Does the search, or what is missing of it; the search, and the budget with the trials that time has allowed."""
    seek = Search(folder, prepared, todo)
    if seek.missing:
        stage(bar, "search", seek.missing, later=2 * todo.seeds + min(BASELINE_SEEDS, todo.seeds))
        _, _, parts = datasets(prepared, 0, todo.search_rows, torch.device(device))
        seek.run(parts, until, bar.update)
        todo = replace(todo, trials=min(map(seek.done, SIDES)))
        todo.save(folder / "plan.json")  # a resumed run does not search longer, and so keeps its seeds
    return seek, todo


def trained(
    folder: Path, prepared: Prepared, todo: Budget, best: dict[Side, dict[str, Any]], device: str, until: float,
    bar: "tqdm[Any]",
) -> tuple[Seeds, Budget]:  # fmt: skip
    """Does the paired seeds, or those that are missing; the seeds, and the budget with those that time has allowed."""
    seeds = Seeds(folder, prepared, todo, best, torch.device(device))
    stage(bar, "seeds", len(seeds.missing), later=min(BASELINE_SEEDS, todo.seeds))
    seeds.run(until, bar.update)
    todo = replace(todo, seeds=len(seeds.paired))
    todo.save(folder / "plan.json")  # a resumed run does not add any
    return seeds, todo


def stage(bar: "tqdm[Any]", words: str, n: int, later: int = 0) -> None:
    """Begins a stage of n runs, after which there are others."""
    bar.set_description(words)
    bar.total = bar.n + n + later
    bar.refresh()


def to_take(word: str, rows: Mapping[Side, TrainedRow]) -> Side:
    """Which of two models to take: APG where it is better, and the other one where the weights of one are not finite.

    Args:
        word: of the verdict.
        rows: of the runs whose models they are.
    """
    base_is_finite, apg_is_finite = ("early_stopping" in rows[side].scores for side in SIDES)
    return "apg" if apg_is_finite and (word == "better" or not base_is_finite) else "base"


def kept(path: Path, key: str, make: Callable[[], Any]) -> Any:
    """What was made for this key, now or by an earlier run in this folder; JSON-ready."""
    if path.exists():
        found = stored(path, "key", "value")
        if found["key"] == key:
            return found["value"]
    value = json.loads(json.dumps(make()))
    write_whole(path, json.dumps({"key": key, "value": value}))
    return value


def exported(model: torch.nn.Module, encoding: Encoding, folder: Path, source: Source) -> list[str]:
    """Exports the model for files like this one; the names of what was written."""
    export.export(model, encoding, folder, source.form, source.delimiter)
    return sorted(path.name for path in folder.iterdir())


def origin_of(rows: Iterable[TrainedRow]) -> dict[str, Any]:
    """The origin of the run that was done last, with the device of each: a folder may have been taken elsewhere."""
    origins = sorted((row.origin for row in rows), key=lambda origin: origin.finished)
    return asdict(origins[-1]) | {"device": " and ".join(sorted({origin.device for origin in origins}))}


def run_of(row: TrainedRow) -> dict[str, Any]:
    """What an answer says of a run."""
    score = row.scores.get("early_stopping")
    return {
        "seed": row.config.seed, "id": row.id, "status": row.status, "auc": score and score.test_auc,
        "logloss": score and score.test_logloss, "epoch": score and score.epoch, "seconds": row.seconds,
        "groups": row.observed.get("early_stopping", {}),
    }  # fmt: skip


def readable(text: str) -> str:
    """The text with a sign in place of each byte that is none, as in the name of a file that another system wrote."""
    return text.encode(errors="replace").decode()


def spent(folder: Path, seconds: float) -> float:
    """Minutes of work in this folder so far, these seconds included."""
    path = folder / "seconds"
    try:
        total = seconds + (float(path.read_text()) if path.exists() else 0.0)
        if not 0 <= total < float("inf"):
            raise ValueError(f"{total} are not seconds")
    except ValueError as error:
        raise UserError(
            f"{path} is damaged: delete it, and the same command goes on, without the minutes of earlier runs"
        ) from error
    write_whole(path, f"{total:.1f}")
    return total / 60


def finish(folder: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Writes the answer and its report, and prints the verdict; the answer as it was written."""
    answer: dict[str, Any] = json.loads(json.dumps(finite(found)))
    write_whole(folder / "answer.json", json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
    page = report.html(answer, (folder / "model" / "score.py").read_text(encoding="utf-8"))
    write_whole(folder / "report.html", page)
    print(report.scores_table(answer))
    print(finding(answer).sentence)
    taken = report.NAMES[answer["exported"]]
    print(f"report: {folder / 'report.html'}; the model to take ({taken}): {folder / 'model'}")
    return answer
