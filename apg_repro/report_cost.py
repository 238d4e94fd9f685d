"""Tables and figures of what things cost: Table 5, Table 10, speed. Imports no torch.

A timing is shown as its median; in brackets the 10th and the 90th percentile. Ratios are taken round by round.
"""

import math
from collections.abc import Iterator, Sequence
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
from apg_repro.report import MISSING, Panel, signed
from apg_repro.suites import (
    CANDIDATES,
    COST_CASES,
    COST_INPUTS,
    COST_RANK,
    COST_WIDTHS,
    EPOCH_STEPS,
    SPEED_THREADS,
    cost_verdict,
)  # fmt: skip

VERSIONS = ("base", "v1", "v2", "v3", "v4", "v5")
D = 32  # of a group-wise condition, an embedding
CONDITIONS = {"user": "group-wise", "self": "self-wise"}
PARTS = {"step": "whole step", "hidden": "hidden layers alone"}
MODELS = {"base": "base", "apg": "v5, folded", "v1": "v1"}
ENGINES = {"eager": "torch", "compiled": "torch.compile", "onnx": "ONNX Runtime"}
CONTENDERS = {"base": "base", "v5": "v5", "peer": "DeepCTR-Torch"}
BYTES = 12  # a parameter in the paper's memory: a float32 weight and Adam's two moments; its M is 10⁶ bytes
SERVED_BYTES = 4
PALETTE = dict(zip(VERSIONS, sns.color_palette("colorblind", len(VERSIONS)), strict=True))


