"""Every claim of the paper, and what the committed rows say of it. Imports no torch.

A claim of a difference has the verdict rule of every page (``suites.verdict``). A claim about several cases is
*reproduced* if every case is, *direction only* if each is that or better, *not run* while one of them is. A claim that
things are alike is *reproduced* if the whole interval of their difference lies within ±``THRESHOLD``. What no protocol
can change, such as a memory, has the same verdict under both.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import escape
from typing import Any, get_args

import pandas as pd
from IPython.display import HTML

from apg_repro import errata, paper, report, report_cost
from apg_repro.pages import backbones, cost, domains, frequency, hyperparameters, layers, serving, states, users
from apg_repro.paper_memory import megabytes
from apg_repro.report import (
    DATASET_TITLES,
    NO_DATA,
    PROTOCOL_TITLES,
    Estimate,
    Panel,
    as_html,
    badge_over,
    badges,
    estimate,
    judge,
    open_panel,
    page_link,
    plus,
    signed,
    table_html,
    with_n,
)  # fmt: skip
from apg_repro.store import Store
from apg_repro.suites import (
    ALIKE,
    BACKBONES,
    COST_WIDTHS,
    ENCODINGS,
    PROTOCOLS,
    SEEDS,
    SUITES,
    THRESHOLD,
    Cell,
    Plan,
    Protocol,
    Verdict,
    difference_verdict,
)  # fmt: skip

DATASET = "movielens"
OUTSIDE = NO_DATA["indusdata"]
TESTED = "held by a test"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What we have on a claim under one protocol.

    Attributes:
        open: not reproduced, and not refuted either: the interval still holds a value that would be reproduced, or, of
            a difference, be at least ``THRESHOLD``.
        diverged: how many of the runs that it rests on.
    """

    verdict: str
    ours: str | HTML = ""
    open: bool = False
    diverged: int = 0


NOT_RUN = Finding(verdict="not run")
Find = Callable[[Panel, Protocol], Finding]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence of the paper.

    Attributes:
        words: the paper's, in short.
        number: as it prints it, or as its cells give it; "" for none.
        suite: whose page has the evidence; "" for none.
        find: what the suite's rows say; None: nothing can be looked up, and ``verdict`` stands.
        once: no protocol changes it: a time, a memory, a count.
    """

    words: str
    number: str = ""
    suite: str = ""
    find: Find | None = None
    verdict: str = ""
    once: bool = False


def judged(difference: Estimate, expected: float) -> Finding:
    """A difference in points."""
    verdict = judge(difference, expected)
    far = difference.mean * math.copysign(1, expected) + difference.half
    return weighed(difference, verdict, refuted=far < THRESHOLD)


def weighed(difference: Estimate, verdict: str, refuted: bool) -> Finding:
    """A difference and its verdict; ``refuted``: it would not be reproduced anywhere in its interval."""
    is_open = verdict == "not reproduced" and not refuted and not math.isnan(difference.mean)
    return Finding(verdict=verdict, ours=with_n(difference), open=is_open)


def alike(difference: Estimate) -> Finding:
    """A difference that should be none; a single run has no interval that could say so."""
    within = abs(difference.mean) + difference.half <= THRESHOLD  # never if it is NaN
    verdict = "not run" if difference.n < 2 else "reproduced" if within else "not reproduced"
    return weighed(difference, verdict, refuted=abs(difference.mean) - difference.half > THRESHOLD)


def holds(is_so: bool, ours: str) -> Finding:
    """A statement that is true or not."""
    return Finding(verdict="reproduced" if is_so else "not reproduced", ours=ours)


def between(
    panel: Panel, protocol: Protocol, ours: Sequence[str], theirs: Sequence[str], backbone: str | None = None
) -> Estimate:
    """The mean of some variants less that of others."""
    plus, minus = ([panel.cell(name, backbone) for name in names] for names in (ours, theirs))
    return estimate(panel.between(plus, minus, protocol))


def compare(
    ours: Sequence[str], theirs: Sequence[str], rule: Callable[[Estimate], Finding], backbone: str | None = None
) -> Find:
    """Some variants against others by a rule, and how many of their runs diverged."""

    def find(panel: Panel, protocol: Protocol) -> Finding:
        rows = [row for name in (*ours, *theirs) for row in panel.found(panel.cell(name, backbone), protocol)]
        found = rule(between(panel, protocol, ours, theirs, backbone))
        return replace(found, diverged=sum(report.diverged(row, protocol) for row in rows))

    return find


def differ(ours: Sequence[str], theirs: Sequence[str], expected: float = 1.0, backbone: str | None = None) -> Find:
    """Some variants against others; without a number, the first should be better."""
    return compare(ours, theirs, lambda difference: judged(difference, expected), backbone)


def equal(ours: Sequence[str], theirs: Sequence[str]) -> Find:
    """Some variants as good as others."""
    return compare(ours, theirs, alike)


def every(*parts: Find) -> Find:
    """All of several cases."""
    return lambda panel, protocol: together([part(panel, protocol) for part in parts])


def together(found: Sequence[Finding]) -> Finding:
    """All of several cases; open if every one that is not reproduced is."""
    whole = all_of([each.verdict for each in found])
    undecided = all(each.open for each in found if each.verdict == "not reproduced")
    return replace(whole, open=whole.verdict == "not reproduced" and undecided)


def all_of(verdicts: Sequence[str]) -> Finding:
    """ "In all cases": how many have which verdict, and the verdict on all."""
    if not verdicts or "not run" in verdicts:
        verdict: Verdict = "not run"
    elif set(verdicts) == {"reproduced"}:
        verdict = "reproduced"
    else:
        verdict = "direction only" if set(verdicts) <= {"reproduced", "direction only"} else "not reproduced"
    return Finding(verdict=verdict, ours=badges(verdicts) if set(verdicts) - {"not run"} else "")


def printed(table: str, ours: str, theirs: str, backbone: str = "WDL", dataset: str = DATASET) -> float:
    """The paper's difference between two of its cells, in points."""
    return paper.value(table, dataset, backbone, ours) - paper.value(table, dataset, backbone, theirs)


