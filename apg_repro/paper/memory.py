"""What the paper's "memory (M)" is: every cell of Tables 5 and 6 from counts of parameters. Imports no torch.

The account: ``BYTES`` per parameter, in units of 10^6 bytes, and one constant for all cells.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, product

import numpy as np

from apg_repro.config import RunConfig
from apg_repro.paper import numbers as paper
from apg_repro.paper.complexity import evaluate
from apg_repro.paper.consistency import HALF, PUBLIC
from apg_repro.paper.numbers import table5_widths
from apg_repro.paper.settings import RANKS, TABLE5_INPUTS, TABLE5_RANK
from apg_repro.versions import PAPER_VERSIONS

BYTES = 12  # per parameter: a float32 weight and Adam's two moments
UNIT = 1e6
UNITS = {"10⁶ bytes": UNIT, "2²⁰ bytes": 2**20}
D = RunConfig.d_embedding  # of a group-wise condition, an embedding
HIDDEN = "-".join(map(str, RunConfig.hidden))  # Appendix B.3, as Table 5 writes it
D_V2 = 16  # v2's cells fit no D = 32 with K = 4: see ``settings``
FITTED = ("base", "v1", "v4")  # of Table 5, 15 cells: what the constant is fitted to
INPUTS = {"movielens": 185, "amazon": 256, "iaac": TABLE5_INPUTS}  # the first two: see ``input_width``
READINGS = {
    "movielens": "5 × 32 + 7 age classes + 18 genres = 185",
    "amazon": "8 × 32 = 256",
    "iaac": "12 × 32 + 9 numbers = 393",
}
# Coarse domains of Table 6: the distinct genre strings of MovieLens-1M, and Amazon's categories (Section 4.6). How many
# brands IAAC has, the paper does not print.
COARSE = {"movielens": 301.0, "amazon": 10.0, "iaac": math.nan}
MODELS = ("base", "apg", "mmoe", "star")  # of Table 6
GRAINS = ("fg", "cg")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Hidden layers as memory sees them.

    Attributes:
        inputs: of the first layer. hidden: units of the layers, "256-128-64".
        rank: K. d_condition: D, or None for a self-wise condition, which is each layer's input.
        bias: whether G and the layers have biases.
    """

    inputs: int = TABLE5_INPUTS
    hidden: str = HIDDEN
    rank: int = TABLE5_RANK
    d_condition: int | None = D
    bias: bool = True

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        return list(pairwise([self.inputs, *map(int, self.hidden.split("-"))]))


def parameters(version: str, shape: Shape) -> int:
    """Parameters of the hidden layers: Table 1's terms, G of one layer, and biases."""
    formulas = [*PAPER_VERSIONS[version].memory, *([PAPER_VERSIONS[version].biases] if shape.bias else [])]
    d = shape.d_condition
    return sum(
        evaluate(formula, {"N": o, "M": i, "D": i if d is None else d, "K": shape.rank})
        for i, o in shape.layers
        for formula in formulas
    )


def megabytes(n: float) -> float:
    """What n parameters take in training, in M: 12 bytes each, without the constant."""
    return n * BYTES / UNIT


def table5(version: str, width: str) -> float:
    """A memory cell of Table 5."""
    return paper.value("table5", "iaac", "WDL", f"{version}/{width}", "hidden_memory")


def table6(dataset: str, variant: str) -> float:
    """A memory cell of Table 6."""
    return paper.value("table6", dataset, "WDL", variant, "hidden_memory")


def rest(bytes_each: float = BYTES, unit: float = UNIT) -> np.ndarray:
    """What the cells that the constant is fitted to print beyond their parameters."""
    return np.array([
        table5(version, width) - parameters(version, Shape(hidden=width)) * bytes_each / unit
        for version in FITTED for width in table5_widths()
    ])  # fmt: skip


@cache
def constant() -> float:
    """The constant, in M: the mean of that rest."""
    return float(rest().mean())


@dataclass(frozen=True, kw_only=True)
class UnitFit:
    """How well a unit explains the fitted cells.

    Attributes:
        size: bytes per parameter. unit: a key of ``UNITS``.
        constant: that fits best. farthest: how far the farthest cell then is. Both in that unit.
    """

    size: int
    unit: str
    constant: float
    farthest: float


def unit_fits() -> list[UnitFit]:
    """Other units, each with the constant that fits it best."""
    found = []
    for size, (name, unit) in product((4, 8, 12, 16), UNITS.items()):
        beyond = rest(size, unit)
        farthest = float(np.abs(beyond - beyond.mean()).max())
        found.append(UnitFit(size=size, unit=name, constant=float(beyond.mean()), farthest=farthest))
    return found


def residuals(version: str, shape: Shape) -> list[float]:
    """What the cells of a version of Table 5 print beyond what these settings give, width by width, in M."""
    return [
        table5(version, width) - constant() - megabytes(parameters(version, replace(shape, hidden=width)))
        for width in table5_widths()
    ]


