"""Table 2: every backbone, base and APG."""

from dataclasses import replace
from typing import Any

from apg_repro.backbones import BACKBONES, PAPER_BACKBONES
from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.experiments.grids import APG, BASE, DAMPED_BASE, ranks_and_widths, rates_and_decays
from apg_repro.suite import Cell, Plan, Suite, printed


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base, base tuned as much as APG, APG against either, and APG with a learning rate of its own.

    Tuned base has a learning rate and a weight decay of its own, and APG the paper's. So APG is searched in base's grid
    as well, with the K and P of the other tables. A damped base is searched there, too, and the better of both on
    validation is what differences are taken from. Where both are tuned, APG's search over K and P counts as well, so
    that either side has two grids: 40 trials of base and 39 of APG, as one point is in both of its grids. The quick
    profile, which has to be quick, leaves out damped base, and that.
    """
    apg: dict[str, Any] = {"options": {"version": "v5"}, "grid": ranks_and_widths(plan)}
    tuned: dict[str, Any] = {"grid": rates_and_decays(plan)}
    damped = replace(
        DAMPED_BASE, name="tuned damped base", against="base", rival_of="tuned base", cost_tier=1,
        registered="when the results of tuned base were known", **tuned,
    )  # fmt: skip
    others = tuple(point for point in apg["grid"] if not point.items() <= APG[plan.profile].items())
    both = tuned["grid"] + (others if plan.profile == "full" else ())
    models = (
        BASE,
        DAMPED_BASE,
        Cell(name="tuned base", paper_row="base", **tuned),
        *([damped] if plan.profile == "full" else []),
        printed("apg", **apg),
        Cell(name="apg over tuned base", paper_row="apg", against="tuned base", **apg),
        Cell(
            name="tuned apg", paper_row="apg", against="tuned base", options=APG[plan.profile], cost_tier=1,
            registered="after WDL's tuned base had been searched; its trials of K and P count since results were known",
            grid=both,
        ),
    )  # fmt: skip
    ours = [replace(cell, paper_row=None, is_printed=False) for cell in models]
    return tuple(
        replace(cell, backbone=backbone)
        for backbone in BACKBONES
        for cell in (models if backbone in PAPER_BACKBONES else ours)
    )


SUITE = Suite(name="table2", title="Table 2: seven backbones", datasets=REAL_OR_SYNTHETIC, cells=cells)
