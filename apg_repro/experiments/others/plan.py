"""Our backbones on the published parts of Frappe, whose test AUCs others have published.

Embeddings of 10 numbers, as the benchmark has them, hidden layers of 400 units, and a learning rate of 0.001, the usual
one there. Weight decay is searched. The split is the published one, so seeds vary starts and batches alone.
"""

from apg_repro.backbones import BACKBONES
from apg_repro.config import Profile
from apg_repro.suite import Cell, Plan, Suite

DECAYS: dict[Profile, tuple[float, ...]] = {"quick": (0.0,), "full": (0.0, 1e-6, 1e-5)}
SIZES = {"quick": {}, "full": {"d_embedding": 10, "hidden": (400, 400, 400), "learning_rate": 0.001}}
OWN = {"DIFM": {"backbone_options": {"n_heads": 2}}}  # its heads have to divide the size of an embedding


def cells(plan: Plan) -> tuple[Cell, ...]:
    """Base of every backbone."""
    grid = tuple({"weight_decay": decay} for decay in DECAYS[plan.profile])
    sizes = SIZES[plan.profile]
    return tuple(
        Cell(
            name="base", backbone=backbone, options=sizes | OWN.get(backbone, {}), grid=grid, against=None, n_seeds=3,
        )
        for backbone in BACKBONES
    )  # fmt: skip


SUITE = Suite(name="others", title="What others found", datasets=("frappe_bench",), cells=cells)
