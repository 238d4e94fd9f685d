"""How the generator starts, which the paper does not say: see ``nn/apg.py``."""

from typing import get_args

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.config import Init, RunConfig
from apg_repro.experiments.grids import APG, BASE, DAMPED_BASE
from apg_repro.labels import words_for
from apg_repro.suite import Cell, Plan, Suite

OURS = RunConfig.init
STARTS = get_args(Init)
CONTRASTS = {  # of the other starts with ours, by what a page calls them
    f"{version}, {words_for(init)} less {words_for(OURS)}": (f"{version}, {init}", f"{version}, {OURS}")
    for version in ("v4", "v5")
    for init in STARTS
    if init != OURS
}


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base plain and damped, and every start of the versions whose runs a CPU affords."""
    v4, v1 = {"version": "v4", "rank": APG[plan.profile]["rank"]}, {"version": "v1", "max_epochs": 1}
    return (
        BASE,
        DAMPED_BASE,
        *(Cell(name=f"v4, {init}", paper_row="v4", options={**v4, "init": init}) for init in STARTS),
        *(Cell(name=f"v5, {init}", paper_row="v5", options={**APG[plan.profile], "init": init}) for init in STARTS),
        *(
            Cell(name=f"v1, {init}", paper_row="v1", options={**v1, "init": init}, cost_tier=2)
            for init in ("static_bias", "static_start")
        ),
    )


SUITE = Suite(name="starts", title="The start of G", table="table4", datasets=REAL_OR_SYNTHETIC, cells=cells)
