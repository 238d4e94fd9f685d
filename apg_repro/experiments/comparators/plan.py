"""APG beside other layers that depend on an instance, each searched with as many trials, and two floors.

Gates, FiLM and adapters are what a reader of today would try first. They and APG choose a learning rate and a
condition (the layer's own input, the user, the item) on validation rows; base, which has no condition, a learning rate
and as many weight decays. So do the floors. K and P of APG are fixed, as is K of the adapter, and v5 alone stands for
APG: v4 is what it is served as. All was written down before any run of gates, FiLM, adapters and floors.
"""

from dataclasses import replace
from itertools import product
from typing import Any

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.config import Measurement
from apg_repro.experiments.grids import APG, DAMPED_BASE, RATES, rates_and_decays, user_item_context
from apg_repro.suite import Cell, Options, Plan, Suite

OURS = "APG"  # the cell that the others are compared with
STEP = "step"  # what is timed
DECAYS = (0.0, 1e-6, 1e-5)  # as many as conditions
RANK = 4  # of the adapter
LAYERS: dict[str, Options] = {
    "gate": {"version": "gate"},
    "FiLM": {"version": "film"},
    "adapter": {"version": "adapter", "rank": RANK},
}
FLOORS = {"LR": "logistic regression", "FM": "factorisation machine"}  # backbone → cell
NOT_KNOWN = "before any of these had been run"
KNOWN = "when runs of base and APG on other pages were known"


def rates_and_conditions(plan: Plan) -> tuple[Options, ...]:
    """Learning rate and condition: as many points."""
    user, item, _ = user_item_context(plan.dataset)
    points = product(RATES[plan.profile], ("self", user, item))
    return tuple({"learning_rate": rate, "condition": condition} for rate, condition in points)


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base plain and damped, APG, the other layers, and the floors."""
    static: dict[str, Any] = {"grid": rates_and_decays(plan, DECAYS)}
    conditional: dict[str, Any] = {"grid": rates_and_conditions(plan)}
    return (
        Cell(name="base", against=None, registered=KNOWN, **static),
        replace(DAMPED_BASE, paper_row=None, registered=KNOWN, **static),
        Cell(name=OURS, options=APG[plan.profile], registered=KNOWN, **conditional),
        *(
            Cell(name=name, options=options, registered=NOT_KNOWN, cost_tier=int(name == "adapter"), **conditional)
            for name, options in LAYERS.items()
        ),
        *(Cell(name=name, backbone=floor, registered=NOT_KNOWN, **static) for floor, name in FLOORS.items()),
    )


def measurements(plan: Plan) -> tuple[Measurement, ...]:
    """The time of a training step."""
    return plan.measurements("comparators", (STEP,))


SUITE = Suite(
    name="comparators", title="Gates, FiLM and adapters", datasets=REAL_OR_SYNTHETIC, cells=cells,
    measurements=measurements, is_timed=True,
)  # fmt: skip
