"""Planted truth: when does APG pay, and is it the specific parameters that do it?

Synthetic rows whose groups differ by a known amount (``data/planted.py``), swept one number at a time around a centre.
All models see the group as a feature, so none knows more than base. The controls have as many weights in their hidden
layers as APG by group, and nothing specific: base widened until it has as many; APG by groups that are shuffled between
users, which is the same function of a condition without a meaning; APG whose condition is the same for all, which is
the same layers, factorised and over-parameterised, with one S for everyone. Self-wise APG has to find the group within
its input. Star stores weights for every group, which APG generates.

Generated weights start statically: without number columns, everything that a Glorot start generates is a product of
small numbers, and as few rows as these are over before it has grown. K is the largest and P the smallest of the paper's
grid, and two hidden layers do for rows as simple as these. Models may pause for an epoch before they find the groups,
so early stopping waits for three here: whether a model stops on its way moves its AUC by about a point. Star takes
about twice as long as the others, or longer with many groups, so it has fewer seeds.
"""

from typing import Any

from apg_repro.data.planted import CENTRE, PLANTED, SWEEPS
from apg_repro.suite import Cell, Plan, Suite

BY_GROUP = "APG by group"
# What could explain a gain without specific parameters: cell → what tables call it.
CONTROLS = {
    "wide base": "wide base",
    "APG, shuffled groups": "shuffled groups",
    "APG, one group": "one group",
}


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base and APG by group, what could explain a difference without specific parameters, and two further ways."""
    size: dict[str, Any] = {"d_embedding": 16, "hidden": (64, 32), "patience": 3}
    apg = size | {"version": "v5", "rank": 8, "over": 32, "init": "static_start"}
    added = "when three seeds of the rest were known; it decides no verdict"
    return (
        Cell(name="base", options=size | {"observe": "truth"}, against=None),
        Cell(name="wide base", options=size | {"hidden": (100, 50)}),
        Cell(name="APG, shuffled groups", options=apg | {"condition": "shuffled"}),
        Cell(name="APG, one group", options=apg | {"condition": "everyone"}),
        Cell(name=BY_GROUP, options=apg | {"condition": "group"}),
        Cell(name="APG by group, static_bias", options=apg | {"condition": "group", "init": "static_bias"},
             registered=added),
        Cell(name="APG, self-wise", options=apg),
        Cell(name="Star by group", backbone="Star", options=size | {"domain": "group"}, n_seeds=3),
    )  # fmt: skip


SUITE = Suite(
    name="planted", title="Planted truth", datasets=tuple(PLANTED),
    quick=(SWEEPS["heterogeneity"][0].name, CENTRE.name), cells=cells,
)  # fmt: skip
