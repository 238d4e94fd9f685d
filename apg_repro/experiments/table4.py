"""Table 4: the versions of APG in WDL, self-wise.

v2 is trained as v3, the same function without forming U S V (Section 3.2): a test holds them equal. With K = 8 it
takes some 19 times the arithmetic of base, so its search trains one epoch per K and chooses for both protocols. v1
trains a generator of 18 million weights, some 200 times the arithmetic, so it is trained for one epoch only. On
MovieLens v2's search chooses K = 2 and v4's K = 8, so v4 with K = 2 stands beside them: what sharing parameters brings
is a comparison at equal K.
"""

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.experiments.grids import BASE, DAMPED_BASE, ranks, ranks_and_widths
from apg_repro.suite import Cell, Plan, Suite, printed


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base and the paper's rows."""
    return (
        BASE,
        DAMPED_BASE,
        printed("v1", options={"version": "v1", "max_epochs": 1}, cost_tier=2),
        printed("v2", options={"version": "v3"}, grid=ranks(plan), search={"max_epochs": 1}, cost_tier=1),
        printed("v4", options={"version": "v4"}, grid=ranks(plan)),
        Cell(name="v4, K = 2", options={"version": "v4", "rank": 2}, against=None,
             registered="when v2's search had chosen K = 2"),
        printed("v5", options={"version": "v5"}, grid=ranks_and_widths(plan)),
    )  # fmt: skip


SUITE = Suite(name="table4", title="Table 4: the versions of APG", datasets=REAL_OR_SYNTHETIC, cells=cells)
