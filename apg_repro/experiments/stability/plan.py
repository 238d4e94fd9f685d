"""What keeps training from diverging: initialisation, damping, clipping, by K and learning rate."""

from dataclasses import dataclass
from itertools import product
from typing import Any

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.config import Init, Profile, RunConfig
from apg_repro.suite import Cell, Options, Plan, Suite


@dataclass(frozen=True, kw_only=True)
class Safeguards:
    """A combination of what may keep a layer from diverging."""

    init: Init
    damped: bool
    clipped: bool

    @property
    def options(self) -> Options:
        """Of a run."""
        return {"init": self.init, "damping": self.damped, "clip_norm": RunConfig.clip_norm if self.clipped else None}

    @property
    def brakes(self) -> str:
        """All but the start, in words."""
        return f"{'damped' if self.damped else 'not damped'}, {'clipped' if self.clipped else 'not clipped'}"


STARTS: tuple[Init, ...] = ("static_start", "glorot", "static_bias")
BRAKES = tuple(product((True, False), repeat=2))  # damped, clipped
SAFEGUARDS = tuple(
    Safeguards(init=init, damped=damped, clipped=clipped) for init in STARTS for damped, clipped in BRAKES
)
# Base has neither a generator to start nor weights to damp, so clipping alone applies to it.
SAFEGUARDS_OF_BASE = tuple(one for one in SAFEGUARDS if one.init == STARTS[0] and one.damped)
VERSIONS = ("v3", "v4", "v5")
OVER = 128  # P of v5
RATES: dict[Profile, tuple[float, ...]] = {"quick": (0.005,), "full": (0.001, 0.005, 0.02)}
RANKS: dict[Profile, tuple[int, ...]] = {"quick": (2,), "full": (2, 4, 8)}
SHORT: dict[Profile, Options] = {"quick": {"max_epochs": 1}, "full": {"max_epochs": 1, "rows": 200_000}}
LEFT_OUT = [("v3", 8)]  # would double the cost of the suite


def cells(plan: Plan) -> tuple[Cell, ...]:
    """v3, v4 and v5 under every safeguard, K and learning rate, and base: an epoch on a sample, one seed.

    Labels: the version, K (None for base), the learning rate and the safeguards.
    """
    models: list[tuple[str, int | None, dict[str, Any]]] = [("base", None, {})]
    for version, k in product(VERSIONS, RANKS[plan.profile]):
        if (version, k) not in LEFT_OUT:
            models.append((version, k, {"version": version, "rank": k} | ({"over": OVER} if version == "v5" else {})))
    return tuple(
        Cell(
            name=f"{version}{f' K = {k}' if k else ''}, {rate:g}, {safeguards.init}, {safeguards.brakes}",
            labels={"version": version, "K": k, "rate": rate, "safeguards": safeguards}, against=None, n_seeds=1,
            options={**SHORT[plan.profile], **options, **safeguards.options, "learning_rate": rate},
        )
        for version, k, options in models
        for rate in RATES[plan.profile]
        for safeguards in (SAFEGUARDS_OF_BASE if version == "base" else SAFEGUARDS)
    )  # fmt: skip


SUITE = Suite(name="stability", title="Stability: where does it diverge?", datasets=REAL_OR_SYNTHETIC, cells=cells)
