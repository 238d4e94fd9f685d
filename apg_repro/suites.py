"""Which runs a table of the paper needs, how hyper-parameters are chosen, and what counts as reproduced.

Verdict rules, seeds and grids were written down before the runs; what was added or changed later says so. A suite is a
list of cells, each saying what is trained to answer it. A cell with a grid is searched first: its runs on the search
seed choose, by validation AUC, what is reported. A run that several tables need is trained once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal, get_args

from apg_repro.config import LARGE_RANK, Measurement, Profile, RunConfig, UserError

FormulaVerdict = Literal["holds exactly", "holds up to lower-order terms", "does not hold"]
Protocol = Literal["one_epoch", "early_stopping"]
Verdict = Literal["reproduced", "direction only", "not reproduced", "not run"]
Options = Mapping[str, Any]  # of a RunConfig
Pool = Mapping[str, Mapping[str, Any]]  # RunConfig.key → row: see Store.pool

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
SEARCH_SEED = 0  # splits, initialises and shuffles the search; never reported
SEEDS: dict[Profile, tuple[int, ...]] = {"quick": (1, 2), "full": (1, 2, 3, 4, 5)}
THRESHOLD = 0.1  # AUC points: "0.1% absolute AUC gain is regarded as significant" (footnote 3)
ALIKE = 0.1  # Figure 1: total variation from which two groups differ; every tenth user would have to move

# A quick run: the same code on a sample of the rows and a smaller model.
QUICK: Options = {"rows": 20_000, "d_embedding": 8, "hidden": (64, 32, 16), "max_epochs": 2}

# U, I and C of Tables 8 and 9; item and context are the domains of Table 6, fine and coarse. MovieLens has no context
# of its own: book/deviations.md says why it is the genres.
USER_ITEM_CONTEXT = {
    "movielens": ("user", "movie", "genres"),
    "synthetic": ("user", "item", "category"),
    "amazon_twin": ("user", "item", "category"),
    "iaac_twin": ("user", "item", "brand"),
}


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
        if not self.seeds or min(self.seeds) <= SEARCH_SEED or len(set(self.seeds)) < len(self.seeds):
            raise UserError(f"seeds must be different and above {SEARCH_SEED}, which chooses K and P; got {self.seeds}")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is trained to answer one number of a table.

    Attributes:
        variant: the paper's row, or a name of ours. With the backbone it names the cell within its suite.
        paper: the row of ``paper_numbers.csv``, where it is not called as the variant; "" for none.
        options: of every run.
        grid: further options among which validation AUC chooses, for each protocol by itself; none: no search.
        search: options of the search alone.
        against: the variant, of the same backbone, that differences are taken from; none of base itself.
        n_seeds: only the plan's first; None: all.
        dear: above 0, hours on a CPU: trained after all that is less dear.
    """

    variant: str
    backbone: str = "WDL"
    paper: str | None = None
    options: Options = field(default_factory=dict)
    grid: tuple[Options, ...] = ()
    search: Options = field(default_factory=dict)
    against: str | None = "base"
    n_seeds: int | None = None
    dear: int = 0

    @property
    def name(self) -> tuple[str, str]:
        """(backbone, variant)."""
        return self.backbone, self.variant

    @property
    def printed(self) -> str:
        """The paper's name of this row; "" where it has none."""
        return self.variant if self.paper is None else self.paper


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A table or figure: its page in the book, its data sets, and what answers it: cells or measurements.

    Attributes:
        table: in ``paper_numbers.csv``, where it is not called as the suite.
        quick: the data sets of a quick run, where all would be too many.
    """

    name: str
    title: str
    page: str
    datasets: tuple[str, ...]
    table: str = ""
    quick: tuple[str, ...] = ()
    cells: Callable[[Plan], tuple[Cell, ...]] = lambda plan: ()
    measurements: Callable[[Plan], list[Measurement]] = lambda plan: []

    @property
    def printed_in(self) -> str:
        """The table in ``paper_numbers.csv``."""
        return self.table or self.name

    def wanted(self, profile: Profile) -> tuple[str, ...]:
        """The data sets of a profile."""
        return self.quick if self.quick and profile == "quick" else self.datasets

    def config(self, plan: Plan, cell: Cell, seed: int, *options: Options) -> RunConfig:
        """A run of a cell; later options win."""
        size = QUICK if plan.profile == "quick" else {}
        merged: dict[str, Any] = {}
        for part in (size, cell.options, *options):
            merged |= part
        return RunConfig(
            suite=self.name, dataset=plan.dataset, variant=cell.variant, seed=seed, profile=plan.profile,
            backbone=cell.backbone, **merged,
        )  # fmt: skip

    def search(self, plan: Plan) -> list[RunConfig]:
        """The runs that choose: every point of every grid, on the search seed."""
        cells = sorted(self.cells(plan), key=lambda cell: cell.dear)
        return [self.candidate(plan, cell, point) for cell in cells for point in cell.grid]

    def candidate(self, plan: Plan, cell: Cell, point: Options) -> RunConfig:
        """The search's run of one point of a grid."""
        return self.config(plan, cell, SEARCH_SEED, point, cell.search)

    def choice(self, plan: Plan, cell: Cell, protocol: Protocol, pool: Pool) -> Options | None:
        """The point of a cell's grid with the highest validation AUC; {} without a grid, None before all are searched.

        A diverged run is chosen only if all diverged.
        """
        if not cell.grid:
            return {}
        rows = [(point, pool.get(self.candidate(plan, cell, point).key)) for point in cell.grid]
        if any(row is None for _, row in rows):
            return None
        scored = [(point, row) for point, row in rows if row and row[f"{protocol}_valid_auc"] is not None]
        sound = [(point, row) for point, row in scored if row["status"] == "ok"] or scored
        return max(sound, key=lambda found: found[1][f"{protocol}_valid_auc"], default=(None, None))[0]

    def reported(self, plan: Plan, cell: Cell, protocol: Protocol, pool: Pool) -> list[RunConfig]:
        """The runs whose scores stand in a cell: every seed, with what the search chose; none before it has."""
        point = self.choice(plan, cell, protocol, pool)
        if point is None or (protocol == "early_stopping" and cell.options.get("max_epochs") == 1):
            return []
        return [self.config(plan, cell, seed, point) for seed in plan.seeds[: cell.n_seeds]]

    def runs(self, plan: Plan, pool: Pool) -> list[RunConfig]:
        """All reported runs, each once: the dear cells last, and the first seed of all before the second of any."""
        found = [
            (cell.dear, seed, config)
            for cell in self.cells(plan)
            for protocol in PROTOCOLS
            for seed, config in enumerate(self.reported(plan, cell, protocol, pool))
        ]
        ordered = sorted(found, key=lambda entry: entry[:2])
        return list({config.key: config for *_, config in ordered}.values())


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


