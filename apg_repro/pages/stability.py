"""Where does training diverge? Initialisation, damping, clipping, K and the learning rate."""

import math
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from apg_repro.figures import style
from apg_repro.report import MISSING, Panel, as_html, percent
from apg_repro.suites import SAFEGUARDS

VERSIONS = ("v3", "v4", "v5")
HEADS = {"static_bias": "static bias", "static_start": "static start", "glorot": "Glorot"}


def head(guard: str) -> str:
    """A key of ``SAFEGUARDS`` as it stands on the page."""
    init, comma, rest = guard.partition(",")
    return HEADS[init] + comma + rest


LOWEST, HIGHEST = 0.5, 1e3  # nats: ends of the colours; 10 nats is what counts as diverged


def runs(panel: Panel) -> dict[tuple[str, str, float], Mapping[str, Any] | None]:
    """(model, safeguards, learning rate) → its row, None where it was not run. A model is "v4 K = 2", or "base"."""
    found = {}
    for cell in panel.cells:
        model, rate, guard = cell.variant.split(", ", 2)
        found[model, guard, float(rate)] = next(iter(panel.found(cell, "one_epoch")), None)
    return found


def worst(row: Mapping[str, Any]) -> float:
    """The dearest batch of the epoch, in nats; infinity where it was not finite."""
    value = row["history"][0]["worst_batch_loss"]
    return math.inf if value is None else value


def figure(panel: Panel, version: str) -> Figure:
    """A map a safeguard: K against learning rate, coloured by the dearest batch, with test AUC or "div." written in."""
    style()
    found = {key: row for key, row in runs(panel).items() if key[0].startswith(version)}
    models, rates = list(dict.fromkeys(key[0] for key in found)), sorted({key[2] for key in found})
    fig, axes = plt.subplots(3, 4, figsize=(8.5, 7.5), sharex=True, sharey=True)
    image = None
    for axis, guard in zip(axes.flat, SAFEGUARDS, strict=True):
        rows = [[found[model, guard, rate] for rate in rates] for model in models]
        losses = np.array([[math.nan if row is None else worst(row) for row in line] for line in rows])
        image = axis.imshow(
            np.clip(losses, LOWEST, HIGHEST), norm=LogNorm(LOWEST, HIGHEST), cmap="YlOrRd", aspect="auto"
        )
        for (y, x), loss in np.ndenumerate(losses):
            axis.text(x, y, inside(rows[y][x]), ha="center", va="center", fontsize=9, color="w" if loss > 50 else "k")
        axis.set_title(head(guard).replace(", ", "\n", 1))
        axis.title.set_fontsize(9)
        axis.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        axis.set_yticks(range(len(models)), [model.partition(" ")[2] for model in models])
        axis.grid(visible=False)
    fig.supxlabel("learning rate")
    if image is not None:
        fig.colorbar(image, ax=axes, label="dearest batch, nats", extend="both", shrink=0.8)
    plt.close(fig)
    return fig


def inside(row: Mapping[str, Any] | None) -> str:
    """What is written in a field of a map."""
    if row is None:
        return "not\nrun"
    auc = percent(row["one_epoch_test_auc"])
    text = MISSING if math.isnan(auc) else f"{auc:.1f}"
    return f"{text}\ndiv." if row["status"] == "diverged" else text


def table(panel: Panel) -> HTML:
    """How many settings of K and learning rate diverge, by version and safeguards."""
    found = runs(panel)
    lines = []
    for guard, options in SAFEGUARDS.items():
        line: dict[str, Any] = {
            "Start": HEADS[str(options["init"])],
            "Damped": "yes" if options["damping"] else "no",
            "Clipped": "yes" if options["clip_norm"] else "no",
        }
        for version in ("base", *VERSIONS):
            rows = [row for (model, safe, _), row in found.items() if safe == guard and model.startswith(version)]
            known = [row for row in rows if row is not None]
            diverged = sum(row["status"] == "diverged" for row in known)
            line[version] = ("not run" if not known else f"{diverged} of {len(known)}") if rows else ""
        lines.append(line)
    caption = f"{panel.data}. Runs in which a batch costs more than 10 nats or is not finite."
    return as_html(pd.DataFrame(lines), caption)


def best(panel: Panel) -> HTML:
    """The best test AUC of every version and safeguards over K and learning rate, diverged runs left out."""
    found = runs(panel)
    lines = []
    for guard in SAFEGUARDS:
        line: dict[str, Any] = {"Safeguards": head(guard)}
        for version in ("base", *VERSIONS):
            rows = [
                (percent(row["one_epoch_test_auc"]), rate, model)
                for (model, safe, rate), row in found.items()
                if row and safe == guard and model.startswith(version) and row["status"] == "ok"
            ]
            auc, rate, model = max(rows, default=(math.nan, 0.0, ""))
            settings = ", ".join(filter(None, [model.partition(" ")[2], f"{rate:g}"]))
            line[version] = f"{auc:.2f} ({settings})" if rows else MISSING
        lines.append(line)
    caption = f"{panel.data}. The best test AUC in percent, and the K and learning rate that gave it."
    return as_html(pd.DataFrame(lines), caption, words=True)
