"""The page of claims: its tables, and how many claims hold. Imports no torch.

Every function reads what ``committed`` found, so new rows show as soon as that is called again.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd

from apg_repro.catalogue import CATALOGUE
from apg_repro.claims.claims import (
    DATASET,
    REAL_DATASETS,
    TESTED,
    Claim,
    all_claims,
    sections,
)
from apg_repro.claims.rules import Finding
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments import SUITES
from apg_repro.report.statistics import NOT_AFTER_HOLM, Estimate, pool, with_marks
from apg_repro.report.tables import (
    PROTOCOL_HEADS,
    TOTAL,
    WHEN,
    Markup,
    Table,
    badges,
    format_pooled,
    format_signed,
    marked,
    note_on_marks,
    note_on_verdicts,
    page_link,
    verdict_order,
)
from apg_repro.rows.evidence import Evidence, gather
from apg_repro.rows.store import Store
from apg_repro.suite import Plan, Suite

Committed = Mapping[tuple[str, str], Evidence]  # by suite and data set

SAME = "the same"  # of what no protocol changes, in the columns of all protocols but the first
NO_PROTOCOL = "Independent of protocol"


def committed(store: Store) -> Committed:
    """The committed rows of every suite, on all real data sets and where it is measured."""
    return {
        (name, dataset): gather(suite, Plan(profile="full", dataset=dataset), store)
        for name, suite in SUITES.items()
        for dataset in (default_dataset(suite), *REAL_DATASETS)
        if dataset in suite.datasets
    }


def default_dataset(suite: Suite) -> str:
    """MovieLens-1M, or what a suite is measured on instead."""
    return DATASET if DATASET in suite.datasets else suite.datasets[0]


def key_of(claim: Claim) -> tuple[str, str]:
    """The suite and the data set that a claim is judged by."""
    return claim.suite, claim.dataset or default_dataset(SUITES[claim.suite])


def evidence_of(claim: Claim, found: Committed) -> Evidence:
    """What a claim is judged by."""
    return found[key_of(claim)]


def lacks_data(claim: Claim, found: Committed) -> bool:
    """Whether a claim is about a data set of which there are no rows."""
    return bool(claim.dataset) and not evidence_of(claim, found).rows


def is_protocol_independent(claim: Claim, found: Committed) -> bool:
    """Whether no protocol changes the verdict on a claim."""
    return claim.protocol_independent or lacks_data(claim, found)


def look_up(claim: Claim, found: Committed, protocol: Protocol) -> Finding:
    """What we have on a claim."""
    if claim.rule is None:
        return Finding(verdict=claim.verdict)
    evidence = evidence_of(claim, found)
    return Finding(verdict=evidence.data.absent) if lacks_data(claim, found) else claim.rule.judge(evidence, protocol)


def number(claim: Claim, found: Committed) -> str:
    """What the paper prints, if anything: a number, or its differences from the lowest to the highest."""
    if claim.number or claim.rule is None:
        return claim.number
    printed = claim.rule.printed(evidence_of(claim, found))
    return " to ".join(dict.fromkeys(format_signed(end(printed)) for end in (min, max))) if printed else ""


def registered(claim: Claim, found: Committed) -> list[str]:
    """When the cells of a claim were added, of those that were when results were known."""
    if claim.rule is None or lacks_data(claim, found):
        return []
    cells = claim.rule.cells(evidence_of(claim, found))
    return [cell.registered for cell in cells if cell.registered]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A claim and a verdict on it: a claim that a protocol can change has a line for each.

    Attributes:
        number: of the claim: its section, and its place there from 1. Stable as long as new claims of a section come
            last.
        section: its title.
        when: which protocol, as pages call it, or ``NO_PROTOCOL``.
    """

    number: str
    section: str
    claim: Claim
    when: str
    finding: Finding


def lines(found: Committed) -> list[Line]:
    """Every claim with each of its verdicts, in the order of the paper."""
    return [
        Line(
            number=f"{section_number(title)}-{place}", section=title, claim=claim, when=when,
            finding=look_up(claim, found, protocol),
        )
        for title, claims in sections().items()
        for place, claim in enumerate(claims, 1)
        for when, protocol in verdicts_on(claim, found).items()
    ]  # fmt: skip


def section_number(title: str) -> str:
    """The number or the letter in the title of a section, the first if there are two."""
    found = re.search(r"(?:Sections?|Appendix) ([\w.]+)", title)
    assert found, title
    return found[1]


def verdicts_on(claim: Claim, found: Committed) -> dict[str, Protocol]:
    """What each verdict on a claim is called, and the protocol that it is judged under."""
    if is_protocol_independent(claim, found):
        return {NO_PROTOCOL: PROTOCOLS[0]}
    return {PROTOCOL_HEADS[protocol]: protocol for protocol in PROTOCOLS}


def claims_table(found: Committed) -> Table:
    """Every claim, one line per verdict, to be filtered by verdict, protocol and section; each has an anchor."""
    judged, table, seen = lines(found), [], set[str]()
    for line in judged:
        claim, anchor = line.claim, anchor_of(line)
        here = "" if anchor in seen else f' id="{anchor}"'
        seen.add(anchor)
        table.append(
            {
                "No.": Markup(f'<a{here} href="#{anchor}">{line.number}</a>'),
                "Claim": marked(claim.words, "".join(registered(claim, found))),
                "Verdict": line.finding.text,
                "Protocol": line.when,
                "Paper": number(claim, found).replace(" %", "\N{NO-BREAK SPACE}%"),
                "Ours": ours_html(line.finding),
                "Section": line.section,
                "Evidence": page_link(SUITES[claim.suite], short_title(claim.suite)) if claim.suite else "",
            }
        )
    note = note_on_marks(reason for line in judged for reason in registered(line.claim, found))
    note += note_on_verdicts(line.finding.text for line in judged)
    return Table(pd.DataFrame(table), f"Every claim.{note}", wrap=True, filters=("Verdict", "Protocol", "Section"))


