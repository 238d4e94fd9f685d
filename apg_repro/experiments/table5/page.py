"""Table 5: the time and memory of training. Imports no torch."""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from apg_repro.config import RunConfig
from apg_repro.experiments.table5.plan import CASES, N_INPUTS, RANK, STEPS_PER_EPOCH, WIDTHS
from apg_repro.paper import numbers as paper
from apg_repro.paper.complexity import evaluate, total
from apg_repro.paper.memory import megabytes
from apg_repro.report.costs import Spread, exactly, format_spread, judge_cost, measured_values, rounded
from apg_repro.report.figures import Picture, drawn
from apg_repro.report.tables import MISSING, Table
from apg_repro.rows.evidence import Evidence
from apg_repro.versions import VERSIONS

CONDITIONS = {"user": "group-wise", "self": "self-wise"}
PARTS = {"step": "whole step", "hidden": "hidden layers alone"}
PALETTE = dict(zip(VERSIONS, sns.color_palette("colorblind", len(VERSIONS)), strict=True))
IN_BRACKETS = "in brackets the 10th and 90th percentile over rounds"


def multiplications(version: str, width: str, condition: str) -> int:
    """Multiplications per instance in the hidden layers, forward (the paper's Table 1, G of one layer)."""
    return sum(
        evaluate(
            total(VERSIONS[version].computation),
            {"N": n, "M": m, "D": m if condition == "self" else RunConfig.d_embedding, "K": RANK},
        )
        for m, n in pairwise((N_INPUTS, *WIDTHS[width]))
    )


def relative_multiplications(version: str, width: str, condition: str) -> float:
    """The same relative to base."""
    return multiplications(version, width, condition) / multiplications("base", width, condition)


