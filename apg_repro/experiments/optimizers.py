"""Adam row by row against Adam, for base and for APG."""

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.experiments.grids import APG, BY_ROW
from apg_repro.suite import Cell, Plan, Suite


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Either optimiser for either model."""
    apg = APG[plan.profile]
    return (
        Cell(name="base", against=None),
        Cell(name="base by row", options=BY_ROW),
        Cell(name="apg", options=apg, against=None),
        Cell(name="apg by row", options={**apg, **BY_ROW}, against="apg"),
    )


SUITE = Suite(name="optimizers", title="Adam row by row", datasets=REAL_OR_SYNTHETIC, cells=cells)
