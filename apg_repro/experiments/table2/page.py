"""Table 2: APG in every model, against base, against tuned base, and both tuned. Imports no torch."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.paper import numbers as paper
from apg_repro.report.comparison import Comparison, compare, difference_from
from apg_repro.report.figures import Picture, drawn, in_words
from apg_repro.report.statistics import Estimate, count, estimate, judge, with_marks
from apg_repro.report.tables import (
    AGAINST_PLAIN,
    PROTOCOL_HEADS,
    PROTOCOL_TITLES,
    Table,
    badge_over,
    badges,
    comparison_frame,
    format_difference,
    format_signed,
    marked,
    note_on_first_epochs,
    note_on_marks,
    note_on_verdicts,
    seeds_in_words,
    text_of,
    title_of,
    with_n,
    without_empty_columns,
)
from apg_repro.rows.evidence import Evidence

# The cells of differences, by what they are taken from.
AGAINST = {"apg": "against base", "apg over tuned base": "against tuned base", "tuned apg": "both tuned"}
AVERAGE = "average"


def lines_of(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    """The lines of a table, and the models that each is the mean of: the paper's seven, their average, further ones."""
    further = [cell.backbone for cell in evidence.cells if cell.backbone not in PAPER_BACKBONES]
    return {
        **{name: (name,) for name in PAPER_BACKBONES},
        AVERAGE: PAPER_BACKBONES,
        **{name: (name,) for name in further},
    }


def average(evidence: Evidence, protocol: Protocol, name: str, models: Sequence[str] = PAPER_BACKBONES) -> Estimate:
    """The mean difference of a cell over these models, seed by seed; of n = 0 before all have run."""
    return estimate(evidence.mean_differences([evidence.cell(name, model) for model in models], protocol))


def is_any_against_plain(
    evidence: Evidence, protocol: Protocol, name: str, models: Sequence[str] = PAPER_BACKBONES
) -> bool:
    """Whether the reference of a cell's average over these models is not yet the one that it should be in some."""
    return evidence.lack_rivals([evidence.cell(name, model) for model in models], protocol)


def marked_average(
    evidence: Evidence, protocol: Protocol, name: str = "apg", models: Sequence[str] = PAPER_BACKBONES
) -> str:
    """A cell's average gain over these models in points, with § if its reference is not the one it should be."""
    is_against_plain = is_any_against_plain(evidence, protocol, name, models)
    return with_marks(format_difference(average(evidence, protocol, name, models)), AGAINST_PLAIN * is_against_plain)


def n_over_the_better(evidence: Evidence, protocol: Protocol) -> int:
    """In how many of the paper's models gains are over the better of base and damped base."""
    return sum(bool(evidence.rivals(evidence.cell("base", model), protocol)) for model in PAPER_BACKBONES)


def diverged_in_words(
    evidence: Evidence, protocol: Protocol, name: str, models: Sequence[str] = PAPER_BACKBONES
) -> str:
    """How many runs of a cell diverged in these models, and of how many: "7 of 70 runs"; "" if none has."""
    lines = [compare(evidence, protocol)[model, name] for model in models]
    n_lost = sum(line.n_diverged for line in lines)
    return f"{n_lost} of {sum(line.ours.n for line in lines)} runs" if n_lost else ""


def average_over(
    base: str, evidence: Evidence, protocol: Protocol, models: Sequence[str] = PAPER_BACKBONES
) -> Estimate:
    """APG's mean gain in these models from a base that is named, whichever is its reference; seed by seed."""
    ours, theirs = ([evidence.cell(name, model) for model in models] for name in ("apg", base))
    return estimate(evidence.between(ours, theirs, protocol))


def shared_seeds(evidence: Evidence, protocol: Protocol, name: str) -> list[int]:
    """The seeds of a cell's average over the paper's models."""
    cells = [evidence.cell(name, backbone) for backbone in PAPER_BACKBONES]
    return evidence.shared_seeds([*cells, *evidence.references(cells, protocol)], protocol)


def n_and_seeds(evidence: Evidence, protocol: Protocol, name: str = "apg") -> str:
    """How many seeds these are, and which, if they are not the first ones: "n = 5, seeds 6 to 10"."""
    seeds = shared_seeds(evidence, protocol, name)
    return ", ".join(filter(None, [f"n = {len(seeds)}", seeds_in_words(seeds)]))