def timed(evidence: Evidence, condition: str, part: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each measured width with what was measured of the versions; one added since then is missing."""
    for case in CASES.values():
        if (case.condition, case.part) == (condition, part) and case.name in evidence.measured:
            yield case.width, measured_values(evidence, case.name)["versions"]


def printed_cost(version: str, width: str, metric: str) -> float:
    """A cell of the paper's Table 5; NaN where it has none."""
    return paper.value("table5", "iaac", "WDL", f"{version}/{width}", metric)


def printed_ratio(version: str, width: str, metric: str, rival: str = "base") -> float:
    """The same, relative to another version."""
    return printed_cost(version, width, metric) / printed_cost(rival, width, metric)


def ratio_to(
    evidence: Evidence, version: str, width: str, metric: str, rival: str = "base"
) -> tuple[Spread, float] | None:
    """A version's epoch time or hidden memory relative to a rival's, group-wise: ours and the paper's; None if not run.

    Times of versions that did not take turns with one another are not compared.
    """
    expected = printed_ratio(version, width, metric, rival)
    versions = dict(timed(evidence, "user", "step")).get(width)
    if not versions:
        return None
    ours, theirs = versions[version], versions[rival]
    if metric == "hidden_memory":
        return exactly(ours["n_hidden"] / theirs["n_hidden"]), expected
    ratio = ours.get("ratio", {}).get(rival)
    return None if ratio is None else (ratio, expected)


def abstract_table(evidence: Evidence) -> Table:
    """The abstract's two numbers, v4 at the greatest width: epoch time and memory as ratios to base."""
    width = list(WIDTHS)[-1]
    lines = []
    for what, metric in (("training time", "epoch_time"), ("memory", "hidden_memory")):
        expected = printed_ratio("v4", width, metric)
        line = {"Claim": f"v4 cuts {what} by {1 - expected:.1%}", "Paper ÷ base": rounded(expected)}
        found = ratio_to(evidence, "v4", width, metric)
        if found is None:
            lines.append(line | {"Ours ÷ base": MISSING, "Verdict": "not run" if evidence.is_result else ""})
            continue
        ours = format_spread(found[0]) if metric == "epoch_time" else rounded(found[0]["p50"])
        lines.append(line | {"Ours ÷ base": ours, "Verdict": judge_cost(evidence, *found)})
    return Table(pd.DataFrame(lines), f"Ratios to base; {IN_BRACKETS}.")


def epochs_table(evidence: Evidence) -> Table:
    """An epoch, group-wise, the whole step: ratios to base and seconds, the paper's and ours."""
    lines = []
    for width, versions in timed(evidence, "user", "step"):
        for version, entry in versions.items():
            seconds = printed_cost(version, width, "epoch_time")
            expected = printed_ratio(version, width, "epoch_time")
            is_run = "seconds" in entry
            lines.append(
                {
                    "Layers": width,
                    "Version": version,
                    "Paper ÷ base": MISSING if math.isnan(expected) else rounded(expected),
                    "Ours ÷ base": format_spread(entry["ratio"]["base"]) if is_run else entry["not_run"],
                    "Verdict": judge_cost(evidence, entry["ratio"]["base"], expected) if is_run else "not run",
                    "Paper, s": MISSING if math.isnan(seconds) else f"{seconds:,.2f}",
                    "Ours, s": rounded(STEPS_PER_EPOCH * entry["seconds"]["p50"]) if is_run else MISSING,
                }
            )
    caption = f"An epoch, group-wise, whole steps: ratios to base ({IN_BRACKETS}), and median seconds."
    return Table(pd.DataFrame(lines), caption)


def multiplications_table(evidence: Evidence) -> Table:
    """Table 1's multiplications and the time of the hidden layers alone, both relative to base."""
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for condition, title in CONDITIONS.items():
        for width, versions in timed(evidence, condition, "hidden"):
            for version, entry in versions.items():
                if version == "base":
                    continue
                line = lines.setdefault((width, version), {"Layers": width, "Version": version})
                line[f"Table 1, {title}"] = rounded(relative_multiplications(version, width, condition))
                line[f"Time, {title}"] = rounded(entry["ratio"]["base"]["p50"]) if "ratio" in entry else "not run"
    caption = "Multiplications by Table 1, and median time of the hidden layers alone: ratios to base."
    return Table(pd.DataFrame(list(lines.values())).fillna(""), caption)


def crossings_table(evidence: Evidence) -> Table:
    """From which width on a version is cheaper than base: by arithmetic, and measured (90th percentile below 1).

    Only versions of Table 1 that are cheaper by arithmetic anywhere.
    """
    lines = []
    cheaper = {
        (version, condition): {width: relative_multiplications(version, width, condition) < 1 for width in WIDTHS}
        for condition in CONDITIONS
        for version, entry in VERSIONS.items()
        if not entry.served_as
    }
    anywhere = {version for (version, _), by_width in cheaper.items() if any(by_width.values())}
    for (version, condition), by_width in cheaper.items():
        if version not in anywhere:
            continue
        line = {"Version": version, "Condition": CONDITIONS[condition], "By arithmetic": cheaper_from(by_width)}
        for part, name in PARTS.items():
            measured = {
                width: versions[version]["ratio"]["base"]["p90"] < 1
                for width, versions in timed(evidence, condition, part)
                if "ratio" in versions.get(version, {})
            }
            line[f"Measured, {name}"] = cheaper_from(measured)
        lines.append(line)
    caption = "The least width from which on a version is cheaper than base: by its multiplications, and measured."
    return Table(pd.DataFrame(lines), caption)


def cheaper_from(cheaper: Mapping[str, bool]) -> str:
    """The least width from which on all are cheaper."""
    widths = list(cheaper)
    for place, width in enumerate(widths):
        if all(cheaper[later] for later in widths[place:]):
            return width
    return "nowhere" if widths else MISSING


def self_wise_table(evidence: Evidence) -> Table:
    """Self-wise layers, the whole step: ratios to base, one line per width."""
    lines = [
        {"Layers": width}
        | {
            version: format_spread(entry["ratio"]["base"]) if "ratio" in entry else "not run"
            for version, entry in versions.items()
            if version != "base"
        }
        for width, versions in timed(evidence, "self", "step")
    ]
    return Table(pd.DataFrame(lines), f"Self-wise, whole steps: ratios to base; {IN_BRACKETS}.")


def memory_table(evidence: Evidence) -> Table:
    """Memory of the hidden layers, group-wise, in M: the paper's, ours by count, and the peak of a step."""
    lines = []
    for width, versions in timed(evidence, "user", "hidden"):
        for version, entry in versions.items():
            theirs = printed_cost(version, width, "hidden_memory")
            expected = printed_ratio(version, width, "hidden_memory")
            ratio = entry["n_hidden"] / versions["base"]["n_hidden"]
            kept = megabytes(entry["n_hidden"])
            lines.append(
                {
                    "Layers": width,
                    "Version": version,
                    "Paper, M": MISSING if math.isnan(theirs) else f"{theirs:,.2f}",
                    "Ours, M": f"{kept:,.2f}",
                    "Paper ÷ base": MISSING if math.isnan(expected) else rounded(expected),
                    "Ours ÷ base": rounded(ratio),
                    "Verdict": judge_cost(evidence, exactly(ratio), expected),
                    "Peak, M": f"{kept + entry['peak_bytes'] / 1e6:,.1f}" if "peak_bytes" in entry else "not run",
                }
            )
    caption = "Memory of the hidden layers, group-wise. v3 has v2's parameters; v5 folds into v4 after training."
    return Table(pd.DataFrame(lines), caption)


@drawn
def width_figure(evidence: Evidence) -> Picture:
    """Seconds per epoch against width: the paper's, ours for the whole step, ours for the hidden layers alone."""
    fig, axes = plt.subplots(1, 3, figsize=(10, 3.8), sharex=True)
    units = {width: hidden[0] for width, hidden in WIDTHS.items()}
    for version in VERSIONS:
        look: dict[str, Any] = {"color": PALETTE[version], "label": version}
        printed = [printed_cost(version, width, "epoch_time") for width in units]
        axes[0].plot(list(units.values()), printed, "o-", **look)
        for axis, part in zip(axes[1:], PARTS, strict=True):
            found = {
                units[width]: [STEPS_PER_EPOCH * versions[version]["seconds"][end] for end in ("p10", "p50", "p90")]
                for width, versions in timed(evidence, "user", part)
                if "seconds" in versions.get(version, {})
            }
            if found:
                low, middle, high = zip(*found.values(), strict=True)
                axis.plot(list(found), middle, "o-", **look)
                axis.fill_between(list(found), low, high, color=PALETTE[version], alpha=0.2)
    for axis, title in zip(axes, ("paper", *(f"ours, {name}" for name in PARTS.values())), strict=True):
        axis.set(xscale="log", yscale="log", xlabel="units of the first hidden layer", title=title)
        axis.set_xticks(list(units.values()), [str(n) for n in units.values()])
        axis.minorticks_off()
    axes[0].set_ylabel("seconds per epoch")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncol=len(VERSIONS), frameon=False)
    width = list(WIDTHS)[-1]
    ratios = {version: ratio_to(evidence, version, width, "epoch_time") for version in VERSIONS if version != "base"}
    words = [f"{version} {found[0]['p50']:.2f} (paper {found[1]:.2f})" for version, found in ratios.items() if found]
    return Picture(
        fig,
        f"{evidence.data.title}. Seconds per epoch against width: the paper's, ours for the whole step, and ours for "
        "the hidden layers alone; bands are the 10th and the 90th percentile.",
        f"Epoch time relative to base, hidden layers {width}: {', '.join(words)}." if words else "Not run.",
    )


