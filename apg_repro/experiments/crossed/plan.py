"""How much of the noise is the split's, and how much the start's: every split with every start.

Elsewhere one seed splits the rows, starts the weights and orders the batches. Here a split (``seed``) is crossed with
several starts (``start_seed``, which orders the batches as well). Written down before any of its runs.
"""

from typing import Any

from apg_repro.config import Profile
from apg_repro.experiments.grids import APG
from apg_repro.suite import Cell, Plan, Suite

N_SPLITS = 4
STARTS: dict[Profile, tuple[int, ...]] = {"quick": (1, 2), "full": (1, 2, 3)}
MODELS = ("base", "v5")


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base and v5 with each start. Labels: the model and the start."""
    options: dict[str, dict[str, Any]] = {"base": {}, "v5": APG[plan.profile]}
    return tuple(
        Cell(
            name=f"{model}, start {start}", labels={"model": model, "start": start}, n_seeds=N_SPLITS,
            options={**options[model], "start_seed": start},
            against=None if model == "base" else f"base, start {start}",
        )
        for model in MODELS
        for start in STARTS[plan.profile]
    )  # fmt: skip


SUITE = Suite(
    name="crossed", title="Splits and starts", datasets=("movielens", "renttherunway", "synthetic"), cells=cells,
)  # fmt: skip
