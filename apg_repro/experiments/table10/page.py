"""Table 10: response times, memory and page views of what is served. Imports no torch."""

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from apg_repro.experiments.table10.plan import CANDIDATES
from apg_repro.paper import numbers as paper
from apg_repro.report.costs import (
    Spread,
    cost_verdict,
    exactly,
    format_spread,
    judge_cost,
    measured_values,
    rounded,
)
from apg_repro.report.devices import device_title
from apg_repro.report.figures import Picture, drawn
from apg_repro.report.tables import Table, format_signed
from apg_repro.rows.evidence import Evidence

TITLES = {"base": "base", "apg": "v5, folded", "v1": "v1"}
ENGINES = {"eager": "torch", "compiled": "torch.compile", "graph": "torch, CUDA graph", "onnx": "ONNX Runtime"}
SERVED_BYTES = 4  # per weight: no moments


def answers(evidence: Evidence) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Candidates per request, engine, and its models; or why the engine was not run."""
    for case, n in CANDIDATES.items():
        engines = measured_values(evidence, case).get("engines", {})
        for engine, title in ENGINES.items():
            if engine in engines:
                yield f"{n:,}", title, engines[engine]


def response_table(evidence: Evidence) -> Table:
    """Milliseconds per request by number of candidates, engine and model; ratios to base."""
    lines = []
    for candidates, engine, models in answers(evidence):
        if "not_run" in models:
            lines.append({"Candidates": candidates, "Engine": engine, "Model": models["not_run"]})
            continue
        for name, entry in models.items():
            is_base = name == "base"
            lines.append(
                {
                    "Candidates": candidates,
                    "Engine": engine,
                    "Model": TITLES[name],
                    "Verdict": "" if is_base else judge_response(evidence, name, entry["ratio"]),
                    "÷ base": "" if is_base else format_spread(entry["ratio"]),
                    "Median": rounded(entry["ms"]["p50"]),
                    "99th": rounded(entry["ms"]["p99"]),
                }
            )
    caption = "Milliseconds per request, median and 99th percentile; ratios to base in the same engine."
    return Table(pd.DataFrame(lines).fillna(""), f"{device_title(evidence)}. {caption}")


def views_lost(evidence: Evidence, name: str) -> list[float]:
    """The simulated change of the page view rate relative to base, for every number of candidates and engine."""
    return [views_change(models, name) for *_, models in answers(evidence) if name in models]


def views_change(models: Mapping[str, Any], name: str) -> float:
    """The simulated change of the page view rate relative to base, for one number of candidates and engine."""
    return models[name]["answered"] / models["base"]["answered"] - 1


def response_times(evidence: Evidence, name: str) -> list[tuple[float, str]]:
    """A model's median ratio to base's response time and its verdict, for every number of candidates and engine."""
    ratios = [models[name]["ratio"] for *_, models in answers(evidence) if name in models]
    return [(ratio["p50"], judge_response(evidence, name, ratio)) for ratio in ratios]


def views_table(evidence: Evidence) -> Table:
    """The simulated change of the page view rate relative to base, and by how much engines differ."""
    lines = []
    for candidates, engine, models in answers(evidence):
        if "not_run" in models:
            continue
        line = {"Candidates": candidates, "Engine": engine, "base answers": f"{100 * models['base']['answered']:.2f} %"}
        for name, title in TITLES.items():
            if name in models and name != "base":
                line[title] = format_signed(100 * views_change(models, name), 2, " %")
        apart = max(entry["differs_by"] for entry in models.values())
        lines.append(line | {"Logits differ by": f"{apart:.0e}" if apart else "0"})
    caption = "Share of requests that base answers in time, simulated, and its change with APG and v1."
    return Table(pd.DataFrame(lines).fillna(""), f"{device_title(evidence)}. {caption}")


def printed_response(name: str) -> float:
    """The paper's response time of a model relative to base."""
    ours, base = (paper.value("table10", "indusdata", "", model, "response_time") for model in (name, "base"))
    return ours / base