def note_on_references(evidence: Evidence) -> str:
    """What a caption says of base after one epoch and of how long each side is searched."""
    searched = [evidence.cell("tuned damped base", backbone) for backbone in PAPER_BACKBONES]
    n_searched = sum(bool(evidence.found(cell, "one_epoch")) for cell in searched)
    return (
        " After one epoch, base is the better of base and damped base, whose hidden weights take smaller steps, as "
        "APG's do. Tuned base has as many trials as APG has for K and P"
        + (f"; so has tuned damped base, in {n_searched} of {len(searched)} models" if n_searched else "")
        + ". Where both are tuned, APG has both searches."
    )


def worse_when_searched(evidence: Evidence, protocol: Protocol) -> str:
    """In which models the base that the search chose, on one seed, tests below the untuned one; "" in none."""
    gaps = {
        model: difference_from(evidence, evidence.cell("tuned base", model), "base", protocol)
        for model in PAPER_BACKBONES
    }
    worse = [f"{model} ({format_difference(gap)})" for model, gap in gaps.items() if gap.is_below]
    return f" The base that the search chose on one seed tests below the untuned one: {', '.join(worse)}." * bool(worse)


def averages(sets: Sequence[Evidence]) -> list[tuple[Evidence, Estimate, Estimate]]:
    """The mean difference of APG after one epoch and with early stopping, on each data set that has run them all."""
    found = [(evidence, *(average(evidence, protocol, "apg") for protocol in PROTOCOLS)) for evidence in sets]
    return [(evidence, early, late) for evidence, early, late in found if early.n and late.n]


def printed_average(evidence: Evidence) -> float:
    """The paper's average difference, in points."""
    base, apg = (paper.value(evidence.suite.paper_table, evidence.data.paper, AVERAGE, row) for row in ("base", "apg"))
    return apg - base


def printed_differences(evidence: Evidence) -> dict[str, float]:
    """The paper's difference of APG and base in every line, in points; NaN where it has none."""
    found = compare(evidence, "one_epoch")
    return {
        line: printed_average(evidence) if line == AVERAGE else found[line, "apg"].paper_difference
        for line in lines_of(evidence)
    }


def hidden_weights(evidence: Evidence, protocol: Protocol, attribute: str) -> float:
    """The hidden weights of WDL's APG relative to its base; NaN before both have run.

    Args:
        attribute: "n_hidden", in training; "n_served", as served.
    """
    ours, base = (evidence.found(evidence.cell(name, "WDL"), protocol) for name in ("apg", "base"))
    return getattr(ours[0], attribute) / getattr(base[0], attribute) if ours and base else math.nan


def head(evidence: Evidence, name: str) -> str:
    """What a cell's differences are called, with a mark if the cell was added."""
    return marked(AGAINST[name], evidence.cell(name).registered)


def gains_table(evidence: Evidence, protocol: Protocol) -> Table:
    """One line per model, and one for the average: differences with their verdicts."""
    rows, printed, texts = [], printed_differences(evidence), []
    compared = compare(evidence, protocol)
    for line, models in lines_of(evidence).items():
        expected = printed[line]
        row: dict[str, Any] = {"Model": line, "Paper Δ": "" if math.isnan(expected) else format_signed(expected)}
        for name in AGAINST:
            found = average(evidence, protocol, name, models)
            cells = [compared[model, name] for model in models]
            # An average is one test of its own, a model is one of its family.
            # It goes by the sign that its models go by: where the paper lacks the data set, that of its own.
            judgement = judge(found, sign(expected, cells)) if line == AVERAGE else cells[0].judgement
            is_against_plain = bool(found.n) and is_any_against_plain(evidence, protocol, name, models)
            texts.append(text_of(judgement, is_against_plain) if evidence.is_result else "")
            lost = diverged_in_words(evidence, protocol, name, models) if found.n else ""
            gain = ", ".join(filter(None, [with_n(found), f"{lost} diverged" * bool(lost)]))
            row[f"Δ {head(evidence, name)}"] = badge_over(texts[-1], gain)
        rows.append(row)
    note = note_on_marks(evidence.cell(name).registered for name in AGAINST)
    note += note_on_rivals(evidence, protocol) + note_on_verdicts(texts)
    trained = [line.cell for line in compared.values() if line.cell.name != "apg over tuned base"]  # those of "apg"
    note += note_on_first_epochs(evidence, trained, protocol) + worse_when_searched(evidence, protocol)
    seeds = seeds_in_words(shared_seeds(evidence, protocol, "apg"))
    seeds = f" ({seeds})" if seeds else ""
    caption = f"{title_of(evidence, protocol)}. Δ of test AUC in points, ± 95 % confidence, n seeds{seeds}.{note}"
    return Table(without_empty_columns(pd.DataFrame(rows)), caption)


