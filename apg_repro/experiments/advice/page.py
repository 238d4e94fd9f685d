"""Should I use it? Where it pays, and what the rows say of K, P, z, the start and the cost. Imports no torch."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments import get_suite
from apg_repro.experiments.comparators import page as comparators
from apg_repro.experiments.figure7.plan import LAYERS, OVER, RANK, K, P
from apg_repro.experiments.grids import APG
from apg_repro.experiments.protocol.page import OVER_PLAIN, answer_of, first_epoch_is_best
from apg_repro.experiments.table2 import page as table2
from apg_repro.experiments.table5 import page as table5
from apg_repro.experiments.table5.plan import WIDTHS
from apg_repro.labels import words_for
from apg_repro.report.comparison import Comparison, compare, difference_from
from apg_repro.report.costs import rounded
from apg_repro.report.devices import measured_devices, on_a
from apg_repro.report.statistics import HOLDS, Estimate, estimate, judge, with_marks
from apg_repro.report.tables import (
    AGAINST_THE_BETTER,
    PROTOCOL_HEADS,
    PROTOCOL_TITLES,
    WHEN,
    Markup,
    Table,
    all_first_epochs_best,
    badge_over,
    format_difference,
    judgement_text,
    marks_of,
    note_on_verdicts,
    page_link,
    text_of,
    with_n,
)
from apg_repro.rows.evidence import Evidence, begun, gather
from apg_repro.rows.store import Store
from apg_repro.suite import Cell, Plan

DATASET = "movielens"
SUITES = {"table2": DATASET, "figure7": DATASET, "table8": DATASET, "starts": DATASET, "table5": "iaac_twin"}
MIN_SEEDS = 3  # a value with fewer is not compared: its interval is too wide
CONDITIONS = {
    "group_user": "the user's embedding",
    "group_item": "the item's embedding",
    "mix_user_item_context": "user, item and context, mixed",
    "self": "the layer's own input (self-wise)",
}
ADVICE = {  # by ``protocol.page.answer_of``; {damped} says what is over damped base
    "better": "It ends better there: try it, and give the static model as long a search.",
    f"better{OVER_PLAIN}": "It ends better than base there, but {damped}: try damped base first.",
    "only sooner": (
        "It learns sooner there and does not end better: for its AUC, try it only where a model sees each row once."
    ),
    "sooner, at least": "It learns sooner there; whether it ends better, these runs do not tell.",
    "worse": "It ends worse: do not use it.",
    "worse, at first": "It starts behind, and these runs show no gain later.",
    "cannot tell": "These runs do not show a gain there.",
}
BEHIND_THE_BETTER = "Use the better base instead."  # what "worse" is of the same weights
EACH_CONDITION = (
    "WDL with each condition, on data sets with several seeds; only what survives Holm's correction counts."
)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A choice to make, and the cells that differ in it alone.

    Attributes:
        words: what is chosen, with what is held fixed.
        suite: whose cells they are.
        names: what each value is called, by the cell's name.
    """

    words: str
    suite: str
    names: dict[str, str]


def along(axis: str, words: str, evidence: Evidence) -> Choice:
    """A choice along an axis of Figure 7."""
    names = {cell.name: str(cell.labels["value"]) for cell in evidence.labelled(axis=axis)}
    return Choice(words=words, suite="figure7", names=names)


def by_suite() -> dict[str, Evidence]:
    """The committed rows of the suites that this page reads, by suite."""
    store = Store()
    return {
        name: gather(get_suite(name), Plan(profile="full", dataset=dataset), store) for name, dataset in SUITES.items()
    }


def on_data_sets(name: str = "table8") -> list[Evidence]:
    """Table 8, which has every condition, or another suite, on each real data set on which it has been run."""
    return [evidence for evidence in begun(get_suite(name), Store()) if evidence.data.kind == "real"]


def by_condition(evidence: Evidence, protocol: Protocol) -> list[Comparison]:
    """APG with each condition that the paper compares, self-wise, its default, first."""
    return [line for line in reversed(compare(evidence, protocol).values()) if line.cell.is_printed and line.reference]


