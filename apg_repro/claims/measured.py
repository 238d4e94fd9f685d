"""Rules for claims about costs, counts and distributions, and about what a page computes from its cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from apg_repro.claims.rules import (
    NOT_RUN,
    UNTESTABLE,
    Better,
    Finding,
    Rule,
    all_findings,
    all_verdicts,
    below,
    finding,
    judge_better,
    judge_fact,
)
from apg_repro.config import Protocol
from apg_repro.experiments.figure1 import page as figure1
from apg_repro.experiments.figure6 import page as figure6
from apg_repro.experiments.figure7 import page as figure7
from apg_repro.experiments.figure8 import page as figure8
from apg_repro.experiments.table1 import page as table1
from apg_repro.experiments.table2 import page as table2
from apg_repro.experiments.table5 import page as table5
from apg_repro.experiments.table6 import page as table6
from apg_repro.experiments.table10 import page as table10
from apg_repro.paper import numbers as paper
from apg_repro.paper.memory import megabytes
from apg_repro.report.costs import exactly, judge_cost, rounded
from apg_repro.report.statistics import HOLDS, Estimate, estimate
from apg_repro.report.tables import AGAINST_PLAIN, format_signed
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.row import TrainedRow
from apg_repro.suite import candidate, configure


def span(ratios: Sequence[float], unit: str = "base") -> str:
    """Ratios to something, from the least to the greatest."""
    ends = dict.fromkeys(rounded(end) for end in (min(ratios), max(ratios)))
    return f"{' to '.join(ends)} × {unit}".rstrip()


@dataclass(frozen=True)
class AverageGain(Rule):
    """Table 2: APG is better on average over the paper's models."""

    def difference(self, evidence: Evidence, protocol: Protocol) -> Estimate:
        return table2.average(evidence, protocol, "apg")

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        found = judge_better(self.difference(evidence, protocol))
        is_against_plain = found.verdict != "not run" and table2.is_any_against_plain(evidence, protocol, "apg")
        return replace(found, marks=found.marks + AGAINST_PLAIN * is_against_plain)

    def printed(self, evidence: Evidence) -> list[float]:
        return [table2.printed_average(evidence)]


@dataclass(frozen=True)
class AtEqualRank(Better):
    """Table 4: one version is better than another with the K that the other's search has chosen.

    Judged on test rows of the reported seeds, if the store has runs of ours with that K. Before, there are the rows of
    the searches: validation AUC of one seed, a run per K, which has no interval and so decides nothing.
    """

    def difference(self, evidence: Evidence, protocol: Protocol) -> Estimate:
        ours, base = self.runs(evidence, protocol), evidence.by_seed(self.sides(evidence)[1][0], protocol)
        return estimate([row.test_auc(protocol) - base[seed] for seed, row in ours.items() if seed in base])

    def runs(self, evidence: Evidence, protocol: Protocol) -> dict[int, TrainedRow]:
        """Our runs with their K, by seed; none before theirs is chosen."""
        (ours,), (theirs,) = self.sides(evidence)
        point = evidence.chosen(theirs, protocol)
        ids = {seed: configure(evidence.plan, ours, seed, point).id for seed in evidence.plan.seeds} if point else {}
        return {seed: evidence.runs[key] for seed, key in ids.items() if key in evidence.runs}

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        difference, runs = self.difference(evidence, protocol), self.runs(evidence, protocol)
        if difference.n:
            (rank,) = {row.config.rank for row in runs.values()}
            found, rows = (
                judge_better(difference),
                [*runs.values(), *evidence.found(self.sides(evidence)[1][0], protocol)],
            )
            lost = sum(row.diverged(protocol) for row in rows)
            return replace(found, ours=f"K = {rank}: {found.ours}", n_diverged=lost)
        gaps = self.searched(evidence, protocol)
        if not gaps:
            return NOT_RUN
        texts = ", ".join(f"{format_signed(gap)} for K = {rank}" for rank, gap in gaps.items())
        return Finding(verdict="undecided", ours=f"{texts} (validation AUC of the searches, one seed)")

    def searched(self, evidence: Evidence, protocol: Protocol) -> dict[int, float]:
        """Ours less theirs in points on validation rows, by K, where the runs of both searches train equally long."""
        gaps = {}
        (ours,), (theirs,) = self.sides(evidence)
        for point in theirs.grid:
            rows = [evidence.runs.get(candidate(evidence.plan, cell, point).id) for cell in (ours, theirs)]
            lengths = {row.config.max_epochs for row in rows if row}
            if all(rows) and (protocol == "one_epoch" or len(lengths) == 1):
                first, second = (row.valid_auc(protocol) for row in rows if row)
                gaps[point["rank"]] = first - second
        return gaps


@dataclass(frozen=True)
class CostRatio(Rule):
    """Table 5: a version's time or memory relative to a rival's, judged in each of these widths."""

    version: str
    metric: str
    widths: tuple[str, ...]
    rival: str = "base"

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        found = [table5.ratio_to(evidence, self.version, width, self.metric, self.rival) for width in self.widths]
        pairs = [pair for pair in found if pair is not None]
        if len(pairs) < len(found):
            return NOT_RUN
        verdict = all_verdicts([judge_cost(evidence, *pair) for pair in pairs])
        return Finding(verdict=verdict, ours=span([ratio["p50"] for ratio, _ in pairs], self.rival))


@dataclass(frozen=True)
class ResponseTime(Rule):
    """Table 10: a model's response time relative to base's, judged for every number of candidates and engine."""

    model: str

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        found = table10.response_times(evidence, self.model)
        if not found:
            return NOT_RUN
        verdict = all_verdicts([verdict for _, verdict in found])
        return Finding(verdict=verdict, ours=span([ratio for ratio, _ in found]))