def judge_response(evidence: Evidence, name: str, ratio: Spread) -> str:
    """APG's claim is to take no more than the paper's ratio to base, v1's to take at least as much."""
    if not evidence.is_result:
        return ""
    return cost_verdict(ratio["p10"], ratio["p90"], printed_response(name), claims_increase=name == "v1")


def served_models(evidence: Evidence) -> Mapping[str, Mapping[str, int]]:
    """The models that were served and what they store; none without rows."""
    found = (measured_values(evidence, case)["models"] for case in CANDIDATES if case in evidence.measured)
    return next(found, {})


def printed_served(name: str) -> float:
    """The paper's memory of a served model's hidden layers, in M."""
    return paper.value("table10", "indusdata", "", name, "hidden_memory")


def served_ratio(evidence: Evidence, name: str) -> tuple[float, float]:
    """Weights of a served model's hidden layers relative to base: ours and the paper's."""
    models = served_models(evidence)
    return models[name]["n_hidden"] / models["base"]["n_hidden"], printed_served(name) / printed_served("base")


def memory_table(evidence: Evidence) -> Table:
    """Weights that are served: of the hidden layers, the paper's and ours, and of the whole model."""
    lines = []
    for name, entry in served_models(evidence).items():
        ratio, expected = served_ratio(evidence, name)
        lines.append(
            {
                "Model": TITLES[name],
                "Paper ÷ base": rounded(expected),
                "Ours ÷ base": rounded(ratio),
                "Verdict": "" if name == "base" else judge_cost(evidence, exactly(ratio), expected),
                "Paper, M": f"{printed_served(name):,.2f}",
                "Ours, M": f"{SERVED_BYTES * entry['n_hidden'] / 1e6:,.2f}",
                "Whole model, M": f"{SERVED_BYTES * entry['n_parameters'] / 1e6:,.1f}",
            }
        )
    caption = (
        f"Weights of the hidden layers, the paper's and ours at {SERVED_BYTES} bytes each; and of our whole model, "
        "with embeddings."
    )
    return Table(pd.DataFrame(lines), caption)


@drawn
def response_figure(evidence: Evidence) -> Picture:
    """Median (dot) and 99th percentile (end of the line) of a request, in ms; axes per number of candidates."""
    measured = [case for case in CANDIDATES if case in evidence.measured]
    engines = {name: None for case in measured for name in measured_values(evidence, case)["engines"]}
    shown = [name for name in ENGINES if name in engines] or list(ENGINES)
    fig, axes = plt.subplots(1, max(1, len(measured)), figsize=(9, 3.4), sharex=True, sharey=True, squeeze=False)
    for axis, case in zip(axes[0], measured, strict=False):
        for engine, models in measured_values(evidence, case)["engines"].items():
            for name, entry in models.items() if "not_run" not in models else ():
                row, place = shown.index(engine), list(TITLES).index(name)
                height, colour = row + 0.25 * (place - 1), f"C{place}"
                label = TITLES[name] if engine == "eager" else None
                axis.plot([entry["ms"]["p50"], entry["ms"]["p99"]], [height, height], color=colour, lw=2)
                axis.plot(entry["ms"]["p50"], height, "o", color=colour, label=label)
        axis.set(xscale="log", xlabel="ms", title=case)
    axes[0][0].set_yticks(range(len(shown)), [ENGINES[name] for name in shown])
    axes[0][0].set_ylabel(device_title(evidence))
    axes[0][0].invert_yaxis()
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncol=len(TITLES), frameon=False)
    words = [
        f"{case}, {ENGINES[engine]}: "
        + ", ".join(f"{TITLES[name]} {entry['ms']['p50']:.2f}" for name, entry in models.items())
        for case in measured
        for engine, models in measured_values(evidence, case)["engines"].items()
        if "not_run" not in models
    ]
    return Picture(
        fig,
        f"{evidence.data.title}. Milliseconds per request: the dot is the median, the line ends at the 99th "
        "percentile.",
        f"Medians in ms. {'; '.join(words)}." if words else "Not run.",
    )


TABLES = (response_table, views_table, memory_table)