def choices(found: dict[str, Evidence]) -> list[Choice]:
    """What a user of the layer has to choose."""
    figure7, apg = found["figure7"], APG["full"]
    starts = {
        cell.name: words_for(cell.name.partition(", ")[2])
        for cell in found["starts"].cells
        if cell.name.startswith("v5")
    }
    return [
        along(K, f"K, with P = {OVER}", figure7),
        along(P, f"P, with K = {RANK}", figure7),
        along(LAYERS, f"layers of G, with K = {RANK} and P = {OVER}", figure7),
        Choice(
            words=f"z, the condition, with K = {apg['rank']} and P = {apg['over']}", suite="table8", names=CONDITIONS
        ),
        Choice(words="the start of G", suite="starts", names=starts),
    ]


def answer(found: dict[str, Evidence], all_models: Sequence[Evidence] = ()) -> list[str]:
    """Whether to use it, in some sentences; none before all of it has been run.

    Args:
        found: the suites of this page.
        all_models: Table 2 on several data sets.
    """
    models = found["table2"]
    elsewhere = [evidence for evidence in all_models if evidence.plan.dataset != models.plan.dataset]
    if not table2.averages([models]):
        return []
    sentences = by_data_set([models, *elsewhere])
    tuned = table2.average(models, "early_stopping", "apg over tuned base")
    if tuned.n:
        place = "behind" if tuned.is_below else "ahead of" if tuned.is_above else "not told apart from"
        sentences.append(
            f"On {models.data.title} with early stopping, APG at the paper's learning rate is {place} a tuned base: "
            f"{table2.marked_average(models, 'early_stopping', 'apg over tuned base')} points (n = {tuned.n}). Search "
            "rate and weight decay first."
        )
    return [*sentences[:-1], f"{sentences[-1]}{note_on_verdicts(sentences)}"]


def by_data_set(all_models: Sequence[Evidence]) -> list[str]:
    """How APG changes AUC on each data set on which all models have been run, and what to do.

    Args:
        all_models: Table 2 on several data sets.
    """
    sentences = []
    for number, (evidence, early, late) in enumerate(table2.averages(all_models)):
        if math.isnan(early.mean) or math.isnan(late.mean):
            why = lost(evidence) or "runs of base diverged."
            sentences.append(f"On {evidence.data.title}, APG has no average gain: {why}")
            continue
        gains = [table2.marked_average(evidence, protocol) for protocol in PROTOCOLS]
        same = first_epoch_is_best(evidence)
        over_base = format_difference(table2.average_over("base", evidence, "one_epoch"))
        on_average = "" if number else ", on average over the seven models"
        sentences.append(
            f"On {evidence.data.title}, at the paper's learning rate, every run is best after its first epoch: APG "
            f"changes AUC by {gains[0]} points relative to the better of both bases, {over_base} relative to "
            f"base{on_average} ({table2.n_and_seeds(evidence, 'early_stopping')})."
            if same
            else f"On {evidence.data.title}, APG changes AUC by {gains[0]} points after one epoch and by {gains[1]} "
            f"with early stopping{on_average} ({table2.n_and_seeds(evidence, 'early_stopping')})."
        )
        word = answer_of(evidence, PAPER_BACKBONES)
        damped = beside_damped_base(table2.average_over("damped base", evidence, "early_stopping"))
        advice = BEHIND_THE_BETTER if same and word == "worse" else ADVICE[word].format(damped=damped)
        sentences[-1] = " ".join(filter(None, [sentences[-1], advice, lost(evidence), where_both_are_tuned(evidence)]))
    return sentences


def beside_damped_base(gain: Estimate) -> str:
    """What a gain over damped base that is not shown is: none, or not known."""
    text = f"({format_difference(gain)}"
    is_none = judge(gain, 1.0).word == "no difference"
    return f"no better than damped base {text}, no difference)" if is_none else f"not shown over damped base {text})"


def with_each_condition(sets: Sequence[Evidence]) -> str:
    """Where WDL gains or loses with each condition; "" on fewer than two data sets.

    Args:
        sets: Table 8 on several data sets (see ``on_data_sets``).
    """
    return " ".join([EACH_CONDITION, *(where(sets, protocol) for protocol in PROTOCOLS)]) if len(sets) > 1 else ""