def compared(table: str, ours: str, theirs: str, words: str) -> Claim:
    """A claim of one printed difference between two rows of a table."""
    expected = printed(table, ours, theirs)
    return Claim(words=words, number=plus(expected), suite=table, find=differ([ours], [theirs], expected))


def better_than_base(table: str, *variants: str) -> list[Claim]:
    """A claim for each of these rows of a table."""
    return [compared(table, variant, "base", f"{variant} is better than base") for variant in variants]


def elsewhere(
    table: str, pairs: Sequence[tuple[str, str]], words: str, backbones: Sequence[str] = ("WDL",)
) -> list[Claim]:
    """What a table prints of the data sets that are not at hand: differences from the lowest to the highest."""
    claims = []
    for dataset in ("amazon", "iaac"):
        gains = [printed(table, *pair, backbone, dataset) for pair in pairs for backbone in backbones]
        claims.append(
            Claim(
                words=f"{words} on {DATASET_TITLES[dataset]}", suite=table, verdict=NO_DATA[dataset], once=True,
                number=f"{plus(min(gains))} to {plus(max(gains))}",
            )
        )  # fmt: skip
    return claims


def outside(words: str, number: str) -> Claim:
    """A claim about the authors' data or traffic."""
    return Claim(words=words, number=number, verdict=OUTSIDE, once=True)


def average_gain(panel: Panel, protocol: Protocol) -> Finding:
    """Table 2, over all seven models."""
    return judged(backbones.average(panel, protocol, "apg"), backbones.printed_average(panel))


def over_domains(grain: str, model: str) -> Claim:
    """APG against MMoE or Star, all trained row by row."""
    expected = printed("table6", f"apg_{grain}", f"{model}_{grain}")
    names = {"mmoe": "MMoE", "star": "Star", "fg": "fine", "cg": "coarse"}
    return Claim(
        words=f"APG is better than {names[model]}, {names[grain]}", number=plus(expected), suite="table6",
        find=differ([f"apg_{grain} by row"], [f"{model}_{grain}"], expected),
    )  # fmt: skip


def least_memory(panel: Panel, protocol: Protocol) -> Finding:
    """Table 6's memory: APG as served, against base, MMoE and Star, with coarse domains and with fine ones."""
    sizes = {name: megabytes(weights["served"]) for name, weights in domains.weights(panel).items()}
    if not sizes:
        return NOT_RUN
    apg = max(sizes["apg_fg"], sizes["apg_cg"])
    least = min(size for name, size in sizes.items() if not name.startswith("apg"))
    return holds(apg < least, f"{apg:.2f} M against {least:.2f} M or more")


