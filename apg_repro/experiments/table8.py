"""Table 8: where the condition comes from."""

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.experiments.grids import APG, BASE, DAMPED_BASE, mixed, user_item_context
from apg_repro.labels import words_for
from apg_repro.suite import Cell, Plan, Suite, printed


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Group-wise by user and by item, mix-wise, self-wise; and none, as a control."""
    (user, item, _), apg = user_item_context(plan.dataset), APG[plan.profile]
    return (
        BASE,
        DAMPED_BASE,
        printed("group_user", options={**apg, "condition": user}),
        printed("group_item", options={**apg, "condition": item}),
        printed("mix_user_item_context", options=mixed(plan, "input_attention")),
        printed("self", options=apg),
        Cell(name="one S for all", options={**apg, "condition": "none"}, registered=DAMPED_BASE.registered),
    )


CONTROLS = ("damped base", "one S for all")
CONDITIONS = ("group_user", "group_item", "mix_user_item_context", "self")
PAIRS = {  # differences that the paper's table does not print, by what they are called
    f"{words_for(ours)} − {words_for(theirs)}": (ours, theirs)
    for ours, theirs in [
        *((condition, control) for control in CONTROLS for condition in CONDITIONS),
        *(("self", other) for other in CONDITIONS[:-1]),
    ]
}


SUITE = Suite(name="table8", title="Table 8: conditions", datasets=REAL_OR_SYNTHETIC, cells=cells)
