"""Which runs a table of the paper needs, how K and P are chosen, and what counts as reproduced.

Everything here was written down before the runs. A suite is a pair of pure functions: ``search`` lists the runs
that choose hyper-parameters on validation rows, ``runs`` lists the runs that are reported, given the search's rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from apg_repro.config import Measurement, Profile, RunConfig, UserError

Protocol = Literal["one_epoch", "early_stopping"]
Verdict = Literal["reproduced", "direction only", "not reproduced", "not run"]

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
SEARCH_SEED = 0  # splits, initialises and shuffles the search; never reported
SEEDS: dict[Profile, tuple[int, ...]] = {"quick": (1, 2), "full": (1, 2, 3, 4, 5)}
THRESHOLD = 0.1  # AUC points: "0.1% absolute AUC gain is regarded as significant" (footnote 3)

# A quick run: the same code on a sample of the rows and a smaller model.
QUICK: dict[str, Any] = {"rows": 60_000, "d_embedding": 8, "hidden": (64, 32, 16), "max_epochs": 2}
RANKS = {"quick": (2, 4), "full": (2, 4, 6, 8)}  # K (Appendix B.3)
WIDTHS = {"quick": (16,), "full": (32, 64, 128, 256, 512)}  # P (Appendix B.3)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What of a suite is wanted.

    Raises:
        UserError: no seed, or the seed that is kept for the search.
    """

    profile: Profile
    dataset: str
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.profile not in get_args(Profile):
            raise UserError(f"profile {self.profile!r} is unknown; choose quick or full")
        if not self.seeds or SEARCH_SEED in self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"seeds must be different and not {SEARCH_SEED}, which chooses K and P; got {self.seeds}")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A table or figure: its page in the book, its data sets, the paper's rows, and what answers them.

    Either training runs (``search``, ``runs`` and the ``variants`` that they answer) or ``measurements``.
    """

    name: str
    title: str
    page: str
    datasets: tuple[str, ...]
    variants: tuple[str, ...] = ()
    search: Callable[[Plan], list[RunConfig]] = lambda plan: []
    runs: Callable[[Plan, Sequence[dict[str, Any]]], list[RunConfig]] = lambda plan, rows: []
    measurements: Callable[[Plan], list[Measurement]] = lambda plan: []


def choose(rows: Sequence[dict[str, Any]], variant: str, protocol: Protocol) -> dict[str, Any] | None:
    """The search row of a variant with the highest validation AUC under a protocol; None if there is none.

    A diverged run is chosen only if all diverged.
    """
    found = [row for row in rows if row["variant"] == variant and row["seed"] == SEARCH_SEED]
    scored = [row for row in found if row.get(f"{protocol}_valid_auc") is not None]
    sound = [row for row in scored if row["status"] == "ok"] or scored
    return max(sound, key=lambda row: row[f"{protocol}_valid_auc"], default=None)


def verdict(low: float, mean: float, expected: float) -> Verdict:
    """The rule for a difference of AUC, in points.

    *Reproduced*: its 95 % confidence interval lies beyond 0 on the paper's side, and its mean is at least
    ``THRESHOLD``. *Direction only*: beyond 0, but smaller. *Not reproduced*: anything else.

    Args:
        low: the end of the interval that is nearer to "no effect" on the paper's side.
        mean: the mean difference.
        expected: the paper's difference; its sign says which side that is.
    """
    sign = 1 if expected >= 0 else -1
    if not sign * low > 0:  # also when it is NaN
        return "not reproduced"
    return "reproduced" if sign * mean >= THRESHOLD else "direction only"


# Table 4: WDL and the versions of APG.
# v2 is trained as v3, the same function without forming U S V (Section 3.2): a test holds them equal. With K = 8 it
# takes some 19 times the arithmetic of base, so its search trains one epoch a K and chooses for both protocols. v1
# trains a generator of 18 million weights, some 200 times the arithmetic, so it is trained for one epoch only, with
# its first seeds.
TABLE4_VERSIONS = {"v4": "v4", "v5": "v5", "v2": "v3"}  # variant → what is computed
V1_SEEDS = 2


def _table4(plan: Plan, variant: str, seed: int, **options: Any) -> RunConfig:
    size = QUICK if plan.profile == "quick" else {}
    return RunConfig(
        suite="table4", dataset=plan.dataset, variant=variant, seed=seed, profile=plan.profile, **(size | options)
    )


def table4_search(plan: Plan) -> list[RunConfig]:
    """K for v2 and v4, K and P for v5, self-wise, one seed; v2's by its first epoch alone."""
    ranks, widths = RANKS[plan.profile], WIDTHS[plan.profile]
    return [
        *(_table4(plan, "v4", SEARCH_SEED, version="v4", rank=rank) for rank in ranks),
        *(_table4(plan, "v5", SEARCH_SEED, version="v5", rank=rank, over=over) for rank in ranks for over in widths),
        *(_table4(plan, "v2", SEARCH_SEED, version="v3", rank=rank, max_epochs=1) for rank in ranks),
    ]