def difference_verdict(
    claim: Literal["differ", "alike"], distance: float, low: float, high: float, chance: float
) -> Verdict:
    """The rule for a distance between two groups' distributions (Figure 1).

    *Differ* is *reproduced* if the distance is beyond chance and its 95 % confidence interval not below ``ALIKE``;
    *direction only* if it is beyond chance, but may be smaller than that; *not reproduced* otherwise.
    *Alike* is *reproduced* if the interval lies below ``ALIKE``, and *not reproduced* otherwise.

    Args:
        claim: what the paper says of the two distributions.
        distance: their total variation.
        low, high: its 95 % confidence interval.
        chance: what 95 % of random divisions of the same users stay below.
    """
    if claim == "alike":
        return "reproduced" if high < ALIKE else "not reproduced"
    if not distance > chance:
        return "not reproduced"
    return "reproduced" if low >= ALIKE else "direction only"


def formula_verdict(
    formula: Sequence[int], lower: Sequence[int], counted: Sequence[int], *, is_lower_order: bool
) -> FormulaVerdict:
    """The rule for a formula of Table 1.

    Args:
        formula: its value, layer by layer.
        lower: the value of what it leaves out.
        counted: what the layers have.
        is_lower_order: whether all that it leaves out is of lower order.
    """
    if list(counted) == list(formula):
        return "holds exactly"
    whole = [value + more for value, more in zip(formula, lower, strict=True)]
    return "holds up to lower-order terms" if is_lower_order and list(counted) == whole else "does not hold"


# Grids. The paper's, K and P (Appendix B.3), and for base one of the same size over what base has.
def ranks(plan: Plan) -> tuple[Options, ...]:
    """K."""
    return tuple({"rank": rank} for rank in ((2, 4) if plan.profile == "quick" else (2, 4, 6, 8)))


