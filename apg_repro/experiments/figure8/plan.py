"""Figure 8: base and APG, scored by groups of users."""

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.experiments.grids import APG
from apg_repro.suite import Cell, Plan, Suite


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base and APG, scored by groups of users."""
    observe = {"observe": "user_groups"}
    return (
        Cell(name="base", options=observe, against=None),
        Cell(name="apg", options={**APG[plan.profile], **observe}),
    )


SUITE = Suite(name="figure8", title="Figure 8: rare and frequent users", datasets=REAL_OR_SYNTHETIC, cells=cells)
