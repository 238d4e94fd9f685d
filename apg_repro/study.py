"""What a notebook opens: its parameters checked, the missing runs trained if asked for, the rows at hand.

Imports torch only to train.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from apg_repro.catalogue import data_set, is_prepared
from apg_repro.config import Profile
from apg_repro.errors import UserError
from apg_repro.experiments import get_suite
from apg_repro.injected import injected_names
from apg_repro.rows.evidence import Evidence, gather
from apg_repro.rows.store import Store
from apg_repro.suite import SEEDS, Plan, Suite, command

# Every notebook has these parameters. An empty list means "what is at hand".
PARAMETERS = {"profile": str, "datasets": list, "seeds": list, "device": str, "run": str}
RUN = ("missing", "none")


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
        UserError: a parameter is unknown or of the wrong type; a data set is not prepared.
    """
    suite = get_suite(name)
    given = parameters(notebook)
    profile, run = given["profile"], given["run"]
    if profile not in get_args(Profile):
        raise UserError(f"profile must be quick or full, not {profile!r}")
    if run not in RUN:
        raise UserError(f'run must be "missing" (train what the store lacks) or "none" (only read), not {run!r}')
    store = Store()
    seeds = tuple(given["seeds"]) or SEEDS[profile]
    datasets = given["datasets"] or at_hand(suite, profile, run, store)
    for dataset in datasets:
        suite.check_dataset(dataset)
    plans = [Plan(profile=profile, dataset=dataset, seeds=seeds) for dataset in datasets]
    if run == "missing":
        from apg_repro.run.suite import run_suite  # torch, which only reading does not need

        for plan in plans:
            if not given["datasets"] and not is_prepared(plan.dataset):
                continue  # its page says that the file is not at hand
            run_suite(suite, plan, device=given["device"], store=store)
    return Study(found=[gather(suite, plan, store) for plan in plans], command=command(name, profile, datasets, seeds))


def parameters(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The five parameters, lists given as text parsed.

    Raises:
        UserError: one is missing or of the wrong type, or papermill injected a name that is none of them.
    """
    unknown = sorted(injected_names(notebook) - set(PARAMETERS))
    if unknown:
        raise UserError(f"unknown parameter {', '.join(unknown)}; this notebook takes {', '.join(PARAMETERS)}")
    given = {}
    for name, kind in PARAMETERS.items():
        if name not in notebook:
            raise UserError(f"the parameters cell lacks {name}")
        value = as_list(name, notebook[name]) if kind is list else notebook[name]
        if not isinstance(value, kind):
            in_yaml = ": in YAML, put it into quotes" if kind is str and isinstance(value, bool) else ""  # run: no
            raise UserError(f"parameter {name} must be a {kind.__name__}, not {value!r}{in_yaml}")
        given[name] = value
    if not all(isinstance(seed, int) and not isinstance(seed, bool) for seed in given["seeds"]):
        raise UserError(f"seeds must be whole numbers, as in [1, 2]; got {given['seeds']}")
    if not all(isinstance(dataset, str) for dataset in given["datasets"]):
        raise UserError(f'datasets must be names, as in ["movielens"]; got {given["datasets"]}')
    return given


def as_list(name: str, value: Any) -> Any:
    """Text such as ``[1, 2]``, ``1`` or ``movielens,synthetic`` as a list; a single number as a list of one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if not isinstance(value, str):
        return value
    try:
        parsed = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        if value.startswith("["):
            raise UserError(f'parameter {name} must be a list such as [1, 2] or ["movielens"], not {value}') from None
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(parsed, tuple):
        return list(parsed)
    return parsed if isinstance(parsed, list) else [parsed]


def at_hand(suite: Suite, profile: Profile, run: str, store: Store) -> list[str]:
    """The data sets to show: those with rows, if nothing is to be trained; else the prepared ones.

    The synthetic set is left out where a real one is at hand. Of the real ones, the first is trained, and those that
    have rows already; the others when they are asked for by name.
    """
    plans = [Plan(profile=profile, dataset=dataset, seeds=SEEDS[profile]) for dataset in suite.wanted(profile)]
    with_rows = [plan.dataset for plan in plans if gather(suite, plan, store).rows]
    found = with_rows if run == "none" else [name for name in suite.wanted(profile) if is_prepared(name)]
    real = [name for name in found if data_set(name).kind == "real"]
    left_out = set(real[1:]) - set(with_rows) | ({"synthetic"} if real else set())
    return [name for name in found if name not in left_out] or list(suite.datasets[:1])


def usual_datasets(suite: Suite, profile: Profile) -> tuple[str, ...]:
    """What the command line takes without ``--datasets``: the first real one, or all of a suite without any."""
    real = [name for name in suite.datasets if data_set(name).kind == "real"]
    return tuple(real[:1]) or suite.wanted(profile)