def ranks_and_widths(plan: Plan) -> tuple[Options, ...]:
    """K and P."""
    widths = (16,) if plan.profile == "quick" else (32, 64, 128, 256, 512)
    return tuple(point | {"over": over} for point in ranks(plan) for over in widths)  # pyright: ignore[reportOperatorIssue]


def rates_and_decays(plan: Plan) -> tuple[Options, ...]:
    """Learning rate and weight decay, for a base that is tuned as much as APG."""
    quick = plan.profile == "quick"
    rates, decays = ((0.005, 0.01), (0.0,)) if quick else ((0.001, 0.002, 0.005, 0.01), (0.0, 1e-7, 1e-6, 1e-5, 1e-4))
    return tuple({"learning_rate": rate, "weight_decay": decay} for rate, decay in product(rates, decays))


BASE = Cell(variant="base", against=None)
# APG where a table compares something else than K and P, which the paper does not give there: v5 with the largest K of
# the paper's grid, and a P from its middle.
APG: dict[Profile, Options] = {
    "full": {"version": "v5", "rank": 8, "over": 128},
    "quick": {"version": "v5", "rank": 4, "over": 16},
}


# v2 is trained as v3, the same function without forming U S V (Section 3.2): a test holds them equal. With K = 8 it
# takes some 19 times the arithmetic of base, so its search trains one epoch a K and chooses for both protocols. v1
# trains a generator of 18 million weights, some 200 times the arithmetic, so it is trained for one epoch only, with
# its first seeds.
def table4(plan: Plan) -> tuple[Cell, ...]:
    """WDL and the versions of APG, self-wise."""
    return (
        BASE,
        Cell(variant="v1", options={"version": "v1", "max_epochs": 1}, n_seeds=2, dear=2),
        Cell(variant="v2", options={"version": "v3"}, grid=ranks(plan), search={"max_epochs": 1}, dear=1),
        Cell(variant="v4", options={"version": "v4"}, grid=ranks(plan)),
        Cell(variant="v5", options={"version": "v5"}, grid=ranks_and_widths(plan)),
    )


BACKBONES = ("WDL", "PNN", "FiBiNET", "DIFM", "DeepFM", "DCN", "AutoInt")


def table2(plan: Plan) -> tuple[Cell, ...]:
    """Every backbone: base, base tuned as much as APG, APG against either, and APG with a learning rate of its own.

    Tuned base has a learning rate and a weight decay of its own, and APG the paper's. So APG is searched in base's grid
    as well, with the K and P of the other tables. That was added when the search of WDL's tuned base was known.
    """
    apg: dict[str, Any] = {"options": {"version": "v5"}, "grid": ranks_and_widths(plan)}
    tuned: dict[str, Any] = {"grid": rates_and_decays(plan)}
    return tuple(
        replace(cell, backbone=backbone)
        for backbone in BACKBONES
        for cell in (
            BASE,
            Cell(variant="tuned base", paper="base", **tuned),
            Cell(variant="apg", **apg),
            Cell(variant="apg over tuned base", paper="apg", against="tuned base", **apg),
            Cell(variant="tuned apg", paper="apg", against="tuned base", options=APG[plan.profile], dear=1, **tuned),
        )
    )


def table6(plan: Plan) -> tuple[Cell, ...]:
    """Weights a domain, coarse and fine, and APG with the domain as its group.

    Fine is the item. Coarse is the paper's "movie gender", read as the genre string (see the errata). The tables of
    MMoE and Star, up to 330 million weights, move row by row, so they are compared with a base and an APG whose tables
    do as well (that APG was added when the others were known). Star moves the weights of every domain in a batch, so
    an epoch of it takes a core some minutes with coarse domains, which therefore have two seeds, and longer with fine
    ones, which train for one epoch.
    """
    short = {"max_epochs": 1} if plan.profile == "full" else {}
    (_, fine, coarse), apg = USER_ITEM_CONTEXT[plan.dataset], APG[plan.profile]
    by_row = {"optimizer": "row_adam"}
    return (
        BASE,
        Cell(variant="base by row", paper="base", options=by_row, against=None),
        Cell(variant="mmoe_cg", backbone="MMoE", options=by_row | {"domain": coarse}, against="base by row"),
        Cell(variant="mmoe_fg", backbone="MMoE", options=by_row | {"domain": fine}, against="base by row"),
        Cell(variant="star_cg", backbone="Star", options=by_row | {"domain": coarse}, against="base by row",
             n_seeds=2, dear=2),
        Cell(variant="star_fg", backbone="Star", options=by_row | {"domain": fine} | short, against="base by row",
             n_seeds=2, dear=3),
        Cell(variant="apg_cg", options={**apg, "condition": coarse}),
        Cell(variant="apg_fg", options={**apg, "condition": fine}),
        *(
            Cell(variant=f"apg_{grain} by row", paper=f"apg_{grain}", options={**apg, **by_row, "condition": domain},
                 against="base by row")
            for grain, domain in (("cg", coarse), ("fg", fine))
        ),
    )  # fmt: skip