def finer_is_larger(panel: Panel, protocol: Protocol) -> Finding:
    """Table 6's memory: MMoE and Star with fine domains by the same with coarse ones."""
    found = domains.weights(panel)
    if not found:
        return NOT_RUN
    ratios = [found[f"{model}_fg"]["served"] / found[f"{model}_cg"]["served"] for model in ("mmoe", "star")]
    return holds(min(ratios) > 1, f"{span(ratios)} coarse")


def grouped(panel: Panel, protocol: Protocol) -> Finding:
    """Figure 6: with the paper's condition the kind of item explains more of S than chance, in every layer."""
    above, total = states.grouped(panel, [panel.cell("v5, category")], protocol)
    if not total:
        return NOT_RUN
    return holds(above == total, f"in {above} of {total} layers")


def of_range(part: hyperparameters.Range) -> Claim:
    """A sentence of Appendix E on a range of P, K or layers."""

    def find(panel: Panel, protocol: Protocol) -> Finding:
        found = [judged(difference, 1.0) for difference in hyperparameters.differences(panel, part, protocol)]
        return found[0] if part.than else together(found)

    return Claim(words=part.words, suite="figure7", find=find)


def rare_users(panel: Panel, protocol: Protocol) -> Finding:
    """Figure 8: by how much the rarest tenth of the users gains more AUC than the most frequent."""
    return judged(frequency.rare_over_frequent(panel, protocol, "auc"), 1.0)


def half_of_rows(panel: Panel, protocol: Protocol) -> Finding:
    """Figure 8: what share of the rows the most frequent tenth of the users has; the paper speaks of its own data."""
    shares = frequency.share(panel, protocol)
    if not len(shares):
        return NOT_RUN
    return Finding(verdict=OUTSIDE, ours=f"{shares[-1]:.1f} % on MovieLens")


def printed_change(version: str, metric: str, widths: Sequence[str], rival: str) -> str:
    """Table 5: a version's cost less a rival's in percent of it, from the least to the greatest."""
    if rival == "base":  # printed as such
        by_base = {row["variant"]: row["value"] for row in errata.printed_in("table5", f"{metric}_change")}
        changes = [by_base[f"{version}/{width}"] for width in widths]
    else:
        changes = [100 * (cost.printed_ratio(version, width, metric, rival) - 1) for width in widths]
    ends = dict.fromkeys(plus(end(changes, key=abs), 1, " %") for end in (min, max))
    return " to ".join(ends)


# What is measured is the same under both protocols.
def of_cost(
    words: str, version: str, metric: str, *widths: str, rival: str = "base", number: str | None = None
) -> Claim:
    """Table 5: a version's time or memory by a rival's, judged in each of these widths; in all without one.

    Args:
        number: where the paper says something else than the change in percent.
    """
    widths = widths or tuple(COST_WIDTHS)

    def find(panel: Panel, protocol: Protocol) -> Finding:
        found = [cost.against(panel, version, width, metric, rival) for width in widths]
        pairs = [pair for pair in found if pair is not None]
        if len(pairs) < len(found):
            return NOT_RUN
        verdict = all_of([report_cost.judge(panel, *pair) for pair in pairs]).verdict
        return Finding(verdict=verdict, ours=f"{span([ratio['p50'] for ratio, _ in pairs])} {rival}'s")

    if number is None:
        number = printed_change(version, metric, widths, rival)
    return Claim(words=words, number=number, suite="table5", find=find, once=True)


def span(ratios: Sequence[float]) -> str:
    """Ratios to something, from the least to the greatest."""
    ends = dict.fromkeys(report_cost.rounded(end) for end in (min(ratios), max(ratios)))
    return f"{' to '.join(ends)} ×"


def responses(name: str) -> Find:
    """Table 10: a model's response time by base's, judged for every number of candidates and engine."""

    def find(panel: Panel, protocol: Protocol) -> Finding:
        found = serving.response_times(panel, name)
        if not found:
            return NOT_RUN
        verdict = all_of([verdict for _, verdict in found]).verdict
        return Finding(verdict=verdict, ours=f"{span([ratio for ratio, _ in found])} base's")

    return find


def served_memory(panel: Panel, protocol: Protocol) -> Finding:
    """Table 10: the weights of APG's hidden layers by base's."""
    if not serving.served_models(panel):
        return NOT_RUN
    ratio, expected = serving.served_ratio(panel, "apg")
    verdict = report_cost.judge(panel, report_cost.exactly(ratio), expected)
    return Finding(verdict=verdict, ours=f"{span([ratio])} base's")


