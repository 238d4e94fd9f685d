"""The state of the replication as one table, computed from rows, for home and README. Imports no torch."""

from collections.abc import Mapping

import pandas as pd

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.claims.claims import DATASET
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.encodings import page as encodings
from apg_repro.experiments.grids import APG
from apg_repro.experiments.table2 import page as table2
from apg_repro.labels import words_for
from apg_repro.report.comparison import Comparison, compare, difference_from
from apg_repro.report.statistics import Estimate, Pooled, count, judge, pool
from apg_repro.report.tables import (
    AGAINST_PLAIN,
    NBSP,
    PROTOCOL_TITLES,
    THE_BETTER,
    Markup,
    Table,
    badge_over,
    badges,
    format_pooled,
    judgement_text,
    note_on_verdicts,
    reference_in_words,
    seeds_in_words,
    text_of,
    with_n,
)
from apg_repro.rows.evidence import Evidence

SELF = ("WDL", "self")
REFERENCES = {
    "apg": "against base",
    "apg over tuned base": "against a base whose learning rate and weight decay are searched",
    "tuned apg": "with both tuned",
}


def status_table(found: Mapping[tuple[str, str], Evidence]) -> Table:
    """What came of APG's gains of AUC, by the words of the rule.

    The verdicts on the seven models on MovieLens-1M, and their average; WDL on other encodings of its columns; the
    average on every other data set on which all models have been run, and WDL on every one.
    """
    models = found["table2", "movielens"]
    lines: list[dict[str, Markup | str]] = []
    for name, reference in REFERENCES.items():
        lines.append({"Gain of AUC": f"each of the {len(PAPER_BACKBONES)} models, {reference}"})
        lines[-1] |= {heads(protocol): model_verdicts(models, protocol, name) for protocol in PROTOCOLS}
        means: dict[Protocol, Estimate] = {protocol: table2.average(models, protocol, name) for protocol in PROTOCOLS}
        if any(mean.n for mean in means.values()):
            cells = {heads(how): average_verdict(models, how, name) for how in PROTOCOLS}
            lines.append({"Gain of AUC": f"their average, {reference}"} | cells)
    rows = found["encodings", "movielens"]
    others = {how: encodings.average(rows, how, encodings.OTHERS) for how in PROTOCOLS}
    lines.append({"Gain of AUC": "WDL, default encoding of the columns, against base"})
    lines[-1] |= {heads(how): verdict_in_table(encodings.compared(rows, how)[encodings.DEFAULT]) for how in PROTOCOLS}
    lines.append({"Gain of AUC": "WDL, average of the other encodings, against base"})
    lines[-1] |= {heads(how): verdict_on(others[how], encodings.is_against_plain(rows, how)) for how in PROTOCOLS}
    lines.append({"Gain of AUC": "the same average, against damped base"})
    for how in PROTOCOLS:
        lines[-1][heads(how)] = verdict_on(encodings.over_damped(rows, how, encodings.OTHERS))
    lines += starts_of(found) + models_elsewhere(found) + on_every_data_set(found)
    texts = [cell.html if isinstance(cell, Markup) else cell for line in lines for cell in line.values()]
    caption = (
        f"{models.data.title}, where a line names no other data set. Δ of test AUC in points, ± 95 % confidence, n "
        f"seeds.{table2.note_on_references(models)} SD: of the true differences between data sets; I²: their share of "
        f"the variance.{note_on_verdicts(texts)}"
    )
    return Table(pd.DataFrame(lines), caption, wrap=True)


def of_models(found: Mapping[tuple[str, str], Evidence]) -> list[Evidence]:
    """Table 2 on every real data set, the default one first."""
    return [evidence for (suite, _), evidence in found.items() if suite == "table2"]


def models_elsewhere(found: Mapping[tuple[str, str], Evidence]) -> list[dict[str, Markup | str]]:
    """The average over the paper's models on each further data set that has run them all, and the mean of all sets."""
    sets = [evidence for evidence, *_ in table2.averages(of_models(found))]
    lines: list[dict[str, Markup | str]] = [
        {"Gain of AUC": f"average of the 7 models on {evidence.data.title}, {against_in(evidence)}"}
        | {heads(how): average_verdict(evidence, how, "apg") for how in PROTOCOLS}
        for evidence in sets
        if evidence.plan.dataset != DATASET
    ]
    usable = [each for each in sets if all(table2.average(each, how, "apg").is_poolable for how in PROTOCOLS)]
    if len(usable) > 1:
        lines.append({"Gain of AUC": f"the average of the 7 models, random-effects mean of {len(usable)} data sets"})
        for how in PROTOCOLS:
            mean = pool([table2.average(evidence, how, "apg") for evidence in usable])
            lines[-1][heads(how)] = format_pooled(mean) if mean else ""
    return lines


def against_in(evidence: Evidence) -> str:
    """What the average over the paper's models is taken from with early stopping."""
    n, of = table2.n_over_the_better(evidence, "early_stopping"), len(PAPER_BACKBONES)
    if n == of:
        return f"against {THE_BETTER}"
    return f"against base, in {n} of {of} models {THE_BETTER}" if n else "against base"


