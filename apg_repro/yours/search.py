"""The search: base and APG get the same number of trials on the same rows, and are pruned alike.

Trials train with seed 0, which is never reported, and see training and validation rows only. They lie in a journal of
Optuna's in the work folder; a trial that was interrupted is done again.
"""

import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from apg_repro.catalogue import YOURS
from apg_repro.config import RunConfig
from apg_repro.data.dataset import Dataset
from apg_repro.errors import UserError, first_line
from apg_repro.paths import write_whole
from apg_repro.rows.provenance import cores
from apg_repro.rows.row import check_types
from apg_repro.seeds import derive_seed
from apg_repro.training.build import build
from apg_repro.training.timing import clock, threads
from apg_repro.training.train import make_step, train_on
from apg_repro.yours.prepare import Prepared
from apg_repro.yours.read import stored

Side = str  # one of ``SIDES``
SIDES: tuple[Side, ...] = ("base", "apg")

FEWEST_TRIALS, MOST_TRIALS = 6, 40
FEWEST_SEEDS, MOST_SEEDS = 5, 10
MIN_SAMPLE = 20_000  # rows
SEARCH_SHARE = 0.4  # of the time; seeds get as much, and the rest is for baselines, times and the report
EXPECTED_EPOCHS = 4.0  # passes over the training rows that a run is expected to take
MAX_CONDITIONS = 6  # fields that are tried as a group-wise condition
# With a self-wise condition of some hundred inputs a step of the others costs many times as much.
VERSIONS = ["v4", "v5"]
SPACE_VERSION = 2  # to be raised with every change of what is searched: a folder of an older space is searched anew
PATIENCE = 2  # epochs without a better validation AUC; a user's validation rows may be few, and their AUC noisy
N_RANDOM_TRIALS = 8  # random trials, before earlier ones guide the choice
PROBE_STEPS, PROBE_BATCH, PROBE_ON_GPU = 5, 1024, 20
# What each side begins with: the defaults of this project, and the same with smaller steps.
APG = {"version": "v5", "rank": 8, "over": 128, "condition": "self", "init": "static_bias"}
STARTS: dict[Side, tuple[dict[str, Any], ...]] = {
    side: tuple({"learning_rate": rate, "weight_decay": 0.0, **options} for rate in (0.005, 0.001))
    for side, options in zip(SIDES, ({"base_damping": False}, APG), strict=True)
}


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much is done. Kept in the work folder, so that a resumed run goes on with it.

    Attributes:
        trials: of each side. search_rows: rows of which trials see a random sample.
        seeds: paired seeds of the best of each side. rows: rows of which they see a random sample.
        total: rows in all.
        threads: that torch uses.
    """

    threads: int
    backbone: str
    trials: int
    search_rows: int
    seeds: int
    rows: int
    total: int

    @property
    def words(self) -> str:
        """What will be done, in a sentence."""
        return (
            f"{self.trials} trials of each side on {of_all(self.search_rows, self.total)}, then {self.seeds} paired "
            f"seeds of the best of each on {of_all(self.rows, self.total)}"
        )

    def save(self, path: Path) -> None:
        """Writes it as JSON."""
        write_whole(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Budget":
        """The one that was saved.

        Raises:
            UserError: it is damaged.
        """
        try:
            found = cls(**stored(path))
            check_types(found)
            if any(isinstance(value, int) and value < 1 for value in asdict(found).values()):
                raise ValueError("a number is below 1")
        except (TypeError, ValueError) as error:
            raise UserError(f"{path} is damaged ({first_line(error)}): delete its folder, and begin again") from error
        return found


def of_all(rows: int, total: int) -> str:
    """How many rows, in words."""
    return f"all {total:,} rows" if rows == total else f"a random {rows:,} of {total:,} rows"


def budget(total: int, seconds_per_row: float, minutes: float, backbone: str, n_threads: int) -> Budget:
    """What fits into the time: all rows if possible, else a sample for the search, else for the seeds too.

    Args:
        total: rows.
        seconds_per_row: of a training step of base and one of APG together.
        minutes: the time.
    """
    pair = 0.8 * EXPECTED_EPOCHS * seconds_per_row  # seconds per row of one run of each side
    share = SEARCH_SHARE * 60 * minutes
    search_rows, trials = fit(total, pair, share, FEWEST_TRIALS, MOST_TRIALS)
    rows, seeds = fit(total, pair, share, FEWEST_SEEDS, MOST_SEEDS)
    return Budget(
        backbone=backbone,
        threads=n_threads,
        trials=trials,
        search_rows=search_rows,
        seeds=seeds,
        rows=rows,
        total=total,
    )


def fit(total: int, pair: float, seconds: float, fewest: int, most: int) -> tuple[int, int]:
    """Rows and pairs of runs that fit into some seconds: the fewest pairs on a sample, or more on all rows."""
    pairs = min(seconds / (pair * total), most)
    if pairs >= fewest:
        return total, int(pairs)
    return min(total, max(MIN_SAMPLE, int(seconds / (pair * fewest)))), fewest


def speed(data: Dataset, backbone: str) -> tuple[float, int]:
    """Seconds per row of a training step of base and one of APG; and with how many threads, one or all cores'.

    Several threads are slower than one where other programs use the cores.
    """
    found = {n: time_steps(data, backbone, n) for n in dict.fromkeys([1, cores()])}
    fastest = min(found, key=lambda n: found[n])
    return found[fastest], fastest


def time_steps(data: Dataset, backbone: str, n_threads: int) -> float:
    """Seconds per row of training base and APG, as they begin the search: the median of some short epochs.

    On a GPU an epoch has more steps: the very first are launched one by one, and the others, which count, are replayed.
    """
    device, total = data.labels.device, 0.0
    rows = torch.arange(min(PROBE_BATCH, len(data)), device=device).repeat(1 if device.type == "cpu" else PROBE_ON_GPU)
    with threads(n_threads):
        for side in SIDES:
            config = config_of(side, STARTS[side][0], seed=0, rows=None, backbone=backbone)
            steps = make_step(build(config, data.schema).to(device).train(), data, config)
            run = clock(lambda steps=steps: sum(steps.epoch(rows)), device=str(device))
            total += statistics.median([run() for _ in range(PROBE_STEPS + 1)][1:]) / len(rows)
    return total


def config_of(side: Side, options: dict[str, Any], *, seed: int, rows: int | None, backbone: str) -> RunConfig:
    """The run of these options."""
    version = {"version": "base"} if side == "base" else {}
    return RunConfig(dataset=YOURS, seed=seed, rows=rows, backbone=backbone, patience=PATIENCE, **version, **options)


def conditions(prepared: Prepared) -> list[str]:
    """The conditions that are tried: self-wise; a field, user and item first; mixes of user and item, and of all."""
    sizes = prepared.rows.schema.fields
    first = [name for name in (prepared.field(prepared.columns.user), prepared.field(prepared.columns.item)) if name]
    fields = list(dict.fromkeys([*first, *sorted(sizes, key=lambda name: -sizes[name])]))[:MAX_CONDITIONS]
    mixes = [f"input_attention({','.join(fields[:2])})"] if len(fields) > 1 else []
    mixes += [f"input_mean({','.join(fields)})"] if len(fields) > 2 else []
    return ["self", *fields, *mixes]


def suggest(trial: optuna.Trial, side: Side, known: list[str]) -> dict[str, Any]:
    """The options of a trial. Learning rate and weight decay are in both spaces."""
    options: dict[str, Any] = {
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 2e-2, log=True),
        "weight_decay": trial.suggest_categorical("weight_decay", [0.0, 1e-6, 1e-5, 1e-4]),
    }
    if side == "base":
        return options | {"base_damping": trial.suggest_categorical("base_damping", [False, True])}
    options["version"] = trial.suggest_categorical("version", VERSIONS)
    options["rank"] = trial.suggest_categorical("rank", [4, 8, 16])
    if options["version"] == "v5":
        options["over"] = trial.suggest_categorical("over", [32, 128])
    options["condition"] = trial.suggest_categorical("condition", known)
    options["init"] = trial.suggest_categorical("init", ["static_bias", "static_start"])
    return options


def starts(side: Side, known: list[str]) -> list[dict[str, Any]]:
    """What a side begins with. APG goes on with each of the other conditions: what z is matters most."""
    others = [{**STARTS[side][0], "condition": condition} for condition in known if condition != APG["condition"]]
    return [*STARTS[side], *(others if side == "apg" else [])]


class NoLock(JournalFileOpenLock):
    """The work folder is locked already. Optuna's own lock would outlive a process that was killed."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def mend(journal: Path) -> None:
    """Takes away what is left of a last line whose writing was cut short: Optuna would write on behind it."""
    if journal.exists():
        content = journal.read_bytes()
        if not content.endswith(b"\n"):
            write_whole(journal, content[: content.rfind(b"\n") + 1])


