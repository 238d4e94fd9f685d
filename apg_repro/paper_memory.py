"""What the paper's "memory (M)" is: every cell of Tables 5 and 6 from counts of parameters. Imports no torch.

The account: ``BYTES`` a parameter, in units of 10^6 bytes, and one constant for all cells.
"""

import math
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, product
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from apg_repro import paper
from apg_repro.complexity import BIASES, MEMORY, evaluate, total
from apg_repro.errata import DEFAULT_WIDTH, HALF, PUBLIC, WIDTHS
from apg_repro.figures import style
from apg_repro.report import DATASET_TITLES, MISSING, plus
from apg_repro.suites import COST_RANK

BYTES = 12  # a parameter: a float32 weight and Adam's two moments
UNIT = 1e6
D = 32  # of a group-wise condition, an embedding
RANKS = (2, 4, 6, 8)  # K elsewhere (Appendix B.3)
D_V2 = 16  # v2's cells fit no D = 32 with K = 4: see ``settings``
FITTED = ("base", "v1", "v4")  # of Table 5, 15 cells: what the constant is fitted to
INPUTS = {"movielens": 185, "amazon": 256, "iaac": 393}  # 393: Table 5; the others: see ``input_widths``
READINGS = {
    "movielens": "5 × 32 + 7 age classes + 18 genres = 185",
    "amazon": "8 × 32 = 256",
    "iaac": "12 × 32 + 9 numbers = 393",
}
# Coarse domains of Table 6: the distinct genre strings of MovieLens-1M, and Amazon's categories (Section 4.6). How many
# brands IAAC has, the paper does not print.
COARSE = {"movielens": 301.0, "amazon": 10.0, "iaac": math.nan}
MODELS = {"base": "base", "apg": "APG", "mmoe": "MMoE", "star": "Star"}
GRAINS = {"fg": "fine", "cg": "coarse"}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Hidden layers as memory sees them.

    Attributes:
        inputs: of the first layer. hidden: units of the layers, "256-128-64".
        rank: K. d_condition: D, or None for a self-wise condition, which is each layer's input.
        bias: whether G and the layers have biases.
    """

    inputs: int = INPUTS["iaac"]
    hidden: str = DEFAULT_WIDTH
    rank: int = COST_RANK
    d_condition: int | None = D
    bias: bool = True

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        return list(pairwise([self.inputs, *map(int, self.hidden.split("-"))]))


def parameters(version: str, shape: Shape) -> int:
    """Parameters of the hidden layers: Table 1's terms, G of one layer, and biases."""
    formula = total(MEMORY, version) + (f" + {BIASES[version]}" if shape.bias else "")
    d = shape.d_condition
    return sum(
        evaluate(formula, {"N": o, "M": i, "D": i if d is None else d, "K": shape.rank}) for i, o in shape.layers
    )


def megabytes(n: float) -> float:
    """What n parameters take, in M, without the constant."""
    return n * BYTES / UNIT


def table5(version: str, width: str) -> float:
    """A memory cell of Table 5."""
    return paper.value("table5", "iaac", "WDL", f"{version}/{width}", "hidden_memory")


def table6(dataset: str, variant: str) -> float:
    """A memory cell of Table 6."""
    return paper.value("table6", dataset, "WDL", variant, "hidden_memory")


def rest(bytes_each: float, unit: float) -> np.ndarray:
    """What the cells that the constant is fitted to print beyond their parameters."""
    return np.array([
        table5(version, width) - parameters(version, Shape(hidden=width)) * bytes_each / unit
        for version in FITTED for width in WIDTHS
    ])  # fmt: skip


@cache
def constant() -> float:
    """The constant, in M: the mean of that rest."""
    return float(rest(BYTES, UNIT).mean())


def units() -> pd.DataFrame:
    """Other units, each with the constant that fits it best: how far the farthest of the cells then is, in M."""
    lines = []
    for size, (unit, name) in product((4, 8, 12, 16), ((1e6, "10⁶ bytes"), (2**20, "2²⁰ bytes"))):
        beyond = rest(size, unit)
        farthest = np.abs(beyond - beyond.mean()).max()
        lines.append(
            {
                "Bytes a parameter": size,
                "Unit": name,
                "Constant": plus(beyond.mean()),
                "Farthest cell": f"{farthest:.2f}",
            }
        )
    return pd.DataFrame(lines)


