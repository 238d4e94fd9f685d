"""Table 10: serving.

The paper's model is private; ours is the widest of Table 5, self-wise, v5 folded. One thread answers a request. In
the simulation requests arrive at random (Poisson), at a rate at which base would be busy for ``LOAD`` of the time; one
that is not answered within ``TIMEOUT`` times base's median has no page. On a GPU the ids come from the CPU
and the logits go back there.
"""

from apg_repro.config import Measurement
from apg_repro.experiments.table5 import plan as table5
from apg_repro.suite import Options, Plan, Suite

WIDTH = table5.WIDEST
CANDIDATES = {"1 candidate": 1, "100 candidates": 100, "1,000 candidates": 1000}
LOAD, TIMEOUT = 0.5, 5.0
# v1 has the condition of Table 5, D = 32: self-wise its weights would not fit in memory.
MODELS: dict[str, Options] = {
    "base": table5.options("base"),
    "apg": table5.options("v5"),
    "v1": {**table5.options("v1"), "condition": "user"},
}
V1_CANDIDATES = 100  # at most: it makes 4 MB of weights for each


def measurements(plan: Plan) -> tuple[Measurement, ...]:
    """One for each number of candidates per request; one candidate in the quick profile."""
    cases = list(CANDIDATES) if plan.profile == "full" else list(CANDIDATES)[:1]
    return plan.measurements("table10", cases)


SUITE = Suite(
    name="table10", title="Table 10: serving", datasets=("iaac_twin",), measurements=measurements, is_timed=True
)
