"""The paper's cells next to ours, as numbers. Imports no torch."""

import dataclasses
import math

from apg_repro.catalogue import CATALOGUE
from apg_repro.config import Protocol
from apg_repro.paper import numbers as paper
from apg_repro.report.statistics import Estimate, estimate, judge
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Cell, Options


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """One cell of the paper next to ours. AUC in percent, NaN where there is none; differences in points.

    Attributes:
        paper_difference: from the paper's row of the same reference as ours.
        direction: 1 or -1, where the paper does not have the data set but this difference on others, all of one sign
            (see ``direction``): a verdict is then against 0 on that side. NaN elsewhere.
        n_diverged: how many of our runs diverged.
        chosen: by the search, on validation rows.
    """

    cell: Cell
    paper: float
    paper_difference: float
    direction: float
    ours: Estimate
    difference: Estimate
    n_diverged: int
    chosen: Options
    verdict: str

    @property
    def is_printed(self) -> bool:
        """Whether the paper prints this very difference."""
        return self.cell.is_printed and not math.isnan(self.paper_difference)


def compare(evidence: Evidence, protocol: Protocol) -> dict[tuple[str, str], Comparison]:
    """Every cell of a suite, by its key."""
    return {cell.key: compare_cell(evidence, cell, protocol) for cell in evidence.cells}


def compare_cell(evidence: Evidence, cell: Cell, protocol: Protocol) -> Comparison:
    """One cell."""
    ours, reference = paper_auc(evidence, cell), evidence.reference(cell)
    printed = ours - paper_auc(evidence, reference) if reference else math.nan
    elsewhere = direction(evidence, cell)
    difference = estimate(evidence.differences(cell, protocol))
    return Comparison(
        cell=cell,
        paper=ours,
        paper_difference=printed,
        direction=elsewhere,
        ours=estimate(list(evidence.by_seed(cell, protocol).values())),
        difference=difference,
        n_diverged=sum(row.diverged(protocol) for row in evidence.found(cell, protocol)),
        chosen=evidence.chosen(cell, protocol) or {},
        verdict=judge(difference, printed if math.isnan(elsewhere) else elsewhere)
        if reference and evidence.is_result
        else "",
    )


def direction(evidence: Evidence, cell: Cell) -> float:
    """On which side of 0 the paper claims a difference to be, where it does not have a real data set.

    1 or -1, if its differences of this cell on its own data sets are all of that sign; else NaN, as on the data sets
    that it has.
    """
    reference = evidence.reference(cell)
    if evidence.data.paper or evidence.data.kind != "real" or reference is None:
        return math.nan
    theirs = [name for name, entry in CATALOGUE.items() if entry.kind == "real" and entry.paper]
    found = [paper_auc(evidence, cell, name) - paper_auc(evidence, reference, name) for name in theirs]
    signs = {math.copysign(1, difference) for difference in found if difference and not math.isnan(difference)}
    return signs.pop() if len(signs) == 1 else math.nan


def paper_auc(evidence: Evidence, cell: Cell, dataset: str | None = None) -> float:
    """The paper's AUC of a cell in percent, on the evidence's data set or another; NaN where it prints none."""
    if cell.paper_row is None:
        return math.nan
    name = evidence.data.paper if dataset is None else dataset
    return paper.value(evidence.suite.paper_table, name, paper_backbone(evidence, cell, name), cell.paper_row)


def paper_backbone(evidence: Evidence, cell: Cell, dataset: str | None = None) -> str:
    """The backbone that the paper prints a cell under: its own, or WDL."""
    name = evidence.data.paper if dataset is None else dataset
    own = paper.value(evidence.suite.paper_table, name, cell.backbone, cell.paper_row or "")
    return "WDL" if math.isnan(own) else cell.backbone
