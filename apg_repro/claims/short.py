"""What a page begins with where claims of the paper rest on it. Imports no torch."""

import re
from collections.abc import Sequence
from html import escape

from apg_repro.claims.claims import Claim, all_claims
from apg_repro.claims.rules import Finding, On
from apg_repro.claims.status import compared_in
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.encodings import page as encodings
from apg_repro.experiments.table2 import page as table2
from apg_repro.report.devices import TITLES
from apg_repro.report.short import Text
from apg_repro.report.statistics import Estimate, count, judge, pool
from apg_repro.report.tables import (
    PROTOCOL_TITLES,
    WHEN,
    Markup,
    badge,
    badges,
    format_difference,
    format_pooled,
    note_on_verdicts,
    text_of,
    verdict_order,
)
from apg_repro.rows.evidence import Evidence

LISTED = 4  # claims that are named one by one; of more, only the verdicts are counted


def claims_of(found: Sequence[Evidence]) -> list[Text]:
    """The claims that rest on a page, on its first data set that has rows: each, or how many have which verdict."""
    evidence = next((evidence for evidence in found if evidence.rows), None)
    if evidence is None:
        return []
    named = by_words(evidence)
    if len(named) <= LISTED:
        return [in_words(words, claims, evidence) for words, claims in named.items()]
    claims = [claim for group in named.values() for claim in group]
    texts = []
    for protocol in PROTOCOLS:
        verdicts = badges((judge_claim(claim, evidence)[protocol].verdict for claim in claims), between=", ")
        start = f"{WHEN[protocol]} on {escape(evidence.data.title)}"
        texts.append(Markup(f"{start}, the verdicts on the paper's {len(claims)} claims are {verdicts}."))
    return texts


def claims_without_protocol(found: Sequence[Evidence]) -> list[Text]:
    """Those of them that no protocol changes, such as memories, each with its verdict."""
    evidence = next((evidence for evidence in found if evidence.measured), None)
    if evidence is None:
        return []
    named = {words: claims for words, claims in by_words(evidence).items() if claims[0].protocol_independent}
    return [in_words(words, claims, evidence) for words, claims in named.items()]


def by_words(evidence: Evidence) -> dict[str, list[Claim]]:
    """The claims on a suite's data set at hand, by what they say: those on each kind of device together."""
    named: dict[str, list[Claim]] = {}
    for claim in all_claims():
        if claim.suite == evidence.suite.name and not claim.dataset:
            named.setdefault(claim.words.removesuffix(f", on a {device(claim)}"), []).append(claim)
    return named


def device(claim: Claim) -> str:
    """The kind of device that a claim is about; "" for any."""
    return TITLES[claim.rule.kind] if isinstance(claim.rule, On) else ""


def judge_claim(claim: Claim, evidence: Evidence) -> dict[Protocol, Finding]:
    """What a page's rows say of a claim, by protocol."""
    assert claim.rule is not None  # as it rests on a suite
    return {protocol: claim.rule.judge(evidence, protocol) for protocol in PROTOCOLS}


def in_words(words: str, claims: Sequence[Claim], evidence: Evidence) -> Markup:
    """A claim with its verdict: on each kind of device and under each protocol, where these matter."""
    parts = []
    for claim in claims:
        found = judge_claim(claim, evidence)
        is_same = claim.protocol_independent or len({str(one) for one in found.values()}) == 1
        on_device = f"on a {device(claim)}" if device(claim) else ""
        for protocol in PROTOCOLS[:1] if is_same else PROTOCOLS:
            finding, where = found[protocol], on_device if is_same else PROTOCOL_TITLES[protocol]
            verdict = " ".join(filter(None, [where, badge(finding.text).html]))
            parts.append(", ".join(filter(None, [verdict, finding.ours_html])))
    words = words if re.match(r"v\d", words) else words[:1].upper() + words[1:]  # versions are written small
    return Markup(f"{escape(words)}, on {escape(evidence.data.title)}: {'; '.join(parts)}.")