def mix(plan: Plan, how: str) -> dict[str, Any]:
    """APG with a mix-wise condition of user, item and context."""
    return {**APG[plan.profile], "condition": f"{how}({','.join(USER_ITEM_CONTEXT[plan.dataset])})"}


def table8(plan: Plan) -> tuple[Cell, ...]:
    """Condition strategies."""
    (user, item, _), apg = USER_ITEM_CONTEXT[plan.dataset], APG[plan.profile]
    return (
        BASE,
        Cell(variant="group_user", options={**apg, "condition": user}),
        Cell(variant="group_item", options={**apg, "condition": item}),
        Cell(variant="mix_user_item_context", options=mix(plan, "input_attention")),
        Cell(variant="self", options=apg),
    )


def table9(plan: Plan) -> tuple[Cell, ...]:
    """Aggregations of a mix-wise condition."""
    names = [f"{where}_{how}" for where in ("input", "output") for how in ("mean", "concat", "attention")]
    return (BASE, *(Cell(variant=name, options=mix(plan, name)) for name in names))


def figure7(plan: Plan) -> tuple[Cell, ...]:
    """P with K = 8, K with P = 32, and layers of G with K = 8 and P = 32, which the paper does not give for these.

    The factors of v5 learn at 1 / sqrt(P) of the learning rate (see ``nn.apg``), so along P two things vary; hence,
    added when the others were known, some P without damping.

    From K = 64 on, generating S takes more arithmetic than everything else by far, so there are fewer seeds, and from
    K = 256 on one epoch only: with K = 512 it takes a core nearly two hours. These are shown, and enter no mean over
    a range, which would have their few seeds; so it was decided when two seeds up to K = 32 were known.
    """
    quick = plan.profile == "quick"
    sizes = (2, 16) if quick else (2, 4, 6, 8, 16, 32, 64, 128, 256, 512)
    few: dict[str, Any] = {"n_seeds": 2, "dear": 1}
    single: dict[str, Any] = {"n_seeds": 1, "dear": 2}
    effort = {64: few, 128: few, 256: single, 512: single}
    v5 = {"version": "v5", "rank": 8, "over": 32}
    return (
        BASE,
        *(Cell(variant=f"P = {p}", paper="", options={**v5, "over": p}) for p in sizes),
        *(
            Cell(
                variant=f"K = {k}", paper="", options={**v5, "rank": k} | ({"max_epochs": 1} if k >= 256 else {}),
                **effort.get(k, {}),
            ) for k in ((*sizes, LARGE_RANK) if quick else sizes)
        ),
        *(Cell(variant=f"layers = {n}", paper="", options={**v5, "generator_layers": n}) for n in range(1, 5)),
        *(
            Cell(variant=f"not damped, P = {p}", paper="", options={**v5, "over": p, "damping": False})
            for p in (sizes if quick else (2, 32, 512))
        ),
    )  # fmt: skip


def figure8(plan: Plan) -> tuple[Cell, ...]:
    """Base and APG, scored by groups of users."""
    observe = {"observe": "user_groups"}
    return (
        Cell(variant="base", paper="", options=observe, against=None),
        Cell(variant="apg", paper="", options={**APG[plan.profile], **observe}),
    )


STARTS = ("static_bias", "static_start", "glorot")


