"""Table 5: the time and memory of training. Imports no torch."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from apg_repro.config import DeviceKind, RunConfig
from apg_repro.experiments.table5.plan import CASES, FUSED, N_INPUTS, RANK, STEPS_PER_EPOCH, WIDEST, WIDTHS, plain
from apg_repro.paper import numbers as paper
from apg_repro.paper.complexity import evaluate, total
from apg_repro.paper.memory import megabytes
from apg_repro.report.costs import (
    Spread,
    cost_verdict,
    exactly,
    format_spread,
    judge_cost,
    measured_values,
    rounded,
)
from apg_repro.report.devices import NOT_YET, TITLES, device_title, each_device, measured_devices, on_a
from apg_repro.report.figures import Picture, drawn
from apg_repro.report.tables import MISSING, Table, format_signed
from apg_repro.rows.evidence import Evidence
from apg_repro.versions import PAPER_VERSIONS

CONDITIONS = {"user": "group-wise", "self": "self-wise"}
PARTS = {"step": "whole step", "hidden": "hidden layers alone"}
PALETTE = dict(zip(PAPER_VERSIONS, sns.color_palette("colorblind", len(PAPER_VERSIONS)), strict=True))
# The abstract's saving of time, where it is looked for: kind of device, version, and what the layers are called.
ABSTRACT: tuple[tuple[DeviceKind, str, str], ...] = (
    ("cpu", "v4", "CPU"),
    ("cuda", "v4", "GPU, plain"),
    ("cuda", "v4, fused", "GPU, fused"),
)
ABSTRACT_COLUMNS = ["Claim", "Measured on", "Verdict", "Paper ÷ base", "Ours ÷ base"]
IN_BRACKETS = "in brackets the 10th and 90th percentile over rounds"


def multiplications(version: str, width: str, condition: str) -> int:
    """Multiplications per instance in the hidden layers, forward (the paper's Table 1, G of one layer)."""
    return sum(
        evaluate(
            total(PAPER_VERSIONS[plain(version)].computation),
            {"N": n, "M": m, "D": m if condition == "self" else RunConfig.d_embedding, "K": RANK},
        )
        for m, n in pairwise((N_INPUTS, *WIDTHS[width]))
    )


def relative_multiplications(version: str, width: str, condition: str) -> float:
    """A version's multiplications relative to base's."""
    return multiplications(version, width, condition) / multiplications("base", width, condition)


def timed(evidence: Evidence, condition: str, part: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each measured width with what was measured of the versions; one added since then is missing."""
    for case in CASES.values():
        if (case.condition, case.part) == (condition, part) and case.name in evidence.measured:
            yield case.width, measured_values(evidence, case.name)["versions"]


def printed_cost(version: str, width: str, metric: str) -> float:
    """A cell of the paper's Table 5; NaN where it has none. Fused layers are compared with plain ones."""
    return paper.value("table5", "iaac", "WDL", f"{plain(version)}/{width}", metric)


def printed_ratio(version: str, width: str, metric: str, rival: str = "base") -> float:
    """A version's printed cost relative to that of another."""
    return printed_cost(version, width, metric) / printed_cost(rival, width, metric)


def ratio_to(
    evidence: Evidence, version: str, width: str, metric: str, rival: str = "base"
) -> tuple[Spread, float] | None:
    """A version's epoch time or hidden memory relative to a rival's, group-wise: ours and the paper's; None if not run.

    Ours is that of the evidence's kind of device. Versions that did not take turns with one another are compared
    through base, which took turns with either: the spread is then the widest that the two ratios allow.
    """
    expected = printed_ratio(version, width, metric, rival)
    versions = dict(timed(evidence, "user", "step")).get(width)
    if not versions or version not in versions:
        return None
    ours, theirs = versions[version], versions[rival]
    if metric == "hidden_memory":
        return exactly(ours["n_hidden"] / theirs["n_hidden"]), expected
    to = ours.get("ratio", {})
    ratio = to.get(rival) or through_base(to.get("base"), theirs.get("ratio", {}).get("base"))
    return None if ratio is None else (ratio, expected)


def through_base(ours: Spread | None, theirs: Spread | None) -> Spread | None:
    """The ratio of two times by their ratios to base: from the least to the greatest that is possible."""
    if ours is None or theirs is None:
        return None
    ends = {"p10": "p90", "p50": "p50", "p90": "p10"}
    return {end: ours[end] / theirs[other] for end, other in ends.items()}


def abstract_table(evidence: Evidence) -> Table:
    """The abstract's two numbers, v4 at the greatest width: epoch time and memory as ratios to base, by device."""
    expected = printed_ratio("v4", WIDEST, "epoch_time")
    head = {"Claim": f"v4 cuts training time by {100 * (1 - expected):.1f} %", "Paper ÷ base": rounded(expected)}
    lines = []
    for kind, version, where in ABSTRACT:
        on = evidence.on(kind)
        found, line = ratio_to(on, version, WIDEST, "epoch_time"), {**head, "Measured on": where}
        if found is None:
            unknown = NOT_YET if not on.measured else "no fused kernels there" if version in FUSED else MISSING
            lines.append(line | {"Ours ÷ base": unknown, "Verdict": "not run" if evidence.is_result else ""})
        else:
            lines.append(line | {"Ours ÷ base": format_spread(found[0]), "Verdict": judge_cost(on, *found)})
    frame = pd.DataFrame([*lines, memory_line(evidence)], columns=ABSTRACT_COLUMNS)
    return Table(frame, f"Ratios to base; {IN_BRACKETS}. The paper's: a V100S.")


def memory_line(evidence: Evidence) -> dict[str, str]:
    """The abstract's saving of memory, which is counted and therefore the same on every device."""
    expected = printed_ratio("v4", WIDEST, "hidden_memory")
    line = {
        "Claim": f"v4 cuts memory by {100 * (1 - expected):.1f} %",
        "Paper ÷ base": rounded(expected),
        "Measured on": "counted",
    }
    pairs = (ratio_to(on, "v4", WIDEST, "hidden_memory") for on in measured_devices(evidence))
    found = next(filter(None, pairs), None)
    if found is None:
        return line | {"Ours ÷ base": MISSING, "Verdict": "not run" if evidence.is_result else ""}
    return line | {"Ours ÷ base": rounded(found[0]["p50"]), "Verdict": judge_cost(evidence, *found)}


def main_points(found: Sequence[Evidence]) -> list[str]:
    """Where the abstract's saving of time holds, on every data set."""
    return [text for evidence in found for text in savings(evidence)]


def savings(evidence: Evidence) -> list[str]:
    """Where the abstract's saving of time holds: on the paper's V100S, on our CPU, on a GPU, there plain and fused."""
    change = format_signed(100 * (printed_ratio("v4", WIDEST, "epoch_time") - 1), 1, " %")
    sentences: list[str] = [f"The paper measured {change} on a V100S."]
    for kind, version, where in ABSTRACT:
        on = evidence.on(kind)
        found = ratio_to(on, version, WIDEST, "epoch_time")
        layers = f", {where.partition(', ')[2]} layers" if kind == "cuda" else ""
        if found is not None:
            sentences.append(f"{sentence_case(on_a(on))}{layers}: {saving(*found)}.")
        elif on.measured:
            sentences.append(f"{sentence_case(on_a(on))}{layers}: there are no kernels for that where it was measured.")
        else:
            sentences.append(f"On a {TITLES[kind]}{layers}: {NOT_YET}.")
    return sentences


def saving(ratio: Spread, expected: float) -> str:
    """A version's time relative to base's, and whether that is the paper's saving, in words."""
    verdict = cost_verdict(ratio["p10"], ratio["p90"], expected, claims_increase=False)
    words = {
        "reproduced": "the saving is at least the paper's",
        "direction only": "there is a saving, but not the paper's",
        "undecided": "the rounds do not tell whether there is a saving",
        "contradicted": "there is no saving",
    }
    return f"v4 takes {format_spread(ratio)} times base's time, {format_change(ratio['p50'])}, so {words[verdict]}"


def format_change(ratio: float) -> str:
    """A ratio as a change in percent."""
    return format_signed(100 * (ratio - 1), 1, " %")


def sentence_case(text: str) -> str:
    """The text with a capital first letter; the rest stays."""
    return text[:1].upper() + text[1:]


def epochs_table(evidence: Evidence) -> Table:
    """An epoch, group-wise, the whole step: ratios to base and seconds, the paper's and ours, device by device."""
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for on in measured_devices(evidence):
        for width, versions in timed(on, "user", "step"):
            for version, entry in versions.items():
                seconds = printed_cost(version, width, "epoch_time")
                expected = printed_ratio(version, width, "epoch_time")
                is_run, device = "seconds" in entry, device_title(on)
                line = lines.setdefault(
                    (width, version),
                    {
                        "Layers": width,
                        "Version": version,
                        "Paper ÷ base": MISSING if math.isnan(expected) else rounded(expected),
                    },
                )
                line |= {
                    f"{device} verdict": judge_cost(on, entry["ratio"]["base"], expected) if is_run else "not run",
                    f"{device} ÷ base": format_spread(entry["ratio"]["base"]) if is_run else entry["not_run"],
                    f"{device}, s": rounded(STEPS_PER_EPOCH * entry["seconds"]["p50"]) if is_run else MISSING,
                }
                line.setdefault("Paper, s", MISSING if math.isnan(seconds) else f"{seconds:,.2f}")
    in_order = sorted(lines, key=lambda key: list(WIDTHS).index(key[0]))  # else what only a GPU has would come last
    caption = f"An epoch, group-wise, whole steps: ratios to base ({IN_BRACKETS}), and median seconds."
    return Table(pd.DataFrame([lines[key] for key in in_order]).fillna(""), caption)


def multiplications_table(evidence: Evidence) -> Table:
    """Table 1's multiplications and the time of the hidden layers alone, both relative to base."""
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for condition, name in CONDITIONS.items():
        for width, versions in timed(evidence, condition, "hidden"):
            for version, entry in versions.items():
                if version == "base":
                    continue
                line = lines.setdefault((width, version), {"Layers": width, "Version": version})
                line[f"Table 1, {name}"] = rounded(relative_multiplications(version, width, condition))
                line[f"Time, {name}"] = rounded(entry["ratio"]["base"]["p50"]) if "ratio" in entry else "not run"
    what = "Multiplications by Table 1, and median time of the hidden layers alone: ratios to base."
    caption = f"{device_title(evidence)}. {what}"
    return Table(pd.DataFrame(list(lines.values())).fillna(""), caption)


def crossings_table(evidence: Evidence) -> Table:
    """From which width on a version is cheaper than base: by arithmetic, and measured (90th percentile below 1).

    Only versions of Table 1 that are cheaper by arithmetic anywhere.
    """
    lines = []
    cheaper = {
        (version, condition): {width: relative_multiplications(version, width, condition) < 1 for width in WIDTHS}
        for condition in CONDITIONS
        for version, entry in PAPER_VERSIONS.items()
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
    caption = (
        f"{device_title(evidence)}. The least width from which on a version is cheaper than base: by its "
        "multiplications, and measured (the 90th percentile of the ratio is below 1)."
    )
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
    return Table(
        pd.DataFrame(lines), f"{device_title(evidence)}. Self-wise, whole steps: ratios to base; {IN_BRACKETS}."
    )


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
                    "Paper ÷ base": MISSING if math.isnan(expected) else rounded(expected),
                    "Ours ÷ base": rounded(ratio),
                    "Verdict": judge_cost(evidence, exactly(ratio), expected),
                    "Paper, M": MISSING if math.isnan(theirs) else f"{theirs:,.2f}",
                    "Ours, M": f"{kept:,.2f}",
                    "Peak, M": f"{kept + entry['peak_bytes'] / 1e6:,.1f}" if "peak_bytes" in entry else "not run",
                }
            )
    caption = (
        f"{device_title(evidence)}. Memory of the hidden layers, group-wise. v3 has v2's parameters; v5 folds into v4 "
        "after training."
    )
    return Table(pd.DataFrame(lines), caption)


@drawn
def width_figure(evidence: Evidence) -> Picture:
    """Seconds per epoch against width: the paper's, and device by device the whole step and the hidden layers alone."""
    ours = [(on, part) for on in each_device(evidence) for part in PARTS]
    fig, axes = plt.subplots(1, 1 + len(ours), figsize=(1 + 3 * (1 + len(ours)), 3.8), sharex=True)
    units = {width: hidden[0] for width, hidden in WIDTHS.items()}
    for version in (*PAPER_VERSIONS, *FUSED):
        is_fused = version in FUSED
        look: dict[str, Any] = {"color": PALETTE[plain(version)], "label": version, "ls": "--" if is_fused else "-"}
        if not is_fused:
            printed = [printed_cost(version, width, "epoch_time") for width in units]
            axes[0].plot(list(units.values()), printed, "o", **look)
        for axis, (on, part) in zip(axes[1:], ours, strict=True):
            found = {
                units[width]: [STEPS_PER_EPOCH * versions[version]["seconds"][end] for end in ("p10", "p50", "p90")]
                for width, versions in timed(on, "user", part)
                if "seconds" in versions.get(version, {})
            }
            if found:
                low, middle, high = zip(*found.values(), strict=True)
                axis.plot(list(found), middle, "o", **look)
                axis.fill_between(list(found), low, high, color=PALETTE[plain(version)], alpha=0.2)
    for axis, name in zip(
        axes, ("paper, V100S", *(f"{device_title(on)}, {PARTS[part]}" for on, part in ours)), strict=True
    ):
        axis.set(xscale="log", yscale="log", xlabel="units of the first hidden layer", title=name)
        axis.set_xticks(list(units.values()), [str(n) for n in units.values()])
        axis.minorticks_off()
    axes[0].set_ylabel("seconds per epoch")
    labels = {name: line for axis in axes for line, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    fig.legend(list(labels.values()), list(labels), loc="outside upper center", ncol=len(labels), frameon=False)
    ratios = {
        version: ratio_to(evidence, version, WIDEST, "epoch_time") for version in PAPER_VERSIONS if version != "base"
    }
    words = [f"{version} {found[0]['p50']:.2f} (paper {found[1]:.2f})" for version, found in ratios.items() if found]
    return Picture(
        fig,
        f"{evidence.data.title}. Seconds per epoch against width: the paper's, and ours per device, for the whole step "
        "and for the hidden layers alone; bands are the 10th and the 90th percentile.",
        f"Epoch time relative to base, hidden layers {WIDEST}: {', '.join(words)}." if words else "Not run.",
    )


@drawn
def multiplications_figure(evidence: Evidence) -> Picture:
    """Time against multiplications, hidden layers alone, both relative to base; one point per version and width."""
    fig, axes = plt.subplots(1, len(CONDITIONS), figsize=(8, 4), sharey=True)
    words = []
    for axis, (condition, name) in zip(axes, CONDITIONS.items(), strict=True):
        ends = [1.0, 1.0]
        for version in PAPER_VERSIONS:
            if version == "base":
                continue
            points = [
                (relative_multiplications(version, width, condition), versions[version]["ratio"]["base"]["p50"])
                for width, versions in timed(evidence, condition, "hidden")
                if "ratio" in versions.get(version, {})
            ]
            if points:
                words.append(f"{name}, {version} {points[-1][1]:.2f} ({points[-1][0]:.2f})")
            axis.plot([x for x, _ in points], [y for _, y in points], "o-", color=PALETTE[version], label=version, lw=1)
            ends = [min([ends[0], *(x for x, _ in points)]), max([ends[1], *(x for x, _ in points)])]
        axis.plot(ends, ends, color="black", lw=0.8)
        axis.axhline(1, color="black", lw=0.8, ls=":")
        axis.set(xscale="log", yscale="log", xlabel="multiplications ÷ base", title=name)
    axes[0].set_ylabel(f"time ÷ base, hidden layers alone, {device_title(evidence)}")
    axes[0].legend(frameon=True, fontsize="small")
    return Picture(
        fig,
        f"{evidence.data.title}. Time against multiplications, hidden layers alone, both relative to base; one dot per "
        "version and width. On the line time follows arithmetic.",
        f"At the greatest width, time relative to base (multiplications): {', '.join(words)}." if words else "Not run.",
    )


TABLES = (abstract_table, epochs_table, self_wise_table, crossings_table, multiplications_table, memory_table)
