"""Table 6: weights per domain, coarse and fine, and APG with the domain as its group; and the memory of each.

Fine is the item. Coarse is the paper's "movie gender", read as the genre string (see the errata). The tables of MMoE
and Star, up to 330 million weights, move row by row, so they are compared with a base and an APG whose tables do as
well. Star moves the weights of every domain in a batch, so an epoch of it takes a core some minutes with coarse
domains, and longer with fine ones, which train for one epoch. Memory is counted on the shape twins as well.
"""

from dataclasses import replace
from typing import Any

from apg_repro.catalogue import REAL_OR_SYNTHETIC, data_set
from apg_repro.experiments.grids import APG, BASE, BY_ROW, DAMPED_BASE, user_item_context
from apg_repro.suite import Cell, Plan, Suite, one_measurement, printed


def cells(plan: Plan) -> tuple[Cell, ...]:
    """The models; none for a twin, where an AUC means nothing."""
    return () if data_set(plan.dataset).kind == "twin" else models(plan)


def models(plan: Plan) -> tuple[Cell, ...]:
    """Base, MMoE, Star and APG, each coarse ("cg") and fine ("fg").

    Labels: the model, and the grain of its domains.
    """
    short = {"max_epochs": 1} if plan.profile == "full" else {}
    (_, fine, coarse), apg = user_item_context(plan.dataset), APG[plan.profile]
    against_by_row: dict[str, Any] = {"against": "base by row"}
    return (
        replace(BASE, labels={"model": "base"}),
        replace(DAMPED_BASE, labels={"model": "base"}),
        Cell(name="base by row", paper_row="base", labels={"model": "base"}, options=BY_ROW, against=None),
        replace(
            DAMPED_BASE, name="damped base by row", labels={"model": "base"}, rival_of="base by row",
            options={**DAMPED_BASE.options, **BY_ROW},
        ),
        *(
            printed(f"mmoe_{grain}", backbone="MMoE", labels={"model": "mmoe", "grain": grain},
                    options={**BY_ROW, "domain": domain}, **against_by_row)
            for grain, domain in (("cg", coarse), ("fg", fine))
        ),
        *(
            printed(f"star_{grain}", backbone="Star", labels={"model": "star", "grain": grain},
                    options={**BY_ROW, "domain": domain, **more}, cost_tier=tier, **against_by_row)
            for grain, domain, more, tier in (("cg", coarse, {}, 2), ("fg", fine, short, 3))
        ),
        *(
            printed(f"apg_{grain}", labels={"model": "apg", "grain": grain}, options={**apg, "condition": domain})
            for grain, domain in (("cg", coarse), ("fg", fine))
        ),
        *(
            Cell(name=f"apg_{grain} by row", paper_row=f"apg_{grain}", labels={"model": "apg", "grain": grain},
                 options={**apg, **BY_ROW, "condition": domain}, registered="when the other rows were known",
                 **against_by_row)
            for grain, domain in (("cg", coarse), ("fg", fine))
        ),
    )  # fmt: skip


SUITE = Suite(
    name="table6", title="Table 6: weights per domain", datasets=(*REAL_OR_SYNTHETIC, "amazon_twin", "iaac_twin"),
    cells=cells, measurements=one_measurement("table6"),
)  # fmt: skip
