"""The state of the replication, computed from rows: in sentences for README, as a table for home. Imports no torch."""

from collections.abc import Mapping

import pandas as pd

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.encodings import ENCODINGS
from apg_repro.experiments.table2 import page as table2
from apg_repro.report.comparison import Comparison, compare
from apg_repro.report.statistics import Estimate, count, estimate, judge
from apg_repro.report.tables import (
    NBSP,
    PROTOCOL_TITLES,
    Markup,
    Table,
    badge_over,
    badges,
    format_difference,
    note_on_verdicts,
    text_of,
    verdict_order,
    with_n,
)
from apg_repro.rows.evidence import Evidence

REFERENCES = {
    "apg": "against base",
    "apg over tuned base": "against a base whose learning rate and weight decay are searched as long as APG's K and P",
    "tuned apg": "where APG had that search, too",
}


def status(found: Mapping[tuple[str, str], Evidence]) -> str:
    """What came of APG's gains of AUC on MovieLens-1M, by the words of the rule; "" before anything has run."""
    models, encodings = found["table2", "movielens"], found["encodings", "movielens"]
    sentences = [
        f"{when(protocol)}, {reference}: {gain}."
        for protocol in PROTOCOLS
        for name, reference in REFERENCES.items()
        if (gain := gain_in_words(models, protocol, name))
    ]
    sentences += filter(None, [encodings_in_words(encodings, protocol) for protocol in PROTOCOLS])
    text = " ".join(sentences)
    return text + note_on_verdicts([text]) if text else ""


def status_table(found: Mapping[tuple[str, str], Evidence]) -> Table:
    """The same as a table: the verdicts on the models, and their average; WDL on the encodings of its data."""
    models, encodings = found["table2", "movielens"], found["encodings", "movielens"]
    lines: list[dict[str, Markup | str]] = []
    for name, reference in REFERENCES.items():
        lines.append({"Gain of AUC": f"each of the {len(PAPER_BACKBONES)} models, {reference}"})
        lines[-1] |= {heads(protocol): model_verdicts(models, protocol, name) for protocol in PROTOCOLS}
        means: dict[Protocol, Estimate] = {protocol: table2.average(models, protocol, name) for protocol in PROTOCOLS}
        if any(mean.n for mean in means.values()):
            plain = {how: any(line.is_against_plain for line in lines_of(models, how, name)) for how in PROTOCOLS}
            cells = {heads(how): verdict_on(mean, plain[how]) for how, mean in means.items()}
            lines.append({"Gain of AUC": f"their average, {reference}"} | cells)
    gains: dict[Protocol, tuple[Estimate, Estimate] | None] = {
        protocol: encoding_gains(encodings, protocol) for protocol in PROTOCOLS
    }
    words = ("WDL, default encoding of the columns", "WDL, average of the other encodings")
    for place, text in enumerate(words):
        cells = {heads(how): verdict_on(pair[place]) if pair else "not run" for how, pair in gains.items()}
        lines.append({"Gain of AUC": f"{text}, against base"} | cells)
    texts = [cell.html if isinstance(cell, Markup) else cell for line in lines for cell in line.values()]
    caption = f"{models.data.title}. Δ of test AUC in points, ± 95 % confidence, n seeds.{note_on_verdicts(texts)}"
    return Table(pd.DataFrame(lines), caption, wrap=True)


def heads(protocol: Protocol) -> str:
    """What a column of that table is called."""
    return {"one_epoch": "After one epoch"}.get(protocol, PROTOCOL_TITLES[protocol].capitalize())


def lines_of(evidence: Evidence, protocol: Protocol, name: str) -> list[Comparison]:
    """A cell in each of the paper's models."""
    return [compare(evidence, protocol)[backbone, name] for backbone in PAPER_BACKBONES]


def model_verdicts(evidence: Evidence, protocol: Protocol, name: str) -> Markup | str:
    """How many of the paper's models have which verdict, and on how many seeds."""
    lines = lines_of(evidence, protocol, name)
    seeds = sorted({line.difference.n for line in lines if line.difference.n})
    if not seeds:
        return "not run"
    n = f"n{NBSP}={NBSP}{' or '.join(map(str, seeds))}"
    return badge_over("", f"{badges(count([line.judgement for line in lines]))}<br>{n}")


def verdict_on(difference: Estimate, is_against_plain: bool = False) -> Markup | str:
    """A gain of AUC as one test of its own: its verdict, and below it what it rests on."""
    if not difference.n:
        return "not run"
    return badge_over(text_of(judge(difference, 1.0), is_against_plain), with_n(difference))


def when(protocol: Protocol) -> str:
    """How a sentence on a protocol begins."""
    return {"one_epoch": "After one epoch"}.get(protocol, f"With {PROTOCOL_TITLES[protocol]}")


def gain_in_words(evidence: Evidence, protocol: Protocol, name: str) -> str:
    """How many of the paper's models have which verdict, and the average once all have run; "" before any has."""
    lines = lines_of(evidence, protocol, name)
    if not any(line.difference.n for line in lines):
        return ""
    counts = count([line.judgement for line in lines])
    words = ", ".join(f"{text} in {counts[text]}" for text in verdict_order() if counts[text])
    mean, is_against_plain = table2.average(evidence, protocol, name), any(line.is_against_plain for line in lines)
    return f"{words} of the {len(lines)} models" + (
        f"; on their average {difference_in_words(mean, is_against_plain)}" if mean.n else ""
    )


def difference_in_words(difference: Estimate, is_against_plain: bool = False) -> str:
    """A gain of AUC as one test of its own."""
    return f"{format_difference(difference)} points, {text_of(judge(difference, 1.0), is_against_plain)}"


def encoding_gains(evidence: Evidence, protocol: Protocol) -> tuple[Estimate, Estimate] | None:
    """WDL's gain with the default encoding, and on the average of the others; None before all have run."""
    default, *others = ([evidence.cell(f"{name}, {features}") for name in ("apg", "base")] for features in ENCODINGS)
    gain = estimate(evidence.between(default[:1], default[1:], protocol))
    mean = estimate(evidence.between([apg for apg, _ in others], [base for _, base in others], protocol))
    return (gain, mean) if gain.n and mean.n else None


def encodings_in_words(evidence: Evidence, protocol: Protocol) -> str:
    """The same in words; "" before all have run."""
    gains = encoding_gains(evidence, protocol)
    if gains is None:
        return ""
    gain, mean = gains
    return (
        f"{when(protocol)}, WDL's gain is {difference_in_words(gain)} with the default encoding of MovieLens' columns, "
        f"and on the average of {len(ENCODINGS) - 1} other encodings {difference_in_words(mean)}."
    )
