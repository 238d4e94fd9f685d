"""Figure 6: the S that APG generates, for the paper's condition and finer ones, by v4 and by v5."""

from typing import Any

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.experiments.grids import APG, user_item_context
from apg_repro.suite import Cell, Plan, Suite


def cells(plan: Plan) -> tuple[Cell, ...]:
    """APG whose generated S are recorded."""
    v5: dict[str, Any] = {**APG[plan.profile], "observe": "states"}
    v4 = {name: value for name, value in v5.items() if name != "over"} | {"version": "v4"}
    _, item, category = user_item_context(plan.dataset)
    return tuple(
        Cell(name=name, options=options, against=None, n_seeds=2)
        for name, options in (
            ("v5, category", v5 | {"condition": category}),
            ("v4, category", v4 | {"condition": category}),
            ("v5, item", v5 | {"condition": item}),
            ("v5, self", v5),
        )
    )


SUITE = Suite(name="figure6", title="Figure 6: what is generated", datasets=REAL_OR_SYNTHETIC, cells=cells)
