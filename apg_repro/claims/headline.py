"""The paper's two promises, better models and cheaper ones, and what came of them. Imports no torch."""

import math
from collections.abc import Sequence
from html import escape

import pandas as pd

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.claims.claims import DATASET, MEMORY, TIME
from apg_repro.claims.measured import span
from apg_repro.claims.page import SAME, Committed, by_default
from apg_repro.claims.status import of_models
from apg_repro.config import DEVICE_KINDS, PROTOCOLS, Protocol, RunConfig
from apg_repro.experiments.comparators import page as comparators
from apg_repro.experiments.encodings.plan import ENCODINGS
from apg_repro.experiments.table2 import page as table2
from apg_repro.experiments.table5 import page as table5
from apg_repro.experiments.table5.plan import WIDEST
from apg_repro.paper import numbers as paper
from apg_repro.report.costs import Spread, rounded
from apg_repro.report.devices import measured_devices, on_a
from apg_repro.report.short import in_a_row, sides_in_words
from apg_repro.report.statistics import Estimate, estimate
from apg_repro.report.tables import (
    MISSING,
    PROTOCOL_HEADS,
    Markup,
    Table,
    format_difference,
    format_signed,
    with_n,
)
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Cell


def answer(found: Committed) -> list[Markup]:
    """What came of the paper's two promises, in two paragraphs: the gains, and what they are relative to and cost."""
    lead, *rest = gains(found) or [""]
    paragraphs = [text for text in (lead, " ".join([*rest, *savings(found)])) if text]
    return [Markup(f"<p>{escape(text)}</p>") for text in paragraphs or ["Not all of this has been run."]]


def promises(found: Committed) -> list[str]:
    """What came of the paper's two promises, better models and cheaper ones, some sentences each."""
    return [*gains(found), *savings(found)]


def gains(found: Committed) -> list[str]:
    """On which data sets APG is ahead of base on the average of the models, and by how much; over which base."""
    averages = [each for each in table2.averages(of_models(found)) if not any(math.isnan(one.mean) for one in each[1:])]
    if not averages:
        return []
    sets = [evidence for evidence, *_ in averages]
    seeds = dict.fromkeys(table2.n_and_seeds(evidence, protocol) for evidence in sets for protocol in PROTOCOLS)
    of_all = f" ({next(iter(seeds))})" if len(seeds) == 1 else ""
    plain = [
        f"{format_difference(table2.average_over('base', evidence, 'one_epoch'))} on {evidence.data.title}"
        for evidence in sets
    ]
    n_models = {evidence.data.title: table2.n_over_the_better(evidence, "early_stopping") for evidence in sets}
    titles = " and ".join(
        title + f" in {n} of {len(PAPER_BACKBONES)} models" * (n < len(PAPER_BACKBONES))
        for title, n in n_models.items() if n
    )  # fmt: skip
    where = f", and under both protocols on {titles}, where base's first epoch is its best," if titles else ""
    return [
        "APG generates a model's hidden layers anew for every row; base has fixed ones, and damped base is base whose "
        "hidden weights take smaller steps. On the average of the paper's seven models, in points of AUC"
        f"{of_all}, APG (v5, self-wise) after one epoch is {standing(averages, 'one_epoch', not of_all)}. With early "
        f"stopping it is {standing(averages, 'early_stopping', not of_all)}.",
        f"After one epoch{where} gains are over the better of base and damped base. Over base itself, as in the paper, "
        f"they are after one epoch {in_a_row(plain)}.",
    ]


def standing(averages: Sequence[tuple[Evidence, Estimate, Estimate]], protocol: Protocol, with_seeds: bool) -> str:
    """On which data sets the average gain is above 0, on which below, and on which neither, with its number.

    Args:
        with_seeds: whether to say how many seeds each has.
    """
    sides: dict[str, int] = {}
    for evidence, *gains in averages:
        gain = gains[PROTOCOLS.index(protocol)]
        damped = table2.average_over("damped base", evidence, protocol)
        is_plain = gain.is_above and damped.n > 0 and not damped.is_above
        notes = [
            table2.marked_average(evidence, protocol), table2.n_and_seeds(evidence, protocol) * with_seeds,
            "not of damped base" * is_plain,
        ]  # fmt: skip
        sides[f"{evidence.data.title} ({', '.join(filter(None, notes))})"] = gain.side
    return sides_in_words(sides, "the better of these two" if protocol == "one_epoch" else "base")


def savings(found: Committed) -> list[str]:
    """The training time and the hidden weights of v4 in the widest layers, and the time of the APG that gains."""
    costs, sentences = by_default(found, "table5"), list[str]()
    times = {on: pair[0]["p50"] for on, pair in trained_in(costs).items() if pair}
    if times:
        weights = next(pair for on in measured_devices(costs) if (pair := table5.ratio_to(on, "v4", WIDEST, MEMORY)))
        ours = " and ".join(f"{rounded(time)} times the time of base {on}" for on, time in times.items())
        sentences.append(
            f"With hidden layers of {in_units(WIDEST)} units, the widest, v4, with the user as its "
            f"condition, trains in {ours} and has {rounded(weights[0]['p50'])} times the hidden weights of base."
        )
        unknown = [on for on, pair in trained_in(costs).items() if not pair]
        sentences[-1] += "".join(f" Its time {on} has not been measured yet." for on in unknown)
        steps = by_default(found, "comparators")
        sentences += [
            f"A step of v5, self-wise, takes {step} times base's on {on.data.title} {on_a(on)}."
            for on in measured_devices(steps)
            if (step := comparators.own_step(on))
        ]
    return [" ".join(sentences)] if sentences else []