def starts(plan: Plan) -> tuple[Cell, ...]:
    """The starts of generated weights (see nn.apg), for versions whose runs a CPU affords."""
    v4, v1 = {"version": "v4", "rank": APG[plan.profile]["rank"]}, {"version": "v1", "max_epochs": 1}
    return (
        BASE,
        *(Cell(variant=f"v4, {init}", paper="v4", options={**v4, "init": init}) for init in STARTS),
        *(Cell(variant=f"v5, {init}", paper="v5", options={**APG[plan.profile], "init": init}) for init in STARTS),
        *(
            Cell(variant=f"v1, {init}", paper="v1", options={**v1, "init": init}, n_seeds=2, dear=2)
            for init in ("static_bias", "static_start")
        ),
    )


def optimizers(plan: Plan) -> tuple[Cell, ...]:
    """Adam row by row against Adam, for base and for APG."""
    apg, by_row = APG[plan.profile], {"optimizer": "row_adam"}
    return (
        Cell(variant="base", paper="", against=None),
        Cell(variant="base by row", paper="", options=by_row),
        Cell(variant="apg", paper="", options=apg, against=None),
        Cell(variant="apg by row", paper="", options={**apg, **by_row}, against="apg"),
    )


def protocol(plan: Plan) -> tuple[Cell, ...]:
    """Base and APG of every backbone: Table 2's runs, read epoch by epoch. And, added when these were known, WDL's with
    more patience: waiting for longer before training stops."""
    apg = APG[plan.profile]
    return (
        *(replace(cell, paper="") for cell in table2(plan) if cell.variant in ("base", "apg")),
        Cell(variant="apg, K = 8, P = 128", paper="", options=apg),
        Cell(variant="base, patience 3", paper="", options={"patience": 3}, against=None),
        Cell(variant="apg, K = 8, P = 128, patience 3", paper="", options={**apg, "patience": 3},
             against="base, patience 3"),
    )  # fmt: skip


def figure6(plan: Plan) -> tuple[Cell, ...]:
    """APG whose generated S are looked at: the paper's condition, finer ones, and v4 beside v5."""
    v5: dict[str, Any] = {**APG[plan.profile], "observe": "states"}
    v4 = {name: value for name, value in v5.items() if name != "over"} | {"version": "v4"}
    _, item, category = USER_ITEM_CONTEXT[plan.dataset]
    common: dict[str, Any] = {"paper": "", "against": None, "n_seeds": 2}
    return (
        Cell(variant="v5, category", options=v5 | {"condition": category}, **common),
        Cell(variant="v4, category", options=v4 | {"condition": category}, **common),
        Cell(variant="v5, item", options=v5 | {"condition": item}, **common),
        Cell(variant="v5, self", options=v5, **common),
    )


# What may keep training from diverging: initialisation, damping, clipping.
SAFEGUARDS: dict[str, Options] = {
    f"{init}, {damped}, {clipped}": {"init": init, "damping": damping, "clip_norm": clip_norm}
    for init in ("static_start", "glorot", "static_bias")
    for damped, damping in (("damped", True), ("not damped", False))
    for clipped, clip_norm in (("clipped", 1.0), ("not clipped", None))
}


def stability(plan: Plan) -> tuple[Cell, ...]:
    """v3, v4 and v5 under every safeguard, K and learning rate, and base: an epoch on a sample, one seed."""
    quick = plan.profile == "quick"
    rates, sizes = ((0.005,), (2,)) if quick else ((0.001, 0.005, 0.02), (2, 4, 8))
    short: Options = {"max_epochs": 1} if quick else {"max_epochs": 1, "rows": 200_000}
    models: dict[str, Options] = {"base": {}}
    for version, k in product(("v3", "v4", "v5"), sizes):
        if version == "v3" and k == 8:
            continue  # as dear as all others together
        width: Options = {"over": 128} if version == "v5" else {}
        models[f"{version} K = {k}"] = {"version": version, "rank": k, **width}
    return tuple(
        Cell(
            variant=f"{model}, {rate:g}, {guard}", paper="", against=None, n_seeds=1,
            options={**short, **options, **SAFEGUARDS[guard], "learning_rate": rate},
        )
        for model, options in models.items()
        for rate in rates
        for guard in SAFEGUARDS
        if model != "base" or "static_start, damped" in guard  # base has neither start nor weights to damp
    )  # fmt: skip


# How MovieLens' columns become inputs, which the paper does not say.
ENCODINGS = ("default", "six_fields", "genre_string", "genre_bag")