def sign(expected: float, cells: Sequence[Comparison]) -> float:
    """Which side of 0 an average should be on: the paper's, or the one that all its models should be on."""
    if not math.isnan(expected):
        return expected
    sides = {math.copysign(1, cell.expected) for cell in cells if not math.isnan(cell.expected)}
    return sides.pop() if len(sides) == 1 else math.nan


def note_on_rivals(evidence: Evidence, protocol: Protocol) -> str:
    """What a caption says of models whose reference is damped base, and in which columns; "" if there are none."""
    columns: dict[str, list[str]] = {}  # by the models in which they have that
    for name, words in AGAINST.items():
        lines = [compare(evidence, protocol)[model, name] for model in PAPER_BACKBONES]
        if rivals := ", ".join(line.cell.backbone for line in lines if line.rival):
            columns.setdefault(rivals, []).append(words)
    parts = "; ".join(f"in {models} ({', '.join(words)})" for models, words in columns.items())
    return f" The reference is damped base, the better one on validation rows, {parts}." if parts else ""


def cells_table(evidence: Evidence, protocol: Protocol) -> Table:
    """Every AUC, the paper's and ours, and what was chosen for it; ``gains_table`` has the differences."""
    found = {key: line for key, line in compare(evidence, protocol).items() if line.cell.name != "apg over tuned base"}
    shown_above = ["Paper Δ", "Our Δ", "Verdict", "Against", "Corrected ±", "p, Holm"]
    found = {key: line for key, line in found.items() if line.ours.n} or found
    table = comparison_frame(found).drop(columns=shown_above, errors="ignore")
    caption = f"{title_of(evidence, protocol)}. Test AUC in percent, ± 95 % confidence, n seeds."
    return Table(table, caption)


def model_verdicts_table(evidence: Evidence) -> Table:
    """How many of the paper's models have which verdict, against each base."""
    found = {protocol: compare(evidence, protocol) for protocol in PROTOCOLS}
    rows = [
        {"APG": head(evidence, name)}
        | {
            PROTOCOL_HEADS[how]: badges(count([found[how][model, name].judgement for model in PAPER_BACKBONES]))
            for how in found
        }
        for name in AGAINST
    ]
    note = note_on_marks(evidence.cell(name).registered for name in AGAINST)
    return Table(pd.DataFrame(rows), f"{evidence.data.title}. Verdicts on the paper's models.{note}", wrap=True)


@drawn
def gains_figure(evidence: Evidence) -> Picture:
    """Δ of APG, model by model: the paper's, and ours against each base. One column of axes per protocol."""
    lines, printed = lines_of(evidence), printed_differences(evidence)
    is_printed = not all(math.isnan(value) for value in printed.values())
    palette = dict(zip(AGAINST, sns.color_palette("colorblind", len(AGAINST)), strict=True))
    fig, axes = plt.subplots(1, len(PROTOCOLS), figsize=(8.5, 1 + 0.5 * len(lines)), sharex=True, sharey=True)
    for axis, protocol in zip(axes, PROTOCOLS, strict=True):
        if is_printed:
            axis.plot(list(printed.values()), range(len(lines)), "D", color="black", ms=6, label="paper")
        for number, name in enumerate(AGAINST):
            found = [average(evidence, protocol, name, models) for models in lines.values()]
            axis.errorbar(
                [one.mean for one in found], [place + 0.2 + 0.15 * number for place in range(len(lines))],
                xerr=[one.error_bar for one in found], fmt="o", ms=4, capsize=3, lw=2,
                color=palette[name], label=f"ours, {head(evidence, name)}",
            )  # fmt: skip
        axis.axvline(0, color="black", lw=1)
        for place in (len(PAPER_BACKBONES), len(PAPER_BACKBONES) + 1):  # above the average and below it
            axis.axhline(place - 0.25, color="black", lw=0.7, ls=":")
        axis.set(title=PROTOCOL_TITLES[protocol], xlabel="Δ test AUC, points")
        axis.set_yticks(range(len(lines)), list(lines))
    axes[0].invert_yaxis()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    words = [
        f"{PROTOCOL_TITLES[protocol]}, {AGAINST[name]}: "
        + in_words({line: average(evidence, protocol, name, models) for line, models in lines.items()}, printed)
        for protocol in PROTOCOLS
        for name in AGAINST
    ]
    marks = "diamonds are the paper's, dots and bars" if is_printed else "dots and bars are"
    return Picture(
        fig,
        f"{evidence.data.title}. Δ test AUC of APG in points, model by model: {marks} our means and 95 % intervals.",
        f"{'. '.join(words)}.",
    )
