"""What is asked: one package per table, figure or study of the book, with the same name everywhere.

A package has ``plan.py``, which declares its suite; ``measure.py``, if something is measured without training; and
``page.py``, if its page has tables or figures of its own. One with a plan alone is a module. They are found by their
names: a new one needs no entry anywhere. The errata have a page alone. Imports no torch.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from apg_repro.config import RunConfig
from apg_repro.errors import UserError
from apg_repro.suite import SEEDS, Plan, Suite, configure


def in_order(name: str) -> tuple[int, str, int]:
    """Tables, then figures, then studies; each by number."""
    printed = re.fullmatch(r"(table|figure)(\d+)", name)
    return (["table", "figure"].index(printed[1]), "", int(printed[2])) if printed else (2, name, 0)


def found() -> dict[str, Suite]:
    """The suite of every room that has one, by name."""
    paths = {room.name: f"{__name__}.{room.name}{'.plan' if room.ispkg else ''}" for room in iter_modules(__path__)}
    plans = {name: import_module(path) for name, path in paths.items() if find_spec(path)}
    return {name: plans[name].SUITE for name in sorted(plans, key=in_order) if hasattr(plans[name], "SUITE")}


SUITES = found()


def get_suite(name: str) -> Suite:
    """The suite of that name.

    Raises:
        UserError: there is none.
    """
    if name not in SUITES:
        raise UserError(f"suite {name!r} is unknown; choose one of {', '.join(SUITES)}")
    return SUITES[name]


def declared() -> list[RunConfig]:
    """One run for each point of each cell of every suite, data set and profile: whatever a suite could report."""
    return [
        configure(plan, cell, plan.seeds[0], point)
        for suite in SUITES.values()
        for profile in SEEDS
        for dataset in suite.datasets
        for plan in [Plan(profile=profile, dataset=dataset)]
        for cell in suite.cells(plan)
        for point in cell.grid or ({},)
    ]
