"""Does APG learn better, or only sooner? Base and APG of Table 2, epoch by epoch. Imports no torch."""

import math
from collections import Counter
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.table2.page import AVERAGE, average, average_over, lines_of
from apg_repro.labels import words_for
from apg_repro.report.figures import Picture, curve, drawn, not_run
from apg_repro.report.statistics import MARGIN, NOT_AFTER_HOLM, Estimate, sides_after_holm, with_marks
from apg_repro.report.tables import (
    AGAINST_THE_BETTER,
    MISSING,
    THE_BETTER,
    Table,
    all_first_epochs_best,
    auc_table,
    format_difference,
    note_on_verdicts,
    reference_in_words,
    with_n,
    without_empty_columns,
)
from apg_repro.rows.evidence import Evidence

MODELS = ("base", "damped base", "apg")  # cells, in every backbone
COLUMNS = 4  # of axes
NOTE_ON_SAME_WEIGHTS = (
    " Where the first epoch is the best of every run of base, damped base and APG, both columns test the same weights, "
    f"against {THE_BETTER}."
)
PATIENCE = ("base", "apg, K = 8, P = 128", "base, patience 3", "apg, K = 8, P = 128, patience 3")  # cells
OVER_PLAIN = " than plain base"  # after "better", where it is not shown over damped base
RESTS_ON: dict[str, Protocol] = {  # answers, by the protocol on whose gain they rest
    "better": "early_stopping",
    f"better{OVER_PLAIN}": "early_stopping",
    "only sooner": "one_epoch",
    "sooner, at least": "one_epoch",
    "worse": "early_stopping",
    "worse, at first": "one_epoch",
}


def histories(evidence: Evidence, backbone: str, name: str) -> dict[int, list[float]]:
    """Validation AUC by epoch in percent, seed by seed, of the runs of a cell that early stopping reports."""
    rows = evidence.found(evidence.cell(name, backbone), "early_stopping")
    return {row.config.seed: curve(row) for row in rows if row.epoch("early_stopping")}


@drawn
def curves_figure(evidence: Evidence) -> Picture:
    """Validation AUC by epoch, one pair of axes per backbone: each seed, and the mean while all go on."""
    backbones = [line for line in lines_of(evidence) if line != AVERAGE]
    n_rows = math.ceil(len(backbones) / COLUMNS)
    fig, axes = plt.subplots(n_rows, COLUMNS, figsize=(8.5, 0.6 + 2.2 * n_rows))
    palette = dict(zip(MODELS, sns.color_palette("colorblind", len(MODELS)), strict=True))
    for axis in axes.flat[len(backbones) :]:
        axis.set_axis_off()
    for axis, backbone in zip(axes.flat[: len(backbones)], backbones, strict=True):
        for name in MODELS:
            runs = list(histories(evidence, backbone, name).values())
            for run in runs:
                axis.plot(range(1, len(run) + 1), run, color=palette[name], lw=0.7, alpha=0.5)
            if runs:
                depth = min(map(len, runs))
                mean = np.mean([run[:depth] for run in runs], axis=0)
                axis.plot(range(1, depth + 1), mean, "o-", color=palette[name], ms=3)
        axis.set_title(backbone)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        if not axis.lines:
            not_run(axis)
    for name in MODELS:
        axes.flat[0].plot([], [], "o-", color=palette[name], label=words_for(name))
    fig.legend(loc="outside upper center", ncols=len(MODELS), frameon=False)
    fig.supxlabel("epoch")
    fig.supylabel("validation AUC, percent")
    words = []
    for backbone in backbones:
        best = {name: [max(run) for run in histories(evidence, backbone, name).values()] for name in MODELS}
        words += [f"{backbone}, {words_for(name)} {np.mean(found):.2f}" for name, found in best.items() if found]
    return Picture(
        fig,
        f"{evidence.data.title}. Validation AUC by epoch in percent: thin lines are seeds, dots the mean while all "
        "go on.",
        f"Best validation AUC, means over seeds: {'; '.join(words)}." if words else "Not run.",
    )


def first_epoch_is_best(evidence: Evidence, models: Sequence[str] = PAPER_BACKBONES) -> bool:
    """Whether the first epoch is the best of all runs of base, damped base and APG, none of them searched by rate."""
    return all_first_epochs_best(evidence, [evidence.cell(name, model) for model in models for name in MODELS])


def answer(early: Estimate, late: Estimate) -> str:
    """Better, only sooner, worse or no answer, by the gains of the two protocols: each is above 0 if its interval is.

    *Better*: APG is above base with early stopping. *Sooner*: above it after one epoch alone; *only sooner* if the
    interval of early stopping lies below ``MARGIN``, so that a gain that matters is ruled out, and *at least* if it
    does not. *Worse*: above it under neither protocol, and below it with early stopping; *worse, at first*: below it
    after one epoch alone. *Cannot tell*: else.
    """
    if not early.n or not late.n:
        return "not run"
    if late.is_above:
        return "better"
    if early.is_above:
        return "only sooner" if late.high < MARGIN else "sooner, at least"
    if late.is_below:
        return "worse"
    return "worse, at first" if early.is_below else "cannot tell"


def answer_of(evidence: Evidence, models: Sequence[str]) -> str:
    """The answer for the average of these models; "better than plain base", if not shown over damped base."""
    early, late = (average(evidence, protocol, "apg", models) for protocol in PROTOCOLS)
    found = answer(early, late)
    damped = average_over("damped base", evidence, "early_stopping", models)
    return found + OVER_PLAIN * (found == "better" and damped.n > 0 and not damped.is_above)


