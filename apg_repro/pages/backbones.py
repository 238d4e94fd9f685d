"""Table 2: APG in seven models, against base and against base tuned as much as APG."""

import math
from itertools import product

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
    Line,
    Panel,
    as_html,
    badges,
    comparison,
    estimate,
    judge,
    shown,
    signed,
    where,
    without_empty,
)  # fmt: skip
from apg_repro.suites import BACKBONES, PROTOCOLS, Protocol

AGAINST = {"apg": "base", "apg over tuned base": "tuned base"}  # the cell of a difference → what it is taken from
AVERAGE = "average"


def average(panel: Panel, protocol: Protocol, variant: str) -> Estimate:
    """The mean difference over all seven models, seed by seed; none before all have run."""
    ours, theirs = ([panel.cell(name, backbone) for backbone in BACKBONES] for name in (variant, AGAINST[variant]))
    return estimate(panel.between(ours, theirs, protocol))


def printed_average(panel: Panel) -> float:
    """The paper's average difference, in points."""
    base, apg = (paper.value("table2", panel.plan.dataset, AVERAGE, variant) for variant in ("base", "apg"))
    return apg - base


def table(panel: Panel, protocol: Protocol) -> HTML:
    """A line a model, and the average: differences with their verdicts."""
    lines = comparison(panel, protocol)
    rows = [
        {
            "Model": backbone,
            "Paper Δ": difference_text(lines[backbone, "apg"].paper_difference),
            **against_base(lines, backbone),
            "n": lines[backbone, "apg"].n,
        }
        for backbone in BACKBONES
    ]
    expected = printed_average(panel)
    overall: dict[str, object] = {"Model": AVERAGE, "Paper Δ": difference_text(expected)}
    for variant, base in AGAINST.items():
        found = average(panel, protocol, variant)
        verdict = judge(found, expected) if panel.plan.profile == "full" else ""
        overall |= {f"Δ, {base}": found.signed if found.n else "", f"{base}: verdict": verdict}
    caption = f"{where(panel, protocol)}. Δ of test AUC in points, ± 95 % confidence, APG against base and tuned base."
    return as_html(without_empty(pd.DataFrame([*rows, overall], dtype=object).fillna("")), caption)


def against_base(lines: dict[tuple[str, str], Line], backbone: str) -> dict[str, str]:
    """The two differences of a model, and their verdicts."""
    found = {}
    for variant, base in AGAINST.items():
        line = lines[backbone, variant]
        found[f"Δ, {base}"] = line.difference.signed if line.difference.n else ""
        found[f"{base}: verdict"] = line.verdict
    return found


def difference_text(value: float) -> str:
    """A printed difference; empty for none."""
    return "" if math.isnan(value) else signed(f"{value:+.2f}")


def standing(panel: Panel, protocol: Protocol, variant: str) -> tuple[int, int, int]:
    """How many models have run, in how many APG's interval lies above 0, and in how many below."""
    lines = comparison(panel, protocol)
    ran = [found for backbone in BACKBONES if (found := lines[backbone, variant].difference).n]
    return len(ran), sum(found.mean > found.half for found in ran), sum(-found.mean > found.half for found in ran)


def cells(panel: Panel, protocol: Protocol) -> HTML:
    """Every AUC, the paper's and ours, and what was chosen for it; what APG gains stands in ``table``."""
    lines = {name: line for name, line in comparison(panel, protocol).items() if name[1] != "apg over tuned base"}
    columns = ["Paper Δ", "Our Δ", "Verdict"]
    caption = f"{where(panel, protocol)}. Test AUC in percent, ± 95 % confidence, n seeds."
    return as_html(shown(lines).drop(columns=columns, errors="ignore"), caption)


def outcome(panel: Panel) -> HTML:
    """How many of the seven models have which verdict, against base and against tuned base."""
    rows = [
        {"Against": base}
        | {
            PROTOCOL_TITLES[protocol].capitalize(): badges(
                comparison(panel, protocol)[backbone, variant].verdict for backbone in BACKBONES
            )
            for protocol in PROTOCOLS
        }
        for variant, base in AGAINST.items()
    ]
    return as_html(pd.DataFrame(rows), f"{panel.data}. Verdicts on the seven models.")


def both_tuned(panel: Panel) -> HTML:
    """WDL: base and APG with the paper's learning rate, then each with its own, and what APG gains there."""
    rows = []
    for protocol in PROTOCOLS:
        lines = comparison(panel, protocol)
        difference = lines["WDL", "tuned apg"].difference
        rows.append(
            {"Protocol": PROTOCOL_TITLES[protocol]}
            | {variant: str(lines["WDL", variant].ours) for variant in ("base", "apg", "tuned base", "tuned apg")}
            | {"Δ, both tuned": difference.signed if difference.n else "not run", "n": difference.n}
        )
    caption = f"{panel.data}, WDL. Test AUC in percent, Δ in points, ± 95 % confidence."
    return as_html(pd.DataFrame(rows), caption)


def figure(panel: Panel) -> Figure:
    """Δ of APG, model by model: the paper's, ours against base and ours against tuned base. One panel a protocol."""
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
            height = place + 0.2 + 0.2 * list(AGAINST).index(variant)
            label = f"ours, against {AGAINST[variant]}" if place == 0 else None
            axis.errorbar(
                found.mean, height, xerr=0 if math.isnan(found.half) else found.half, fmt="o", ms=5, capsize=3, lw=2,
                color=palette[variant], label=label,
            )  # fmt: skip
        axis.axvline(0, color="black", lw=1)
        axis.axhline(len(BACKBONES) - 0.25, color="black", lw=0.7, ls=":")
        axis.set(title=PROTOCOL_TITLES[protocol], xlabel="Δ test AUC, points")
        axis.set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    plt.close(fig)
    return fig
