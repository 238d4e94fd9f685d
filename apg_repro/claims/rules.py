"""How a claim is judged.

A claim that something is better has the verdict rule of every page (``report/statistics.py``). A claim about several
cases is *reproduced* if every case is, *direction only* if each is that or better, *not run* if one of them is. A claim
that things are alike is *reproduced* if the whole interval of their difference lies within ±``THRESHOLD``.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from apg_repro.catalogue import data_set
from apg_repro.config import DeviceKind, Protocol
from apg_repro.report.comparison import paper_auc
from apg_repro.report.statistics import THRESHOLD, Estimate, estimate, judge
from apg_repro.report.tables import Markup, badges, with_n
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Cell


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What we have on a claim under one protocol.

    Attributes:
        verdict: as pages print it.
        ours: what it rests on.
        is_open: not reproduced, and not refuted either: the interval still holds a value that would be reproduced, or,
            for a claim of a difference, one of at least ``THRESHOLD``.
        n_diverged: how many of the runs that it rests on diverged.
    """

    verdict: str
    ours: str | Markup = ""
    is_open: bool = False
    n_diverged: int = 0


NOT_RUN = Finding(verdict="not run")
UNTESTABLE = data_set("indusdata").absent


def judge_better(difference: Estimate) -> Finding:
    """A difference in points that should be above 0."""
    return finding(difference, judge(difference, 1.0), is_refuted=difference.high < THRESHOLD)


def judge_alike(difference: Estimate) -> Finding:
    """A difference in points that should be none; a single run has no interval that could say so."""
    is_within = abs(difference.mean) + difference.half <= THRESHOLD  # never if it is NaN
    verdict = "not run" if difference.n < 2 else "reproduced" if is_within else "not reproduced"
    return finding(difference, verdict, is_refuted=abs(difference.mean) - difference.half > THRESHOLD)


def finding(difference: Estimate, verdict: str, *, is_refuted: bool) -> Finding:
    """A difference and its verdict.

    Args:
        is_refuted: whether no value in its interval would be reproduced.
    """
    is_open = verdict == "not reproduced" and not is_refuted and not math.isnan(difference.mean)
    return Finding(verdict=verdict, ours=with_n(difference), is_open=is_open)


def judge_fact(is_so: bool, ours: str) -> Finding:
    """A statement that is true or not."""
    return Finding(verdict="reproduced" if is_so else "not reproduced", ours=ours)


def all_verdicts(verdicts: Sequence[str]) -> str:
    """The verdict on all of several cases."""
    if not verdicts or "not run" in verdicts:
        return "not run"
    if set(verdicts) == {"reproduced"}:
        return "reproduced"
    return "direction only" if set(verdicts) <= {"reproduced", "direction only"} else "not reproduced"


def all_findings(found: Sequence[Finding]) -> Finding:
    """All of several cases, and how many have which verdict; open if every case that is not reproduced is open."""
    verdicts = [each.verdict for each in found]
    verdict = all_verdicts(verdicts)
    return Finding(
        verdict=verdict,
        ours=badges(verdicts) if set(verdicts) - {"not run"} else "",
        is_open=verdict == "not reproduced" and all(each.is_open for each in found if each.verdict == verdict),
    )


class Rule(ABC):
    """What decides a claim."""

    @abstractmethod
    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        """What the rows of the claim's suite say of it."""

    def printed(self, evidence: Evidence) -> list[float]:
        """The paper's differences of AUC that the claim speaks of, in points; none where it prints none."""
        return []

    def cells(self, evidence: Evidence) -> list[Cell]:
        """The cells that are compared."""
        return []


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

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        difference = estimate(evidence.between(*self.sides(evidence), protocol))
        rows = [row for cell in self.cells(evidence) for row in evidence.found(cell, protocol)]
        return replace(self.judge_difference(difference), n_diverged=sum(row.diverged(protocol) for row in rows))


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
        return all_findings([rule.judge(evidence, protocol) for rule in self.rules])

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
