"""What a notebook opens: its parameters checked, the missing runs trained if asked for, the rows at hand.

Imports torch only to train.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from apg_repro.config import Profile, UserError
from apg_repro.paths import DATA
from apg_repro.report import Panel, open_panel
from apg_repro.store import Store
from apg_repro.suites import SEEDS, Plan, Suite, get_suite

# Every notebook has these parameters. An empty list stands for "what is at hand".
PARAMETERS = {"profile": str, "datasets": list, "seeds": list, "device": str, "run": str}
RUN = ("missing", "none")


@dataclass(frozen=True, kw_only=True)
class Study:
    """A suite as one notebook sees it: a panel a data set.

    Attributes:
        command: what trains the missing runs, for a shell.
    """

    panels: list[Panel]
    command: str


def open(name: str, notebook: Mapping[str, Any]) -> Study:  # noqa: A001 (study.open)
    """Checks a notebook's parameters, trains what the store lacks if ``run`` says so, and reads the rows.

    Args:
        name: of the suite.
        notebook: the notebook's ``globals()``. Papermill passes lists as text (``-p seeds "[1]"``); both serve.

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
        if dataset not in suite.datasets:
            raise UserError(f"{suite.title} has no data set {dataset!r}; choose from {', '.join(suite.datasets)}")
    plans = [Plan(profile=profile, dataset=dataset, seeds=seeds) for dataset in datasets]
    if run == "missing":
        from apg_repro.run import run_suite

        for plan in plans:
            run_suite(suite, plan, device=given["device"], store=store)
    panels = [open_panel(suite, plan, store) for plan in plans]
    command = f"python -m apg_repro run {name} --profile {profile} --datasets {','.join(datasets)}"
    if seeds != SEEDS[profile]:
        command += f" --seeds {','.join(map(str, seeds))}"
    return Study(panels=panels, command=command)


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
            raise UserError(f"parameter {name} must be a {kind.__name__}, not {value!r}")
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


def injected_names(notebook: Mapping[str, Any]) -> set[str]:
    """The names that papermill's injected cell assigns: it runs first and begins with a comment of its own."""
    names: set[str] = set()
    for source in notebook.get("In", []):
        if source.startswith("# Parameters\n"):
            tree = ast.parse(source)
            names |= {target.id for node in ast.walk(tree) if isinstance(node, ast.Assign)
                      for target in node.targets if isinstance(target, ast.Name)}  # fmt: skip
    return names


def at_hand(suite: Suite, profile: Profile, run: str, store: Store) -> list[str]:
    """The data sets to show: those with rows, if nothing is to be trained; else the prepared ones.

    The synthetic set stands in only where no real one is at hand.
    """
    if run == "none":
        plans = [Plan(profile=profile, dataset=dataset, seeds=SEEDS[profile]) for dataset in suite.wanted(profile)]
        found = [plan.dataset for plan in plans if open_panel(suite, plan, store).rows]
    else:
        found = [dataset for dataset in suite.wanted(profile) if (DATA / dataset / "manifest.json").exists()]
    real = [dataset for dataset in found if dataset != "synthetic"]
    return real or found or list(suite.datasets[:1])
