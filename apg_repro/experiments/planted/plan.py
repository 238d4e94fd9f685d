"""Planted truth: when does APG pay, and is it the specific parameters that do it?

Synthetic rows whose groups differ by a known amount (``data/planted.py``), swept one number at a time around a centre.
All models see the group as a feature, so none knows more than base. The controls have as many weights in their hidden
layers as APG by group, and nothing specific: base widened until it has as many; APG by groups that are shuffled between
users, which is the same function of a condition without a meaning; APG whose condition is the same for all, which is
the same layers, factorised and over-parameterised, with one S for everyone. Self-wise APG has to find the group within
its input. Star stores weights for every group, which APG generates.

K is the largest and P the smallest of the paper's grid, and two hidden layers do for rows as simple as these. Models
may pause for several epochs before they find the groups, and whether a run stops on such a plateau moves its AUC by
about a point: so early stopping waits for eight epochs here, and the limit of epochs is out of the way. Star takes
several times as long as the others, so it has fewer seeds.
"""

from dataclasses import replace
from typing import Any

from apg_repro.data.planted import CENTRE, PLANTED, SWEEPS
from apg_repro.experiments.grids import DAMPED_BASE
from apg_repro.suite import Cell, Plan, Suite

BY_GROUP = "APG by group"
# What could explain a gain without specific parameters: cell → what tables call it.
CONTROLS = {
    "wide base": "wide base",
    "APG, shuffled groups": "shuffled groups",
    "APG, one group": "one group",
}


REGISTERED = "or changed when five seeds with a patience of 3 and APG's other start were known"


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base and APG by group, what could explain a difference without specific parameters, and three further ways."""
    size: dict[str, Any] = {"d_embedding": 16, "hidden": (64, 32), "patience": 8, "max_epochs": 100}
    apg = size | {"version": "v5", "rank": 8, "over": 32}
    found = (
        Cell(name="base", options=size | {"observe": "truth"}, against=None),
        replace(DAMPED_BASE, paper_row=None, options={**size, **DAMPED_BASE.options}),
        Cell(name="wide base", options=size | {"hidden": (100, 50)}, cost_tier=1),
        Cell(name="APG, shuffled groups", options=apg | {"condition": "shuffled"}, cost_tier=1),
        Cell(name="APG, one group", options=apg | {"condition": "everyone"}, cost_tier=1),
        Cell(name=BY_GROUP, options=apg | {"condition": "group"}),
        Cell(name="APG by group, static start", options=apg | {"condition": "group", "init": "static_start"},
             cost_tier=2),
        Cell(name="APG, self-wise", options=apg, cost_tier=2),
        Cell(name="Star by group", backbone="Star", options=size | {"domain": "group"}, n_seeds=3, cost_tier=3),
    )  # fmt: skip
    return tuple(replace(cell, registered=REGISTERED) for cell in found)


SUITE = Suite(
    name="planted", title="Planted truth", datasets=tuple(PLANTED),
    quick=(SWEEPS["heterogeneity"][0].name, CENTRE.name), cells=cells,
)  # fmt: skip
