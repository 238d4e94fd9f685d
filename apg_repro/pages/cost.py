"""Table 5: the time and memory of training."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from apg_repro import paper
from apg_repro.complexity import COMPUTATION, evaluate, total
from apg_repro.figures import style
from apg_repro.paper_memory import D, megabytes
from apg_repro.report import MISSING, Panel
from apg_repro.report_cost import between, cases, exactly, judge, rounded
from apg_repro.suites import COST_CASES, COST_INPUTS, COST_RANK, COST_WIDTHS, EPOCH_STEPS

VERSIONS = ("base", "v1", "v2", "v3", "v4", "v5")
CONDITIONS = {"user": "group-wise", "self": "self-wise"}
PARTS = {"step": "whole step", "hidden": "hidden layers alone"}
PALETTE = dict(zip(VERSIONS, sns.color_palette("colorblind", len(VERSIONS)), strict=True))


def multiplications(version: str, width: str, condition: str) -> int:
    """Multiplications an instance in the hidden layers, forward (the paper's Table 1, G of one layer)."""
    formula = total(COMPUTATION, "v4" if version == "v5" else version)  # v5 forms U and V besides, once a batch
    return sum(
        evaluate(formula, {"N": n, "M": m, "D": m if condition == "self" else D, "K": COST_RANK})
        for m, n in pairwise((COST_INPUTS, *COST_WIDTHS[width]))
    )


def timed(panel: Panel, condition: str, part: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each measured width with its row's versions."""
    rows = cases(panel)
    for case in COST_CASES.values():
        if (case.condition, case.part) == (condition, part) and case.name in rows:
            yield case.width, rows[case.name]["versions"]


def printed(version: str, width: str, metric: str) -> float:
    """A cell of the paper's Table 5; NaN where it has none."""
    return paper.value("table5", "iaac", "WDL", f"{version}/{width}", metric)


def printed_ratio(version: str, width: str, metric: str, rival: str = "base") -> float:
    """The same, by a rival's."""
    return printed(version, width, metric) / printed(rival, width, metric)


def times(panel: Panel) -> pd.DataFrame:
    """An epoch, group-wise, the whole step: ratios to base and seconds, the paper's and ours."""
    lines = []
    for width, versions in timed(panel, "user", "step"):
        for version, entry in versions.items():
            seconds, expected = printed(version, width, "epoch_time"), printed_ratio(version, width, "epoch_time")
            ours = "seconds" in entry
            lines.append(
                {
                    "Layers": width,
                    "Version": version,
                    "Paper ÷ base": MISSING if math.isnan(expected) else rounded(expected),
                    "Ours ÷ base": between(entry["ratio"]["base"]) if ours else entry["not_run"],
                    "Verdict": judge(panel, entry["ratio"]["base"], expected) if ours else "not run",
                    "Paper, s": MISSING if math.isnan(seconds) else f"{seconds:,.2f}",
                    "Ours, s": rounded(EPOCH_STEPS * entry["seconds"]["p50"]) if ours else MISSING,
                }
            )
    return pd.DataFrame(lines)


def against(
    panel: Panel, version: str, width: str, metric: str, rival: str = "base"
) -> tuple[dict[str, float], float] | None:
    """A version's epoch time or hidden memory by a rival's, group-wise: ours and the paper's; None if not run.

    Times of versions that did not take turns with one another are not compared.
    """
    expected = printed_ratio(version, width, metric, rival)
    versions = dict(timed(panel, "user", "step")).get(width)
    if not versions:
        return None
    ours, theirs = versions[version], versions[rival]
    if metric == "hidden_memory":
        return exactly(ours["n_hidden"] / theirs["n_hidden"]), expected
    ratio = ours.get("ratio", {}).get(rival)
    return None if ratio is None else (ratio, expected)


def claims(panel: Panel) -> pd.DataFrame:
    """The abstract's two numbers, v4 at the widest: epoch time and memory as ratios to base."""
    width = list(COST_WIDTHS)[-1]
    lines = []
    for what, metric in (("training time", "epoch_time"), ("memory", "hidden_memory")):
        expected = printed_ratio("v4", width, metric)
        line = {"Claim": f"v4 cuts {what} by {1 - expected:.1%}", "Paper ÷ base": rounded(expected)}
        found = against(panel, "v4", width, metric)
        if found is None:
            lines.append(line | {"Ours ÷ base": MISSING, "Verdict": "not run" if panel.is_result else ""})
            continue
        ours = between(found[0]) if metric == "epoch_time" else rounded(found[0]["p50"])
        lines.append(line | {"Ours ÷ base": ours, "Verdict": judge(panel, *found)})
    return pd.DataFrame(lines)


def arithmetic(panel: Panel) -> pd.DataFrame:
    """Table 1's multiplications beside the time of the hidden layers alone, both as ratios to base."""
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for condition, title in CONDITIONS.items():
        for width, versions in timed(panel, condition, "hidden"):
            for version, entry in versions.items():
                if version == "base":
                    continue
                wanted = multiplications(version, width, condition) / multiplications("base", width, condition)
                line = lines.setdefault((width, version), {"Layers": width, "Version": version})
                line[f"Table 1, {title}"] = rounded(wanted)
                line[f"Time, {title}"] = rounded(entry["ratio"]["base"]["p50"]) if "ratio" in entry else "not run"
    return pd.DataFrame(list(lines.values())).fillna("")


def crossings(panel: Panel) -> pd.DataFrame:
    """From which width on v3 and v4 are cheaper than base: by arithmetic, and measured (90th percentile below 1)."""
    lines = []
    for condition, title in CONDITIONS.items():
        for version in ("v3", "v4"):
            by_arithmetic = {
                width: multiplications(version, width, condition) < multiplications("base", width, condition)
                for width in COST_WIDTHS
            }
            line = {"Version": version, "Condition": title, "By arithmetic": cheaper_from(by_arithmetic)}
            for part, name in PARTS.items():
                measured = {
                    width: versions[version]["ratio"]["base"]["p90"] < 1
                    for width, versions in timed(panel, condition, part)
                }
                line[f"Measured, {name}"] = cheaper_from(measured)
            lines.append(line)
    return pd.DataFrame(lines)


def cheaper_from(cheaper: dict[str, bool]) -> str:
    """The least width from which on all are cheaper."""
    widths = list(cheaper)
    for place, width in enumerate(widths):
        if all(cheaper[later] for later in widths[place:]):
            return width
    return "nowhere" if widths else MISSING


def self_wise(panel: Panel) -> pd.DataFrame:
    """Self-wise layers, the whole step: ratios to base, a line a width."""
    return pd.DataFrame(
        {"Layers": width}
        | {
            version: between(entry["ratio"]["base"]) if "ratio" in entry else "not run"
            for version, entry in versions.items()
            if version != "base"
        }
        for width, versions in timed(panel, "self", "step")
    )


def memory(panel: Panel) -> pd.DataFrame:
    """Memory of the hidden layers, group-wise, in M: the paper's, ours by count, and the peak of a step."""
    lines = []
    for width, versions in timed(panel, "user", "hidden"):
        for version, entry in versions.items():
            theirs, expected = printed(version, width, "hidden_memory"), printed_ratio(version, width, "hidden_memory")
            ratio = entry["n_hidden"] / versions["base"]["n_hidden"]
            kept = megabytes(entry["n_hidden"])
            lines.append(
                {
                    "Layers": width,
                    "Version": version,
                    "Paper, M": MISSING if math.isnan(theirs) else f"{theirs:,.2f}",
                    "Ours, M": f"{kept:,.2f}",
                    "Paper ÷": MISSING if math.isnan(expected) else rounded(expected),
                    "Ours ÷": rounded(ratio),
                    "Verdict": judge(panel, exactly(ratio), expected),
                    "Peak, M": f"{kept + entry['peak_bytes'] / 1e6:,.1f}" if "peak_bytes" in entry else "not run",
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def width_figure(panel: Panel) -> Figure:
    """Seconds an epoch against width: the paper's, ours for the whole step, ours for the hidden layers alone."""
    style()
    fig, axes = plt.subplots(1, 3, figsize=(10, 3.8), sharex=True)
    units = {width: hidden[0] for width, hidden in COST_WIDTHS.items()}
    for version in VERSIONS:
        look: dict[str, Any] = {"color": PALETTE[version], "label": version}
        axes[0].plot(list(units.values()), [printed(version, width, "epoch_time") for width in units], "o-", **look)
        for axis, part in zip(axes[1:], PARTS, strict=True):
            found = [(units[width], versions[version]["seconds"]) for width, versions in timed(panel, "user", part)
                     if "seconds" in versions[version]]  # fmt: skip
            curve = EPOCH_STEPS * np.array([[spread[name] for name in ("p10", "p50", "p90")] for _, spread in found])
            if len(curve):
                axis.plot([x for x, _ in found], curve[:, 1], "o-", **look)
                axis.fill_between([x for x, _ in found], curve[:, 0], curve[:, 2], color=PALETTE[version], alpha=0.2)
    for axis, title in zip(axes, ("paper", *(f"ours, {name}" for name in PARTS.values())), strict=True):
        axis.set(xscale="log", yscale="log", xlabel="units of the first hidden layer", title=title)
        axis.set_xticks(list(units.values()), [str(n) for n in units.values()])
        axis.minorticks_off()
    axes[0].set_ylabel("seconds an epoch")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncol=len(VERSIONS), frameon=False)
    plt.close(fig)  # the notebook displays it, once
    return fig


def arithmetic_figure(panel: Panel) -> Figure:
    """Time against multiplications, hidden layers alone, both by base's; a point a version and width."""
    style()
    fig, axes = plt.subplots(1, len(CONDITIONS), figsize=(8, 4), sharey=True)
    for axis, (condition, title) in zip(axes, CONDITIONS.items(), strict=True):
        ends = [1.0, 1.0]
        for version in VERSIONS[1:]:
            points = [
                (multiplications(version, width, condition) / multiplications("base", width, condition),
                 versions[version]["ratio"]["base"]["p50"])
                for width, versions in timed(panel, condition, "hidden") if "ratio" in versions[version]
            ]  # fmt: skip
            axis.plot([x for x, _ in points], [y for _, y in points], "o-", color=PALETTE[version], label=version, lw=1)
            ends = [min([ends[0], *(x for x, _ in points)]), max([ends[1], *(x for x, _ in points)])]
        axis.plot(ends, ends, color="black", lw=0.8)
        axis.axhline(1, color="black", lw=0.8, ls=":")
        axis.set(xscale="log", yscale="log", xlabel="multiplications ÷ base", title=title)
    axes[0].set_ylabel("time ÷ base, hidden layers alone")
    axes[0].legend(frameon=True, fontsize="small")
    plt.close(fig)
    return fig
