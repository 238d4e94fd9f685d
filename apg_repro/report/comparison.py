"""The paper's cells next to ours, as numbers. Imports no torch."""

import dataclasses
import math

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
        n_diverged: how many of our runs diverged.
        chosen: by the search, on validation rows.
    """

    cell: Cell
    paper: float
    paper_difference: float
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
    expected = ours - paper_auc(evidence, reference) if reference else math.nan
    difference = estimate(evidence.differences(cell, protocol))
    return Comparison(
        cell=cell,
        paper=ours,
        paper_difference=expected,
        ours=estimate(list(evidence.by_seed(cell, protocol).values())),
        difference=difference,
        n_diverged=sum(row.diverged(protocol) for row in evidence.found(cell, protocol)),
        chosen=evidence.chosen(cell, protocol) or {},
        verdict=judge(difference, expected) if reference and evidence.is_result else "",
    )


def paper_auc(evidence: Evidence, cell: Cell) -> float:
    """The paper's AUC of a cell in percent; NaN where it prints none."""
    if cell.paper_row is None:
        return math.nan
    return paper.value(evidence.suite.paper_table, evidence.data.paper, paper_backbone(evidence, cell), cell.paper_row)


def paper_backbone(evidence: Evidence, cell: Cell) -> str:
    """The backbone that the paper prints a cell under: its own, or WDL."""
    own = paper.value(evidence.suite.paper_table, evidence.data.paper, cell.backbone, cell.paper_row or "")
    return "WDL" if math.isnan(own) else cell.backbone
