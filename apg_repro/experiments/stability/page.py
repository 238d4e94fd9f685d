"""Where does training diverge? Initialisation, damping, clipping, K and the learning rate. Imports no torch."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import LogNorm

from apg_repro.config import DIVERGED_ABOVE, RunConfig
from apg_repro.experiments.stability.plan import BRAKES, SAFEGUARDS, STARTS, VERSIONS
from apg_repro.labels import words_for
from apg_repro.report.figures import Picture, drawn
from apg_repro.report.tables import MISSING, Table
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.row import TrainedRow
from apg_repro.suite import Cell

LOWEST, HIGHEST = 0.5, 1e3  # nats: ends of the colours


def run_of(evidence: Evidence, cell: Cell) -> TrainedRow | None:
    """The cell's one run; None if it is missing."""
    return next(iter(evidence.found(cell, "one_epoch")), None)


@drawn
def worst_batch_figure(evidence: Evidence, version: str) -> Picture:
    """One heat map per safeguard: K by learning rate, coloured by the worst batch loss, test AUC or "div." as text."""
    cells = evidence.labelled(version=version)
    ranks, rates = (list(dict.fromkeys(cell.labels[name] for cell in cells)) for name in ("K", "rate"))
    fig, axes = plt.subplots(len(STARTS), len(BRAKES), figsize=(8.5, 7.5), sharex=True, sharey=True, squeeze=False)
    image = None
    for axis, safeguards in zip(axes.flat, SAFEGUARDS, strict=True):
        runs = {
            (ranks.index(cell.labels["K"]), rates.index(cell.labels["rate"])): run_of(evidence, cell)
            for cell in evidence.labelled(version=version, safeguards=safeguards)
        }
        losses = np.full((len(ranks), len(rates)), math.nan)
        for place, run in runs.items():
            losses[place] = run.worst_batch_loss(1) if run else math.nan
            axis.text(
                place[1], place[0], text_in_map(run), ha="center", va="center", fontsize=9,
                color="#ffffff" if losses[place] > 50 else "#111111",
            )  # fmt: skip
        image = axis.imshow(
            np.clip(losses, LOWEST, HIGHEST), norm=LogNorm(LOWEST, HIGHEST), cmap="YlOrRd", aspect="auto"
        )
        axis.set_title(f"{words_for(safeguards.init)}\n{safeguards.brakes}", fontsize=9)
        axis.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        axis.set_yticks(range(len(ranks)), [f"K = {rank}" for rank in ranks])
        axis.grid(visible=False)
    fig.supxlabel("learning rate")
    if image is not None:
        fig.colorbar(image, ax=axes, label="worst batch loss, nats", extend="both", shrink=0.8)
    runs = [run for cell in cells if (run := run_of(evidence, cell))]
    diverged = sum(run.diverged("one_epoch") for run in runs)
    return Picture(
        fig,
        f"{evidence.data.title}. {version} by K and learning rate, one map per combination of safeguards: colour is "
        "the worst batch loss of the first epoch, text the test AUC.",
        f"{diverged} of {len(runs)} settings of {version} diverge." if runs else "Not run.",
    )


def text_in_map(run: TrainedRow | None) -> str:
    """What is written in a field of a heat map."""
    if run is None:
        return "not\nrun"
    auc = run.test_auc("one_epoch")
    text = MISSING if math.isnan(auc) else f"{auc:.1f}"
    return f"{text}\ndiv." if run.diverged("one_epoch") else text


def divergence_table(evidence: Evidence) -> Table:
    """How many settings of K and learning rate diverge, by version and safeguards."""
    lines = []
    for safeguards in SAFEGUARDS:
        line: dict[str, Any] = {
            "Start": words_for(safeguards.init),
            "Damped": "yes" if safeguards.damped else "no",
            "Clipped": "yes" if safeguards.clipped else "no",
        }
        for version in ("base", *VERSIONS):
            cells = evidence.labelled(version=version, safeguards=safeguards)
            runs = [run for cell in cells if (run := run_of(evidence, cell))]
            n_diverged = sum(run.diverged("one_epoch") for run in runs)
            line[version] = in_words(n_diverged, len(runs)) if cells else ""
        lines.append(line)
    ours = "damped" if RunConfig.damping else "not damped"
    caption = (
        f"{evidence.data.title}. Runs in which a batch costs more than {DIVERGED_ABOVE:g} nats or is not finite. "
        f"Other pages use {words_for(RunConfig.init)}, {ours} and {'' if RunConfig.clip_norm else 'not '}clipped, "
        "unless they name something else."
    )
    return Table(pd.DataFrame(lines), caption)