def settings(version: str) -> list[Shape]:
    """The three K, D and biases that bring a version of Table 5 nearest to its cells, then those of the text."""
    ranks = (TABLE5_RANK,) if version == "v1" else (1, 2, 3, 4, 6, 8)  # v1 has no K
    candidates = [
        Shape(rank=rank, d_condition=d, bias=bias)
        for rank, d, bias in product(ranks, (8, 16, D, 64, None), (True, False))
    ]
    ranked = sorted(candidates, key=lambda shape: max(map(abs, residuals(version, shape))))
    return list(dict.fromkeys([*ranked[:3], Shape()]))


def input_width(dataset: str) -> tuple[float, float]:
    """Inputs of Table 6's base, and how far rounding may move them.

    Two base cells differ by as many parameters per input as the first layer has units, and IAAC has 393 inputs.
    """
    each = megabytes(int(HIDDEN.split("-")[0]))
    width = INPUTS["iaac"] - (table6("iaac", "base") - table6(dataset, "base")) / each
    return width, 0.0 if dataset == "iaac" else 2 * HALF / each


def domains(dataset: str, grain: str) -> float:
    """Domains of Table 6, fine-grained ("fg") or coarse ("cg"); NaN where the paper does not say."""
    return paper.value("table7", dataset, "", "", "items") if grain == "fg" else COARSE[dataset]


def network(dataset: str) -> int:
    """Parameters of base on a data set."""
    return parameters("base", Shape(inputs=INPUTS[dataset]))


def networks_held(dataset: str, grain: str) -> float:
    """How many base networks the memory of Star holds."""
    return (table6(dataset, f"star_{grain}") - constant()) / megabytes(network(dataset))


@cache
def mmoe() -> tuple[int, float]:
    """How many shared networks, and parameters per domain, fit MMoE's three fine-grained cells best."""
    n = np.array([domains(dataset, "fg") for dataset in PUBLIC])
    farthest = {}
    for networks in range(1, 17):
        beyond = np.array([
            table6(dataset, "mmoe_fg") - constant() - networks * megabytes(network(dataset)) for dataset in PUBLIC
        ])  # fmt: skip
        each = float(n @ beyond / (n @ n))  # least squares
        farthest[networks, each / megabytes(1)] = np.abs(beyond - n * each).max()
    return min(farthest, key=lambda found: farthest[found])


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A memory cell and our account of it.

    Attributes:
        table: "table5" or "table6".
        model: a version in Table 5; base, APG, MMoE or Star in Table 6. grain: of its domains; "" for none.
        width: hidden layers, in Table 5. dataset: in Table 6.
        account: what the cell may hold, in words.
        printed, fitted: in M; NaN where there is no account.
    """

    table: str
    model: str
    grain: str = ""
    width: str = ""
    dataset: str = "iaac"
    account: str
    printed: float
    fitted: float

    @property
    def percent(self) -> float:
        """Printed less fitted, in percent of printed."""
        return 100 * (self.printed - self.fitted) / self.printed


@cache
def fits() -> tuple[Fit, ...]:
    """Every memory cell of Tables 5 and 6."""
    return (
        *(fit_table5(version, width) for version in ("base", "v1", "v2", "v4") for width in table5_widths()),
        *(
            fit_table6(model, grain, dataset)
            for model in MODELS
            for grain in (GRAINS if model != "base" else ("",))
            for dataset in PUBLIC
        ),
    )


def fit_table5(version: str, width: str) -> Fit:
    """A memory cell of Table 5."""
    shape = Shape(hidden=width, d_condition=D_V2 if version == "v2" else D)
    rank = f"K = {shape.rank}, " if "rank" in PAPER_VERSIONS[version].options else ""
    return Fit(
        table="table5", model=version, width=width,
        account="" if version == "base" else f"{rank}D = {shape.d_condition}",
        printed=table5(version, width), fitted=megabytes(parameters(version, shape)) + constant(),
    )  # fmt: skip


def fit_table6(model: str, grain: str, dataset: str) -> Fit:
    """A memory cell of Table 6."""
    printed = table6(dataset, f"{model}_{grain}" if grain else model)
    account, n = account_table6(model, grain, dataset, printed)
    return Fit(
        table="table6", model=model, grain=grain, dataset=dataset, account=account,
        printed=printed, fitted=megabytes(n) + constant(),
    )  # fmt: skip


def account_table6(model: str, grain: str, dataset: str, printed: float) -> tuple[str, float]:
    """What a cell may hold, in words, and its parameters; NaN where the paper does not say enough."""
    if model == "base":
        return f"{INPUTS[dataset]} inputs", network(dataset)
    if model == "apg":
        options = {rank: parameters("v4", Shape(inputs=INPUTS[dataset], rank=rank)) for rank in RANKS}
        rank = min(options, key=lambda rank: abs(megabytes(options[rank]) + constant() - printed))
        return f"v4, K = {rank}", options[rank]
    n = domains(dataset, grain)
    if math.isnan(n):
        return "brands not printed", math.nan
    if model == "star":
        return f"{n:,.0f} networks", n * network(dataset)
    networks, each = mmoe()
    return f"{networks} net + {n:,.0f} × {each:,.0f}", networks * network(dataset) + n * each
