"""Table 1: what a layer costs, by formula and by count. Imports no torch."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from apg_repro.experiments.table1.plan import D_CONDITION, RANK, RANKS, folded
from apg_repro.paper.complexity import break_even, evaluate, is_lower_order, total
from apg_repro.report.costs import measured_values, rounded
from apg_repro.report.figures import Picture, drawn
from apg_repro.report.tables import Table
from apg_repro.rows.evidence import Evidence
from apg_repro.versions import PAPER_VERSIONS

Cost = Literal["multiplications", "weights"]
COSTS: tuple[Cost, ...] = get_args(Cost)
FormulaVerdict = Literal["holds exactly", "holds up to lower-order terms", "does not hold", "not run"]

IN_TABLE_1 = tuple(name for name, entry in PAPER_VERSIONS.items() if entry.in_table_1)
CONDITIONS = {"group": "one embedding", "self": "self-wise"}
BATCH = 1024


def formula(version: str, cost: Cost) -> str:
    """Table 1's formula of a cost."""
    entry = PAPER_VERSIONS[version]
    return total(entry.computation if cost == "multiplications" else entry.memory)


def formula_verdict(
    formula: Sequence[int], left_out: Sequence[int], counted: Sequence[int], *, is_lower_order: bool
) -> FormulaVerdict:
    """The rule for a formula of Table 1.

    Args:
        formula: its value, layer by layer.
        left_out: the value of what it leaves out.
        counted: what the layers have.
        is_lower_order: whether all that it leaves out is of lower order.
    """
    if list(counted) == list(formula):
        return "holds exactly"
    whole = [value + more for value, more in zip(formula, left_out, strict=True)]
    return "holds up to lower-order terms" if is_lower_order and list(counted) == whole else "does not hold"


def layers(evidence: Evidence) -> list[dict[str, Any]]:
    """The counted layers; none without a row. ``weights`` are parameters that are not biases."""
    found = measured_values(evidence).get("layers", [])
    return [layer | {"weights": layer["parameters"] - layer["biases"]} for layer in found]


def formula_verdicts(evidence: Evidence, cost: Cost) -> dict[str, FormulaVerdict]:
    """The verdict on each version's formula of a cost; "not run" without layers."""
    counted = layers(evidence)
    return {
        version: judge_formula(version, cost, [layer for layer in counted if layer["version"] == version])
        for version in IN_TABLE_1
    }


def judge_formula(version: str, cost: Cost, found: Sequence[Mapping[str, Any]]) -> FormulaVerdict:
    """The verdict on a version's formula of a cost, from all counted layers of the version."""
    if not found:
        return "not run"
    entry, whole = PAPER_VERSIONS[version], formula(version, cost)
    left_out, counted = (
        (entry.extra_multiplications, cost) if cost == "multiplications" else (entry.biases, "parameters")
    )
    return formula_verdict(
        [evaluate(whole, layer) for layer in found],
        [evaluate(left_out, layer) for layer in found],
        [layer[counted] for layer in found],
        is_lower_order=is_lower_order(left_out, whole),
    )


def formulas_table(evidence: Evidence, cost: Cost) -> Table:
    """Table 1's formulas of a cost, each judged on every layer of its version, and what they leave out."""
    counted = layers(evidence)
    lines = []
    for version, verdict in formula_verdicts(evidence, cost).items():
        line: dict[str, Any] = {"Version": version, "Table 1": formula(version, cost), "Verdict": verdict}
        if cost == "multiplications":
            line["Layers"] = sum(layer["version"] == version for layer in counted)
        else:
            line["Leaves out: biases"] = PAPER_VERSIONS[version].biases
        lines.append(line)
    return Table(pd.DataFrame(lines), f"Table 1's formulas for {cost}, compared with our layers.")


def square_table(evidence: Evidence, cost: Cost) -> Table:
    """Layers with N = M: the value of the formula, and what is counted."""
    lines = []
    for layer in layers(evidence):
        if layer["part"] != "square" or layer["version"] not in IN_TABLE_1:
            continue
        line = {
            "N = M": f"{layer['N']:,}",
            "Version": layer["version"],
            "Table 1": f"{evaluate(formula(layer['version'], cost), layer):,}",
        }
        if cost == "multiplications":
            line |= {
                "Counted": f"{layer['multiplications']:,}",
                "In training": f"{layer['training']:,}",
                "Training ÷ inference": f"{layer['training'] / layer['multiplications']:.2f}",
            }
        else:
            line |= {
                "Counted": f"{layer['parameters']:,}",
                "Biases": f"{layer['biases']:,}",
                "MB": format_float32(layer["parameters"]),
                "Generated per batch, MB": format_float32(BATCH * layer["generated"]),
            }
        lines.append(line)
    return Table(pd.DataFrame(lines), f"{cost.capitalize()} of a layer with D = {D_CONDITION}, K = {RANK}.")


def format_float32(n: int) -> str:
    """How large n float32 numbers are, in units of 10^6 bytes."""
    size = 4 * n / 1e6
    return f"{size:,.0f}" if size >= 100 else f"{size:.3g}"