def settings(version: str, best: int = 3) -> pd.DataFrame:
    """K, D and biases that bring a version of Table 5 nearest to its cells, then those of the text: residuals in M."""
    candidates = [
        Shape(rank=rank, d_condition=d, bias=bias)
        for rank, d, bias in product(
            (COST_RANK,) if version == "v1" else (1, 2, 3, 4, 6, 8), (8, 16, D, 64, None), (True, False)
        )
    ]

    def residuals(shape: Shape) -> list[float]:
        sizes = [megabytes(parameters(version, replace(shape, hidden=width))) for width in WIDTHS]
        return [table5(version, width) - constant() - size for width, size in zip(WIDTHS, sizes, strict=True)]

    ranked = sorted(candidates, key=lambda shape: max(map(abs, residuals(shape))))
    return pd.DataFrame(
        {
            "Version": version,
            "K": MISSING if version == "v1" else shape.rank,
            "D": shape.d_condition or "self-wise",
            "Biases": "yes" if shape.bias else "no",
            **{width: plus(residual) for width, residual in zip(WIDTHS, residuals(shape), strict=True)},
        }
        for shape in dict.fromkeys([*ranked[:best], Shape()])
    )


def input_widths() -> pd.DataFrame:
    """Inputs of Table 6's base. Two base cells differ by the first layer's units an input, and IAAC has 393 inputs."""
    each = megabytes(int(DEFAULT_WIDTH.split("-")[0]))
    lines = []
    for dataset in PUBLIC:
        width = INPUTS["iaac"] - (table6("iaac", "base") - table6(dataset, "base")) / each
        half = "" if dataset == "iaac" else f" ± {2 * HALF / each:.0f}"
        lines.append(
            {
                "Data set": DATASET_TITLES[dataset],
                "Memory": f"{table6(dataset, 'base'):.2f}",
                "Inputs": f"{width:.0f}{half}",
                "A reading": READINGS[dataset],
            }
        )
    return pd.DataFrame(lines)


def domains(dataset: str, grain: str) -> float:
    """Domains of Table 6, fine-grained ("fg") or coarse ("cg"); NaN where the paper does not say."""
    return paper.value("table7", dataset, "", "", "items") if grain == "fg" else COARSE[dataset]


def network(dataset: str) -> int:
    """Parameters of base on a data set."""
    return parameters("base", Shape(inputs=INPUTS[dataset]))


@cache
def mmoe() -> tuple[int, float]:
    """How many shared networks, and parameters a domain, fit MMoE's three fine-grained cells best."""
    n = np.array([domains(dataset, "fg") for dataset in PUBLIC])
    farthest = {}
    for networks in range(1, 17):
        beyond = np.array([
            table6(dataset, "mmoe_fg") - constant() - networks * megabytes(network(dataset)) for dataset in PUBLIC
        ])  # fmt: skip
        each = float(n @ beyond / (n @ n))  # least squares
        farthest[networks, each / megabytes(1)] = np.abs(beyond - n * each).max()
    return min(farthest, key=lambda account: farthest[account])