def lost(evidence: Evidence) -> str:
    """That runs of APG diverged, and how many of base did; "" if none has."""
    ours, bases = (table2.diverged_in_words(evidence, "early_stopping", name) for name in ("apg", "base"))
    return f"{ours} of APG diverged, {bases or 'none'} of base." if ours else ""


def where_both_are_tuned(evidence: Evidence) -> str:
    """The average gain under each protocol in the models in which learning rate and weight decay are searched."""
    models = [name for name in PAPER_BACKBONES if table2.average(evidence, "early_stopping", "tuned apg", [name]).n]
    gains: dict[Protocol, Estimate] = {
        how: table2.average(evidence, how, "tuned apg", models) if models else estimate([]) for how in PROTOCOLS
    }
    if min(gain.n for gain in gains.values()) < 2:
        return ""
    plain = {how: table2.is_any_against_plain(evidence, how, "tuned apg", models) for how in PROTOCOLS}
    early, late = (
        f"{format_difference(gain)} ({text_of(judge(gain, 1.0), plain[how])})" for how, gain in gains.items()
    )
    n = " to ".join(str(n) for n in sorted({gain.n for gain in gains.values()}))
    lacking = f"{len(models)} of {len(PAPER_BACKBONES)} models, " * (len(models) < len(PAPER_BACKBONES))
    return f"With both tuned ({lacking}n = {n}): {early} after one epoch, {late} with early stopping."


def each_condition(sets: Sequence[Evidence]) -> Markup:
    """``with_each_condition`` as a paragraph, for under the table that it is read from."""
    return Markup(f"<p>{escape(with_each_condition(sets))}</p>")


def where(sets: Sequence[Evidence], protocol: Protocol) -> str:
    """On which data sets with several seeds WDL gains or loses, and with which z: what survives Holm's correction."""
    sets = [evidence for evidence in sets if any(line.difference.n > 1 for line in by_condition(evidence, protocol))]
    same = with_same_weights(sets) if protocol == "early_stopping" else []
    sets = [evidence for evidence in sets if evidence not in same]
    gains, losses = (
        [(evidence, judged_as(words, evidence, protocol)) for evidence in sets] for words in (HOLDS, ("contradicted",))
    )
    above = [
        difference_from(evidence, line.cell, "damped base", protocol).is_above
        for evidence, lines in gains
        for line in lines
        if protocol != "one_epoch"  # there the reference is the better of base and damped base already
    ]
    return (
        f"{WHEN[protocol]}, a gain is shown on {named(gains, f' of {len(sets)} data sets')}.{over_damped_base(above)} "
        f"A loss is shown on {named(losses)}.{below_damped_base(sets, protocol)}{tested_before(same)}"
    )


def with_same_weights(sets: Sequence[Evidence]) -> list[Evidence]:
    """The data sets on which both protocols test the same weights in every run of the table."""
    return [evidence for evidence in sets if all_first_epochs_best(evidence, evidence.cells)]


def tested_before(sets: Sequence[Evidence]) -> str:
    """On which data sets early stopping tests the weights of the first epoch; "" if on none."""
    titles = " and ".join(evidence.data.title for evidence in sets)
    return (
        f" On {titles} every run here is best after its first epoch, so both protocols give the same." if sets else ""
    )


def named(found: Sequence[tuple[Evidence, Sequence[Comparison]]], of_all: str = "") -> str:
    """On how many data sets there are such conditions, and which: "2 of 4 data sets: Frappe (item), Tmall (user ‡)"."""
    texts = [
        f"{evidence.data.title} ({'; '.join(with_marks(line.cell.title, marks_of(line)) for line in lines)})"
        for evidence, lines in found
        if lines
    ]
    return f"{len(texts) or 'none'}{of_all}{': ' * bool(texts)}{', '.join(texts)}"


def below_damped_base(sets: Sequence[Evidence], protocol: Protocol) -> str:
    """On which data sets self-wise APG ends below damped base, from which its gain with early stopping is not taken."""
    if protocol != "early_stopping":
        return ""
    gaps = {
        evidence.data.title: difference_from(evidence, evidence.cell("self"), "damped base", protocol)
        for evidence in sets
    }
    texts = [f"{title} ({format_difference(gap)})" for title, gap in gaps.items() if gap.is_below]
    return f" Self-wise APG is below damped base on {' and '.join(texts)}." if texts else ""


