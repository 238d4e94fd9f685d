"""Table 1: what a layer costs, by formula and by count."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from apg_repro import complexity
from apg_repro.complexity import BESIDE, BIASES, COMPUTATION, MEMORY, evaluate, is_lower_order, total
from apg_repro.figures import style
from apg_repro.report import Panel
from apg_repro.report_cost import rounded
from apg_repro.suites import formula_verdict

Cost = Literal["multiplications", "weights"]
FORMULAS: dict[Cost, Any] = {"multiplications": COMPUTATION, "weights": MEMORY}


def layers(panel: Panel) -> list[dict[str, Any]]:
    """The counted layers; none without a row. ``weights`` are parameters that are no biases."""
    found = panel.rows[0]["layers"] if panel.rows else []
    return [layer | {"weights": layer["parameters"] - layer["biases"]} for layer in found]


def formulas(panel: Panel, cost: Cost) -> pd.DataFrame:
    """Table 1's formulas of a cost, each judged on every layer of its version, and what they leave out."""
    lines = []
    for version, biases in BIASES.items():
        formula = total(FORMULAS[cost], version)
        found = [layer for layer in layers(panel) if layer["version"] == version]
        if cost == "multiplications":
            beside = BESIDE.get(version, "")
            more = {"Verdict": judge(formula, beside, found, "multiplications"), "Layers": len(found)}
        else:
            more = {"Verdict": judge(formula, biases, found, "parameters")}
            more["Leaves out: biases"] = biases
        lines.append({"Version": version, "Table 1": formula} | more)
    return pd.DataFrame(lines)


def judge(formula: str, left_out: str, found: Sequence[dict[str, Any]], counted: str) -> str:
    """The verdict on a formula; "not run" without layers."""
    if not found:
        return "not run"
    return formula_verdict(
        [evaluate(formula, layer) for layer in found],
        [evaluate(left_out, layer) for layer in found],
        [layer[counted] for layer in found],
        is_lower_order=is_lower_order(left_out, formula),
    )


def square_layers(panel: Panel, cost: Cost) -> pd.DataFrame:
    """Layers with N = M: the value of the formula, and what is counted."""
    lines = []
    for layer in layers(panel):
        if layer["part"] == "square" and layer["version"] in BIASES:
            formula = evaluate(total(FORMULAS[cost], layer["version"]), layer)
            if cost == "multiplications":
                more = {
                    "Counted": f"{layer[cost]:,}",
                    "In training": f"{layer['training']:,}",
                    "Training ÷ inference": f"{layer['training'] / layer[cost]:.2f}",
                }
            else:
                more = {
                    "Counted": f"{layer['parameters']:,}",
                    "Biases": f"{layer['biases']:,}",
                    "MB": megabytes(layer["parameters"]),
                    "Generated a batch, MB": megabytes(1024 * layer["generated"]),
                }
            lines.append({"N = M": f"{layer['N']:,}", "Version": layer["version"], "Table 1": f"{formula:,}"} | more)
    return pd.DataFrame(lines)


def megabytes(numbers: int) -> str:
    """The size of so many float32 numbers, in units of 10^6 bytes."""
    size = 4 * numbers / 1e6
    return f"{size:,.0f}" if size >= 100 else f"{size:.3g}"


def over_parameterised(panel: Panel) -> pd.DataFrame:
    """Layers with N = M of v5 in training: what they add, and whether their folds cost what v4 costs."""
    found = [layer for layer in layers(panel) if layer["part"] == "square"]
    costs = {(layer["version"], layer["N"], layer.get("P")): layer for layer in found}
    lines = []
    for (version, n, p), layer in costs.items():
        if version != "v5":
            continue
        base, v4, folded = costs["base", n, None], costs["v4", n, None], costs["v5 folded", n, p]
        same = all(folded[name] == v4[name] for name in ("multiplications", "a_batch", "parameters"))
        lines.append(
            {
                "N = M": f"{n:,}",
                "P": p,
                "Folded = v4: verdict": "holds exactly" if same else "does not hold",
                "Multiplications a batch": f"{layer['a_batch']:,}",
                "Weights": f"{layer['weights']:,}",
                "÷ v4's": f"{layer['weights'] / v4['weights']:.0f}",
                "÷ base's": f"{layer['weights'] / base['weights']:.2f}",
            }
        )
    return pd.DataFrame(lines)


def wdl_costs(panel: Panel, cost: Cost) -> pd.Series:
    """What WDL's three hidden layers cost together, by condition, version and K; empty without rows."""
    found = pd.DataFrame([layer for layer in layers(panel) if layer["part"] == "WDL"])
    if found.empty:
        return pd.Series(dtype=int)
    return found.groupby(["condition", "version", "K"], dropna=False)[cost].sum()


def share_of_base(panel: Panel, version: str, cost: Cost) -> float:
    """What these layers cost with K = 4 and one embedding as the condition, by static ones; NaN without rows."""
    totals = wdl_costs(panel, cost)
    return math.nan if totals.empty else totals["group", version, 4] / totals["group", "base"].iloc[0]


def relative_costs(panel: Panel, cost: Cost) -> pd.DataFrame:
    """WDL's three hidden layers together: what each version costs against static ones, by K and condition."""
    totals = wdl_costs(panel, cost)
    if totals.empty:
        return pd.DataFrame()
    lines = []
    for condition, title in (("group", "one embedding"), ("self", "self-wise")):
        base = totals[condition, "base"].iloc[0]
        for version in COMPUTATION:
            if version != "base":
                by_rank = totals[condition, version]
                cells = {f"K = {k:.0f}" if k == k else "any K": rounded(value / base) for k, value in by_rank.items()}
                lines.append({"Condition": title, "Version": version} | cells)
    return pd.DataFrame(lines).fillna("")


def break_even_figure() -> Figure:
    """The largest K with which a layer of N = M costs less than a static one, by width and size of the condition."""
    style()
    fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    widths = [2**power for power in range(5, 13)]
    conditions: list[int | None] = [8, 32, 128, None]  # None: self-wise
    palette = sns.color_palette("colorblind", len(conditions))
    for axis, (cost, columns) in zip(axes, FORMULAS.items(), strict=True):
        for version, dashes in (("v4", "-"), ("v3", "--")):
            for d, colour in zip(conditions, palette, strict=True):
                formula = total(columns, version)
                found = [complexity.break_even(formula, {"N": n, "M": n, "D": d or n}) for n in widths]
                label = f"{version}, {f'D = {d}' if d else 'self-wise, D = M'}"
                axis.plot(widths, found, dashes, marker="o", ms=3, color=colour, label=label)
        axis.axhspan(2, 8, color="black", alpha=0.08, lw=0, label="the paper's K")
        axis.set_xscale("log", base=2)
        axis.set_yscale("symlog", base=2, linthresh=1)
        axis.set_xticks(widths, widths, fontsize=9)
        axis.set(title=cost, xlabel="width of the layer, N = M", ylim=(-0.1, 2048))
    axes[0].set_yticks([0, *(2**power for power in range(11))], ["none", *(2**power for power in range(11))])
    axes[0].set_ylabel("largest K that costs less than static")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=9, frameon=True)
    plt.close(fig)
    return fig
