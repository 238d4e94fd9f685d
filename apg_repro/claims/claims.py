"""The claims of the paper, section by section."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.catalogue import CATALOGUE
from apg_repro.claims import measured
from apg_repro.claims.measured import AtEqualRank, AverageGain, CostRatio, GroupDistance, ResponseTime, SentenceOnRange
from apg_repro.claims.rules import UNTESTABLE, Alike, AllOf, Better, By, On, Rule
from apg_repro.config import DEVICE_KINDS
from apg_repro.experiments.figure7.page import RANGES
from apg_repro.experiments.table5.page import printed_ratio
from apg_repro.experiments.table5.plan import WIDEST, WIDTHS
from apg_repro.experiments.table8 import CONDITIONS
from apg_repro.experiments.table9 import INPUT, OUTPUT
from apg_repro.labels import AGGREGATIONS, GRAINS, MODELS, words_for
from apg_repro.paper.consistency import printed_in
from apg_repro.report.devices import TITLES
from apg_repro.report.tables import format_signed

DATASET = "movielens"
# The further data sets of the paper: its claims are about these. AUC is pooled over all real ones.
OTHER_DATASETS = tuple(
    name for name, entry in CATALOGUE.items() if entry.kind == "real" and entry.paper and name != DATASET
)
REAL_DATASETS = tuple(name for name, entry in CATALOGUE.items() if entry.kind == "real")
TESTED = "held by a test"

ALL_WIDTHS = tuple(WIDTHS)  # of Table 5
SMALLEST_TWO = ALL_WIDTHS[:2]
TIME, MEMORY = "epoch_time", "hidden_memory"
VERSIONS = {version: version for version in ("v1", "v2", "v4", "v5")}
BETTER_THAN_BASE = "all of these are better than base"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the paper.

    Attributes:
        words: the paper's, in short.
        number: what it prints; "": the differences that its rule speaks of, if the paper prints any.
        suite: whose rows are the evidence; "" for none.
        dataset: what they are of; "": MovieLens-1M, or what the suite is measured on instead.
        rule: what decides it; None: no evidence is computed, ``verdict`` is fixed.
        protocol_independent: about a time, a memory, a count: no protocol changes it.
    """

    words: str
    number: str = ""
    suite: str = ""
    dataset: str = ""
    rule: Rule | None = None
    verdict: str = ""
    protocol_independent: bool = False


@cache
def sections() -> Mapping[str, Sequence[Claim]]:
    """Every claim, by the part of the paper that makes it."""
    return {
        "Abstract and Section 1": introduction(),
        "Section 3: the method": method(),
        "Section 4.2: seven models": models(),
        "Section 4.3: the versions": versions(),
        "Section 4.4: time and memory": costs(),
        "Sections 4.5 and 4.6: domains, and what is generated": domains(),
        "Appendix C: conditions": conditions(),
        "Appendix D: aggregations": aggregations(),
        "Appendix E: P, K and layers": hyperparameters(),
        "Appendix F: serving and rare users": serving(),
    }


def all_claims() -> list[Claim]:
    """Every claim."""
    return [claim for section in sections().values() for claim in section]


def introduction() -> list[Claim]:
    """The abstract and Section 1."""
    return [
        Claim(words="APG significantly improves a variety of models (average of seven)", suite="table2",
              rule=AverageGain()),
        *time_claims("APG reduces the time cost (v4, widest layers)", "v4", [WIDEST]),
        cost_claim("APG reduces the memory usage (v4, widest layers)", "v4", MEMORY, [WIDEST]),
        *time_claims("the basic model needs extra training time", "v1", [WIDEST], number="111 × more"),
        cost_claim("the basic model needs extra memory", "v1", MEMORY, [WIDEST], number="31 × more"),
        fact("click-through rates differ between active and cold users", "figure1", GroupDistance("thinned_rate")),
        fact("ages are distributed alike among active and cold users", "figure1", GroupDistance("trait")),
        untestable_claim("online click-through rate", "+3 %"),
        untestable_claim("online revenue per mille", "+1 %"),
    ]  # fmt: skip


def method() -> list[Claim]:
    """Section 3."""
    return [
        tested_claim("decomposed feed-forwarding computes the same function (Eq. 4)"),
        tested_claim("over-parameterisation costs nothing in inference: U and V fold (Section 3.2)"),
        fact("complexities of the versions (Table 1)", "table1", By(measured.formulas_hold)),
        fact(
            "computation and memory of APG can be much smaller than base's (Section 3.3; v4, K = 4, z an embedding)",
            "table1", By(measured.smaller_than_base),
        ),
    ]  # fmt: skip


def models() -> list[Claim]:
    """Section 4.2."""
    return [
        *(
            Claim(words=f"{backbone} improves", suite="table2", rule=Better(("apg",), backbone=backbone))
            for backbone in PAPER_BACKBONES
        ),
        *elsewhere("table2", BETTER_THAN_BASE, *(Better(("apg",), backbone=backbone) for backbone in PAPER_BACKBONES)),
        untestable_claim("AUC on the industrial data", "+0.2"),
    ]