def over_damped_base(above: Sequence[bool]) -> str:
    """How many of some gains are shown over damped base as well, by whether each is."""
    if len(above) < 2:
        return f" This gain is {'also' if above[0] else 'not'} shown over damped base." if above else ""
    if all(above):
        return f" All {len(above)} gains are also shown over damped base."
    n = f"{sum(above)} are also" if sum(above) > 1 else "one is also" if sum(above) else "none is"
    return f" Of these {len(above)} gains, {n} shown over damped base."


def judged_as(words: Collection[str], evidence: Evidence, protocol: Protocol) -> list[Comparison]:
    """The conditions whose verdict is one of these and survives Holm's correction."""
    lines = by_condition(evidence, protocol)
    return [line for line in lines if line.verdict in words and line.judgement.survives]


def when_table(sets: Sequence[Evidence]) -> Table:
    """WDL's gain on each data set with each condition, under both protocols."""
    lines: list[dict[str, Markup | str]] = []
    texts: list[str] = []
    for evidence in sets:
        for early, late in zip(*(by_condition(evidence, protocol) for protocol in PROTOCOLS), strict=True):
            line: dict[str, Markup | str] = {"Data set": evidence.data.title, "Condition z": early.cell.title}
            for protocol, judged in zip(PROTOCOLS, (early, late), strict=True):
                texts.append(judgement_text(judged))
                line[PROTOCOL_HEADS[protocol]] = badge_over(texts[-1], with_n(judged.difference))
            lines.append(line)
    sizes = APG["full"]
    caption = (
        f"WDL with v5, K = {sizes['rank']} and P = {sizes['over']}. Δ of test AUC in points, ± 95 % confidence; "
        "after one epoch from the better of base and damped base, with early stopping from base (from the better of "
        "both where the first epoch is base's best)."
        f"{tested_before(with_same_weights(sets))}"
        f"{note_on_verdicts(texts)}"
    )
    return Table(pd.DataFrame(lines), caption, wrap=True)


def choices_table(found: dict[str, Evidence]) -> Table:
    """What each choice changes: the value with the highest mean, and those that are not behind it."""
    lines = []
    for choice in choices(found):
        evidence = found[choice.suite]
        best = {PROTOCOL_HEADS[how]: best_of(evidence, choice, how) for how in PROTOCOLS}
        lines.append({"Choice": choice.words} | best | {"Page": page_link(evidence.suite)})
    caption = (
        f"{found['figure7'].data.title}, WDL. The value with the highest mean gain in AUC points, "
        f"{AGAINST_THE_BETTER}, and the values that are not told apart from it: the 95 % interval of their paired "
        f"difference from it reaches 0 or more. Picked from test rows after the fact, so take it as a place to start. "
        f"Values with fewer than {MIN_SEEDS} seeds are left out."
    )
    return Table(pd.DataFrame(lines), caption, wrap=True)


def self_wise_elsewhere(sets: Sequence[Evidence]) -> Markup:
    """Which conditions self-wise APG is behind on the data sets that the table of choices does not speak of."""
    texts: list[str] = []
    for evidence in sets:
        if evidence.plan.dataset == DATASET:
            continue
        is_same = all_first_epochs_best(evidence, evidence.cells)
        for protocol in PROTOCOLS[:1] if is_same else PROTOCOLS:
            gaps = {
                words: difference_from(evidence, evidence.cell("self"), name, protocol)
                for name, words in CONDITIONS.items()
                if name != "self"
            }
            behind = [f"{words} ({format_difference(gap)})" for words, gap in gaps.items() if gap.is_below]
            if behind:
                when = "both protocols" if is_same else PROTOCOL_TITLES[protocol]
                texts.append(f"{evidence.data.title}, {when}: {', '.join(behind)}")
    if not texts:
        return Markup("")
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    what = "self-wise minus the other, in points, not corrected for their number"
    return Markup(f"<p>Elsewhere self-wise APG is behind other conditions ({what}), so try each:</p><ul>{items}</ul>")