def table4_runs(plan: Plan, search: Sequence[dict[str, Any]]) -> list[RunConfig]:
    """Base, v2, v4 and v5 for every seed, with the K and P chosen for each protocol; v1 for the first seeds."""
    configs = [_table4(plan, "base", seed) for seed in plan.seeds]
    for variant, version in TABLE4_VERSIONS.items():
        chosen = [choose(search, variant, protocol) for protocol in PROTOCOLS]
        options = {(row["rank"], row["over"]) for row in chosen if row}
        configs += [
            _table4(plan, variant, seed, version=version, rank=rank, over=over)
            for rank, over in sorted(options, key=str)
            for seed in plan.seeds
        ]
    return configs + [_table4(plan, "v1", seed, version="v1", max_epochs=1) for seed in plan.seeds[:V1_SEEDS]]


# How MovieLens' columns become inputs, which the paper does not say: base, after one epoch.
ENCODINGS = ("default", "genre_string", "genre_bag")


def encodings_runs(plan: Plan, search: Sequence[dict[str, Any]]) -> list[RunConfig]:
    """Base on every feature set of MovieLens, one epoch, every seed."""
    size: dict[str, Any] = (QUICK if plan.profile == "quick" else {}) | {"max_epochs": 1}
    return [
        RunConfig(
            suite="encodings", dataset=plan.dataset, variant=features, seed=seed, profile=plan.profile,
            features=features, **size,
        )
        for features in ENCODINGS
        for seed in plan.seeds
    ]  # fmt: skip


def table7_measurements(plan: Plan) -> list[Measurement]:
    """The counts of a data set: all of its rows in either profile."""
    return [Measurement(suite="table7", dataset=plan.dataset, profile=plan.profile)]


# Table 5: what a training step costs. K = 4 (Section 4.4); P of v5, which the paper leaves out of this table, is the
# least of its grid. The condition is an embedding, the user's: the paper's memory fits D = 32 and no self-wise layer.
# Self-wise, the default elsewhere, stands beside it. Tables move row by row (``row_adam``) in the whole step: on a CPU,
# dense Adam over IAAC's 214,000 ids costs more than the hidden layers of most widths do; on the paper's GPU it would be
# a small part of a step.
COST_WIDTHS = {
    "64-32-16": (64, 32, 16),
    "128-64-32": (128, 64, 32),
    "256-128-64": (256, 128, 64),
    "512-256-128": (512, 256, 128),
    "1024-512-256": (1024, 512, 256),
}
COST_INPUTS = 393  # 12 embedded fields of 32 and 9 numbers
COST_RANK, COST_OVER = 4, 32
COST_LIMIT = 12e9  # bytes: what a version would need more for is not run
EPOCH_STEPS = 374  # batches of 1024 in 80 % of IAAC's 478,138 rows