def encodings(plan: Plan) -> tuple[Cell, ...]:
    """Base and APG on every feature set of MovieLens. APG and ``six_fields`` were added when base was known."""
    return tuple(
        cell
        for features in ENCODINGS
        for cell in (
            Cell(variant=f"base, {features}", paper="base", options={"features": features}, against=None),
            Cell(
                variant=f"apg, {features}", paper="apg", options={**APG[plan.profile], "features": features},
                against=f"base, {features}",
            ),
        )
    )  # fmt: skip


def one_measurement(suite: str) -> Callable[[Plan], list[Measurement]]:
    """A suite whose answer is one row a data set."""
    return lambda plan: [Measurement(suite=suite, dataset=plan.dataset, profile=plan.profile)]


# Table 5: what a training step costs. K = 4 (Section 4.4); P of v5, which the paper leaves out of this table, is the
# least of its grid. The condition is an embedding, the user's: the paper's memory fits D = 32 and no self-wise layer.
# Self-wise, the default elsewhere, stands beside it. Tables move row by row (``row_adam``) in the whole step: on a CPU,
# dense Adam over IAAC's 214,000 ids costs as much as the hidden layers of a small model.
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


# Planted truth: when does APG pay, and is it the specific parameters that do it? Synthetic rows whose groups differ by
# a known amount (data_scripts/planted.py), swept one number at a time around a centre.
@dataclass(frozen=True, kw_only=True)
class Planted:
    """A setting of the synthetic rows.

    Attributes:
        heterogeneity: share of the variance of preferences that is a group's own, in percent.
        groups: how many; more groups are smaller ones, as there are as many rows in all.
        noise: share of labels that a fair coin decides, in percent.
    """

    heterogeneity: int = 50
    groups: int = 100
    noise: int = 0

    @property
    def name(self) -> str:
        """The setting's data set. What stands before the first dash names the script that prepares it."""
        return f"planted-h{self.heterogeneity}-g{self.groups}-n{self.noise}"


CENTRE = Planted()
SWEEPS: dict[str, tuple[Planted, ...]] = {
    "heterogeneity": tuple(Planted(heterogeneity=share) for share in (0, 25, 50, 75, 100)),
    "groups": tuple(Planted(groups=groups) for groups in (5, 20, 100, 500)),
    "noise": tuple(Planted(noise=noise) for noise in (0, 25, 50)),
}
PLANTED = {setting.name: setting for setting in (CENTRE, *(found for sweep in SWEEPS.values() for found in sweep))}

CONTROLS = ("wide base", "APG, shuffled groups", "APG, one group")
SpecificVerdict = Literal["specific", "partly specific", "not specific", "no gain", "not run"]


def specific_verdict(gain: tuple[float, float], over_controls: Sequence[tuple[float, float]]) -> SpecificVerdict:
    """The rule for "it is the specific parameters that do it", in one setting.

    *No gain*: APG by group is not reproducibly better than base by ``THRESHOLD`` (see ``verdict``). *Specific*: it is,
    and better than every control, each interval beyond 0 and each mean at least half of the gain, so that no control
    has more than the other half. *Partly specific*: every interval beyond 0, but a control has more than half of the
    gain. *Not specific*: not beyond 0 against some control.

    The claim's verdict is that of the centre. With heterogeneity 0 nothing is specific: that must read "no gain".

    Args:
        gain: of APG by group over base, in AUC points: the lower end of the 95 % interval, and the mean.
        over_controls: the same over each of ``CONTROLS``.
    """
    if verdict(*gain, 1.0) != "reproduced":
        return "no gain"
    if not all(low > 0 for low, _ in over_controls):
        return "not specific"
    return "specific" if all(mean >= gain[1] / 2 for _, mean in over_controls) else "partly specific"