def average_verdict(evidence: Evidence, protocol: Protocol, name: str) -> Markup | str:
    """A cell's average over the paper's models with its verdict, its seeds, and how many of its runs diverged."""
    mean = table2.average(evidence, protocol, name)
    notes = [
        seeds_in_words(table2.shared_seeds(evidence, protocol, name)),
        "its mean is at the margin" * mean.is_at_margin,
    ]
    if lost := table2.diverged_in_words(evidence, protocol, name):
        notes.append(f"{lost} diverged")
    return verdict_on(mean, table2.is_any_against_plain(evidence, protocol, name), ", ".join(filter(None, notes)))


def starts_of(found: Mapping[tuple[str, str], Evidence]) -> list[dict[str, Markup | str]]:
    """WDL's v5 with other starts of G, of which the paper says nothing."""
    rows = found.get(("starts", DATASET))
    names = {"static_start": words_for("static_start"), "glorot": f"{words_for('glorot')} start"}
    if rows is None or not rows.is_begun:
        return []
    return [
        {"Gain of AUC": f"WDL, {words} of G, against base"}
        | {heads(how): verdict_in_table(compare(rows, how)["WDL", f"v5, {name}"]) for how in PROTOCOLS}
        for name, words in names.items()
    ]


def on_every_data_set(found: Mapping[tuple[str, str], Evidence]) -> list[dict[str, Markup | str]]:
    """Table 8's self-wise APG in WDL on each real data set that has been run, and the mean of several."""
    sets = [
        evidence
        for (suite, _), evidence in found.items()
        if suite == "table8" and evidence.data.kind == "real" and compare(evidence, "one_epoch")[SELF].difference.n
    ]
    lines: list[dict[str, Markup | str]] = []
    sizes = APG["full"]
    for evidence in sets:
        of_set: dict[Protocol, Comparison] = {how: compare(evidence, how)[SELF] for how in PROTOCOLS}
        lines.append(
            {
                "Gain of AUC": f"WDL on {evidence.data.title}, K = {sizes['rank']} and P = {sizes['over']}, "
                f"against {reference_in_words(evidence, 'early_stopping')}"
            }
        )
        lines[-1] |= {heads(how): verdict_in_table(line) for how, line in of_set.items()}
    usable = [each for each in sets if all(compare(each, how)[SELF].difference.is_poolable for how in PROTOCOLS)]
    if len(usable) > 1:
        pooled: dict[Protocol, Pooled | None] = {
            how: pool([compare(evidence, how)[SELF].difference for evidence in usable]) for how in PROTOCOLS
        }
        of = f"{len(usable)} data sets" + (" with several seeds" if len(usable) < len(sets) else "")
        lines.append({"Gain of AUC": f"the same, random-effects mean of {of}"})
        lines[-1] |= {heads(how): format_pooled(mean) if mean else "" for how, mean in pooled.items()}
        over: dict[Protocol, Pooled | None] = {
            how: pool([difference_from(evidence, evidence.cell(SELF[1]), "damped base", how) for evidence in usable])
            for how in PROTOCOLS
        }
        lines.append({"Gain of AUC": "the same mean, against damped base"})
        lines[-1] |= {heads(how): format_pooled(mean) if mean else "not run" for how, mean in over.items()}
    return lines


def heads(protocol: Protocol) -> str:
    """What a column of that table is called."""
    return {"one_epoch": "After one epoch"}.get(protocol, PROTOCOL_TITLES[protocol].capitalize())


def compared_in(evidence: Evidence, protocol: Protocol, name: str) -> list[Comparison]:
    """A cell in each of the paper's models."""
    return [compare(evidence, protocol)[backbone, name] for backbone in PAPER_BACKBONES]


def model_verdicts(evidence: Evidence, protocol: Protocol, name: str) -> Markup | str:
    """How many of the paper's models have which verdict, and on how many seeds."""
    lines = compared_in(evidence, protocol, name)
    seeds = sorted({line.difference.n for line in lines if line.difference.n})
    if not seeds:
        return "not run"
    n = f"n{NBSP}={NBSP}{seeds[0]}" + (f" to {seeds[-1]}" if len(seeds) > 1 else "")
    n_plain = sum(line.is_against_plain for line in lines if line.difference.n)
    marked = f"; {n_plain} of the {len(lines)} {AGAINST_PLAIN}" if n_plain else ""
    return badge_over("", f"{badges(count([line.judgement for line in lines]))}<br>{n}{marked}")


def verdict_in_table(line: Comparison) -> Markup | str:
    """A gain of AUC with the verdict and the marks of its table."""
    return badge_over(judgement_text(line), with_n(line.difference)) if line.difference.n else "not run"


def verdict_on(difference: Estimate, is_against_plain: bool = False, note: str = "") -> Markup | str:
    """A gain of AUC as one test of its own: its verdict, and below it what it rests on, with a note if there is one."""
    if not difference.n:
        return "not run"
    below = ", ".join(filter(None, [with_n(difference), note]))
    return badge_over(text_of(judge(difference, 1.0), is_against_plain), below)
