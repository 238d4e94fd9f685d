"""Table 5: what a training step costs, in time and in memory.

K = 4 (Section 4.4); P of v5, which the paper leaves out of this table, is the least of its grid. The condition is an
embedding, the user's: the paper's memory fits D = 32 and no self-wise layer. Self-wise layers, the default elsewhere,
are measured as well. Tables move row by row (``row_adam``) in a CPU's whole step: dense Adam over IAAC's 214,000 ids
costs as much there as the hidden layers of a small model. A GPU's step is a CUDA graph, which
cannot hold that for tables this big.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from apg_repro.config import DeviceKind, Measurement, OptimizerName
from apg_repro.paper import settings
from apg_repro.suite import Options, Plan, Suite
from apg_repro.versions import PAPER_VERSIONS

WIDTHS = {
    "64-32-16": (64, 32, 16),
    "128-64-32": (128, 64, 32),
    "256-128-64": (256, 128, 64),
    "512-256-128": (512, 256, 128),
    "1024-512-256": (1024, 512, 256),
}
WIDEST = list(WIDTHS)[-1]
N_INPUTS = settings.TABLE5_INPUTS  # 12 embedded fields of 32 and 9 numbers
RANK, OVER = settings.TABLE5_RANK, 32
MEMORY_LIMIT = 12e9  # bytes: a version that would need more is not run on a CPU
SHARE_OF_FREE = 0.4  # of a GPU's free memory, which v1 and v2 need side by side: what needs more is not run there
OPTIMIZERS: dict[DeviceKind, OptimizerName] = {"cpu": "row_adam", "cuda": "adam"}
FUSED: Mapping[str, str] = {"v4, fused": "v4", "v5, fused": "v5"}  # on a GPU, where there are kernels for it
STEPS_PER_EPOCH = 374  # batches of 1024 in 80 % of IAAC's 478,138 rows


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is timed in one measurement.

    Attributes:
        width: a key of ``WIDTHS``.
        condition: "user" (D = 32) or "self".
        part: "step", a whole training step: embeddings, forward, backward, clipping, Adam; or "hidden", forward and
            backward of the hidden layers alone.
    """

    width: str
    condition: Literal["user", "self"]
    part: Literal["step", "hidden"]

    @property
    def name(self) -> str:
        return f"{self.width}, {self.condition}, {self.part}"


CASES = {
    case.name: case
    for case in (
        Case(width=width, condition=condition, part=part)
        for width in WIDTHS for condition in ("user", "self") for part in ("step", "hidden")
    )
}  # fmt: skip
QUICK = ("64-32-16", "user")


def options(version: str) -> Options:
    """A version with the K and P of the efficiency tables."""
    version = plain(version)
    known = {"rank": RANK, "over": OVER}
    return {"version": version, **{name: known[name] for name in PAPER_VERSIONS[version].options}}


def plain(version: str) -> str:
    """The version that a fused one computes; any other itself."""
    return FUSED.get(version, version)


def measurements(plan: Plan) -> tuple[Measurement, ...]:
    """Every width, both conditions, the whole step and the hidden layers alone; quick: the least of them."""
    cases = [name for name, case in CASES.items() if plan.profile == "full" or (case.width, case.condition) == QUICK]
    return plan.measurements("table5", reversed(cases))  # the widest first, in case time is short


SUITE = Suite(
    name="table5", title="Table 5: time and memory of training", datasets=("iaac_twin",), measurements=measurements,
    is_timed=True,
)  # fmt: skip