def rates_table(evidence: Evidence) -> Table:
    """How many of these runs diverge by learning rate, damped and not."""
    rates = list(dict.fromkeys(cell.labels["rate"] for cell in evidence.cells if run_of(evidence, cell)))
    lines = [
        {"Version": version, "Damped": "yes" if damped else "no"}
        | {
            f"Learning rate {rate:g}": in_words(*diverged(evidence, version=version, damped=damped, rate=rate))
            for rate in rates
        }
        for version in VERSIONS
        for damped in (True, False)
    ]
    caption = f"{evidence.data.title}. The same runs by learning rate, over all starts and K, clipped and not."
    return Table(pd.DataFrame(lines), caption)


def diverged(evidence: Evidence, **wanted: Any) -> tuple[int, int]:
    """How many runs of APG with these labels diverged, and of how many: also by ``damped`` and ``clipped``."""
    runs = []
    for cell in evidence.cells:
        labels = dict(cell.labels) | vars(cell.labels["safeguards"])
        if labels["version"] in VERSIONS and wanted.items() <= labels.items() and (run := run_of(evidence, cell)):
            runs.append(run)
    return sum(run.diverged("one_epoch") for run in runs), len(runs)


def in_words(n_diverged: int, n: int) -> str:
    """Such a count: "2 of 6"."""
    return f"{n_diverged} of {n}" if n else "not run"


def main_points(found: Sequence[Evidence]) -> list[str]:
    """With which safeguards the most runs diverge, and with which the fewest, one sentence per data set."""
    texts = []
    for evidence in found:
        shares: dict[str, tuple[int, int]] = {}
        for safeguards in SAFEGUARDS:
            counted = diverged(evidence, safeguards=safeguards)
            if counted[1]:
                shares[f"{words_for(safeguards.init)}, {safeguards.brakes}"] = counted
        if shares:
            most = max(shares, key=lambda name: shares[name][0] / shares[name][1])
            calm = [name for name, (n_diverged, _) in shares.items() if not n_diverged]
            names = f": “{'”, “'.join(calm)}”" if calm else ""
            texts.append(
                f"On {evidence.data.title}, runs of APG diverge most often with “{most}”: "
                f"{shares[most][0]} of {shares[most][1]}. With {len(calm)} of {len(shares)} combinations of safeguards "
                f"none diverges{names}."
            )
            counts = {
                words: in_words(*diverged(evidence, **{name: is_on}))
                for words, name, is_on in (
                    ("damped", "damped", True), ("not damped", "damped", False),
                    ("clipped", "clipped", True), ("not clipped", "clipped", False),
                )
            }  # fmt: skip
            texts.append(f"Runs of APG that diverge: {', '.join(f'{words} {n}' for words, n in counts.items())}.")
            rate = RunConfig.learning_rate
            at_it = (
                f"{version} {in_words(*diverged(evidence, version=version, damped=False, rate=rate))}"
                for version in VERSIONS
            )
            texts.append(f"Not damped at the paper's learning rate, {rate:g}: {', '.join(at_it)}.")
    return texts


def best_table(evidence: Evidence) -> Table:
    """The best test AUC of every version and safeguards over K and learning rate, diverged runs left out."""
    lines = []
    for safeguards in SAFEGUARDS:
        line: dict[str, Any] = {"Safeguards": f"{words_for(safeguards.init)}, {safeguards.brakes}"}
        for version in ("base", *VERSIONS):
            cells = evidence.labelled(version=version, safeguards=safeguards)
            runs = [(run, cell) for cell in cells if (run := run_of(evidence, cell)) and run.status == "ok"]
            best, cell = max(runs, key=lambda found: found[0].test_auc("one_epoch"), default=(None, None))
            line[version] = f"{best.test_auc('one_epoch'):.2f} ({setting_of(cell)})" if best and cell else MISSING
        lines.append(line)
    caption = f"{evidence.data.title}. The best test AUC in percent, and the K and learning rate that gave it."
    return Table(pd.DataFrame(lines), caption, wrap=True)


def setting_of(cell: Cell) -> str:
    """K and the learning rate."""
    k, rate = cell.labels["K"], cell.labels["rate"]
    return f"K = {k}, {rate:g}" if k else f"{rate:g}"