def marked_answers(evidence: Evidence) -> dict[str, str]:
    """The answer for each line of the table, with † if Holm's correction over the paper's models leaves it open."""
    gains: dict[Protocol, dict[str, Estimate]] = {
        protocol: {model: average(evidence, protocol, "apg", [model]) for model in PAPER_BACKBONES}
        for protocol in PROTOCOLS
    }
    sides = {protocol: sides_after_holm(found) for protocol, found in gains.items()}
    answers = {line: answer_of(evidence, models) for line, models in lines_of(evidence).items()}
    return {
        line: with_marks(text, NOT_AFTER_HOLM * (sides[RESTS_ON[text]].get(line) == 0) if text in RESTS_ON else "")
        for line, text in answers.items()
    }


def answers_table(evidence: Evidence) -> Table:
    """One line per model, and one for the average: the gain after one epoch and at its best, epochs, the answer."""
    rows, answers = [], marked_answers(evidence)
    for line, models in lines_of(evidence).items():
        early, late = (average(evidence, protocol, "apg", models) for protocol in PROTOCOLS)
        rows.append(
            {
                "Model": line,
                "Δ, one epoch": with_n(early),
                "Δ, early stopping": with_n(late),
                "Δ over damped base, early stopping": with_n(
                    average_over("damped base", evidence, "early_stopping", models)
                ),
            }
            | (epochs(evidence, line) if line != AVERAGE else {})
            | {"APG learns": answers[line] if evidence.is_result else ""}
        )
    same = any(first_epoch_is_best(evidence, models) for models in lines_of(evidence).values())
    caption = (
        f"{evidence.data.title}. Δ of test AUC of APG in points, {AGAINST_THE_BETTER}. Epochs are means over seeds; "
        f"those of base are plain base's.{NOTE_ON_SAME_WEIGHTS * same}"
        f"{note_on_verdicts(answers.values()) if evidence.is_result else ''}"
    )
    return Table(without_empty_columns(pd.DataFrame(rows).fillna("")), caption)


def patience_table(evidence: Evidence) -> Table:
    """WDL's base and APG as everywhere, and with more patience."""
    against = f"{reference_in_words(evidence, 'early_stopping')}, with patience 3 against base with patience 3,"
    return auc_table(evidence, "early_stopping", PATIENCE, against)


def main_points(found: Sequence[Evidence]) -> list[str]:
    """How many models learn better, or only sooner; what cannot be told; and what holds on their average.

    Once all of the paper's models have been run on some data sets, those on which some have not are left out.
    """
    texts: dict[bool, list[str]] = {True: [], False: []}  # by whether all models have been run
    for evidence in found:
        words = marked_answers(evidence)
        counts = Counter(word for line, word in words.items() if line != AVERAGE and word != "not run")
        if not counts:
            continue
        counted = ", ".join(f"“{word}” in {n}" for word, n in counts.most_common())
        text = f"On {evidence.data.title}: {counted} of {counts.total()} models"
        is_whole = words[AVERAGE] != "not run"
        if is_whole:
            early, late = (format_difference(average(evidence, protocol, "apg")) for protocol in PROTOCOLS)
            over_base = format_difference(average_over("base", evidence, "one_epoch"))
            same = first_epoch_is_best(evidence)
            numbers = f"{early} points ({over_base} from plain base)" if same else f"{early}, then {late} points"
            text += f"; on average “{words[AVERAGE]}”: {numbers}"
        texts[is_whole].append(f"{text}.")
    said = texts[True] or texts[False]
    return [*said, *filter(None, [note_on_verdicts(said).strip()])]


def epochs(evidence: Evidence, backbone: str) -> dict[str, str]:
    """How long base and APG train, and when base passes what APG has after its first epoch."""
    base, apg = (histories(evidence, backbone, name) for name in ("base", "apg"))
    seeds = [seed for seed in apg if seed in base]
    return {
        "Best epoch, base": format_mean([best_epoch(base[seed]) for seed in seeds]),
        "Best epoch, APG": format_mean([best_epoch(apg[seed]) for seed in seeds]),
        "Epoch in which base passes APG's first": passing([first_above(base[seed], apg[seed][0]) for seed in seeds]),
    }


def best_epoch(history: Sequence[float]) -> int:
    """The epoch with the highest validation AUC, from 1."""
    return int(np.nanargmax(history)) + 1


def first_above(history: Sequence[float], level: float) -> float:
    """The first epoch with a validation AUC above a level; infinity if none has."""
    return next((float(epoch) for epoch, value in enumerate(history, 1) if value > level), math.inf)


def format_mean(epochs: Sequence[float]) -> str:
    """A mean over seeds with one digit."""
    return f"{np.mean(epochs):.1f}" if epochs else MISSING


def passing(epochs: Sequence[float]) -> str:
    """In which epoch base passes what APG has after its first, a mean over the seeds in which it does."""
    if not epochs:
        return MISSING
    found = [epoch for epoch in epochs if math.isfinite(epoch)]
    n_never = len(epochs) - len(found)
    never = f"never in {n_never} of {len(epochs)} seeds" if n_never else ""
    return ", ".join(filter(None, [format_mean(found) if found else "", never]))
