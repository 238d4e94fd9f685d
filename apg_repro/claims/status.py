"""The state of the replication, computed from rows: in sentences for README, as a table for home. Imports no torch."""

from collections.abc import Mapping

import pandas as pd

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.encodings import page as encodings
from apg_repro.experiments.table2 import page as table2
from apg_repro.report.comparison import Comparison, compare
from apg_repro.report.statistics import Estimate, Pooled, count, judge, pool
from apg_repro.report.tables import (
    NBSP,
    PROTOCOL_TITLES,
    WHEN,
    Markup,
    Table,
    badge_over,
    badges,
    format_difference,
    format_pooled,
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
    models, read = found["table2", "movielens"], found["encodings", "movielens"]
    sentences = [
        f"{WHEN[protocol]}, {reference}: {gain}."
        for protocol in PROTOCOLS
        for name, reference in REFERENCES.items()
        if (gain := gain_in_words(models, protocol, name))
    ]
    sentences += filter(None, [encodings_in_words(read, protocol) for protocol in PROTOCOLS])
    sentences += datasets_in_words(found) if sentences else []
    text = " ".join(sentences)
    return text + note_on_verdicts([text]) if text else ""


def status_table(found: Mapping[tuple[str, str], Evidence]) -> Table:
    """The same as a table: the verdicts on the models, and their average; WDL on the encodings of its data."""
    models = found["table2", "movielens"]
    lines: list[dict[str, Markup | str]] = []
    for name, reference in REFERENCES.items():
        lines.append({"Gain of AUC": f"each of the {len(PAPER_BACKBONES)} models, {reference}"})
        lines[-1] |= {heads(protocol): model_verdicts(models, protocol, name) for protocol in PROTOCOLS}
        means: dict[Protocol, Estimate] = {protocol: table2.average(models, protocol, name) for protocol in PROTOCOLS}
        if any(mean.n for mean in means.values()):
            plain = {how: any(line.is_against_plain for line in lines_of(models, how, name)) for how in PROTOCOLS}
            cells = {heads(how): verdict_on(means[how], plain[how]) for how in PROTOCOLS}
            lines.append({"Gain of AUC": f"their average, {reference}"} | cells)
    rows = found["encodings", "movielens"]
    default = {how: encodings.gains(rows, how)[encodings.DEFAULT] for how in PROTOCOLS}
    others = {how: encodings.average(rows, how, encodings.OTHERS) for how in PROTOCOLS}
    words = ("WDL, default encoding of the columns", "WDL, average of the other encodings")
    for text, gains in zip(words, (default, others), strict=True):
        cells = {heads(how): verdict_on(gains[how]) for how in PROTOCOLS}
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
        f"{WHEN[protocol]}, WDL's gain is {difference_in_words(gains[encodings.DEFAULT])} with the default encoding of "
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
        f"{WHEN[protocol]}, the average gain over the models is {format_pooled(mean)} points as a random-effects mean "
        f"over {mean.n_sets} data sets."
        for protocol, mean in means.items()
        if mean
    ]