def cases(panels: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    """The rows of a suite by their case."""
    return {row["case"]: row for panel in panels for row in panel.measured}


def is_quick(panels: Sequence[Panel]) -> bool:
    """Whether this is the quick profile: its numbers get no verdict."""
    return any(panel.plan.profile == "quick" for panel in panels)


def between(values: dict[str, float], scale: float = 1.0) -> str:
    """A median and, in brackets, the 10th and the 90th percentile."""
    low, middle, high = (figures(scale * values[name]) for name in ("p10", "p50", "p90"))
    return f"{middle} ({low}–{high})"


def figures(value: float) -> str:
    """A number as it stands on a page: no digits after the point from 100 on, one from 10, two from 0.1, else three."""
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 0.1 else 3
    return f"{value:,.{digits}f}"


# Table 5


def multiplications(version: str, width: str, condition: str) -> int:
    """Multiplications an instance in the hidden layers, forward (the paper's Table 1, G of one layer)."""
    formula = total(COMPUTATION, "v4" if version == "v5" else version)  # v5 forms U and V besides, once a batch
    return sum(
        evaluate(formula, {"N": n, "M": m, "D": m if condition == "self" else D, "K": COST_RANK})
        for m, n in pairwise((COST_INPUTS, *COST_WIDTHS[width]))
    )


def timed(panels: Sequence[Panel], condition: str, part: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each measured width with its row's versions."""
    rows = cases(panels)
    for case in COST_CASES.values():
        if (case.condition, case.part) == (condition, part) and case.name in rows:
            yield case.width, rows[case.name]["versions"]


def printed(version: str, width: str, metric: str) -> float:
    """A cell of the paper's Table 5; NaN where it has none."""
    return paper.value("table5", "iaac", "WDL", f"{version}/{width}", metric)


def printed_ratio(version: str, width: str, metric: str, rival: str = "base") -> float:
    """The same, by a rival's."""
    return printed(version, width, metric) / printed(rival, width, metric)


def judge(panels: Sequence[Panel], ratio: dict[str, float], expected: float) -> str:
    """The verdict on a ratio to base; "" for base itself, without a number of the paper, and in the quick profile."""
    if math.isnan(expected) or expected == 1 or is_quick(panels):
        return ""
    return cost_verdict(ratio["p10"], ratio["p90"], expected, dearer=expected > 1)


def exactly(ratio: float) -> dict[str, float]:
    """What is counted, as a spread of width 0."""
    return {"p10": ratio, "p50": ratio, "p90": ratio}


def times(panels: Sequence[Panel]) -> pd.DataFrame:
    """An epoch, group-wise, the whole step: ratios to base and seconds, the paper's and ours."""
    lines = []
    for width, versions in timed(panels, "user", "step"):
        for version, entry in versions.items():
            seconds, expected = printed(version, width, "epoch_time"), printed_ratio(version, width, "epoch_time")
            ours = "seconds" in entry
            lines.append(
                {
                    "Layers": width,
                    "Version": version,
                    "Paper ÷ base": MISSING if math.isnan(expected) else figures(expected),
                    "Ours ÷ base": between(entry["ratio"]["base"]) if ours else entry["not_run"],
                    "Verdict": judge(panels, entry["ratio"]["base"], expected) if ours else "not run",
                    "Paper, s": MISSING if math.isnan(seconds) else f"{seconds:,.2f}",
                    "Ours, s": figures(EPOCH_STEPS * entry["seconds"]["p50"]) if ours else MISSING,
                }
            )
    return pd.DataFrame(lines)


def against(
    panels: Sequence[Panel], version: str, width: str, metric: str, rival: str = "base"
) -> tuple[dict[str, float], float] | None:
    """A version's epoch time or hidden memory by a rival's, group-wise: ours and the paper's; None if not run.

    Times of versions that did not take turns with one another are not compared.
    """
    expected = printed_ratio(version, width, metric, rival)
    versions = dict(timed(panels, "user", "step")).get(width)
    if not versions:
        return None
    ours, theirs = versions[version], versions[rival]
    if metric == "hidden_memory":
        return exactly(ours["n_hidden"] / theirs["n_hidden"]), expected
    ratio = ours.get("ratio", {}).get(rival)
    return None if ratio is None else (ratio, expected)


def claims(panels: Sequence[Panel]) -> pd.DataFrame:
    """The abstract's two numbers, v4 at the widest: epoch time and memory as ratios to base."""
    width = list(COST_WIDTHS)[-1]
    lines = []
    for what, metric in (("training time", "epoch_time"), ("memory", "hidden_memory")):
        expected = printed_ratio("v4", width, metric)
        line = {"Claim": f"v4 cuts {what} by {1 - expected:.1%}", "Paper ÷ base": figures(expected)}
        found = against(panels, "v4", width, metric)
        if found is None:
            lines.append(line | {"Ours ÷ base": MISSING, "Verdict": "" if is_quick(panels) else "not run"})
            continue
        ours = between(found[0]) if metric == "epoch_time" else figures(found[0]["p50"])
        lines.append(line | {"Ours ÷ base": ours, "Verdict": judge(panels, *found)})
    return pd.DataFrame(lines)


def arithmetic(panels: Sequence[Panel]) -> pd.DataFrame:
    """Table 1's multiplications beside the time of the hidden layers alone, both as ratios to base."""
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for condition, title in CONDITIONS.items():
        for width, versions in timed(panels, condition, "hidden"):
            for version, entry in versions.items():
                if version == "base":
                    continue
                wanted = multiplications(version, width, condition) / multiplications("base", width, condition)
                line = lines.setdefault((width, version), {"Layers": width, "Version": version})
                line[f"Table 1, {title}"] = figures(wanted)
                line[f"Time, {title}"] = figures(entry["ratio"]["base"]["p50"]) if "ratio" in entry else "not run"
    return pd.DataFrame(list(lines.values())).fillna("")


def crossings(panels: Sequence[Panel]) -> pd.DataFrame:
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
                    for width, versions in timed(panels, condition, part)
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


def self_wise(panels: Sequence[Panel]) -> pd.DataFrame:
    """Self-wise layers, the whole step: ratios to base, a line a width."""
    return pd.DataFrame(
        {"Layers": width}
        | {
            version: between(entry["ratio"]["base"]) if "ratio" in entry else "not run"
            for version, entry in versions.items()
            if version != "base"
        }
        for width, versions in timed(panels, "self", "step")
    )


def memory(panels: Sequence[Panel]) -> pd.DataFrame:
    """Memory of the hidden layers, group-wise, in M: the paper's, ours by count, and the peak of a step."""
    lines = []
    for width, versions in timed(panels, "user", "hidden"):
        for version, entry in versions.items():
            theirs, expected = printed(version, width, "hidden_memory"), printed_ratio(version, width, "hidden_memory")
            ratio = entry["n_hidden"] / versions["base"]["n_hidden"]
            kept = BYTES * entry["n_hidden"] / 1e6
            lines.append(
                {
                    "Layers": width,
                    "Version": version,
                    "Paper, M": MISSING if math.isnan(theirs) else f"{theirs:,.2f}",
                    "Ours, M": f"{kept:,.2f}",
                    "Paper ÷": MISSING if math.isnan(expected) else figures(expected),
                    "Ours ÷": figures(ratio),
                    "Verdict": judge(panels, exactly(ratio), expected),
                    "Peak, M": f"{kept + entry['peak_bytes'] / 1e6:,.1f}" if "peak_bytes" in entry else "not run",
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def width_figure(panels: Sequence[Panel]) -> Figure:
    """Seconds an epoch against width: the paper's, ours for the whole step, ours for the hidden layers alone."""
    style()
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.8), sharex=True)
    units = {width: hidden[0] for width, hidden in COST_WIDTHS.items()}
    for version in VERSIONS:
        look: dict[str, Any] = {"color": PALETTE[version], "label": version}
        axes[0].plot(list(units.values()), [printed(version, width, "epoch_time") for width in units], "o-", **look)
        for axis, part in zip(axes[1:], PARTS, strict=True):
            found = [(units[width], versions[version]["seconds"]) for width, versions in timed(panels, "user", part)
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
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncol=len(VERSIONS), frameon=False)
    plt.close(figure)  # the notebook displays it, once
    return figure


def arithmetic_figure(panels: Sequence[Panel]) -> Figure:
    """Time against multiplications, hidden layers alone, both by base's; a point a version and width."""
    style()
    figure, axes = plt.subplots(1, len(CONDITIONS), figsize=(8, 4), sharey=True)
    for axis, (condition, title) in zip(axes, CONDITIONS.items(), strict=True):
        ends = [1.0, 1.0]
        for version in VERSIONS[1:]:
            points = [
                (multiplications(version, width, condition) / multiplications("base", width, condition),
                 versions[version]["ratio"]["base"]["p50"])
                for width, versions in timed(panels, condition, "hidden") if "ratio" in versions[version]
            ]  # fmt: skip
            axis.plot([x for x, _ in points], [y for _, y in points], "o-", color=PALETTE[version], label=version, lw=1)
            ends = [min([ends[0], *(x for x, _ in points)]), max([ends[1], *(x for x, _ in points)])]
        axis.plot(ends, ends, color="black", lw=0.8)
        axis.axhline(1, color="black", lw=0.8, ls=":")
        axis.set(xscale="log", yscale="log", xlabel="multiplications ÷ base", title=title)
    axes[0].set_ylabel("time ÷ base, hidden layers alone")
    axes[0].legend(frameon=True, fontsize="small")
    plt.close(figure)
    return figure


# Table 10


def answers(panels: Sequence[Panel]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Candidates a request, engine, and its models; or why the engine was not run."""
    rows = cases(panels)
    for case in CANDIDATES:
        for engine, title in ENGINES.items():
            if case in rows and engine in rows[case]["engines"]:
                yield f"{CANDIDATES[case]:,}", title, rows[case]["engines"][engine]


def serving(panels: Sequence[Panel]) -> pd.DataFrame:
    """Milliseconds a request by number of candidates, engine and model; ratios to base."""
    lines = []
    for case, engine, found in answers(panels):
        if "not_run" in found:
            lines.append({"Candidates": case, "Engine": engine, "Model": found["not_run"]})
            continue
        for name, entry in found.items():
            is_base = name == "base"
            lines.append(
                {
                    "Candidates": case,
                    "Engine": engine,
                    "Model": MODELS[name],
                    "Median": f"{entry['ms']['p50']:,.3f}",
                    "99th": f"{entry['ms']['p99']:,.3f}",
                    "÷ base": "" if is_base else between(entry["ratio"]),
                    "Verdict": "" if is_base else judge_serving(panels, name, entry["ratio"]),
                }
            )
    return pd.DataFrame(lines).fillna("")


def views_lost(panels: Sequence[Panel], name: str) -> list[float]:
    """The simulated change of the page view rate against base, for every number of candidates and engine."""
    return [views_change(found, name) for *_, found in answers(panels) if name in found]


def views_change(found: dict[str, Any], name: str) -> float:
    """The same, for one number of candidates and engine."""
    return found[name]["answered"] / found["base"]["answered"] - 1


def response_times(panels: Sequence[Panel], name: str) -> list[tuple[float, str]]:
    """A model's median ratio to base's response time and its verdict, for every number of candidates and engine."""
    ratios = [found[name]["ratio"] for *_, found in answers(panels) if name in found]
    return [(ratio["p50"], judge_serving(panels, name, ratio)) for ratio in ratios]


def page_views(panels: Sequence[Panel]) -> pd.DataFrame:
    """The simulated change of the page view rate against base, and by how much engines differ."""
    lines = []
    for case, engine, found in answers(panels):
        if "not_run" in found:
            continue
        line = {"Candidates": case, "Engine": engine, "base answers": f"{found['base']['answered']:.2%}"}
        for name in ("apg", "v1"):
            if name in found:
                line[MODELS[name]] = signed(f"{views_change(found, name):+.2%}")
        lines.append(line | {"Logits differ by": f"{max(entry['differs_by'] for entry in found.values()):.0e}"})
    return pd.DataFrame(lines).fillna("")


def response(name: str) -> float:
    """A response time of the paper, as a ratio to base's."""
    ours, base = (paper.value("table10", "indusdata", "", model, "response_time") for model in (name, "base"))
    return ours / base


def judge_serving(panels: Sequence[Panel], name: str, ratio: dict[str, float]) -> str:
    """APG's claim is to take no more than the paper's ratio to base, v1's to take at least as much."""
    if is_quick(panels):
        return ""
    return cost_verdict(ratio["p10"], ratio["p90"], response(name), dearer=name == "v1")


def served_models(panels: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    """The models that were served and what they store; none without rows."""
    rows = cases(panels)
    return next(iter(rows.values()))["models"] if rows else {}


def printed_served(name: str) -> float:
    """The paper's memory of a served model's hidden layers, in M."""
    return paper.value("table10", "indusdata", "", name, "hidden_memory")


def served_ratio(panels: Sequence[Panel], name: str) -> tuple[float, float]:
    """Weights of a served model's hidden layers by base's: ours and the paper's."""
    models = served_models(panels)
    return models[name]["n_hidden"] / models["base"]["n_hidden"], printed_served(name) / printed_served("base")


def serving_memory(panels: Sequence[Panel]) -> pd.DataFrame:
    """Weights that are served: of the hidden layers, the paper's and ours, and of the whole model."""
    lines = []
    for name, entry in served_models(panels).items():
        ratio, expected = served_ratio(panels, name)
        lines.append(
            {
                "Model": MODELS[name],
                "Paper, M": f"{printed_served(name):,.2f}",
                "Ours, M": f"{SERVED_BYTES * entry['n_hidden'] / 1e6:,.2f}",
                "Paper ÷ base": figures(expected),
                "Ours ÷ base": figures(ratio),
                "Verdict": "" if name == "base" else judge(panels, exactly(ratio), expected),
                "Whole model, M": f"{SERVED_BYTES * entry['n_parameters'] / 1e6:,.1f}",
            }
        )
    return pd.DataFrame(lines)


def serving_figure(panels: Sequence[Panel]) -> Figure:
    """Median (dot) and 99th percentile (end of the line) of a request, in ms; a panel a number of candidates."""
    style()
    rows = cases(panels)
    measured = [case for case in CANDIDATES if case in rows]
    figure, axes = plt.subplots(1, max(1, len(measured)), figsize=(9, 3.4), sharex=True, sharey=True, squeeze=False)
    for axis, case in zip(axes[0], measured, strict=False):
        for engine, found in rows[case]["engines"].items():
            for name, entry in found.items() if "not_run" not in found else ():
                place = list(ENGINES).index(engine) + 0.25 * (list(MODELS).index(name) - 1)
                color = f"C{list(MODELS).index(name)}"
                axis.plot([entry["ms"]["p50"], entry["ms"]["p99"]], [place, place], color=color, lw=2)
                axis.plot(
                    entry["ms"]["p50"], place, "o", color=color, label=MODELS[name] if engine == "eager" else None
                )
        axis.set(xscale="log", xlabel="ms", title=case)
    axes[0][0].set_yticks(range(len(ENGINES)), list(ENGINES.values()))
    axes[0][0].invert_yaxis()
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncol=len(MODELS), frameon=False)
    plt.close(figure)
    return figure


# How fast is it


def rows_a_second(panels: Sequence[Panel]) -> pd.DataFrame:
    """Rows a second, as a share of the roofline, and as a multiple of the peer's."""
    lines, rows = [], cases(panels)
    for case in SPEED_THREADS:
        for name, entry in rows[case]["models"].items() if case in rows else ():
            if "not_run" in entry:
                lines.append(
                    {"Threads": threads(case, rows), "Model": CONTENDERS[name], "Rows a second": entry["not_run"]}
                )
                continue
            lines.append(
                {
                    "Threads": threads(case, rows),
                    "Model": CONTENDERS[name],
                    "Rows a second": between(entry["rows_a_second"]),
                    "Of the roofline": between(entry["of_roofline"]),
                    "× DeepCTR-Torch": between(entry["to_peer"]) if "to_peer" in entry else MISSING,
                }
            )
        if case in rows:
            roofline = between(rows[case]["roofline"])
            lines.append({"Threads": threads(case, rows), "Model": "roofline of base", "Rows a second": roofline})
    return pd.DataFrame(lines).fillna("")


def threads(case: str, rows: dict[str, dict[str, Any]]) -> str:
    """The case, and how many threads that was."""
    return f"{case} ({rows[case]['threads']})" if case == "all cores" else case


def products(panels: Sequence[Panel]) -> pd.DataFrame:
    """What bare matrix products reach: billions of operations a second."""
    rows = cases(panels)
    return pd.DataFrame(
        {"Threads": threads(case, rows), "Product": name, "GF/s": between(entry)}
        for case in SPEED_THREADS if case in rows
        for name, entry in rows[case]["sgemm"].items()
    )  # fmt: skip


def speed_figure(panels: Sequence[Panel]) -> Figure:
    """Left: rows a second beside the roofline. Right: milliseconds a step against the number of ids."""
    style()
    rows = cases(panels)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    place = 0
    for case in SPEED_THREADS:
        if case not in rows:
            continue
        first = place
        for name, entry in rows[case]["models"].items():
            if "rows_a_second" in entry:
                speed = entry["rows_a_second"]
                ends = [[speed["p50"] - speed["p10"]], [speed["p90"] - speed["p50"]]]
                color = f"C{list(CONTENDERS).index(name)}"
                label = CONTENDERS[name] if first == 0 else None
                left.bar(place, speed["p50"], yerr=ends, color=color, label=label, capsize=3)
                place += 1
        label = "roofline of base" if first == 0 else None
        left.hlines(rows[case]["roofline"]["p50"], first - 0.5, place - 0.5, color="black", label=label)
        left.text((first + place - 1) / 2, 0, case, ha="center", va="bottom", color="white", fontsize="small")
        place += 1
    left.set_xticks([])
    left.set(ylabel="rows a second")
    if left.has_data():
        left.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=2, frameon=False, fontsize="small")
    for place, how in enumerate(("adam", "row_adam")):
        steps = rows["ids"]["ids"] if "ids" in rows else {}
        curve = 1000 * np.array([[steps[n][how]["seconds"][p] for p in ("p10", "p50", "p90")] for n in steps])
        if len(curve):
            right.plot([int(n) for n in steps], curve[:, 1], "o-", color=f"C{place}", label=how)
            right.fill_between([int(n) for n in steps], curve[:, 0], curve[:, 2], color=f"C{place}", alpha=0.2)
    right.set(xscale="log", yscale="log", xlabel="ids of the user field", ylabel="ms a step")
    if right.has_data():
        right.legend(frameon=True, fontsize="small")
    plt.close(figure)
    return figure


def by_ids(panels: Sequence[Panel]) -> pd.DataFrame:
    """Milliseconds a step of base by the number of ids, dense Adam and row by row."""
    steps = cases(panels).get("ids", {"ids": {}})["ids"]
    return pd.DataFrame(
        {
            "Ids": f"{int(n):,}",
            "adam, ms": between(step["adam"]["seconds"], 1000),
            "row_adam, ms": between(step["row_adam"]["seconds"], 1000),
            "row_adam ÷ adam": between(step["row_adam"]["ratio"]),
        }
        for n, step in steps.items()
    )


def machine(panels: Sequence[Panel]) -> str:
    """What the rows were measured on; without rows, that nothing was."""
    rows = list(cases(panels).values())
    return (
        "not measured"
        if not rows
        else ", ".join(sorted({f"{row['device']}, {row['cores']} cores, torch {row['torch']}" for row in rows}))
    )


# All of them

SUMMARIES = {
    "table5": (claims, times, self_wise, crossings, memory),
    "table10": (serving, page_views, serving_memory),
    "speed": (rows_a_second, products, by_ids),
}


def summary(panel: Panel) -> dict[str, pd.DataFrame]:
    """The tables of a suite, by their titles."""
    return {table.__name__.replace("_", " "): table([panel]) for table in SUMMARIES[panel.suite.name]}