def versions() -> list[Claim]:
    """Section 4.3."""
    low_rank, sharing, over = Alike(("v2",), ("v1",)), AtEqualRank(("v4",), ("v2",)), Better(("v5",), ("v4",))
    return [
        *better_than_base("table4", VERSIONS),
        Claim(words="v1 and v2 do not differ much", suite="table4", rule=low_rank),
        Claim(
            words="sharing parameters improves further (v4 against v2, both with v2's K)", suite="table4", rule=sharing
        ),
        Claim(words="over-parameterisation improves further (v5 against v4)", suite="table4", rule=over),
        *elsewhere("table4", BETTER_THAN_BASE, *(Better((version,)) for version in VERSIONS)),
        *elsewhere("table4", "v1 and v2 do not differ much", low_rank),
        *elsewhere("table4", "sharing parameters improves further", sharing),
        *elsewhere("table4", "over-parameterisation improves further", over),
    ]


def costs() -> list[Claim]:
    """Section 4.4."""
    return [
        *time_claims("v1 takes more time than base", "v1"),
        cost_claim("v1 takes more memory than base", "v1", MEMORY),
        *time_claims("v2 takes less time than v1", "v2", rival="v1"),
        *time_claims("v2 takes more time than base all the same", "v2"),
        cost_claim("v2 reduces memory in the widest model", "v2", MEMORY, [WIDEST]),
        cost_claim("v2 takes more memory than base in the two smallest models", "v2", MEMORY, SMALLEST_TWO),
        *time_claims("v3 reduces time in the widest model", "v3", [WIDEST]),
        *time_claims("v3 takes less time than v2", "v3", rival="v2"),
        *time_claims("v4 reduces time", "v4"),
        cost_claim("v4 reduces memory", "v4", MEMORY),
        cost_claim("v4 takes less memory than v2", "v4", MEMORY, rival="v2"),
    ]


def domains() -> list[Claim]:
    """Sections 4.5 and 4.6."""
    rivals = {  # all trained row by row
        f"{title} with {GRAINS[grain]} domains": Better((f"apg_{grain} by row",), (f"{model}_{grain}",))
        for grain in GRAINS
        for model, title in MODELS.items()
        if model != "apg"
    }
    return [
        *(Claim(words=f"APG is better than {rival}", suite="table6", rule=rule) for rival, rule in rivals.items()),
        fact("APG takes less memory than base, MMoE and Star (as served)", "table6", By(measured.least_memory),
             number="0.24 M against 1.29 M or more"),
        fact("MMoE and Star take more memory with fine domains than with coarse ones", "table6",
             By(measured.more_memory_with_fine_domains), number="3.8 and 12 ×"),
        *better_than_base("table6", {f"apg_{grain}": f"APG with {title} domains" for grain, title in GRAINS.items()}),
        *elsewhere("table6", "APG is better than MMoE and Star", *rivals.values()),
        Claim(words="similar categories get similar specific parameters (Figure 6; the paper's is of Amazon)",
              suite="figure6", rule=By(measured.similar_kinds_have_similar_weights)),
    ]  # fmt: skip


def conditions() -> list[Claim]:
    """Appendix C."""
    *others, own = CONDITIONS
    rows = {row: f"APG by {words_for(row)}" for row in others} | {own: f"{words_for(own)} APG"}
    best = [Better((own,), (other,)) for other in others]
    return [
        *better_than_base("table8", rows),
        Claim(words="self-wise is the best", suite="table8", rule=AllOf(tuple(best))),
        Claim(words="different knowledge in the same strategy is competitive (user, item)", suite="table8",
              rule=Alike(("group_user",), ("group_item",))),
        Claim(words="the user serves better than the item on MovieLens", suite="table8", dataset=DATASET,
              rule=Better(("group_user",), ("group_item",))),
        *elsewhere("table8", BETTER_THAN_BASE, *(Better((row,)) for row in rows)),
        *elsewhere("table8", "self-wise is the best", *best),
    ]  # fmt: skip


def aggregations() -> list[Claim]:
    """Appendix D."""
    rows = {
        f"{where}_{how}": f"{where} aggregation by {title}"
        for where in ("input", "output")
        for how, title in AGGREGATIONS.items()
    }
    *others_before, before = INPUT
    *others_after, after = OUTPUT
    attention = [
        *(Better((before,), (other,)) for other in others_before),
        *(Better((after,), (other,)) for other in others_after),
    ]
    pairs = [Better((ours,), (theirs,)) for ours, theirs in zip(INPUT, OUTPUT, strict=True)]
    return [
        *better_than_base("table9", rows),
        Claim(words="attention is the best (the paper: in most cases; here: in all)", suite="table9",
              rule=AllOf(tuple(attention))),
        Claim(words="input aggregation is better than output aggregation", suite="table9",
              rule=Better(INPUT, OUTPUT)),
        *elsewhere("table9", BETTER_THAN_BASE, *(Better((row,)) for row in rows)),
        *elsewhere("table9", "input aggregation is better", *pairs),
    ]  # fmt: skip


