"""Tables and figures of what is measured without training: Figure 1's users, Table 1's layers. Imports no torch."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from apg_repro import complexity
from apg_repro.complexity import BESIDE, BIASES, COMPUTATION, MEMORY, evaluate, is_lower_order, total
from apg_repro.figures import style
from apg_repro.report import Panel, signed
from apg_repro.suites import difference_verdict, formula_verdict, verdict

WHAT = {"rate": "CTR", "thinned_rate": "CTR, rows thinned"}
# The paper's claims. Rates over all rows differ by their noise alone, so the claim is judged on thinned rows.
CLAIMS: dict[str, Literal["differ", "alike"]] = {"thinned_rate": "differ", "trait": "alike"}
TRAIT = {"movielens": "age", "synthetic": "group"}
AGES = ("under 18", "18–24", "25–34", "35–44", "45–49", "50–55", "56+")
WAYS = {"same_size": "any", "same_items": "of equal items"}
Cost = Literal["multiplications", "weights"]
FORMULAS: dict[Cost, Any] = {"multiplications": COMPUTATION, "weights": MEMORY}


def contrasts(panel: Panel) -> list[dict[str, Any]]:
    """Both groups of users compared, the shares that decide the verdicts first; none without a row."""
    return panel.rows[0]["contrasts"] if panel.rows else []


def is_result(panel: Panel) -> bool:
    """Whether there are verdicts: not on a quick number, nor on made-up users."""
    return panel.plan.profile == "full" and panel.plan.dataset != "synthetic"


def groups(panel: Panel) -> pd.DataFrame:
    """Who is cold and who is active."""
    return pd.DataFrame(
        {
            "Users": f"{name}: the {share(contrast)} with the {'fewest' if name == 'cold' else 'most'} rows",
            "How many": f"{group['users']:,}",
            "Rows a user": f"{group['fewest']:,} to {group['most']:,}",
            "Rows": f"{group['rows']:,}",
            "Mean CTR": f"{100 * group['mean_rate']:.1f} %",
        }
        for contrast in contrasts(panel)
        for name, group in contrast["groups"].items()
    )


def share(contrast: dict[str, Any]) -> str:
    """Which part of the users a group is."""
    return {0.25: "quarter", 0.1: "tenth"}[contrast["share"]]


def distances(panel: Panel) -> pd.DataFrame:
    """How far the two groups' distributions are apart; the paper's claims are judged on the first contrast."""
    lines = []
    for number, contrast in enumerate(contrasts(panel)):
        for what, found in contrast["distances"].items():
            claim = CLAIMS.get(what)
            judged = claim if number == 0 and is_result(panel) else None
            lines.append(
                {
                    "Groups": f"{share(contrast)}s",
                    "Of": WHAT.get(what, TRAIT[panel.plan.dataset]),
                    "Paper": claim or "",
                    "Verdict": difference_verdict(judged, **found) if judged else "",
                    "Distance": f"{found['distance']:.3f}",
                    "Chance": f"{found['chance']:.3f}",
                    "95 % interval": f"{found['low']:.3f} to {found['high']:.3f}",
                }
            )
    return pd.DataFrame(lines)


def histograms_figure(panel: Panel) -> Figure:
    """The shares of cold and active users by rate, by rate with rows thinned, and by trait."""
    style()
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4))
    colours = dict(zip(("cold", "active"), sns.color_palette("colorblind", 2), strict=True))
    histograms = contrasts(panel)[0]["histograms"] if panel.rows else {}
    for axis, (what, pair) in zip(axes, histograms.items(), strict=False):  # empty axes without a row
        for shift, (name, counts) in zip((-0.2, 0.2), pair.items(), strict=True):
            places = np.arange(len(counts))
            axis.bar(places + shift, 100 * np.array(counts) / sum(counts), 0.4, color=colours[name], label=name, lw=0)
        if what == "trait":
            trait = TRAIT[panel.plan.dataset]
            labels = AGES if trait == "age" else range(len(places))
            axis.set_xticks(places, labels, rotation=45 if trait == "age" else 90, ha="right", fontsize=9)
            axis.set(title=trait[:1].upper() + trait[1:])
        else:
            bins = len(places)
            axis.set_xticks(np.arange(0, bins + 1, 2) - 0.5, [f"{edge / bins:.1f}" for edge in range(0, bins + 1, 2)])
            axis.set(title=WHAT[what], xlabel="share of positives of a user")
        axis.grid(axis="x", visible=False)
    axes[0].set_ylabel("users of the group, percent")
    if panel.rows:
        axes[0].legend(frameon=True)
    plt.close(figure)
    return figure


def transfer(panel: Panel) -> pd.DataFrame:
    """Test AUC of a logistic model of the same group, and of the other one."""
    lines = []
    for way, pairs in panel.rows[0]["transfer"].items() if panel.rows else ():
        for name in ("cold", "active", "both"):
            own, other = (100 * value for value in pairs[name]["values"])
            gain, low, high = (100 * pairs[name][key] for key in ("difference", "low", "high"))
            judged = (way, name) == ("same_items", "both") and is_result(panel)
            lines.append(
                {
                    "Rows": WAYS[way],
                    "Test": {"both": "mean"}.get(name, name),
                    "Own": f"{own:.2f}",
                    "Other's": f"{other:.2f}",
                    "Own − other": signed(f"{gain:+.2f}"),
                    "95 %": signed(f"{low:+.2f} to {high:+.2f}"),
                    "Verdict": verdict(low, gain, +1) if judged else "",
                }
            )
    return pd.DataFrame(lines)


def rates(panel: Panel) -> pd.DataFrame:
    """The share of positives of cold and active users, over all items and over equal ones."""
    lines = []
    for way, pairs in panel.rows[0]["transfer"].items() if panel.rows else ():
        (cold, active), gap = pairs["rate"]["values"], pairs["rate"]
        lines.append(
            {
                "Rows": WAYS[way],
                "CTR of cold": f"{100 * cold:.1f} %",
                "CTR of active": f"{100 * active:.1f} %",
                "Difference, points": signed(f"{100 * gap['difference']:+.1f}"),
                "95 %": signed(f"{100 * gap['low']:+.1f} to {100 * gap['high']:+.1f}"),
            }
        )
    return pd.DataFrame(lines)


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
                cells = {f"K = {k:.0f}" if k == k else "any K": times(value / base) for k, value in by_rank.items()}
                lines.append({"Condition": title, "Version": version} | cells)
    return pd.DataFrame(lines).fillna("")


def times(ratio: float) -> str:
    """A ratio with three digits or so."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2f}"


def break_even_figure() -> Figure:
    """The largest K with which a layer of N = M costs less than a static one, by width and size of the condition."""
    style()
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
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
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=9, frameon=True)
    plt.close(figure)
    return figure
