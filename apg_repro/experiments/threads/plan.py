"""What threads and devices change: the same run with one thread, with two, and on a GPU. Imports no torch."""

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.config import Measurement, Profile, RunConfig
from apg_repro.experiments.grids import APG, BY_ROW, user_item_context
from apg_repro.suite import SIZES, Options, Plan, Suite

THREADS = (1, 2)
SHORT: dict[Profile, Options] = {
    "quick": {"max_epochs": 1, "rows": SIZES["quick"]["rows"]},
    "full": {"max_epochs": 3, "rows": 200_000},
}
SEED = 1


def models(profile: Profile, dataset: str) -> dict[str, Options]:
    """The options of a run by the model's name: every backbone of the paper, base and APG, and Table 6's baselines."""
    found: dict[str, Options] = {}
    for backbone in PAPER_BACKBONES:
        found[backbone] = {"backbone": backbone}
        found[f"{backbone} with APG"] = {"backbone": backbone, **APG[profile]}
    coarse = {**BY_ROW, "domain": user_item_context(dataset)[2]}
    return found | {name: {"backbone": name, **coarse} for name in ("MMoE", "Star")}


def configure(profile: Profile, dataset: str, case: str) -> RunConfig:
    """The run that is trained with one thread, with two, and on a GPU."""
    return RunConfig(dataset=dataset, seed=SEED, **SHORT[profile], **models(profile, dataset)[case])


def measurements(plan: Plan) -> tuple[Measurement, ...]:
    """One for each model."""
    return plan.measurements("threads", models(plan.profile, plan.dataset))


SUITE = Suite(
    name="threads", title="What threads and devices change", datasets=("movielens", "synthetic"),
    measurements=measurements, is_by_device=True,
)  # fmt: skip