@dataclass(frozen=True)
class SentenceOnRange(Rule):
    """Figure 7: a sentence of Appendix E on a range of P, K or layers."""

    part: figure7.Range

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        found = [finding(*pair) for pair in figure7.judged(evidence, self.part, protocol)]
        if not self.part.than:
            return all_findings(found)
        (one,) = found
        sides = [self.part.cells(evidence), self.part.than.cells(evidence)]
        words = below(evidence, protocol, sides) if one.verdict in HOLDS else ""
        return replace(one, ours=f"{one.ours}; {words}") if words else one


@dataclass(frozen=True)
class GroupDistance(Rule):
    """Figure 1: the distance between the distributions of cold and of active users."""

    what: str

    def judge(self, evidence: Evidence, protocol: Protocol) -> Finding:
        contrasts = figure1.contrasts(evidence)
        if not contrasts:
            return NOT_RUN
        claim, found = figure1.CLAIMS[self.what], contrasts[0]["distances"][self.what]
        return Finding(
            verdict=figure1.difference_verdict(claim, **found),
            ours=f"total variation {found['distance']:.2f} ({found['low']:.2f} to {found['high']:.2f})",
        )


def formulas_hold(evidence: Evidence, protocol: Protocol) -> Finding:
    """Table 1: every formula holds, exactly or up to lower-order terms."""
    found = [verdict for cost in table1.COSTS for verdict in table1.formula_verdicts(evidence, cost).values()]
    if "not run" in found:
        return NOT_RUN
    n_true = sum(verdict != "does not hold" for verdict in found)
    return judge_fact(n_true == len(found), f"{n_true} of {len(found)} formulas hold")


def smaller_than_base(evidence: Evidence, protocol: Protocol) -> Finding:
    """Table 1: v4 in WDL takes fewer multiplications and weights than static layers."""
    shares = [table1.share_of_base(evidence, "v4", cost) for cost in table1.COSTS]
    if any(math.isnan(share) for share in shares):
        return NOT_RUN
    return judge_fact(max(shares) < 1, span(shares))


def least_memory(evidence: Evidence, protocol: Protocol) -> Finding:
    """Table 6: APG as served takes less memory than base, MMoE and Star, with coarse domains and with fine ones."""
    sizes = {name: megabytes(weights["served"]) for name, weights in table6.weights(evidence).items()}
    if not sizes:
        return NOT_RUN
    apg = {"apg_fg", "apg_cg"}
    most, least = max(sizes[name] for name in apg), min(size for name, size in sizes.items() if name not in apg)
    return judge_fact(most < least, f"{most:.2f} M against {least:.2f} M or more")


def more_memory_with_fine_domains(evidence: Evidence, protocol: Protocol) -> Finding:
    """Table 6: MMoE and Star with fine domains relative to the same with coarse ones."""
    found = table6.weights(evidence)
    if not found:
        return NOT_RUN
    ratios = [found[f"{model}_fg"]["served"] / found[f"{model}_cg"]["served"] for model in ("mmoe", "star")]
    return judge_fact(min(ratios) > 1, span(ratios, "coarse"))


def similar_kinds_have_similar_weights(evidence: Evidence, protocol: Protocol) -> Finding:
    """Figure 6: with the paper's condition the kind of item explains more of S than chance, in every layer."""
    above, total = figure6.grouped(evidence, [evidence.cell("v5, category")], protocol)
    return (
        judge_fact(above == total, f"in {above} of {total} layers of v5 with the category as its condition")
        if total
        else NOT_RUN
    )


def rare_users_gain_more(evidence: Evidence, protocol: Protocol) -> Finding:
    """Figure 8: by how much the rarest tenth of the users gains more AUC than the most frequent."""
    return judge_better(figure8.rare_over_frequent(evidence, protocol, "auc"))


def rows_of_frequent_users(evidence: Evidence, protocol: Protocol) -> Finding:
    """Figure 8: what share of the rows the most frequent tenth of the users has; the paper speaks of its own data."""
    shares = figure8.share(evidence, protocol)
    if not len(shares):
        return NOT_RUN
    return Finding(verdict=UNTESTABLE, ours=f"{shares[-1]:.1f} % on {evidence.data.title}")


def memory_served(evidence: Evidence, protocol: Protocol) -> Finding:
    """Table 10: the weights of APG's hidden layers relative to base's."""
    if not table10.served_models(evidence):
        return NOT_RUN
    ratio, expected = table10.served_ratio(evidence, "apg")
    return Finding(verdict=judge_cost(evidence, exactly(ratio), expected), ours=span([ratio]))


def page_views_lost(evidence: Evidence, protocol: Protocol) -> Finding:
    """Table 10's simulation: *reproduced* if v1 loses as many page views as the paper says or more, and APG as few or
    fewer; *direction only* if v1 loses more than APG; all for every number of candidates and engine. *Contradicted* if
    v1 never loses more, *undecided* if it does in some of them."""
    v1, apg = ([100 * change for change in table10.views_lost(evidence, name)] for name in ("v1", "apg"))
    if not v1 or not apg:
        return NOT_RUN
    worst, least = (paper.value("table10", "indusdata", "", name, "page_view_rate_change") for name in ("v1", "apg"))
    as_printed = max(v1) <= worst and min(apg) >= least
    otherwise = "contradicted" if min(v1) >= max(apg) else "undecided"
    verdict = "reproduced" if as_printed else "direction only" if max(v1) < min(apg) else otherwise
    return Finding(
        verdict=verdict, ours=f"{format_signed(max(v1), 1, ' %')} against {format_signed(min(apg), 1, ' %')}"
    )
