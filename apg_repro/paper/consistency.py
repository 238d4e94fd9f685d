"""The paper's numbers held against each other. Imports no torch.

What the paper derives (``numbers.derived``: Δ, averages, factors in the text) is computed again from the cells that it
prints. A cell is known to ±``HALF``, so a derived number is known to an interval: it *agrees* if it is what the printed
cells give, is a matter of *rounding* if cells that round to the printed ones can give it, and a *slip* if none can.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Literal, get_args

import numpy as np
import pandas as pd

from apg_repro.paper import numbers as paper

Consistency = Literal["agrees", "rounding", "slip"]
CONSISTENCIES = get_args(Consistency)

PUBLIC = ("movielens", "amazon", "iaac")
HALF = 0.005  # every cell that is used here has two decimals
DECIMALS = {"points": 2, "percent": 1, "times": 0}
# How far a printed derived number may lie from its exact value; a factor in the text may be cut off as well as rounded.
DERIVED_HALF = {"points": 0.005, "percent": 0.05, "times": 1.0}
SLACK = 1e-9  # of floating point

# What the paper prints in several tables: (table, variant).
REPEATED: dict[str, Sequence[tuple[str, str]]] = {
    "base": [("table2", "base"), ("table4", "base"), ("table6", "base"), ("table8", "base"), ("table9", "base")],
    "APG, self-wise": [("table2", "apg"), ("table4", "v5"), ("table8", "self")],
    "APG, z = item": [("table6", "apg_fg"), ("table8", "group_item")],
    "APG, z = user, item, context": [("table8", "mix_user_item_context"), ("table9", "input_attention")],
}


@dataclass(frozen=True, kw_only=True)
class Derived:
    """A number that the paper derives from its cells.

    Attributes:
        table, dataset, backbone: of the cells; "average" for a mean over the data sets or the backbones.
        variant: the version whose cell it is made of, in Table 5 with its hidden layers: "v4/1024-512-256".
        metric: of the cells, and what was done with them: "auc_mean"; "auc_difference", from base's;
            "epoch_time_change", relative to base in percent; "epoch_time_extra", the same as a factor;
            "hidden_memory_saving", base's relative to it.
        value: as printed. unit: "points", "percent", "times".
        where: the paper prints it.
    """

    table: str
    dataset: str
    backbone: str
    variant: str
    metric: str
    value: float
    unit: str
    where: str = ""

    @property
    def quantity(self) -> str:
        """The metric of the cells: "auc"."""
        return self.metric.rpartition("_")[0]

    @property
    def version(self) -> str:
        return self.variant.partition("/")[0]

    @property
    def width(self) -> str:
        """The hidden layers, in Table 5; "" elsewhere."""
        return self.variant.partition("/")[2]

    @property
    def is_in_table(self) -> bool:
        """Whether its own table prints it, and not the text."""
        return self.where.startswith("Table")

    def named(self, version: str) -> "Derived":
        """The same number, said of another version."""
        return replace(self, variant=f"{version}/{self.width}" if self.width else version)

    @cached_property
    def cells(self) -> list[float]:
        """The printed cells that it is made of; more than one where it is an average, none where they are missing."""
        rows = paper.numbers()
        rows = rows[
            (rows["table"] == self.table) & (rows["variant"] == self.variant) & (rows["metric"] == self.quantity)
        ]
        if self.backbone == "average":  # Table 2, over the seven models
            rows = rows[(rows["dataset"] == self.dataset) & (rows["backbone"] != "average")]
        elif self.dataset == "average":  # Table 4, over the data sets
            rows = rows[rows["backbone"] == self.backbone]
        else:
            rows = rows[(rows["dataset"] == self.dataset) & (rows["backbone"] == self.backbone)]
        return list(rows["value"])

    def from_cells(self, side: int = 0) -> float:
        """What the printed cells give; with ``side`` ±1 cells as far to that side as rounding allows."""
        cell = float(np.mean(self.cells)) + side * HALF
        base = float(np.mean(self.named("base").cells)) - side * HALF
        match self.metric.rpartition("_")[2]:
            case "mean":
                return cell
            case "difference":
                return cell - base
            case "change":
                return 100 * (cell / base - 1)
            case "extra":
                return cell / base - 1
            case "saving":
                return base / cell
        raise ValueError(f"no formula for {self.metric}")

    @cached_property
    def consistency(self) -> Consistency:
        """Whether it follows from the printed cells: see the module's docstring."""
        if round(self.from_cells(), DECIMALS[self.unit]) == self.value:
            return "agrees"
        low, high = sorted((self.from_cells(-1), self.from_cells(+1)))
        half = DERIVED_HALF[self.unit] + SLACK
        return "rounding" if low - half <= self.value <= high + half else "slip"


@cache
def checks() -> tuple[Derived, ...]:
    """Every derived number, the averages of Table 2 included."""
    averages = paper.numbers().query("table == 'table2' and backbone == 'average'")
    table = pd.concat([averages.assign(metric="auc_mean", unit="points"), paper.derived()])
    return tuple(Derived(**{str(name): value for name, value in line.items()}) for line in table.to_dict("records"))


def printed_in(table: str, metric: str = "") -> list[Derived]:
    """A table's own derived numbers whose metric ends so, without what the text says of it."""
    return [one for one in checks() if one.table == table and one.is_in_table and one.metric.endswith(metric)]


def slips() -> list[Derived]:
    """The derived numbers that no cells can give."""
    return [one for one in checks() if one.consistency == "slip"]


def versions_that_fit(one: Derived) -> list[str]:
    """The other versions of Table 5 whose cells would give a number that it prints."""
    others = [one.named(version) for version in ("v1", "v2", "v3", "v4")] if one.width else []
    return [other.version for other in others if other.cells and other.consistency != "slip"]


def said_twice() -> list[tuple[Derived, Derived]]:
    """What the text says otherwise than Table 5, and what the table prints."""
    own = {(one.variant, one.metric): one for one in printed_in("table5")}
    pairs = [(one, own.get((one.variant, one.metric), one)) for one in checks()]
    return [(text, table) for text, table in pairs if text.value != table.value]


def implied_base(one: Derived) -> float:
    """The base that a cell of Table 5 and its Δ imply."""
    (cell,) = one.cells
    return cell / (1 + one.value / 100)


def repeated(dataset: str, places: Sequence[tuple[str, str]]) -> list[float]:
    """The different values of a number that several tables print; one, if they agree."""
    return sorted({paper.value(table, dataset, "WDL", variant) for table, variant in places})


def insignificant() -> list[Derived]:
    """The gains of Table 2 that are not above what the paper calls significant (its footnote 3)."""
    return [one for one in printed_in("table2", "auc_difference") if one.from_cells() < significance() + SLACK]


def significance() -> float:
    """What the paper calls a significant gain, in points."""
    return paper.value("claims", "iaac", "WDL", "v4", "significance")
