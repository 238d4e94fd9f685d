"""The paper's cells next to ours, as numbers. Imports no torch."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

from apg_repro.catalogue import CATALOGUE
from apg_repro.config import Protocol
from apg_repro.paper import numbers as paper
from apg_repro.report.statistics import RULE, Estimate, Judgement, Rule, Verdict, estimate, judge_family
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Cell, Options

Key = TypeVar("Key")
Runs = tuple[tuple[str, ...], ...]  # their identifiers, cell by cell


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """One cell of the paper next to ours. AUC in percent, NaN where there is none; differences in points.

    Attributes:
        paper_difference: from the paper's row of the same reference as ours.
        direction: 1 or -1, where the paper does not have the data set but this difference on others, all of one sign
            (see ``direction``): a verdict is then against 0 on that side. NaN elsewhere.
        seeds: of our runs.
        n_diverged: how many of our runs diverged.
        chosen: by the search, on validation rows.
        reference: the cell that the difference is taken from.
        is_against_plain: whether a rival of that reference is still to be run.
        judgement: within its family; without a word in the quick profile and for a reference.
    """

    cell: Cell
    paper: float
    paper_difference: float
    direction: float
    ours: Estimate
    difference: Estimate
    seeds: tuple[int, ...]
    n_diverged: int
    chosen: Options
    reference: Cell | None
    is_against_plain: bool
    judgement: Judgement = dataclasses.field(default_factory=Judgement)

    @property
    def verdict(self) -> Verdict | Literal[""]:
        """The word, without its marks."""
        return self.judgement.word

    @property
    def rival(self) -> Cell | None:
        """The rival of the declared reference, where the difference is taken from that."""
        return self.reference if self.reference and self.reference.name != self.cell.against else None

    @property
    def family(self) -> str:
        """What it is tested together with, in its table and under its protocol: all that has this reference."""
        return self.cell.against or ""

    @property
    def expected(self) -> float:
        """Whose sign a verdict goes by: the paper's difference here, or its direction on its own data sets."""
        return self.paper_difference if math.isnan(self.direction) else self.direction

    @property
    def has_paper_auc(self) -> bool:
        """Whether the paper prints an AUC of this cell: it has neither damped base nor tuned models."""
        is_ours = not self.cell.is_printed and bool(self.cell.rival_of or self.cell.grid)
        return not is_ours and not math.isnan(self.paper)

    @property
    def is_printed(self) -> bool:
        """Whether the paper prints this very difference."""
        return self.cell.is_printed and not math.isnan(self.paper_difference)


def compare(evidence: Evidence, protocol: Protocol, rule: Rule = RULE) -> dict[tuple[str, str], Comparison]:
    """Every cell of a suite, by its key, each judged within its family by the rule or a variant of it."""
    return evidence.remembered(("compare", protocol, rule), lambda: judged_cells(evidence, protocol, rule))


def judged_cells(evidence: Evidence, protocol: Protocol, rule: Rule) -> dict[tuple[str, str], Comparison]:
    """What ``compare`` remembers, computed anew."""
    found: dict[tuple[str, str], Comparison] = evidence.remembered(
        ("differences", protocol), lambda: {cell.key: compare_cell(evidence, cell, protocol) for cell in evidence.cells}
    )
    if not evidence.is_result:
        return found
    families: dict[str, dict[tuple[str, str], tuple[Runs, Estimate, float]]] = {}
    for key, line in found.items():
        if line.reference:
            compared = runs_of(evidence, [line.cell, line.reference], protocol), line.difference, line.expected
            families.setdefault(line.family, {})[key] = compared
    judged = {key: one for lines in families.values() for key, one in judge_lines(lines, rule).items()}
    return {
        key: dataclasses.replace(line, judgement=judged[key]) if key in judged else line for key, line in found.items()
    }


def judge_lines(lines: Mapping[Key, tuple[Runs, Estimate, float]], rule: Rule = RULE) -> dict[Key, Judgement]:
    """The judgements on a family of lines: those that ask the same of the same runs are one test.

    Args:
        lines: the runs that each compares, our difference and the paper's.
        rule: or a variant of it.
    """
    tests = {
        key: (runs, 0.0 if math.isnan(expected) or not expected else math.copysign(1, expected))
        for key, (runs, _, expected) in lines.items()
    }
    judged = judge_family({tests[key]: (found, expected) for key, (_, found, expected) in lines.items()}, rule)
    return {key: judged[test] for key, test in tests.items()}


def runs_of(evidence: Evidence, cells: Sequence[Cell], protocol: Protocol) -> Runs:
    """The runs that each of some cells shows."""
    return tuple(tuple(row.id for row in evidence.found(cell, protocol)) for cell in cells)


def compare_cell(evidence: Evidence, cell: Cell, protocol: Protocol) -> Comparison:
    """One cell, not yet judged."""
    ours, reference = paper_auc(evidence, cell), evidence.reference(cell, protocol)
    expected = ours - paper_auc(evidence, reference) if reference else math.nan
    difference = estimate(evidence.differences(cell, protocol))
    return Comparison(
        cell=cell,
        paper=ours,
        paper_difference=expected,
        direction=direction(evidence, cell),
        ours=estimate(list(evidence.by_seed(cell, protocol).values())),
        difference=difference,
        seeds=tuple(evidence.by_seed(cell, protocol)),
        n_diverged=sum(row.diverged(protocol) for row in evidence.found(cell, protocol)),
        chosen=evidence.chosen(cell, protocol) or {},
        reference=reference,
        is_against_plain=bool(difference.n) and evidence.lack_rivals([cell], protocol),
    )


def difference_from(evidence: Evidence, cell: Cell, other: str, protocol: Protocol) -> Estimate:
    """A cell less another one of its backbone, whichever reference is declared."""
    return estimate(evidence.between([cell], [evidence.cell(other, cell.backbone)], protocol))


def direction(evidence: Evidence, cell: Cell) -> float:
    """On which side of 0 the paper claims a difference to be, where it does not have a real data set.

    1 or -1, if its differences of this cell on its own data sets are all of that sign; else NaN, as on the data sets
    that it has.
    """
    reference = evidence.declared_reference(cell)
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