def over_parameterised_table(evidence: Evidence) -> Table:
    """Layers with N = M of v5 in training: what they add, and whether folded ones cost what v4 costs."""
    square = [layer for layer in layers(evidence) if layer["part"] == "square"]
    costs = {(layer["version"], layer["N"], layer.get("P")): layer for layer in square}
    lines = []
    for (version, n, p), layer in costs.items():
        if version != "v5":
            continue
        base, v4, served = costs["base", n, None], costs["v4", n, None], costs[folded(version), n, p]
        same = all(served[name] == v4[name] for name in ("multiplications", "a_batch", "parameters"))
        lines.append(
            {
                "N = M": f"{n:,}",
                "P": p,
                "Folded = v4: verdict": "holds exactly" if same else "does not hold",
                "Multiplications per batch": f"{layer['a_batch']:,}",
                "Weights": f"{layer['weights']:,}",
                "÷ v4": f"{layer['weights'] / v4['weights']:.0f}",
                "÷ base": f"{layer['weights'] / base['weights']:.2f}",
            }
        )
    return Table(pd.DataFrame(lines), f"v5 in training, D = {D_CONDITION}, K = {RANK}.")


def wdl_costs(evidence: Evidence, cost: Cost) -> pd.Series:
    """What WDL's three hidden layers cost together, by condition, version and K; empty without rows."""
    found = pd.DataFrame([layer for layer in layers(evidence) if layer["part"] == "WDL"])
    if found.empty:
        return pd.Series(dtype=int)
    return found.groupby(["condition", "version", "K"], dropna=False)[cost].sum()


def share_of_base(evidence: Evidence, version: str, cost: Cost) -> float:
    """The cost of these layers relative to static ones, with ``RANK`` and one embedding; NaN without rows."""
    totals = wdl_costs(evidence, cost)
    return math.nan if totals.empty else totals["group", version, RANK] / totals["group", "base"].iloc[0]


def relative_costs_table(evidence: Evidence, cost: Cost) -> Table:
    """WDL's three hidden layers together: the cost of each version relative to static ones, by K and condition."""
    totals = wdl_costs(evidence, cost)
    lines = []
    for condition, title in CONDITIONS.items() if not totals.empty else ():
        base = totals[condition, "base"].iloc[0]
        for version in IN_TABLE_1:
            if version == "base" or (condition, version) not in totals:
                continue  # a version may have been added since the layers were counted
            by_rank = totals[condition, version]
            cells = {f"K = {k:.0f}" if k == k else "any K": rounded(value / base) for k, value in by_rank.items()}
            lines.append({"Condition": title, "Version": version} | cells)
    caption = f"{evidence.data.title}. WDL's hidden layers: {cost} relative to static layers, without biases."
    return Table(pd.DataFrame(lines).fillna(""), caption)


@drawn
def break_even_figure() -> Picture:
    """The largest K with which a layer of N = M costs less than a static one, by width and size of the condition."""
    fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    widths = [2**power for power in range(5, 13)]
    conditions: list[int | None] = [8, 32, 128, None]  # None: self-wise
    palette = sns.color_palette("colorblind", len(conditions))
    for axis, cost in zip(axes, COSTS, strict=True):
        for version, dashes in (("v4", "-"), ("v3", "--")):
            for d, colour in zip(conditions, palette, strict=True):
                found = [break_even(formula(version, cost), {"N": n, "M": n, "D": d or n}) for n in widths]
                label = f"{version}, {f'D = {d}' if d else 'self-wise, D = M'}"
                axis.plot(widths, found, dashes, marker="o", ms=3, color=colour, label=label)
        axis.axhspan(min(RANKS), max(RANKS), color="black", alpha=0.08, lw=0, label="the paper's K")
        axis.set_xscale("log", base=2)
        axis.set_yscale("symlog", base=2, linthresh=1)
        axis.set_xticks(widths, widths, fontsize=9)
        axis.set(title=cost, xlabel="width of the layer, N = M", ylim=(-0.1, 2048))
    axes[0].set_yticks([0, *(2**power for power in range(11))], ["none", *(2**power for power in range(11))])
    axes[0].set_ylabel("largest K that costs less than static")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=9, frameon=True)
    words = []
    for cost in COSTS:
        for version in ("v4", "v3"):
            ends = [break_even(formula(version, cost), {"N": n, "M": n, "D": n}) for n in (widths[0], widths[-1])]
            words.append(f"{cost}, {version}: {ends[0]:.0f} at width {widths[0]}, {ends[1]:.0f} at width {widths[-1]}")
    return Picture(
        fig, "The largest K with which a layer costs less than a static one, by its width and the size D of its "
        "condition.",
        f"The largest K, self-wise. {'; '.join(words)}.",
    )  # fmt: skip


TABLES = (
    *(partial(make, cost=cost) for make in (formulas_table, square_table) for cost in COSTS),
    over_parameterised_table,
    *(partial(relative_costs_table, cost=cost) for cost in COSTS),
)
