"""Table 10: response times, memory and page views of what is served."""

from collections.abc import Iterator
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from apg_repro import paper
from apg_repro.figures import style
from apg_repro.report import Panel, signed
from apg_repro.report_cost import between, cases, exactly, judge, rounded
from apg_repro.suites import CANDIDATES, cost_verdict

MODELS = {"base": "base", "apg": "v5, folded", "v1": "v1"}
ENGINES = {"eager": "torch", "compiled": "torch.compile", "onnx": "ONNX Runtime"}
SERVED_BYTES = 4


def answers(panel: Panel) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Candidates a request, engine, and its models; or why the engine was not run."""
    rows = cases(panel)
    for case in CANDIDATES:
        for engine, title in ENGINES.items():
            if case in rows and engine in rows[case]["engines"]:
                yield f"{CANDIDATES[case]:,}", title, rows[case]["engines"][engine]


def table(panel: Panel) -> pd.DataFrame:
    """Milliseconds a request by number of candidates, engine and model; ratios to base."""
    lines = []
    for case, engine, found in answers(panel):
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
                    "Verdict": "" if is_base else judge_serving(panel, name, entry["ratio"]),
                }
            )
    return pd.DataFrame(lines).fillna("")


def views_lost(panel: Panel, name: str) -> list[float]:
    """The simulated change of the page view rate against base, for every number of candidates and engine."""
    return [views_change(found, name) for *_, found in answers(panel) if name in found]


def views_change(found: dict[str, Any], name: str) -> float:
    """The same, for one number of candidates and engine."""
    return found[name]["answered"] / found["base"]["answered"] - 1


def response_times(panel: Panel, name: str) -> list[tuple[float, str]]:
    """A model's median ratio to base's response time and its verdict, for every number of candidates and engine."""
    ratios = [found[name]["ratio"] for *_, found in answers(panel) if name in found]
    return [(ratio["p50"], judge_serving(panel, name, ratio)) for ratio in ratios]


def page_views(panel: Panel) -> pd.DataFrame:
    """The simulated change of the page view rate against base, and by how much engines differ."""
    lines = []
    for case, engine, found in answers(panel):
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


def judge_serving(panel: Panel, name: str, ratio: dict[str, float]) -> str:
    """APG's claim is to take no more than the paper's ratio to base, v1's to take at least as much."""
    if not panel.is_result:
        return ""
    return cost_verdict(ratio["p10"], ratio["p90"], response(name), dearer=name == "v1")


def served_models(panel: Panel) -> dict[str, dict[str, Any]]:
    """The models that were served and what they store; none without rows."""
    rows = cases(panel)
    return next(iter(rows.values()))["models"] if rows else {}


def printed_served(name: str) -> float:
    """The paper's memory of a served model's hidden layers, in M."""
    return paper.value("table10", "indusdata", "", name, "hidden_memory")


def served_ratio(panel: Panel, name: str) -> tuple[float, float]:
    """Weights of a served model's hidden layers by base's: ours and the paper's."""
    models = served_models(panel)
    return models[name]["n_hidden"] / models["base"]["n_hidden"], printed_served(name) / printed_served("base")


def memory(panel: Panel) -> pd.DataFrame:
    """Weights that are served: of the hidden layers, the paper's and ours, and of the whole model."""
    lines = []
    for name, entry in served_models(panel).items():
        ratio, expected = served_ratio(panel, name)
        lines.append(
            {
                "Model": MODELS[name],
                "Paper, M": f"{printed_served(name):,.2f}",
                "Ours, M": f"{SERVED_BYTES * entry['n_hidden'] / 1e6:,.2f}",
                "Paper ÷ base": rounded(expected),
                "Ours ÷ base": rounded(ratio),
                "Verdict": "" if name == "base" else judge(panel, exactly(ratio), expected),
                "Whole model, M": f"{SERVED_BYTES * entry['n_parameters'] / 1e6:,.1f}",
            }
        )
    return pd.DataFrame(lines)


def figure(panel: Panel) -> Figure:
    """Median (dot) and 99th percentile (end of the line) of a request, in ms; a panel a number of candidates."""
    style()
    rows = cases(panel)
    measured = [case for case in CANDIDATES if case in rows]
    fig, axes = plt.subplots(1, max(1, len(measured)), figsize=(9, 3.4), sharex=True, sharey=True, squeeze=False)
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
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside upper center", ncol=len(MODELS), frameon=False)
    plt.close(fig)
    return fig