@drawn
def multiplications_figure(evidence: Evidence) -> Picture:
    """Time against multiplications, hidden layers alone, both relative to base; one point per version and width."""
    fig, axes = plt.subplots(1, len(CONDITIONS), figsize=(8, 4), sharey=True)
    words = []
    for axis, (condition, title) in zip(axes, CONDITIONS.items(), strict=True):
        ends = [1.0, 1.0]
        for version in VERSIONS:
            if version == "base":
                continue
            points = [
                (relative_multiplications(version, width, condition), versions[version]["ratio"]["base"]["p50"])
                for width, versions in timed(evidence, condition, "hidden")
                if "ratio" in versions.get(version, {})
            ]
            if points:
                words.append(f"{title}, {version} {points[-1][1]:.2f} ({points[-1][0]:.2f})")
            axis.plot([x for x, _ in points], [y for _, y in points], "o-", color=PALETTE[version], label=version, lw=1)
            ends = [min([ends[0], *(x for x, _ in points)]), max([ends[1], *(x for x, _ in points)])]
        axis.plot(ends, ends, color="black", lw=0.8)
        axis.axhline(1, color="black", lw=0.8, ls=":")
        axis.set(xscale="log", yscale="log", xlabel="multiplications ÷ base", title=title)
    axes[0].set_ylabel("time ÷ base, hidden layers alone")
    axes[0].legend(frameon=True, fontsize="small")
    return Picture(
        fig,
        f"{evidence.data.title}. Time against multiplications, hidden layers alone, both relative to base; one dot per "
        "version and width. On the line time follows arithmetic.",
        f"At the greatest width, time relative to base (multiplications): {', '.join(words)}." if words else "Not run.",
    )


TABLES = (abstract_table, epochs_table, self_wise_table, crossings_table, multiplications_table, memory_table)