def anchor_of(line: Line) -> str:
    """What links to a claim end with; without points, as the theme takes it for a CSS selector."""
    return f"claim-{line.number.replace('.', '-')}"


def short_title(suite: str) -> str:
    """The title of a suite's page up to its colon: "Table 2"."""
    return SUITES[suite].title.partition(":")[0]


def ours_html(finding: Finding) -> Markup:
    """What a verdict rests on."""
    diverged = f"{finding.n_diverged} run{'s' * (finding.n_diverged > 1)} diverged" if finding.n_diverged else ""
    return Markup(", ".join(filter(None, [finding.ours_html, diverged])))


def main_points(found: Committed) -> list[Markup]:
    """How many claims have which verdict: those on AUC under each protocol, and the others; the last may have none."""
    about = {
        PROTOCOL_HEADS[protocol]: f"{WHEN[protocol]}, the verdicts on the {{}} claims on AUC are"
        for protocol in PROTOCOLS
    }
    about[NO_PROTOCOL] = "The verdicts on the {} others, on times, memories, counts or data that are not here, are"
    judged, texts = lines(found), []
    for when, words in about.items():
        counts = Counter(counted_as(line.finding) for line in judged if line.when == when)
        verdicts = Counter({verdict: counts[verdict] for verdict in verdict_order() if verdict != "not run"})
        none = counts.total() - verdicts.total()
        text = f"{words.format(counts.total())} {badges(verdicts, between=', ')}"
        texts.append(Markup(f"{text}; {none} have none." if none else f"{text}."))
    return texts


def tally(found: Committed) -> Table:
    """How many claims have which verdict: those on AUC under each protocol, and the others once."""
    judged = lines(found)
    counts = Counter((counted_as(line.finding), line.when) for line in judged)
    columns = [*PROTOCOL_HEADS.values(), NO_PROTOCOL]
    verdicts = dict.fromkeys([*verdict_order(), TESTED, *(entry.absent for entry in CATALOGUE.values())])
    table = [
        {"Verdict": verdict} | {when: counts[verdict, when] for when in columns}
        for verdict in verdicts
        if any(counts[verdict, when] for when in columns)
    ]
    totals = {when: sum(line.when == when for line in judged) for when in columns}
    n_claims, n_others = len({line.number for line in judged}), totals[NO_PROTOCOL]
    caption = (
        f"{n_claims} claims: {n_claims - n_others} on AUC, judged under both protocols, and {n_others} that no "
        "protocol changes: times, memories, counts, and what is not here."
        + note_on_verdicts(str(line["Verdict"]) for line in table)
    )
    return Table(pd.DataFrame([*table, {"Verdict": TOTAL} | totals]), caption)


def by_dataset(claim: Claim, found: Committed, protocol: Protocol) -> dict[str, Estimate]:
    """The difference of AUC that decides a claim, on every real data set that has it, by the data set's title."""
    if claim.rule is None or claim.dataset:
        return {}
    sets = {name: found[claim.suite, name] for name in REAL_DATASETS if (claim.suite, name) in found}
    gains = {each.data.title: claim.rule.difference(each, protocol) for each in sets.values()}
    return {title: gain for title, gain in gains.items() if gain.n}


def across_datasets(found: Committed) -> Table | Markup:
    """The claims on one difference of AUC, pooled over the data sets that have it."""
    lines, n_claims = [], 0
    titles: dict[str, None] = {}  # in order
    for claim in all_claims():
        gains = {protocol: by_dataset(claim, found, protocol) for protocol in PROTOCOLS}
        titles |= {title: None for each in gains.values() for title in each}
        n_claims += any(gains.values())
        pooled = {protocol: pool(list(each.values())) for protocol, each in gains.items()}
        if any(pooled.values()):
            line = {PROTOCOL_HEADS[how]: format_pooled(each) if each else "" for how, each in pooled.items()}
            usable = dict.fromkeys(title for each in gains.values() for title, gain in each.items() if gain.is_poolable)
            lines.append({"Claim": claim.words, "Data sets": ", ".join(usable)} | line)
    if not lines:
        where = f"several seeds on fewer than two data sets; there are rows of {', '.join(titles)}"
        where = where if titles else "no rows yet"
        return Markup(f"<p>The {n_claims} claims on a difference of AUC that can be pooled have {escape(where)}.</p>")
    caption = (
        "Random-effects means over data sets in points, ± 95 % confidence; SD of the true differences between data "
        "sets, and the share I² of the variance that is due to it."
    )
    return Table(pd.DataFrame(lines), caption, wrap=True)


def counted_as(finding: Finding) -> str:
    """The verdict that a finding is counted under: one that does not survive Holm's correction apart."""
    return with_marks(finding.verdict, NOT_AFTER_HOLM * (NOT_AFTER_HOLM in finding.marks))


def by_default(found: Committed, suite: str) -> Evidence:
    """A suite on MovieLens-1M, or on what it is measured on instead."""
    return found[suite, default_dataset(SUITES[suite])]


def cited(found: Committed) -> list[Evidence]:
    """The evidence that claims are judged by."""
    keys = dict.fromkeys(key_of(claim) for claim in all_claims() if claim.suite)
    return [found[key] for key in keys]