class Search:
    """The trials of both sides in a work folder.

    Args:
        folder: holds the journal.
        prepared: the rows.
        todo: how many trials, on how many rows.
    """

    def __init__(self, folder: Path, prepared: Prepared, todo: Budget) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.todo, self.conditions = todo, conditions(prepared)
        journal = folder / "search.journal"
        mend(journal)
        try:
            storage = JournalStorage(JournalFileBackend(str(journal), NoLock(str(journal))))
            self.studies = {side: self.open(storage, side) for side in SIDES}
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{journal} is damaged ({first_line(error)}): delete it, and the search begins anew"
            ) from error

    def open(self, storage: JournalStorage, side: Side) -> optuna.Study:
        """The study of one side: new, with the points that it begins with, or as it was left."""
        study = optuna.create_study(
            study_name=f"{side}, {self.todo.backbone}, {self.todo.search_rows} rows, space {SPACE_VERSION}",
            storage=storage, direction="maximize", load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
        )  # fmt: skip
        for start in starts(side, self.conditions):
            study.enqueue_trial(start, skip_if_exists=True)
        return study

    def done(self, side: Side) -> int:
        """Trials that have ended, pruned ones among them."""
        return len(self.studies[side].get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))

    @property
    def missing(self) -> int:
        """Trials that are still to be done, of both sides together."""
        return sum(max(0, self.todo.trials - self.done(side)) for side in SIDES)

    def run(
        self, parts: tuple[Dataset, Dataset, Dataset], until: float = math.inf,
        on_trial: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        """Does what is missing, one trial of each side in turn.

        Args:
            parts: of seed 0's split. The test rows are not looked at.
            until: a time of ``time.monotonic``, after which no pair begins, once there are three.
            on_trial: called after every trial.
        """
        while self.missing:
            pairs = min(map(self.done, SIDES))
            if time.monotonic() > until and pairs >= 3:
                break
            for side in SIDES:
                if self.done(side) == pairs:
                    self.try_one(side, parts)
                    on_trial()

    def try_one(self, side: Side, parts: tuple[Dataset, Dataset, Dataset]) -> None:
        """Does the next trial of one side."""
        study, number = self.studies[side], self.done(side)
        # Seeded by how many there have been: a resumed search chooses what one without a break would choose.
        seed = derive_seed(0, "search", side, number) % 2**32
        study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=N_RANDOM_TRIALS)
        broken = study.get_trials(states=(TrialState.RUNNING,))  # its process was stopped: the same trial begins anew
        for name, values in broken[0].distributions.items() if broken else ():
            if name not in broken[0].system_attrs.get("fixed_params", {}):  # drawn once more, so that the next differ
                study.sampler.sample_independent(study, broken[0], name, values)
        trial = optuna.Trial(study, broken[0]._trial_id) if broken else study.ask()
        reported = broken[0].intermediate_values if broken else {}
        options = suggest(trial, side, self.conditions)
        config = config_of(side, options, seed=0, rows=self.todo.search_rows, backbone=self.todo.backbone)

        def report(entry: dict[str, Any]) -> None:
            if "valid_auc" in entry and math.isfinite(entry["valid_auc"]):
                if entry["epoch"] not in reported:
                    trial.report(entry["valid_auc"], entry["epoch"])
                if trial.should_prune():
                    raise optuna.TrialPruned

        train_rows, valid, _ = parts
        try:
            result, _ = train_on(config, (train_rows, valid, valid), report)
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
            return
        aucs = [entry["valid_auc"] for entry in result.history if math.isfinite(entry["valid_auc"])]
        study.tell(trial, max(aucs) if aucs and result.status == "ok" else 0.0)

    def best(self, side: Side) -> tuple[dict[str, Any], float]:
        """The options of the best trial, and its validation AUC from 0 to 1."""
        trial = self.studies[side].best_trial
        return dict(trial.params), float(trial.value or 0.0)

    def trials(self, side: Side) -> list[dict[str, Any]]:
        """Every trial that has ended: {"state", "valid_auc", **options}."""
        ended = self.studies[side].get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
        return [{"state": trial.state.name.lower(), "valid_auc": trial.value, **trial.params} for trial in ended]
