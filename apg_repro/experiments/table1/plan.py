"""Table 1: what a layer costs, counted on the layers themselves."""

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.config import RunConfig
from apg_repro.experiments import grids
from apg_repro.experiments.table5 import plan as table5
from apg_repro.suite import Suite, one_measurement

SQUARE = (256, 1000)  # N = M: our widest hidden layer, and the paper's example of a web-scale one (Section 1)
HIDDEN = RunConfig.hidden
D_CONDITION = RunConfig.d_embedding  # of a group-wise condition: one embedding
RANKS = grids.RANKS["full"]
RANK = table5.RANK
WIDTHS = (min(grids.WIDTHS["full"]), max(grids.WIDTHS["full"]))


def folded(version: str) -> str:
    """What a version is called once it has become the one that it is served as."""
    return f"{version} folded"


SUITE = Suite(
    name="table1", title="Table 1: what a layer costs", datasets=REAL_OR_SYNTHETIC,
    measurements=one_measurement("table1"),
)  # fmt: skip