def views_lost(panel: Panel, protocol: Protocol) -> Finding:
    """Table 10's simulation: *reproduced* if v1 loses as many page views as the paper says or more, and APG as few or
    fewer; *direction only* if v1 loses more than APG; all for every number of candidates and engine."""
    v1, apg = (serving.views_lost(panel, name) for name in ("v1", "apg"))
    if not v1 or not apg:
        return NOT_RUN
    worst, least = (paper.value("table10", "indusdata", "", name, "page_view_rate_change") for name in ("v1", "apg"))
    as_printed = 100 * max(v1) <= worst and 100 * min(apg) >= least
    verdict = "reproduced" if as_printed else "direction only" if max(v1) < min(apg) else "not reproduced"
    return Finding(verdict=verdict, ours=signed(f"{max(v1):+.1%} against {min(apg):+.1%}"))


def cold_and_active(what: str) -> Find:
    """Figure 1: the distance between the distributions of cold and of active users."""

    def find(panel: Panel, protocol: Protocol) -> Finding:
        contrasts = users.contrasts(panel)
        if not contrasts:
            return NOT_RUN
        found = contrasts[0]["distances"][what]
        verdict = difference_verdict(users.CLAIMS[what], **found)
        refuted = found["low"] >= ALIKE if users.CLAIMS[what] == "alike" else found["high"] < ALIKE
        ours = f"{found['distance']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
        return Finding(verdict=verdict, ours=ours, open=verdict == "not reproduced" and not refuted)

    return find


def formulas(panel: Panel, protocol: Protocol) -> Finding:
    """Table 1: every formula holds, exactly or up to lower-order terms."""
    found = [verdict for kind in layers.FORMULAS for verdict in layers.formulas(panel, kind)["Verdict"]]
    if "not run" in found:
        return NOT_RUN
    true = sum(verdict.startswith("holds") for verdict in found)
    return holds(true == len(found), f"{true} of {len(found)} formulas hold")


def smaller(panel: Panel, protocol: Protocol) -> Finding:
    """Table 1: v4 in WDL takes fewer multiplications and weights than static layers."""
    shares = [layers.share_of_base(panel, "v4", kind) for kind in layers.FORMULAS]
    if any(math.isnan(share) for share in shares):
        return NOT_RUN
    return holds(max(shares) < 1, f"{span(shares)} base's")


CONDITIONS = ("group_user", "group_item", "mix_user_item_context")
INPUT, OUTPUT = (tuple(f"{where}_{how}" for how in ("mean", "concat", "attention")) for where in ("input", "output"))
TIME, MEMORY, WIDEST = "epoch_time", "hidden_memory", list(COST_WIDTHS)[-1]
AGAINST_BASE = "all of these are better than base"