def models_in_short(found: Sequence[Evidence]) -> list[Text]:
    """Table 2: the verdicts on the models and the average against each base, elsewhere the average against base alone.

    One sentence per protocol on the first data set, and one on all others.
    """
    texts: list[Text] = []
    for evidence in found[:1]:
        for protocol in PROTOCOLS:
            if not (against_base := gain_in_words(evidence, protocol, "apg")):
                continue
            parts = [f"against base, {against_base}"]
            parts += [
                f"{words}, on average {average_in_words(evidence, protocol, name)}"
                for name, words in table2.AGAINST.items()
                if name != "apg" and table2.average(evidence, protocol, name).n
            ]
            texts.append(f"{WHEN[protocol]} on {evidence.data.title}: {'; '.join(parts)}.")
    elsewhere = [
        f"on {evidence.data.title} {', then '.join(words) if len(words) > 1 else f'{words.pop()} in both'}"
        for evidence, *_ in table2.averages(found[1:])
        if (words := list(dict.fromkeys(average_in_words(evidence, how, "apg") for how in PROTOCOLS)))
    ]
    if elsewhere:
        texts.append(f"On average against base, after one epoch, then with early stopping: {'; '.join(elsewhere)}.")
    return [*texts[:-1], f"{texts[-1]}{note_on_verdicts(map(str, texts))}"] if texts else []


def encodings_in_short(found: Sequence[Evidence]) -> list[Text]:
    """The gain with the default encoding and on the average of the others, one sentence per protocol."""
    return [text for evidence in found for protocol in PROTOCOLS if (text := encodings_in_words(evidence, protocol))]


def gain_in_words(evidence: Evidence, protocol: Protocol, name: str) -> str:
    """How many of the paper's models have which verdict, and the average once all have run; "" before any has."""
    lines = compared_in(evidence, protocol, name)
    if not any(line.difference.n for line in lines):
        return ""
    counts = count([line.judgement for line in lines])
    words = ", ".join(f"{text} in {counts[text]}" for text in verdict_order() if counts[text])
    mean = table2.average(evidence, protocol, name)
    return f"{words} of the {len(lines)} models" + (
        f"; on average {average_in_words(evidence, protocol, name)}" if mean.n else ""
    )


def average_in_words(evidence: Evidence, protocol: Protocol, name: str) -> str:
    """A cell's average gain over the paper's models, with its verdict."""
    mean = table2.average(evidence, protocol, name)
    return difference_in_words(mean, table2.is_any_against_plain(evidence, protocol, name))


def difference_in_words(difference: Estimate, is_against_plain: bool = False) -> str:
    """A gain of AUC as one test of its own; and whether its mean is at the margin, so that little would change it."""
    text = f"{format_difference(difference)} points, {text_of(judge(difference, 1.0), is_against_plain)}"
    return f"{text} (its mean is at the margin)" if difference.is_at_margin else text


def encodings_in_words(evidence: Evidence, protocol: Protocol) -> str:
    """WDL's gain with the default encoding, and on the average of the others; "" before all have run.

    They share their rows and seeds, so the average is taken seed by seed, and its interval is that of one test; how
    much the encodings differ is a matter of random effects.
    """
    gains = encodings.gains(evidence, protocol)
    mean = encodings.average(evidence, protocol, encodings.OTHERS)
    pooled = pool(list(gains.values()))
    if not (all(gain.n for gain in gains.values()) and pooled):
        return ""
    plain = encodings.is_against_plain(evidence, protocol)
    return (
        f"{WHEN[protocol]}, WDL's gain is {difference_in_words(gains[encodings.DEFAULT], plain)} with the default "
        f"encoding of MovieLens' columns, and on the average of {len(encodings.OTHERS)} other encodings "
        f"{difference_in_words(mean, plain)}; over all {len(gains)}, as random effects, {format_pooled(pooled)}."
    )