@dataclass(frozen=True, kw_only=True)
class CostCase:
    """What is timed in one run of Table 5.

    Attributes:
        width: a key of ``COST_WIDTHS``.
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


COST_CASES = {
    case.name: case
    for case in (
        CostCase(width=width, condition=condition, part=part)
        for width in COST_WIDTHS for condition in ("user", "self") for part in ("step", "hidden")
    )
}  # fmt: skip
QUICK_COST = ("64-32-16", "user")


def cost_verdict(low: float, high: float, expected: float, *, dearer: bool) -> Verdict:
    """The rule for a cost as a ratio to base's: the 10th to the 90th percentile over rounds, against the paper's ratio.

    *Reproduced*: the interval lies at or below the paper's ratio. *Direction only*: below 1. *Not reproduced*:
    anything else. Where the paper says that something is dearer than base, at or above, and above 1.

    Args:
        low: the 10th percentile. high: the 90th; the same number for what is counted and not timed.
        expected: the paper's ratio.
        dearer: whether the claim is that it costs more.
    """
    if dearer:
        return "reproduced" if low >= expected else "direction only" if low > 1 else "not reproduced"
    return "reproduced" if high <= expected else "direction only" if high < 1 else "not reproduced"


def table5_measurements(plan: Plan) -> list[Measurement]:
    """Every width, both conditions, the whole step and the hidden layers alone; quick: the least of them."""
    return [
        Measurement(suite="table5", dataset=plan.dataset, profile=plan.profile, case=name)
        for name, case in COST_CASES.items()
        if plan.profile == "full" or (case.width, case.condition) == QUICK_COST
    ]


# Table 10: serving. Its model is private; ours is the widest of Table 5, self-wise, v5 folded. One thread answers a
# request. In the simulation requests arrive at random (Poisson), at a rate at which base would be busy for
# ``SERVING_LOAD`` of the time; one that is not answered within ``SERVING_TIMEOUT`` times base's median has no page.
SERVING_WIDTH = "1024-512-256"
CANDIDATES = {"1 candidate": 1, "100 candidates": 100, "1,000 candidates": 1000}
SERVING_LOAD, SERVING_TIMEOUT = 0.5, 5.0


def table10_measurements(plan: Plan) -> list[Measurement]:
    """One run for each number of candidates a request; one candidate in the quick profile."""
    cases = list(CANDIDATES) if plan.profile == "full" else list(CANDIDATES)[:1]
    return [Measurement(suite="table10", dataset=plan.dataset, profile=plan.profile, case=case) for case in cases]


# How fast it is: rows a second, and a step's cost against the number of ids. v5 as in Table 5, self-wise.
SPEED_THREADS = ("one thread", "all cores")
N_IDS = {
    "quick": (10_000, 100_000),
    "full": (10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278),
}


def speed_measurements(plan: Plan) -> list[Measurement]:
    """Rows a second with one thread and with all cores, in the quick profile with one; cost against ids."""
    cases = (*SPEED_THREADS, "ids") if plan.profile == "full" else (SPEED_THREADS[0], "ids")
    return [Measurement(suite="speed", dataset=plan.dataset, profile=plan.profile, case=case) for case in cases]


SUITES = {
    suite.name: suite
    for suite in [
        Suite(
            name="table4", title="Table 4: the versions of APG", page="executed/table4_versions.ipynb",
            variants=("base", "v1", "v2", "v4", "v5"), datasets=("movielens", "synthetic"),
            search=table4_search, runs=table4_runs,
        ),
        Suite(
            name="table7", title="Table 7: the data sets", page="executed/table7_datasets.ipynb",
            datasets=("movielens", "amazon", "iaac", "synthetic"), measurements=table7_measurements,
        ),
        Suite(
            name="encodings", title="Encodings of MovieLens", page="executed/encodings_movielens.ipynb",
            datasets=("movielens",), variants=ENCODINGS, runs=encodings_runs,
        ),
        Suite(
            name="table5", title="Table 5: time and memory of training", page="executed/table5_cost.ipynb",
            datasets=("iaac_twin",), measurements=table5_measurements,
        ),
        Suite(
            name="table10", title="Table 10: serving", page="executed/table10_serving.ipynb",
            datasets=("iaac_twin",), measurements=table10_measurements,
        ),
        Suite(
            name="speed", title="How fast is it", page="executed/speed.ipynb",
            datasets=("movielens", "synthetic"), measurements=speed_measurements,
        ),
    ]
}  # fmt: skip


def get_suite(name: str) -> Suite:
    """The suite of that name.

    Raises:
        UserError: there is none.
    """
    if name not in SUITES:
        raise UserError(f"suite {name!r} is unknown; choose one of {', '.join(SUITES)}")
    return SUITES[name]