def best_of(evidence: Evidence, choice: Choice, protocol: Protocol) -> Markup:
    """The best value of a choice under a protocol, and those not behind it."""
    cells = [evidence.cell(name) for name in choice.names]
    cells = [cell for cell in cells if len(evidence.differences(cell, protocol)) >= MIN_SEEDS]
    if not cells:
        return Markup("not run")
    gains = {cell.name: estimate(evidence.differences(cell, protocol)) for cell in cells}
    best = max(cells, key=lambda cell: gains[cell.name].mean)
    alike = [choice.names[cell.name] for cell in not_behind(evidence, best, cells, protocol)]
    rest = "all others are behind" if not alike else "none is behind" if len(alike) == len(cells) - 1 else ""
    text = rest or f"not told apart: {', '.join(alike)}"
    return Markup(f"<b>{escape(choice.names[best.name])}</b>: {with_n(gains[best.name])}<br>{escape(text)}")


def not_behind(evidence: Evidence, best: Cell, cells: Sequence[Cell], protocol: Protocol) -> list[Cell]:
    """The other cells whose paired difference from the best is not below 0."""
    others = [cell for cell in cells if cell is not best]
    return [cell for cell in others if not estimate(evidence.between([cell], [best], protocol)).is_below]


def among_others(sets: Sequence[Evidence]) -> Markup:
    """Where APG stands among gates, FiLM and adapters, on each data set on which these have been run."""
    texts = [comparators.answer(evidence).html for evidence in sets]
    return Markup("".join(texts) or "<p>Not run.</p>")


def costs_table(found: dict[str, Evidence]) -> Table:
    """What it costs in training, relative to a static model: time, and weights of the hidden layers."""
    lines = []
    for width in WIDTHS:
        for version in ("v4", "v5"):
            line = {"Hidden layers": width, "Version": version}
            for on in measured_devices(found["table5"]):
                time = table5.ratio_to(on, version, width, "epoch_time")
                line[f"Time {on_a(on)}"] = rounded(time[0]["p50"]) if time else "not run"
            pairs = (table5.ratio_to(on, version, width, "hidden_memory") for on in measured_devices(found["table5"]))
            weights = next(filter(None, pairs), None)
            lines.append(line | {"Hidden weights in training": rounded(weights[0]["p50"]) if weights else "not run"})
    caption = (
        "Relative to base, with the user's embedding as z, K = 4 and P = 32. v5 folds into v4 for serving: the same "
        "weights and the same time."
    )
    return Table(pd.DataFrame(lines), caption)


def steps_sentence(sets: Sequence[Evidence]) -> Markup:
    """How long a training step of the APG takes that is compared by AUC, on each kind of device.

    Args:
        sets: the comparators on several data sets.
    """
    times: dict[str, list[str]] = {}
    for evidence in sets:
        for on in measured_devices(evidence):
            if ratio := comparators.own_step(on):
                times.setdefault(on_a(on), []).append(f"{ratio} on {evidence.data.title}")
    sizes = APG["full"]
    texts = [
        f"<p>A training step of self-wise APG with K = {sizes['rank']} and P = {sizes['over']}, in the default layers, "
        f"takes this many times as long as base's {escape(where)}, on one thread: {escape(', '.join(ratios))}.</p>"
        for where, ratios in times.items()
    ]
    return Markup("".join(texts))


def weights_sentence(found: dict[str, Evidence]) -> Markup:
    """How many hidden weights the APG that is compared by AUC has, in training and as served."""
    models, parts = found["table2"], []
    for words, attribute in (("in training", "n_hidden"), ("as served", "n_served")):
        ratio = table2.hidden_weights(models, "early_stopping", attribute)
        if math.isnan(ratio):
            return Markup("<p>Not run.</p>")
        parts.append(f"{rounded(ratio)} times the hidden weights {words}")
    chosen = models.chosen(models.cell("apg", "WDL"), "early_stopping") or {}
    setting = f"K = {chosen['rank']}, P = {chosen['over']}"
    return Markup(
        f"<p>On {escape(models.data.title)} with early stopping, validation chose {setting} for self-wise APG in WDL. "
        f"Relative to base it then has {' and '.join(parts)}.</p>"
    )
