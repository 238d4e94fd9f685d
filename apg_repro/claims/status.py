"""The state of the replication in a few sentences, computed from rows, for README and home. Imports no torch."""

from collections.abc import Mapping

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.encodings import page as encodings
from apg_repro.experiments.table2 import page as table2
from apg_repro.report.comparison import compare
from apg_repro.report.statistics import Estimate, Pooled, count, judge, pool
from apg_repro.report.tables import (
    PROTOCOL_TITLES,
    format_difference,
    format_pooled,
    note_on_verdicts,
    text_of,
    verdict_order,
)
from apg_repro.rows.evidence import Evidence

REFERENCES = {
    "apg": "against base",
    "apg over tuned base": "against a base whose learning rate and weight decay are searched as long as APG's K and P",
    "tuned apg": "where APG had that search, too",
}


def status(found: Mapping[tuple[str, str], Evidence]) -> str:
    """What came of APG's gains of AUC on MovieLens-1M, by the words of the rule; "" before anything has run."""
    models, read = found["table2", "movielens"], found["encodings", "movielens"]
    sentences = [
        f"{when(protocol)}, {reference}: {gain}."
        for protocol in PROTOCOLS
        for name, reference in REFERENCES.items()
        if (gain := gain_in_words(models, protocol, name))
    ]
    sentences += filter(None, [encodings_in_words(read, protocol) for protocol in PROTOCOLS])
    sentences += datasets_in_words(found) if sentences else []
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
    """WDL's gain with the default encoding, and on the average of the others; "" before all have run.

    They share their rows and seeds, so the average is taken seed by seed, and its interval is that of one test; how
    much the encodings differ is a matter of random effects.
    """
    gains = encodings.gains(evidence, protocol)
    mean = encodings.average(evidence, protocol, encodings.OTHERS)
    pooled = pool(list(gains.values()))
    if not (all(gain.n for gain in gains.values()) and pooled):
        return ""
    return (
        f"{when(protocol)}, WDL's gain is {difference_in_words(gains[encodings.DEFAULT])} with the default encoding of "
        f"MovieLens' columns, and on the average of {len(encodings.OTHERS)} other encodings "
        f"{difference_in_words(mean)}; over all {len(gains)}, as random effects, {format_pooled(pooled)}."
    )


def datasets_in_words(found: Mapping[tuple[str, str], Evidence]) -> list[str]:
    """The average gain over the paper's models, pooled over data sets; or that there is one data set only."""
    sets = [evidence for (suite, _), evidence in found.items() if suite == "table2" and evidence.rows]
    if len(sets) < 2:
        return [f"All of this is on one data set, {sets[0].data.title}."] if sets else []
    means: dict[Protocol, Pooled | None] = {
        how: pool([table2.average(evidence, how, "apg") for evidence in sets]) for how in PROTOCOLS
    }
    return [
        f"{when(protocol)}, the average gain over the models is {format_pooled(mean)} points as a random-effects mean "
        f"over {mean.n_sets} data sets."
        for protocol, mean in means.items()
        if mean
    ]
