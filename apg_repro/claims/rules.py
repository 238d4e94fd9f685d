"""How a claim is judged.

A claim that something is better, or alike, has the rule of every page (``report/statistics.py``). What a table compares
with its reference has the marks of its table; any other comparison is one test of its own. A claim about several cases
holds as far as its weakest case does: *not run* if one of them is, else the first of *contradicted*, *no difference*,
*undecided*, *direction only* and *reproduced* that occurs. It keeps a mark without which it would have another verdict.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape

from apg_repro.catalogue import data_set
from apg_repro.config import DeviceKind, Protocol
from apg_repro.report.comparison import compare, paper_auc
from apg_repro.report.short import in_a_row
from apg_repro.report.statistics import (
    HOLDS,
    NOT_AFTER_HOLM,
    Estimate,
    Judgement,
    alike,
    estimate,
    judge,
    with_marks,
)
from apg_repro.report.tables import AGAINST_PLAIN, NOTES, Markup, badges, format_difference, with_n
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Cell


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What we have on a claim under one protocol.

    Attributes:
        verdict: as pages print it, without marks.
        ours: what it rests on.
        marks: of the verdict: see ``report/tables.py``.
        n_diverged: how many of the runs that it rests on diverged.
    """

    verdict: str
    ours: str | Markup = ""
    marks: str = ""
    n_diverged: int = 0

    @property
    def text(self) -> str:
        """The verdict with its marks."""
        return with_marks(self.verdict, self.marks)

    @property
    def ours_html(self) -> str:
        """What it rests on, as HTML."""
        return self.ours.html if isinstance(self.ours, Markup) else escape(self.ours)


NOT_RUN = Finding(verdict="not run")
WEAKEST_FIRST = ("contradicted", "no difference", "undecided", "direction only", "reproduced")
UNTESTABLE = data_set("indusdata").absent


def judge_better(difference: Estimate) -> Finding:
    """A difference in points that should be above 0, as one test of its own."""
    return finding(difference, judge(difference, 1.0))


def judge_alike(difference: Estimate) -> Finding:
    """A difference in points that should be none."""
    corrected = alike(difference.corrected)
    return finding(difference, Judgement(word=alike(difference), corrected_word=corrected))


def finding(difference: Estimate, judgement: Judgement) -> Finding:
    """A difference and the judgement on it."""
    return Finding(verdict=judgement.word, ours=with_n(difference), marks=judgement.marks)


def judge_fact(is_so: bool, ours: str) -> Finding:
    """A statement that is true or not."""
    return Finding(verdict="reproduced" if is_so else "contradicted", ours=ours)


def all_verdicts(verdicts: Sequence[str]) -> str:
    """The verdict on all of several cases: that of the weakest."""
    if not verdicts or "not run" in verdicts:
        return "not run"
    return min(verdicts, key=WEAKEST_FIRST.index)


def all_findings(found: Sequence[Finding]) -> Finding:
    """All of several cases, and how many have which verdict.

    A mark stays if the verdict would not be reached without a case that has it: any of those that hold, where all do;
    or else all of the weakest.
    """
    verdict = all_verdicts([each.verdict for each in found])
    marks = [set(each.marks) for each in found if verdict in HOLDS or each.verdict == verdict]
    kept = (set.union if verdict in HOLDS else set.intersection)(*marks) if marks else set()
    texts = [with_marks(each.verdict, NOT_AFTER_HOLM * (NOT_AFTER_HOLM in each.marks)) for each in found]
    return Finding(
        verdict=verdict,
        ours=badges(texts) if {each.verdict for each in found} - {"not run"} else "",
        marks="".join(mark for mark in NOTES if mark in kept),
    )


class Rule(ABC):
    """What decides a claim."""

    @abstractmethod
    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        """What the rows of the claim's suite say of it."""

    def printed(self, evidence: Evidence) -> list[float]:
        """The paper's differences of AUC that the claim speaks of, in points; none where it prints none."""
        return []

    def difference(self, evidence: Evidence, protocol: Protocol) -> Estimate:
        """The one difference of AUC that decides the claim, in points; of n = 0 if it has none, or none was run."""
        return estimate([])

    def cells(self, evidence: Evidence) -> list[Cell]:
        """The cells that are compared."""
        return []


def below(evidence: Evidence, protocol: Protocol, groups: Sequence[Sequence[Cell]]) -> str:
    """If the means of these groups of cells are all below the one reference of their table: that they are."""
    references = [evidence.reference(cell, protocol) for cells in groups for cell in cells]
    first = references[0]
    if first is None or any(cell != first for cell in references):
        return ""
    gains = [estimate(evidence.between(cells, [first], protocol)) for cells in groups]
    if not all(gain.is_below for gain in gains):
        return ""
    listed = in_a_row([format_difference(gain) for gain in gains])
    return f"{'both' if len(gains) == 2 else 'all'} are below {first.name} ({listed})"