SECTIONS: dict[str, list[Claim]] = {
    "Abstract and Section 1": [
        Claim(words="APG significantly improves a variety of models (average of seven)", suite="table2",
              number=plus(printed("table2", "apg", "base", backbones.AVERAGE)), find=average_gain),
        of_cost("APG reduces the time cost (v4, widest layers)", "v4", TIME, WIDEST),
        of_cost("APG reduces the memory usage (v4, widest layers)", "v4", MEMORY, WIDEST),
        of_cost("the basic model needs extra training time", "v1", TIME, WIDEST, number="111 × more"),
        of_cost("the basic model needs extra memory", "v1", MEMORY, WIDEST, number="31 × more"),
        Claim(words="click-through rates differ between active and cold users", suite="figure1",
              find=cold_and_active("thinned_rate"), once=True),
        Claim(words="ages are distributed alike among active and cold users", suite="figure1",
              find=cold_and_active("trait"), once=True),
        outside("online click-through rate", "+3 %"),
        outside("online revenue per mille", "+1 %"),
    ],
    "Section 3: the method": [
        Claim(words="decomposed feed-forwarding computes the same function (Eq. 4)", verdict=TESTED, once=True),
        Claim(words="over-parameterisation costs nothing in inference: U and V fold (Section 3.2)", verdict=TESTED,
              once=True),
        Claim(words="complexities of the versions (Table 1)", suite="table1", find=formulas, once=True),
        Claim(words="computation and memory of APG can be much smaller than base's (Section 3.3; v4, K = 4, z an "
              "embedding)",
              suite="table1", find=smaller, once=True),
    ],
    "Section 4.2: seven models": [
        *(
            Claim(words=f"{backbone} improves", number=plus(printed("table2", "apg", "base", backbone)),
                  suite="table2", find=differ(["apg"], ["base"], backbone=backbone))
            for backbone in BACKBONES
        ),
        *elsewhere("table2", [("apg", "base")], AGAINST_BASE, BACKBONES),
        outside("AUC on the industrial data", "+0.2"),
    ],
    "Section 4.3: the versions": [
        *better_than_base("table4", "v1", "v2", "v4", "v5"),
        Claim(words="v1 and v2 do not differ much", number=plus(printed("table4", "v2", "v1")), suite="table4",
              find=equal(["v2"], ["v1"])),
        compared("table4", "v4", "v2", "sharing parameters improves further (v4 against v2)"),
        compared("table4", "v5", "v4", "over-parameterisation improves further (v5 against v4)"),
        *elsewhere("table4", [(version, "base") for version in ("v1", "v2", "v4", "v5")], AGAINST_BASE),
        *elsewhere("table4", [("v2", "v1")], "v1 and v2 do not differ much"),
        *elsewhere("table4", [("v4", "v2")], "sharing parameters improves further"),
        *elsewhere("table4", [("v5", "v4")], "over-parameterisation improves further"),
    ],
    "Section 4.4: time and memory": [
        of_cost("v1 takes more time than base", "v1", TIME),
        of_cost("v1 takes more memory than base", "v1", MEMORY),
        of_cost("v2 takes less time than v1", "v2", TIME, rival="v1"),
        of_cost("v2 takes more time than base all the same", "v2", TIME),
        of_cost("v2 reduces memory in the widest model", "v2", MEMORY, WIDEST),
        of_cost("v2 takes more memory than base in the two smallest models", "v2", MEMORY,
                *list(COST_WIDTHS)[:2]),
        of_cost("v3 reduces time in the widest model", "v3", TIME, WIDEST),
        of_cost("v3 takes less time than v2", "v3", TIME, rival="v2"),
        of_cost("v4 reduces time", "v4", TIME),
        of_cost("v4 reduces memory", "v4", MEMORY),
        of_cost("v4 takes less memory than v2", "v4", MEMORY, rival="v2"),
    ],
    "Sections 4.5 and 4.6: domains, and what is generated": [
        *(over_domains(grain, model) for grain in ("fg", "cg") for model in ("mmoe", "star")),
        Claim(words="APG takes less memory than base, MMoE and Star", number="0.24 M against 1.29 M or more",
              suite="table6_memory", find=least_memory, once=True),
        Claim(words="MMoE and Star take more memory with fine domains than with coarse ones", number="3.8 and 12 ×",
              suite="table6_memory", find=finer_is_larger, once=True),
        *better_than_base("table6", "apg_fg", "apg_cg"),
        *elsewhere("table6", [(f"apg_{grain}", f"{model}_{grain}") for grain in ("fg", "cg")
                              for model in ("mmoe", "star")], "APG is better than MMoE and Star"),
        Claim(words="similar categories get similar specific parameters (Figure 6; the paper's is of Amazon)",
              suite="figure6", find=grouped),
    ],
    "Appendix C: conditions": [
        *better_than_base("table8", *CONDITIONS, "self"),
        Claim(words="self-wise is the best", suite="table8",
              number=f"{plus(min(printed('table8', 'self', other) for other in CONDITIONS))} or more",
              find=every(*(differ(["self"], [other]) for other in CONDITIONS))),
        Claim(words="different knowledge in the same strategy is competitive (user, item)", suite="table8",
              number=plus(printed("table8", "group_user", "group_item")), find=equal(["group_user"], ["group_item"])),
        compared("table8", "group_user", "group_item", "the user serves better than the item on MovieLens"),
        *elsewhere("table8", [(name, "base") for name in (*CONDITIONS, "self")], AGAINST_BASE),
        *elsewhere("table8", [("self", other) for other in CONDITIONS], "self-wise is the best"),
    ],
    "Appendix D: aggregations": [
        *better_than_base("table9", *INPUT, *OUTPUT),
        Claim(words="attention is the best (the paper: in most cases; here: in all)", suite="table9",
              find=every(*(differ([f"{where}_attention"], [f"{where}_{how}"])
                           for where in ("input", "output") for how in ("mean", "concat")))),
        Claim(words="input aggregation is better than output aggregation", suite="table9",
              number=plus(sum(printed("table9", *pair) for pair in zip(INPUT, OUTPUT, strict=True)) / len(INPUT)),
              find=differ(INPUT, OUTPUT)),
        *elsewhere("table9", [(name, "base") for name in (*INPUT, *OUTPUT)], AGAINST_BASE),
        *elsewhere("table9", list(zip(INPUT, OUTPUT, strict=True)), "input aggregation is better"),
    ],
    "Appendix E: P, K and layers": [
        *map(of_range, hyperparameters.RANGES),
        Claim(words="with K increasing, APG gets better (6 and 8 against 2 and 4)", suite="figure7",
              find=differ(["K = 6", "K = 8"], ["K = 2", "K = 4"])),
        Claim(words="large values of P are alike (64 to 512, each against 32)", suite="figure7",
              find=every(*(equal([f"P = {p}"], ["P = 32"]) for p in (64, 128, 256, 512)))),
        Claim(words="K of 256 and 512 is only as good as K of 16 and 32 (one seed counts as not run)", suite="figure7",
              find=equal(["K = 256", "K = 512"], ["K = 16", "K = 32"])),
    ],
    "Appendix F: serving and rare users": [
        Claim(words="APG responds about as fast as base, or faster", number="14.8 ms against 14.5 ms", suite="table10",
              find=responses("apg"), once=True),
        Claim(words="v1 responds far later", number="57.1 ms", suite="table10", find=responses("v1"), once=True),
        Claim(words="APG's memory is 8 times smaller than base's", number="16.14 M against 138.03 M", suite="table10",
              find=served_memory, once=True),
        Claim(words="page views are lost with v1, hardly any with APG (simulated; the time-out, which decides it, is "
              "ours)", number="−33.2 % against −0.01 %", suite="table10", find=views_lost, once=True),
        Claim(words="rare users gain more AUC than frequent ones", suite="figure8", find=rare_users),
        Claim(words="a tenth of the users makes more than half of the instances", number="> 50 %", suite="figure8",
              find=half_of_rows, once=True),
        outside("rare users gain more clicks online", ""),
    ],
}  # fmt: skip