def planted(plan: Plan) -> tuple[Cell, ...]:
    """Base and APG by group, what could explain a difference without specific parameters, and two further ways.

    All see the group as a feature, so none knows more than base. The controls have as many weights in their hidden
    layers as APG by group, and nothing specific: base widened until it has as many; APG by groups that are shuffled
    between users, which is the same function of a condition without a meaning; APG whose condition is the same for
    all, which is the same layers, factorised and over-parameterised, with one S for everyone. Self-wise APG has to
    find the group within its input. Star stores weights for every group, which APG generates.

    Generated weights start statically: without number columns, everything that a Glorot start generates is a product of
    small numbers, and as few rows as these are over before it has grown. APG by group is trained from ``static_bias``
    too, the start of all other suites. That was added when three seeds of the rest were known, and decides no verdict.

    K is the largest and P the smallest of the paper's grid, and two hidden layers do for rows as simple as these.
    Models may stand still for an epoch before they find the groups, so early stopping waits for three here. (The first
    eleven runs waited for one. Whether a model had stopped on its way moved its AUC by about a point; they were thrown
    away.) Star takes about twice as long as the others, or longer with many groups, so it has fewer seeds.
    """
    size = {"d_embedding": 16, "hidden": (64, 32), "patience": 3}
    apg = size | {"version": "v5", "rank": 8, "over": 32, "init": "static_start"}
    options = {
        "base": size | {"observe": "truth"},
        "wide base": size | {"hidden": (100, 50)},
        "APG, shuffled groups": apg | {"condition": "shuffled"},
        "APG, one group": apg | {"condition": "everyone"},
        "APG by group": apg | {"condition": "group"},
        "APG by group, static_bias": apg | {"condition": "group", "init": "static_bias"},
        "APG, self-wise": apg,
        "Star by group": size | {"domain": "group"},
    }
    return tuple(
        Cell(
            variant=name, paper="", options=found, against=None if name == "base" else "base",
            backbone="Star" if name.startswith("Star") else "WDL", n_seeds=3 if name.startswith("Star") else None,
        )
        for name, found in options.items()
    )  # fmt: skip


REAL_OR_SYNTHETIC = ("movielens", "synthetic")

SUITES = {
    suite.name: suite
    for suite in [
        Suite(
            name="table2", title="Table 2: seven backbones", page="executed/table2_backbones.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=table2,
        ),
        Suite(
            name="table4", title="Table 4: the versions of APG", page="executed/table4_versions.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=table4,
        ),
        Suite(
            name="table6", title="Table 6: weights a domain", page="executed/table6_domains.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=table6,
        ),
        Suite(
            name="table6_memory", title="Table 6: memory", page="executed/table6_domains.ipynb",
            datasets=(*REAL_OR_SYNTHETIC, "amazon_twin", "iaac_twin"), measurements=one_measurement("table6_memory"),
        ),
        Suite(
            name="table7", title="Table 7: the data sets", page="executed/table7_datasets.ipynb",
            datasets=("movielens", "amazon", "iaac", "synthetic"), measurements=one_measurement("table7"),
        ),
        Suite(
            name="table8", title="Table 8: conditions", page="executed/table8_conditions.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=table8,
        ),
        Suite(
            name="table9", title="Table 9: aggregations", page="executed/table9_aggregations.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=table9,
        ),
        Suite(
            name="figure6", title="Figure 6: what is generated", page="executed/figure6_states.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=figure6,
        ),
        Suite(
            name="figure7", title="Figure 7: P, K and the layers of G", page="executed/figure7_hyperparameters.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=figure7,
        ),
        Suite(
            name="figure8", title="Figure 8: rare and frequent users", page="executed/figure8_frequency.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=figure8,
        ),
        Suite(
            name="figure1", title="Figure 1: active and cold users", page="executed/figure1_users.ipynb",
            datasets=REAL_OR_SYNTHETIC, measurements=one_measurement("figure1"),
        ),
        Suite(
            name="table1", title="Table 1: what a layer costs", page="executed/table1_complexity.ipynb",
            datasets=REAL_OR_SYNTHETIC, measurements=one_measurement("table1"),
        ),
        Suite(
            name="starts", title="The start of G", page="executed/starts.ipynb", table="table4",
            datasets=REAL_OR_SYNTHETIC, cells=starts,
        ),
        Suite(
            name="protocol", title="Better, or sooner?", page="executed/protocol.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=protocol,
        ),
        Suite(
            name="stability", title="Stability: where does it diverge?", page="executed/stability.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=stability,
        ),
        Suite(
            name="encodings", title="Encodings of MovieLens", page="executed/encodings_movielens.ipynb", table="table2",
            datasets=("movielens",), cells=encodings,
        ),
        Suite(
            name="optimizers", title="Adam row by row", page="executed/optimizers.ipynb",
            datasets=REAL_OR_SYNTHETIC, cells=optimizers,
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
        Suite(
            name="planted", title="Planted truth", page="executed/planted_truth.ipynb",
            datasets=tuple(PLANTED), quick=(SWEEPS["heterogeneity"][0].name, CENTRE.name), cells=planted,
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
