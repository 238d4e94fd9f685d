"""The state of the replication in a few sentences, computed from rows, for README and home. Imports no torch."""

from collections.abc import Mapping

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.encodings import ENCODINGS
from apg_repro.experiments.table2 import page as table2
from apg_repro.report.comparison import compare
from apg_repro.report.statistics import Estimate, count, estimate, judge
from apg_repro.report.tables import PROTOCOL_TITLES, format_difference, note_on_verdicts, text_of, verdict_order
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


def when(protocol: Protocol) -> str:
    """How a sentence on a protocol begins."""
    return {"one_epoch": "After one epoch"}.get(protocol, f"With {PROTOCOL_TITLES[protocol]}")


def gain_in_words(evidence: Evidence, protocol: Protocol, name: str) -> str:
    """How many of the paper's models have which verdict, and the average once all have run; "" before any has."""
    lines = [compare(evidence, protocol)[backbone, name] for backbone in PAPER_BACKBONES]
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


def encodings_in_words(evidence: Evidence, protocol: Protocol) -> str:
    """WDL's gain with the default encoding, and on the average of the others; "" before all have run."""
    default, *others = ([evidence.cell(f"{name}, {features}") for name in ("apg", "base")] for features in ENCODINGS)
    gain = estimate(evidence.between(default[:1], default[1:], protocol))
    mean = estimate(evidence.between([apg for apg, _ in others], [base for _, base in others], protocol))
    if not (gain.n and mean.n):
        return ""
    return (
        f"{when(protocol)}, WDL's gain is {difference_in_words(gain)} with the default encoding of MovieLens' columns, "
        f"and on the average of {len(others)} other encodings {difference_in_words(mean)}."
    )