@cache
def opened() -> dict[str, Panel]:
    """The committed rows of every suite, on MovieLens-1M or what it is measured on instead."""
    store, panels = Store(), {}
    for name, suite in SUITES.items():
        dataset = DATASET if DATASET in suite.datasets else suite.datasets[0]
        panels[name] = open_panel(suite, Plan(profile="full", dataset=dataset, seeds=SEEDS["full"]), store)
    return panels


def look_up(claim: Claim, protocol: Protocol) -> Finding:
    """What we have on a claim."""
    return claim.find(opened()[claim.suite], protocol) if claim.find else Finding(verdict=claim.verdict)


def table(section: str) -> HTML:
    """The claims of a section, a line each."""
    lines = []
    for claim in SECTIONS[section]:
        line: dict[str, str | HTML] = {"Claim": claim.words, "Paper": claim.number.replace(" %", " %")}
        for protocol in PROTOCOLS:
            line[PROTOCOL_TITLES[protocol].capitalize()] = finding_html(look_up(claim, protocol))
        evidence = page_link(SUITES[claim.suite], claim.suite, beside=True) if claim.suite else ""
        lines.append(line | {"Evidence": evidence})
    return HTML(table_html(pd.DataFrame(lines), words=True))


def finding_html(finding: Finding) -> HTML:
    """The verdict, and below it what it rests on."""
    ours = finding.ours.data if isinstance(finding.ours, HTML) else escape(finding.ours)
    exploded = f"{finding.diverged} runs diverged" if finding.diverged else ""
    return badge_over(finding.verdict, ", ".join(filter(None, [str(ours), exploded, "open" if finding.open else ""])))