def in_units(width: str) -> str:
    """A width of Table 5 in words: "1024, 512 and 256"."""
    *first, last = width.split("-")
    return f"{', '.join(first)} and {last}"


def trained_in(costs: Evidence) -> dict[str, tuple[Spread, float] | None]:
    """The training time of v4 in the widest layers relative to base, ours and the paper's, by device."""
    return {on_a(on): table5.ratio_to(on, "v4", WIDEST, TIME) for on in map(costs.on, DEVICE_KINDS)}


def headline(found: Committed) -> Table:
    """The paper's two promises, better models and cheaper ones, and what came of them."""
    models, costs, encodings = (by_default(found, name) for name in ("table2", "table5", "encodings"))
    n_better = sum(paper.difference("table2", DATASET, name, "apg", "base") > 0 for name in PAPER_BACKBONES)
    printed = f"{format_signed(table2.printed_average(models))}, ahead in {n_better} of {len(PAPER_BACKBONES)}"
    others = [encodings.cell(f"apg, {features}") for features in ENCODINGS[1:]]
    lines = [
        *(
            {"APG": f"AUC of v5, {against}", "Paper": printed if name == "apg" else MISSING}
            | {PROTOCOL_HEADS[how]: average_and_standing(models, how, name) for how in PROTOCOLS}
            for name, against in table2.AGAINST.items()
        ),
        {"APG": "AUC of v5 in WDL, other encodings", "Paper": MISSING}
        | {PROTOCOL_HEADS[how]: ahead_and_behind(encodings, how, others) for how in PROTOCOLS},
        *(
            {"APG": f"hidden weights of v5 in WDL {words}, relative to base", "Paper": MISSING}
            | {PROTOCOL_HEADS[how]: weights_relative_to_base(models, how, attribute) for how in PROTOCOLS}
            for words, attribute in (("in training", "n_hidden"), ("as served", "n_served"))
        ),
        *(
            {"APG": f"training time of v4 in {words} {on_a(on)}, relative to base"} | cost_line(on, TIME, width)
            for on in map(costs.on, DEVICE_KINDS)
            for words, width in (
                ("layers of 256, 128 and 64", "-".join(map(str, RunConfig.hidden))),
                ("the widest layers", WIDEST),
            )
        ),
        {"APG": "hidden weights of v4 in the widest layers, relative to base"}
        | cost_line((measured_devices(costs) or [costs])[0], MEMORY, WIDEST),
    ]
    caption = (
        "In short. AUC: the mean gain in points over the seven models, once all have run, and how many models are "
        "ahead (ours: with a 95 % interval above 0; the paper's: with a positive difference). References are those of "
        "the table above. Other encodings: other ways of reading MovieLens' columns, each against base. v4 of Table 5 "
        "has K = 4 and the user as its condition; the paper's memory contains a constant that ours leaves out."
    )
    return Table(pd.DataFrame(lines), caption, wrap=True)


def ahead_and_behind(evidence: Evidence, protocol: Protocol, cells: Sequence[Cell]) -> str:
    """In how many of these cells APG is ahead, its interval above 0, and in how many behind."""
    ran = [gain for cell in cells if (gain := estimate(evidence.differences(cell, protocol))).n]
    n_ahead, n_behind = sum(gain.is_above for gain in ran), sum(gain.is_below for gain in ran)
    if not ran:
        return "not run"
    return f"ahead in {n_ahead} of {len(ran)}" + (f", behind in {n_behind}" if n_behind else "")


def average_and_standing(evidence: Evidence, protocol: Protocol, name: str) -> str:
    """The average gain of a cell of Table 2, once all models have run; in how many it is ahead, in how many behind."""
    cells = [evidence.cell(name, backbone) for backbone in PAPER_BACKBONES]
    mean = with_n(table2.average(evidence, protocol, name))
    return ", ".join(filter(None, [mean, ahead_and_behind(evidence, protocol, cells)]))


def weights_relative_to_base(evidence: Evidence, protocol: Protocol, attribute: str) -> str:
    """``table2.hidden_weights`` in words."""
    ratio = table2.hidden_weights(evidence, protocol, attribute)
    return "not run" if math.isnan(ratio) else span([ratio], "")


def cost_line(evidence: Evidence, metric: str, width: str) -> dict[str, str]:
    """A cost of v4 relative to base, the paper's and ours."""
    pair = table5.ratio_to(evidence, "v4", width, metric)
    theirs = span([table5.printed_ratio("v4", width, metric)], "")
    ours = span([pair[0]["p50"]], "") if pair else "not run"
    return {"Paper": theirs} | {PROTOCOL_HEADS[how]: ours if how == PROTOCOLS[0] else SAME for how in PROTOCOLS}
