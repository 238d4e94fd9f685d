"""How fast it is: rows per second, and a step's cost by the number of ids. v5 as in Table 5, self-wise."""

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.config import Measurement, Profile
from apg_repro.suite import Plan, Suite

ONE_THREAD, ALL_CORES, IDS = "one thread", "all cores", "ids"
THREADS = (ONE_THREAD, ALL_CORES)
CASES: dict[Profile, tuple[str, ...]] = {"quick": (ONE_THREAD, IDS), "full": (*THREADS, IDS)}
PEER_DATASET = "movielens"  # what ``benchmarks/peer_speed.py`` trains on
N_IDS: dict[Profile, tuple[int, ...]] = {
    "quick": (10_000, 100_000),
    "full": (10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278),
}


def measurements(plan: Plan) -> tuple[Measurement, ...]:
    """Rows per second with one thread and with all cores, in the quick profile with one; cost by ids."""
    return tuple(
        Measurement(name="speed", dataset=plan.dataset, profile=plan.profile, case=case) for case in CASES[plan.profile]
    )


SUITE = Suite(
    name="speed", title="How fast is it?", datasets=REAL_OR_SYNTHETIC, measurements=measurements, is_timed=True
)
