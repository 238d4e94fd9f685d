"""Table 2: APG in seven models, against base, against base tuned as much as APG, and both tuned."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.figure import Figure

from apg_repro import paper
from apg_repro.figures import style
from apg_repro.report import (
    PROTOCOL_TITLES,
    Estimate,
    Panel,
    as_html,
    badge_over,
    badges,
    comparison,
    estimate,
    judge,
    plus,
    shown,
    where,
    with_n,
    without_empty,
)  # fmt: skip
from apg_repro.suites import BACKBONES, PROTOCOLS, Protocol

# The cells of differences, by what they are taken from.
AGAINST = {"apg": "against base", "apg over tuned base": "against tuned base", "tuned apg": "both tuned"}
AVERAGE = "average"


def average(panel: Panel, protocol: Protocol, variant: str, models: Sequence[str] = BACKBONES) -> Estimate:
    """The mean difference over these models, seed by seed; none before all have run."""
    ours = [panel.cell(variant, backbone) for backbone in models]
    theirs = [panel.cell(cell.against, cell.backbone) for cell in ours if cell.against]
    return estimate(panel.between(ours, theirs, protocol))


def printed_average(panel: Panel) -> float:
    """The paper's average difference, in points."""
    base, apg = (paper.value("table2", panel.plan.dataset, AVERAGE, variant) for variant in ("base", "apg"))
    return apg - base


def table(panel: Panel, protocol: Protocol) -> HTML:
    """A line a model, and the average: differences with their verdicts."""
    lines = comparison(panel, protocol)
    rows = []
    for backbone in BACKBONES:
        row: dict[str, Any] = {"Model": backbone, "Paper Δ": difference_text(lines[backbone, "apg"].paper_difference)}
        for variant, against in AGAINST.items():
            line = lines[backbone, variant]
            row[f"Δ {against}"] = badge_over(line.verdict, with_n(line.difference))
        rows.append(row)
    expected = printed_average(panel)
    overall: dict[str, Any] = {"Model": AVERAGE, "Paper Δ": difference_text(expected)}
    for variant, against in AGAINST.items():
        found = average(panel, protocol, variant)
        verdict = judge(found, expected) if panel.is_result else ""
        overall[f"Δ {against}"] = badge_over(verdict, with_n(found))
    caption = f"{where(panel, protocol)}. Δ of test AUC in points, ± 95 % confidence, n seeds."
    return as_html(without_empty(pd.DataFrame([*rows, overall])), caption)


def difference_text(value: float) -> str:
    """A printed difference; empty for none."""
    return "" if math.isnan(value) else plus(value)


def cells(panel: Panel, protocol: Protocol) -> HTML:
    """Every AUC, the paper's and ours, and what was chosen for it; what APG gains stands in ``table``."""
    lines = {name: line for name, line in comparison(panel, protocol).items() if name[1] != "apg over tuned base"}
    columns = ["Paper Δ", "Our Δ", "Verdict"]
    caption = f"{where(panel, protocol)}. Test AUC in percent, ± 95 % confidence, n seeds."
    return as_html(shown(lines).drop(columns=columns, errors="ignore"), caption)


def outcome(panel: Panel) -> HTML:
    """How many of the seven models have which verdict, against each base."""
    lines = {PROTOCOL_TITLES[protocol].capitalize(): comparison(panel, protocol) for protocol in PROTOCOLS}
    rows = [
        {"APG": against}
        | {title: badges(found[name, variant].verdict for name in BACKBONES) for title, found in lines.items()}
        for variant, against in AGAINST.items()
    ]
    return as_html(pd.DataFrame(rows), f"{panel.data}. Verdicts on the seven models.")


def figure(panel: Panel) -> Figure:
    """Δ of APG, model by model: the paper's, and ours against each base. One panel a protocol."""
    style()
    names = [*BACKBONES, AVERAGE]
    palette = dict(zip(AGAINST, sns.color_palette("colorblind", len(AGAINST)), strict=True))
    fig, axes = plt.subplots(1, len(PROTOCOLS), figsize=(8.5, 5), sharex=True, sharey=True)
    for axis, protocol in zip(axes, PROTOCOLS, strict=True):
        lines = comparison(panel, protocol)
        printed = [*(lines[name, "apg"].paper_difference for name in BACKBONES), printed_average(panel)]
        axis.plot(printed, range(len(names)), "D", color="black", ms=6, label="paper")
        for (place, name), variant in product(enumerate(names), AGAINST):
            found = lines[name, variant].difference if name in BACKBONES else average(panel, protocol, variant)
            height = place + 0.2 + 0.15 * list(AGAINST).index(variant)
            label = f"ours, {AGAINST[variant]}" if place == 0 else None
            axis.errorbar(
                found.mean, height, xerr=0 if math.isnan(found.half) else found.half, fmt="o", ms=4, capsize=3, lw=2,
                color=palette[variant], label=label,
            )  # fmt: skip
        axis.axvline(0, color="black", lw=1)
        axis.axhline(len(BACKBONES) - 0.25, color="black", lw=0.7, ls=":")
        axis.set(title=PROTOCOL_TITLES[protocol], xlabel="Δ test AUC, points")
        axis.set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    plt.close(fig)
    return fig