def headline() -> HTML:
    """The paper's two promises, better models and cheaper ones, and what came of them."""
    models, costs = opened()["table2"], opened()["table5"]
    better = sum(printed("table2", "apg", "base", backbone) > 0 for backbone in BACKBONES)
    paper_says = {"apg": f"{plus(backbones.printed_average(models))}, ahead in {better} of {len(BACKBONES)}"}
    lines = [  # words, the paper's, and ours under each protocol
        [f"AUC of v5, {against}", paper_says.get(variant, ""), *(of_models(models, how, variant) for how in PROTOCOLS)]
        for variant, against in backbones.AGAINST.items()
    ]
    encodings = opened()["encodings"]
    others = [encodings.cell(f"apg, {features}") for features in ENCODINGS[1:]]
    lines.append(["AUC of v5 in WDL, other encodings", "", *(standing(encodings, how, others) for how in PROTOCOLS)])
    for words, size in (("in training", lambda row: row["n_hidden"]), ("as served", domains.served)):
        lines.append(
            [f"its hidden weights in WDL {words}, by base's", "", *(by_base(models, how, size) for how in PROTOCOLS)]
        )
    for words, metric, width in (
        ("training time of v4 in layers of 256, 128 and 64", TIME, "256-128-64"),
        ("training time of v4 in the widest layers", TIME, WIDEST),
        ("hidden weights of v4 in the widest layers", MEMORY, WIDEST),
    ):
        pair = cost.against(costs, "v4", width, metric)
        ours, theirs = (span([value]) for value in (pair[0]["p50"], pair[1])) if pair else ("not run", "")
        lines.append([f"{words}, by base's", theirs, *[ours] * len(PROTOCOLS)])
    caption = (
        "In short. AUC: the mean difference in points over all seven models, once all have run, and in how many it is "
        "ahead, the 95 % interval beyond 0. Tuned base: its learning rate and weight decay were searched as long as K "
        "and P of APG. Both tuned: those of APG were, too. Other encodings: MovieLens' columns read otherwise, "
        "against base. v4 of Table 5 has K = 4 and the user as its condition; the paper's memory contains a constant "
        "that ours leaves out."
    )
    columns = ["APG", "Paper", *(PROTOCOL_TITLES[how].capitalize() for how in PROTOCOLS)]
    return as_html(pd.DataFrame(lines, columns=columns), caption, words=True)


def standing(panel: Panel, protocol: Protocol, cells: Sequence[Cell]) -> str:
    """In how many of these cells APG is ahead, its interval above 0, and in how many behind."""
    ran = [found for cell in cells if (found := estimate(panel.differences(cell, protocol))).n]
    ahead, behind = (sum(sign * found.mean > found.half for found in ran) for sign in (1, -1))
    if not ran:
        return "not run"
    return f"ahead in {ahead} of {len(ran)}" + (f", behind in {behind}" if behind else "")


def of_models(panel: Panel, protocol: Protocol, variant: str) -> str:
    """By how much APG is ahead in Table 2 on average, once all models have run; in how many, and in how many behind."""
    cells = [panel.cell(variant, backbone) for backbone in BACKBONES]
    mean = with_n(backbones.average(panel, protocol, variant))
    return ", ".join(filter(None, [mean, standing(panel, protocol, cells)]))


def by_base(panel: Panel, protocol: Protocol, size: Callable[[Mapping[str, Any]], int]) -> str:
    """The size of WDL's APG by that of its base."""
    ours, base = (panel.found(panel.cell(name, "WDL"), protocol) for name in ("apg", "base"))
    return span([size(ours[0]) / size(base[0])]) if ours and base else "not run"


def tally() -> HTML:
    """How many claims have which verdict: those on AUC under each protocol, and the others, which none changes."""
    claims = [claim for section in SECTIONS.values() for claim in section]
    columns = {
        PROTOCOL_TITLES[how].capitalize(): [look_up(claim, how) for claim in claims if not claim.once]
        for how in PROTOCOLS
    }
    columns["Times, memories, counts, and what is not here"] = [
        look_up(claim, PROTOCOLS[0]) for claim in claims if claim.once
    ]
    lines = []
    for name in dict.fromkeys([*get_args(Verdict), TESTED, *NO_DATA.values()]):
        counts = {column: sum(found.verdict == name for found in all_found) for column, all_found in columns.items()}
        if any(counts.values()):
            lines.append({"Verdict": name} | counts)
        if name == "not reproduced":
            undecided = {column: sum(found.open for found in all_found) for column, all_found in columns.items()}
            lines.append({"Verdict": "of these, open"} | undecided)
    return as_html(pd.DataFrame(lines), f"{len(claims)} claims, by what came out.")


def provenance() -> HTML:
    """The foot of the page."""
    cited = {claim.suite for section in SECTIONS.values() for claim in section}
    panels = [panel for name, panel in opened().items() if name in cited]
    return report.provenance(panels, "python -m apg_repro run SUITE --profile full")
