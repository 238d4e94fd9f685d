"""How fast it is: rows per second, and a step's cost by the number of ids. v5 as in Table 5, self-wise."""

from apg_repro.catalogue import REAL_OR_SYNTHETIC
from apg_repro.config import DeviceKind, Measurement, Profile
from apg_repro.suite import Plan, Suite

ONE_THREAD, ALL_CORES, ONE_GPU, IDS = "one thread", "all cores", "one GPU", "ids"
TRAINED = (ONE_THREAD, ALL_CORES, ONE_GPU)  # cases of rows per second
CASES: dict[tuple[DeviceKind, Profile], tuple[str, ...]] = {
    ("cpu", "quick"): (ONE_THREAD, IDS),
    ("cpu", "full"): (ONE_THREAD, ALL_CORES, IDS),
    ("cuda", "quick"): (ONE_GPU, IDS),
    ("cuda", "full"): (ONE_GPU, IDS),
}
PEER_DATASET = "movielens"  # what ``benchmarks/peer_speed.py`` trains on
N_IDS: dict[Profile, tuple[int, ...]] = {
    "quick": (10_000, 100_000),
    "full": (10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278),
}


def measurements(plan: Plan) -> tuple[Measurement, ...]:
    """Rows per second with one thread and with all cores, in the quick profile with one, or on a GPU; cost by ids."""
    return plan.measurements("speed", CASES[plan.device_kind, plan.profile])


SUITE = Suite(
    name="speed", title="How fast is it?", datasets=REAL_OR_SYNTHETIC, measurements=measurements, is_timed=True
)
