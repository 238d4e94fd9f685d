"""Better, or only sooner? Table 2's base and APG, read epoch by epoch, and WDL's with more patience."""

from dataclasses import replace

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.experiments.grids import APG
from apg_repro.experiments.table2 import plan as table2
from apg_repro.suite import Cell, Plan, Suite


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base, damped base and APG of every backbone, as in Table 2, and WDL's with a patience of 3."""
    apg, added = APG[plan.profile], "when the runs of Table 2 were known"
    return (
        *(
            replace(cell, paper_row=None, is_printed=False)
            for cell in table2.cells(plan)
            if cell.name in ("base", "damped base", "apg")
        ),
        Cell(name="apg, K = 8, P = 128", options=apg, registered=added),
        Cell(name="base, patience 3", options={"patience": 3}, against=None, registered=added),
        Cell(name="apg, K = 8, P = 128, patience 3", options={**apg, "patience": 3}, against="base, patience 3",
             registered=added),
    )  # fmt: skip


SUITE = Suite(name="protocol", title="Better, or sooner?", datasets=REAL_OR_SYNTHETIC, cells=cells)
