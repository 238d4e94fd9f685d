"""Figure 8: base and APG, scored by groups of users."""

from dataclasses import replace

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.experiments.grids import APG, DAMPED_BASE
from apg_repro.suite import Cell, Plan, Suite


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base plain and damped, and APG, scored by groups of users."""
    observe = {"observe": "user_groups"}
    return (
        Cell(name="base", options=observe, against=None),
        replace(DAMPED_BASE, paper_row=None, options={**observe, **DAMPED_BASE.options}),
        Cell(name="apg", options={**APG[plan.profile], **observe}),
    )


SUITE = Suite(name="figure8", title="Figure 8: rare and frequent users", datasets=REAL_OR_SYNTHETIC, cells=cells)