def hyperparameters() -> list[Claim]:
    """Appendix E."""
    large = [Alike((f"P = {p}",), ("P = 32",)) for p in (64, 128, 256, 512)]
    return [
        *(Claim(words=part.words, suite="figure7", rule=SentenceOnRange(part)) for part in RANGES),
        Claim(words="with K increasing, APG gets better (6 and 8 against 2 and 4)", suite="figure7",
              rule=Better(("K = 6", "K = 8"), ("K = 2", "K = 4"))),
        Claim(words="large values of P are alike (64 to 512, each against 32)", suite="figure7",
              rule=AllOf(tuple(large))),
        Claim(words="K of 256 and 512 is only as good as K of 16 and 32", suite="figure7",
              rule=Alike(("K = 256", "K = 512"), ("K = 16", "K = 32"))),
    ]  # fmt: skip


def serving() -> list[Claim]:
    """Appendix F."""
    return [
        *by_device(fact("APG responds about as fast as base, or faster (widest layers)", "table10", ResponseTime("apg"),
                        number="14.8 ms against 14.5 ms")),
        *by_device(fact("v1 responds far later (widest layers)", "table10", ResponseTime("v1"), number="57.1 ms")),
        fact("APG's memory is 8 times smaller than base's", "table10", By(measured.memory_served),
             number="16.14 M against 138.03 M"),
        *by_device(fact(
            "page views are lost with v1, hardly any with APG (simulated; the time-out, which decides it, is ours)",
            "table10", By(measured.page_views_lost), number="−33.2 % against −0.01 %",
        )),
        Claim(words="rare users gain more AUC than frequent ones", suite="figure8",
              rule=By(measured.rare_users_gain_more)),
        fact("a tenth of the users accounts for more than half of the instances", "figure8",
             By(measured.rows_of_frequent_users), number="> 50 %"),
        untestable_claim("rare users gain more clicks online", ""),
    ]  # fmt: skip


def fact(words: str, suite: str, rule: Rule, number: str = "") -> Claim:
    """A claim that no protocol changes."""
    return Claim(words=words, number=number, suite=suite, rule=rule, protocol_independent=True)


def tested_claim(words: str) -> Claim:
    """A claim that one of our tests holds."""
    return Claim(words=words, verdict=TESTED, protocol_independent=True)


def untestable_claim(words: str, number: str) -> Claim:
    """A claim about the authors' data or traffic."""
    return Claim(words=words, number=number, verdict=UNTESTABLE, protocol_independent=True)


def better_than_base(suite: str, rows: Mapping[str, str]) -> list[Claim]:
    """A claim for each of these rows of a table, and what it is called."""
    return [
        Claim(words=f"{title} is better than base", suite=suite, rule=Better((row,))) for row, title in rows.items()
    ]


def elsewhere(suite: str, words: str, *rules: Rule) -> list[Claim]:
    """What a table says of the data sets besides MovieLens-1M: each of these rules."""
    return [
        Claim(words=f"{words} on {CATALOGUE[name].title}", suite=suite, dataset=name, rule=AllOf(rules))
        for name in OTHER_DATASETS
    ]


def cost_claim(
    words: str, version: str, metric: str, widths: Sequence[str] = ALL_WIDTHS, rival: str = "base", number: str = ""
) -> Claim:
    """Table 5: a version's time or memory relative to a rival's, judged in each of these widths.

    Args:
        number: where the paper says something else than the change in percent. The ratio of its cells is added: ours
            is a ratio.
    """
    rule = CostRatio(version, metric, tuple(widths), rival)
    ratios = [printed_ratio(version, width, metric, rival) for width in rule.widths]
    return fact(words, "table5", rule, number=f"{number or printed_change(rule)} ({measured.span(ratios, rival)})")


def time_claims(
    words: str, version: str, widths: Sequence[str] = ALL_WIDTHS, rival: str = "base", number: str = ""
) -> list[Claim]:
    """The same of a version's time, on a CPU and on a GPU: the one says nothing of the other."""
    return by_device(cost_claim(words, version, TIME, widths, rival, number))


def by_device(claim: Claim) -> list[Claim]:
    """A claim about a time, once for each kind of device."""
    assert claim.rule is not None
    return [
        replace(claim, words=f"{claim.words}, on a {TITLES[kind]}", rule=On(claim.rule, kind)) for kind in DEVICE_KINDS
    ]


def printed_change(rule: CostRatio) -> str:
    """Table 5: a version's cost less a rival's in percent of it, from the least to the greatest."""
    if rule.rival == "base":  # the table prints it
        by_variant = {one.variant: one.value for one in printed_in("table5", f"{rule.metric}_change")}
        changes = [by_variant[f"{rule.version}/{width}"] for width in rule.widths]
    else:
        changes = [100 * (printed_ratio(rule.version, width, rule.metric, rule.rival) - 1) for width in rule.widths]
    ends = dict.fromkeys(format_signed(end(changes, key=abs), 1, " %") for end in (min, max))
    return " to ".join(ends)
