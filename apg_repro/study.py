"""What a notebook opens: its parameters checked, the missing runs trained if asked for, the rows at hand.

``runs`` gives the runs of a table as a DataFrame, ``try_`` draws a run of your own beside them. Imports torch only to
train.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from apg_repro.catalogue import data_set, is_prepared
from apg_repro.config import Profile, RunConfig, kind_of
from apg_repro.errors import UserError
from apg_repro.experiments import get_suite
from apg_repro.injected import assigned_names, injected_names
from apg_repro.paths import RESULTS
from apg_repro.report.style import show_style
from apg_repro.rows.evidence import Evidence, begun, gather
from apg_repro.rows.numerics import why_stale
from apg_repro.rows.row import TrainedRow
from apg_repro.rows.store import Store
from apg_repro.suite import SIZES, Plan, Suite, command

if TYPE_CHECKING:
    import pandas as pd

    from apg_repro.report.figures import Picture

# Every notebook has these parameters. An empty list means "what is at hand".
PARAMETERS = {"profile": str, "datasets": list, "seeds": list, "device": str, "run": str}
RUN = ("missing", "none")
OWN = RESULTS / "local"  # the rows of ``try_``, which git ignores


@dataclass(frozen=True, kw_only=True)
class Study:
    """A suite as one notebook sees it.

    Attributes:
        found: what the store holds of it, one per data set.
        command: what trains the missing runs, for a shell.
    """

    found: list[Evidence]
    command: str


def open(name: str, notebook: Mapping[str, Any]) -> Study:  # noqa: A001 (study.open)
    """Checks a notebook's parameters, trains what the store lacks if ``run`` says so, and reads the rows.

    Args:
        name: of the suite.
        notebook: the notebook's ``globals()``. Papermill passes lists as text (``-p seeds "[1]"``); both work.

    Raises:
        UserError: a parameter is unknown, of the wrong type or without an effect; a data set is not prepared.
    """
    suite = get_suite(name)
    given = parameters(notebook, idle=() if suite.is_trained else ("seeds",))
    profile, run = given["profile"], given["run"]
    check_profile(profile)
    if run not in RUN:
        raise UserError(f'run must be "missing" (train what the store lacks) or "none" (only read), not {run!r}')
    kind_of(given["device"])
    store = Store()
    datasets = given["datasets"] or at_hand(suite, profile, run, store)
    suite.check_datasets(*datasets)
    plans = [Plan(profile=profile, dataset=dataset, seeds=tuple(given["seeds"])) for dataset in datasets]
    if run == "missing":
        from apg_repro.run.suite import run_suite  # torch, which only reading does not need

        for plan in plans:
            if not given["datasets"] and not is_prepared(plan.dataset):
                continue  # its page says that the file is not at hand
            run_suite(suite, plan, device=given["device"], store=store)
    found = [gather(suite, plan, store) for plan in plans]
    if run == "none":
        check_rows(found, given["seeds"])
    return Study(found=found, command=command(name, profile, datasets, given["seeds"]))


def check_profile(profile: str) -> None:
    """Raises a UserError if there is no such profile."""
    if profile not in get_args(Profile):
        raise UserError(f"profile must be quick or full, not {profile!r}")


def check_rows(found: Sequence[Evidence], seeds: Sequence[int]) -> None:
    """Raises a UserError if one of these seeds has no row, so that asking for it changes nothing."""
    trained = {row.config.seed for evidence in found for row in evidence.trained}
    unknown = [seed for seed in seeds if seed not in trained]
    if trained and unknown:
        raise UserError(f'there are no rows of seed {", ".join(map(str, unknown))}: run = "missing" trains them')


def runs(name: str, profile: Profile = "full", datasets: str | Sequence[str] = ()) -> "pd.DataFrame":
    """The reported runs of a suite, one row per cell, protocol and seed, to filter, group and plot.

    Columns: dataset, backbone, cell, protocol, seed, epoch; valid_auc and test_auc in percent, test_logloss in nats;
    difference of test AUC from the cell's reference with the same seed, in points, and which reference that is; the
    options of the run that say what it is; n_parameters, n_hidden, n_served, seconds of training, status and id.

    Args:
        name: of the suite, such as "table4".
        profile: "full", the committed runs, or "quick".
        datasets: such as ["movielens"], or one name; none: all that have rows.

    Raises:
        UserError: no such suite, profile or data set.
    """
    import pandas as pd

    from apg_repro.report.frames import run_lines

    return pd.DataFrame([line for evidence in stored(name, profile, datasets) for line in run_lines(evidence)])


def stored(name: str, profile: Profile = "full", datasets: str | Sequence[str] = ()) -> list[Evidence]:
    """What the store holds of a suite, one per data set; arguments and errors as for ``runs``."""
    check_profile(profile)
    suite, store = get_suite(name), Store()
    datasets = [datasets] if isinstance(datasets, str) else datasets
    suite.check_datasets(*datasets)
    if not datasets:
        return begun(suite, store, profile)
    return [gather(suite, Plan(profile=profile, dataset=dataset), store) for dataset in datasets]


def try_(config: RunConfig, beside: str = "table4", profile: Profile = "full", device: str = "cpu") -> "Picture":
    """Trains a run of your own and draws it beside the committed ones; one that is in the store is not trained again.

    Its row goes to ``results/local/``, which git ignores: no page shows it.

    Args:
        config: the run.
        beside: the suite to compare it with.
        profile: whose runs to compare it with.
        device: where to train.

    Raises:
        UserError: the suite has no base or no rows on the run's data set, or rows of another sample; the run cannot be
            trained, or its row is of earlier code or data.
    """
    from apg_repro.report.figures import beside_figure

    check_profile(profile)
    suite, store = get_suite(beside), Store()
    suite.check_datasets(config.dataset)
    evidence = gather(suite, Plan(profile=profile, dataset=config.dataset), store)
    if "base" not in {cell.name for cell in evidence.cells}:
        raise UserError(f'{beside} has no runs of base to compare with: take another suite, such as beside="table4"')
    if not evidence.trained:
        trains = command(beside, profile, [config.dataset])
        raise UserError(f"{beside} has no {profile} runs on {config.dataset} to compare with: {trains} trains them")
    if config.rows != (rows := SIZES[profile].get("rows")):
        raise UserError(f"the {profile} runs were trained with rows={rows}: take the same rows, or nothing compares")
    return beside_figure(evidence, evidence.runs.get(config.id) or own_run(config, profile, device))


def own_run(config: RunConfig, profile: Profile, device: str) -> TrainedRow:
    """The row of a run of your own, trained now unless it was before."""
    own = Store(OWN)
    known = own.runs(profile, config.dataset)
    if config.id in known and (reason := why_stale(known[config.id])):
        path = own.runs_path(profile, config.dataset)
        raise UserError(f"your run is in {path}, but {reason}: delete that file, and it is trained again")
    if config.id not in known:
        from apg_repro.run.driver import train_all  # torch
        from apg_repro.run.suite import workers

        _, threads = workers(device, 1, None, None)
        own.check_writable(own.runs_path(profile, config.dataset))
        for _ in train_all(
            [config], own, profile, device=device, jobs=1, threads=threads, title=f"your run on {config.dataset}"
        ):
            pass  # it is in the store by now, whoever has trained it
        known = own.runs(profile, config.dataset)
    return known[config.id]


def parameters(notebook: Mapping[str, Any], idle: Sequence[str] = ()) -> dict[str, Any]:
    """The five parameters, lists given as text parsed. In Jupyter, tables get the book's colours from here on.

    Args:
        notebook: its ``globals()``.
        idle: the lists that this notebook makes no use of, and which have to stay empty.

    Raises:
        UserError: one is missing, of the wrong type or without an effect; the parameters cell, or papermill, sets a
            name that is none of them.
    """
    injected, assigned = injected_names(notebook), assigned_names(notebook, PARAMETERS)
    unknown = sorted((injected | assigned) - set(PARAMETERS))
    if unknown:
        raise UserError(
            f"unknown parameter {', '.join(unknown)}; this notebook takes {', '.join(PARAMETERS)}. To train a model "
            "with other options: study.try_(RunConfig(...)), as in notebooks/hands_on.ipynb"
        )
    given = {}
    for name, kind in PARAMETERS.items():
        if name not in notebook or (assigned and name not in assigned | injected):
            raise UserError(f"the parameters cell lacks {name}")
        value = as_list(name, notebook[name]) if kind is list else notebook[name]
        if not isinstance(value, kind):
            in_yaml = ": in YAML, put it into quotes" if kind is str and isinstance(value, bool) else ""  # run: no
            raise UserError(f"parameter {name} must be a {kind.__name__}, not {value!r}{in_yaml}")
        given[name] = value
    if not all(isinstance(seed, int) and not isinstance(seed, bool) for seed in given["seeds"]):
        raise UserError(f"seeds must be whole numbers, as in [1, 2]; got {given['seeds']}"[:200])
    if not all(isinstance(dataset, str) for dataset in given["datasets"]):
        raise UserError(f'datasets must be names, as in ["movielens"]; got {given["datasets"]}')
    for name in idle:
        if given[name]:
            raise UserError(f"{name} changes nothing in this notebook: leave it empty, {name} = []")
    show_style()
    return given


def as_list(name: str, value: Any) -> Any:
    """Text such as ``[1, 2]``, ``1`` or ``movielens,synthetic`` as a list; a single number as a list of one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, str):
        return value
    try:
        parsed = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):  # the last two: it is nested too deep
        if value.startswith("["):
            raise UserError(
                f'parameter {name} must be a list such as [1, 2] or ["movielens"], not {value[:100]}'
            ) from None
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(parsed, tuple):
        return list(parsed)
    return parsed if isinstance(parsed, list) else [parsed]


def at_hand(suite: Suite, profile: Profile, run: str, store: Store) -> list[str]:
    """The data sets to show: those with rows, if nothing is to be trained; else the prepared ones.

    The synthetic set is left out where a real one is at hand. Of the real ones, the first is trained, and those that
    have rows already; the others when they are asked for by name.
    """
    plans = [Plan(profile=profile, dataset=dataset) for dataset in suite.wanted(profile)]
    with_rows = [plan.dataset for plan in plans if gather(suite, plan, store).is_begun]
    found = with_rows if run == "none" else [name for name in suite.wanted(profile) if is_prepared(name)]
    real = [name for name in found if data_set(name).kind == "real"]
    left_out = set(real[1:]) - set(with_rows) | ({"synthetic"} if real else set())
    return [name for name in found if name not in left_out] or list(suite.datasets[:1])


def usual_datasets(suite: Suite, profile: Profile) -> tuple[str, ...]:
    """What the command line takes without ``--datasets``: the first real one, or all of a suite without any."""
    real = [name for name in suite.datasets if data_set(name).kind == "real"]
    return tuple(real[:1]) or suite.wanted(profile)
