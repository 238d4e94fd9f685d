"""Table 9: how the conditions of a mix are joined."""

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.experiments.grids import BASE, DAMPED_BASE, mixed
from apg_repro.labels import AGGREGATIONS
from apg_repro.suite import Cell, Plan, Suite, printed

INPUT, OUTPUT = (tuple(f"{where}_{how}" for how in AGGREGATIONS) for where in ("input", "output"))
WAYS = INPUT + OUTPUT


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Before G or after it; by mean, side by side, by attention."""
    return (BASE, DAMPED_BASE, *(printed(name, options=mixed(plan, name)) for name in WAYS))


SUITE = Suite(name="table9", title="Table 9: aggregations", datasets=REAL_OR_SYNTHETIC, cells=cells)
