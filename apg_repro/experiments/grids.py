"""Grids and settings that several experiments share. Imports no torch."""

from collections.abc import Sequence
from itertools import product
from typing import Any

from apg_repro.catalogue import data_set
from apg_repro.config import Profile
from apg_repro.paper import settings
from apg_repro.suite import Cell, Options, Plan, printed

# K, P (Appendix B.3), and for base a grid of the same size over what base has.
RANKS: dict[Profile, tuple[int, ...]] = {"quick": (2, 4), "full": settings.RANKS}
WIDTHS: dict[Profile, tuple[int, ...]] = {"quick": (16,), "full": settings.WIDTHS}
RATES: dict[Profile, tuple[float, ...]] = {"quick": (0.005, 0.01), "full": (0.001, 0.002, 0.005, 0.01)}
DECAYS: dict[Profile, tuple[float, ...]] = {"quick": (0.0,), "full": (0.0, 1e-7, 1e-6, 1e-5, 1e-4)}

BASE = printed("base", against=None)
# A control for the smaller steps that APG's weights take (``RunConfig.damping``): after one epoch, gains are taken from
# the better of both.
DAMPED_BASE = Cell(
    name="damped base", paper_row="base", options={"base_damping": True}, against=None, rival_of="base",
    registered="when the results of the first five seeds were known",
)  # fmt: skip
# APG where a table compares something else than K and P, which the paper does not give there: v5 with the largest K of
# the paper's grid, and a P from its middle.
APG: dict[Profile, dict[str, Any]] = {
    "full": {"version": "v5", "rank": 8, "over": 128},
    "quick": {"version": "v5", "rank": 4, "over": 16},
}
BY_ROW: Options = {"optimizer": "row_adam"}


def ranks(plan: Plan) -> tuple[Options, ...]:
    """K."""
    return tuple({"rank": rank} for rank in RANKS[plan.profile])


def ranks_and_widths(plan: Plan) -> tuple[Options, ...]:
    """K and P."""
    return tuple({"rank": rank, "over": over} for rank, over in product(RANKS[plan.profile], WIDTHS[plan.profile]))


def rates_and_decays(plan: Plan, decays: Sequence[float] = ()) -> tuple[Options, ...]:
    """Learning rate and weight decay; without decays, the profile's."""
    points = product(RATES[plan.profile], decays or DECAYS[plan.profile])
    return tuple({"learning_rate": rate, "weight_decay": decay} for rate, decay in points)


def user_item_context(dataset: str) -> tuple[str, str, str]:
    """U, I and C of Tables 8 and 9."""
    entry = data_set(dataset)
    return entry.user, entry.item, entry.context


def mixed(plan: Plan, how: str) -> dict[str, Any]:
    """APG with a mix-wise condition of user, item and context; ``how`` as in "input_attention"."""
    return {**APG[plan.profile], "condition": f"{how}({','.join(user_item_context(plan.dataset))})"}