def account(dataset: str, variant: str) -> tuple[str, float]:
    """What a cell of Table 6 may hold, in words, and its parameters; NaN where the paper does not say enough."""
    model, _, grain = variant.partition("_")
    n = domains(dataset, grain)
    match model:
        case "base":
            return f"{INPUTS[dataset]} inputs", network(dataset)
        case "apg":
            target = table6(dataset, variant) - constant()
            options = {rank: parameters("v4", Shape(inputs=INPUTS[dataset], rank=rank)) for rank in RANKS}
            rank = min(options, key=lambda rank: abs(megabytes(options[rank]) - target))
            return f"v4, K = {rank}", options[rank]
        case _ if math.isnan(n):
            return "brands not printed", math.nan
        case "star":
            return f"{n:,.0f} networks", n * network(dataset)
    networks, each = mmoe()
    return f"{networks} net + {n:,.0f} × {each:,.0f}", networks * network(dataset) + n * each


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A memory cell and our account of it, in M; NaN where there is none."""

    group: str
    cell: str
    account: str
    printed: float
    fitted: float

    @property
    def percent(self) -> float:
        """Printed less fitted, in percent of printed."""
        return 100 * (self.printed - self.fitted) / self.printed


@cache
def fits() -> list[Fit]:
    """Every memory cell of Tables 5 and 6."""
    found = []
    for version, width in product(("base", "v1", "v2", "v4"), WIDTHS):
        shape = Shape(hidden=width, d_condition=D_V2 if version == "v2" else D)
        n = parameters(version, shape)
        what = {"base": "", "v1": f"D = {D}", "v2": f"K = {COST_RANK}, D = {D_V2}", "v4": f"K = {COST_RANK}, D = {D}"}[
            version
        ]
        found.append(
            Fit(group=f"5, {version}", cell=width, account=what, printed=table5(version, width),
                fitted=megabytes(n) + constant())
        )  # fmt: skip
    for variant in ("base", "apg_fg", "apg_cg", "mmoe_fg", "mmoe_cg", "star_fg", "star_cg"):
        model, _, grain = variant.partition("_")
        for dataset in PUBLIC:
            what, n = account(dataset, variant)
            cell = DATASET_TITLES[dataset] + (f", {GRAINS[grain]}" if grain else "")
            found.append(
                Fit(group=f"6, {MODELS[model]}", cell=cell, account=what, printed=table6(dataset, variant),
                    fitted=megabytes(n) + constant())
            )  # fmt: skip
    return found


def table() -> pd.DataFrame:
    """The fits as they stand on a page."""
    return pd.DataFrame(
        {
            "Table": fit.group,
            "Cell": fit.cell,
            "Account": fit.account,
            "Printed": f"{fit.printed:,.2f}",
            "Fitted": MISSING if math.isnan(fit.fitted) else f"{fit.fitted:,.2f}",
            "Residual": MISSING if math.isnan(fit.fitted) else plus(fit.printed - fit.fitted),
        }
        for fit in fits()
    )


def networks() -> pd.DataFrame:
    """Table 6, Star: how many base networks its memory holds, beside its domains."""
    lines = []
    for dataset, grain in product(PUBLIC, GRAINS):
        held = (table6(dataset, f"star_{grain}") - constant()) / megabytes(network(dataset))
        n = domains(dataset, grain)
        lines.append(
            {
                "Data set": DATASET_TITLES[dataset],
                "Grain": GRAINS[grain],
                "Domains": "not printed" if math.isnan(n) else f"{n:,.0f}",
                "Networks that it holds": f"{held:,.0f}",
                "A domain": MISSING if math.isnan(n) else f"{held / n:.2f}",
            }
        )
    return pd.DataFrame(lines)


def figure() -> Figure:
    """Every cell: printed against fitted on logarithmic axes, and the residual in percent of what is printed."""
    style()
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
    known = [fit for fit in fits() if not math.isnan(fit.fitted)]
    groups = list(dict.fromkeys(fit.group for fit in known))
    for place, group in enumerate(groups):
        part = [fit for fit in known if fit.group == group]
        look: dict[str, Any] = {
            "marker": "o" if group.startswith("5") else "D",
            "ls": "",
            "color": f"C{place}",
            "alpha": 0.8,
        }
        left.plot([fit.fitted for fit in part], [fit.printed for fit in part], label=f"Table {group}", **look)
        right.plot([fit.percent for fit in part], [place] * len(part), **look)
    ends = [min(fit.printed for fit in known) / 2, max(fit.printed for fit in known) * 2]
    left.plot(ends, ends, color="black", lw=0.8, zorder=0)
    left.set(xscale="log", yscale="log", xlabel="fitted, M", ylabel="printed, M")
    left.legend(fontsize="x-small", frameon=True)
    right.axvline(0, color="black", lw=0.8, zorder=0)
    right.set_yticks(range(len(groups)), [f"Table {group}" for group in groups])
    right.invert_yaxis()
    right.set_xlabel("printed less fitted, percent of printed")
    plt.close(fig)  # the notebook displays it, once
    return fig