@dataclass(frozen=True)
class Compared(Rule):
    """Some cells against others: the mean of some, seed by seed, less that of the others.

    Attributes:
        ours, theirs: names of cells.
        backbone: of all of them; None: each name has only one.
    """

    ours: tuple[str, ...]
    theirs: tuple[str, ...] = ("base",)
    backbone: str | None = None

    @abstractmethod
    def judge_difference(self, difference: Estimate) -> Finding:
        """What that difference says of the claim."""

    def sides(self, evidence: Evidence) -> tuple[list[Cell], list[Cell]]:
        """Our cells and theirs."""
        ours, theirs = ([evidence.cell(name, self.backbone) for name in names] for names in (self.ours, self.theirs))
        return ours, theirs

    def cells(self, evidence: Evidence) -> list[Cell]:
        ours, theirs = self.sides(evidence)
        return [*ours, *theirs]

    def printed(self, evidence: Evidence) -> list[float]:
        ours, theirs = ([paper_auc(evidence, cell) for cell in cells] for cells in self.sides(evidence))
        difference = sum(ours) / len(ours) - sum(theirs) / len(theirs)
        return [] if math.isnan(difference) else [difference]

    def difference(self, evidence: Evidence, protocol: Protocol) -> Estimate:
        """Ours less theirs, in points: minus the better of a reference and its rivals."""
        ours, theirs = self.sides(evidence)
        theirs = [evidence.stronger(cell, protocol, ours) for cell in theirs]
        return estimate(evidence.between(ours, theirs, protocol))

    def below(self, evidence: Evidence, protocol: Protocol) -> str:
        """If ours is better than theirs and both are below what their table compares both with: that they are."""
        is_above = self.difference(evidence, protocol).is_above
        return below(evidence, protocol, self.sides(evidence)) if is_above else ""

    def over_which(self, evidence: Evidence, protocol: Protocol) -> str:
        """Where the better of their cell and its rivals is a rival: which one, and the gain over their cell itself."""
        ours, theirs = self.sides(evidence)
        if len(theirs) > 1 or (rival := evidence.stronger(theirs[0], protocol, ours)) == theirs[0]:
            return ""
        gain = estimate(evidence.between(ours, theirs, protocol))
        return f" over {rival.name}, {format_difference(gain)} over {theirs[0].name}" if gain.n else ""

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        difference = self.difference(evidence, protocol)
        found = self.judge_difference(difference)
        ours, theirs = self.sides(evidence)
        if len(ours) == 1 and evidence.declared_reference(ours[0]) in theirs:  # then its table judges it, too
            judgement = compare(evidence, protocol)[ours[0].key].judgement
            found = replace(found, marks=judgement.marks) if judgement.word == found.verdict else found
        texts = f"{found.ours}{self.over_which(evidence, protocol)}", self.below(evidence, protocol)
        found = replace(found, ours="; ".join(filter(None, texts)))
        is_against_plain = bool(difference.n) and any(evidence.lacks_rival(cell, protocol, ours) for cell in theirs)
        taken = [*ours, *(evidence.stronger(cell, protocol, ours) for cell in theirs)]
        rows = [row for cell in taken for row in evidence.found(cell, protocol)]
        return replace(
            found,
            marks=found.marks + AGAINST_PLAIN * is_against_plain,
            n_diverged=sum(row.diverged(protocol) for row in rows),
        )


class Better(Compared):
    """Some cells are better than others."""

    def judge_difference(self, difference: Estimate) -> Finding:
        return judge_better(difference)


class Alike(Compared):
    """Some cells are as good as others."""

    def judge_difference(self, difference: Estimate) -> Finding:
        return judge_alike(difference)


@dataclass(frozen=True)
class AllOf(Rule):
    """All of several rules."""

    rules: tuple[Rule, ...]

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        found = all_findings([rule.judge(evidence, protocol) for rule in self.rules])
        words = self.below(evidence, protocol) if found.verdict in HOLDS else ""
        return replace(found, ours=Markup(f"{found.ours_html}; {words}")) if words else found

    def below(self, evidence: Evidence, protocol: Protocol) -> str:
        """If the cells of all comparisons are below the one reference that their table has: that they are."""
        cells = {cell.key: cell for cell in self.cells(evidence)}
        return below(evidence, protocol, [[cell] for cell in cells.values()]) if cells else ""

    def printed(self, evidence: Evidence) -> list[float]:
        return [difference for rule in self.rules for difference in rule.printed(evidence)]

    def cells(self, evidence: Evidence) -> list[Cell]:
        return [cell for rule in self.rules for cell in rule.cells(evidence)]


@dataclass(frozen=True)
class By(Rule):
    """A function of its own."""

    function: Callable[[Evidence, Protocol], Finding]

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        return self.function(evidence, protocol)


@dataclass(frozen=True)
class On(Rule):
    """A rule about times, on one kind of device."""

    rule: Rule
    kind: DeviceKind

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        return self.rule.judge(evidence.on(self.kind), protocol)
