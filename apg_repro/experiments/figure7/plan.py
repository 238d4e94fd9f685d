"""Figure 7: P with K = 8, K with P = 32, and layers of G with K = 8 and P = 32, which the paper does not give here.

The factors of v5 learn at 1 / sqrt(P) of the learning rate (see ``nn/apg.py``), so along P two things vary; hence some
P without damping.

From K = 64 on, generating S takes more arithmetic than everything else by far, so there are fewer seeds, and from
K = 256 on one epoch only: with K = 512 it takes a core nearly two hours. These are shown, but excluded from the means
over a range, because they have fewer seeds.
"""

from typing import Any

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.config import Profile
from apg_repro.experiments.grids import BASE, DAMPED_BASE
from apg_repro.suite import Cell, Plan, Suite

RANK, OVER = 8, 32  # K and P, where they are not what varies
P, K, LAYERS, P_NOT_DAMPED = "P", "K", "layers", "not damped, P"  # axes

SIZES: dict[Profile, tuple[int, ...]] = {"quick": (2, 16), "full": (2, 4, 6, 8, 16, 32, 64, 128, 256, 512)}
RANKS: dict[Profile, tuple[int, ...]] = {"quick": (2, 16, 128), "full": SIZES["full"]}  # 128: above the width
SIZES_NOT_DAMPED: dict[Profile, tuple[int, ...]] = {"quick": SIZES["quick"], "full": (2, 32, 512)}
DEPTHS = (1, 2, 3, 4)
ONE_EPOCH_FROM = 256  # K
EFFORT: dict[int, dict[str, Any]] = {  # by K
    64: {"n_seeds": 2, "cost_tier": 1},
    128: {"n_seeds": 2, "cost_tier": 1},
    256: {"n_seeds": 1, "cost_tier": 2},
    512: {"n_seeds": 1, "cost_tier": 2},
}


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base plain and damped, and v5 along each axis. Labels: the axis, and the cell's value on it."""
    v5: dict[str, Any] = {"version": "v5", "rank": RANK, "over": OVER}

    def point(axis: str, value: int, changed: dict[str, Any], **more: Any) -> Cell:
        labels = {"axis": axis, "value": value}
        return Cell(name=f"{axis} = {value}", labels=labels, options=v5 | changed, **more)

    return (
        BASE,
        DAMPED_BASE,
        *(point(P, p, {"over": p}) for p in SIZES[plan.profile]),
        *(
            point(K, k, {"rank": k} | ({"max_epochs": 1} if k >= ONE_EPOCH_FROM else {}), **EFFORT.get(k, {}))
            for k in RANKS[plan.profile]
        ),
        *(point(LAYERS, n, {"generator_layers": n}) for n in DEPTHS),
        *(
            point(P_NOT_DAMPED, p, {"over": p, "damping": False}, registered="when the other P were known")
            for p in SIZES_NOT_DAMPED[plan.profile]
        ),
    )


SUITE = Suite(name="figure7", title="Figure 7: P, K and the layers of G", datasets=REAL_OR_SYNTHETIC, cells=cells)
