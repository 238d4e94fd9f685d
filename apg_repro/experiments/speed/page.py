"""How fast is it: rows per second, and a step's cost by the number of ids. Imports no torch."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from apg_repro.config import OptimizerName
from apg_repro.experiments.speed.plan import ALL_CORES, IDS, TRAINED
from apg_repro.report.costs import format_spread, measured_values, rounded
from apg_repro.report.devices import device_title, measured_devices
from apg_repro.report.figures import Picture, drawn
from apg_repro.report.tables import MISSING, Table
from apg_repro.rows.evidence import Evidence

CONTENDERS = {"base": "base", "v5": "v5", "v5, fused": "v5, fused", "peer": "DeepCTR-Torch"}
OPTIMIZERS: dict[OptimizerName, str] = {"adam": "Adam", "row_adam": "Adam row by row"}
OVER_ROUNDS = "Median, and in brackets the 10th and 90th percentile over rounds."


def trained(evidence: Evidence) -> dict[str, Mapping[str, Any]]:
    """What was measured of training: with one thread and with all cores, or on a GPU."""
    return {case: measured_values(evidence, case) for case in TRAINED if case in evidence.measured}


def trained_anywhere(evidence: Evidence) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What was measured of training on each kind of device, and what a table calls it."""
    for on in measured_devices(evidence):
        for case, values in trained(on).items():
            yield threads_title(on, case), values


def rows_table(evidence: Evidence) -> Table:
    """Rows per second, as a share of the roofline, and as a multiple of the peer's."""
    lines = []
    for where, values in trained_anywhere(evidence):
        for name, entry in values["models"].items():
            line = {"Measured with": where, "Model": CONTENDERS[name]}
            if "not_run" in entry:
                lines.append(line | {"Rows per second": entry["not_run"]})
                continue
            lines.append(
                line
                | {
                    "Rows per second": format_spread(entry["rows_a_second"]),
                    "Of the roofline": format_spread(entry["of_roofline"]),
                    "× DeepCTR-Torch": format_spread(entry["to_peer"]) if "to_peer" in entry else MISSING,
                }
            )
        roofline = format_spread(values["roofline"])
        lines.append({"Measured with": where, "Model": "roofline of base", "Rows per second": roofline})
    caption = f"{evidence.data.title}; {machine(evidence)}. Rows per second in training. {OVER_ROUNDS}"
    return Table(pd.DataFrame(lines).fillna(""), caption)


def main_points(found: Sequence[Evidence]) -> list[str]:
    """How fast base trains, beside the roofline and the peer: one sentence per number of threads or device."""
    texts = []
    for evidence in found:
        for where, values in trained_anywhere(evidence):
            entry = values["models"]["base"]
            if "not_run" in entry:
                continue
            parts = [f"{rounded(entry['of_roofline']['p50'])} times the roofline"]
            if "to_peer" in entry:
                parts.append(f"{rounded(entry['to_peer']['p50'])} times {CONTENDERS['peer']}")
            speed = rounded(entry["rows_a_second"]["p50"])
            texts.append(f"Measured with {where}, base trains {speed} rows per second: {' and '.join(parts)}.")
    return texts


def threads_title(evidence: Evidence, case: str) -> str:
    """The case, and how many threads that was."""
    return f"{case} ({evidence.measured[case].origin.threads})" if case == ALL_CORES else case


def products_table(evidence: Evidence) -> Table:
    """What bare matrix products reach: billions of operations per second."""
    lines = [
        {"Measured with": where, "Product": name, "GF/s": format_spread(entry)}
        for where, values in trained_anywhere(evidence)
        for name, entry in values["sgemm"].items()
    ]
    caption = "Bare matrix products, (rows × inner) by (inner × columns), in billions of operations per second."
    return Table(pd.DataFrame(lines), f"{evidence.data.title}. {caption}")


@drawn
def speed_figure(evidence: Evidence) -> Picture:
    """One kind of device. Left: rows per second and the roofline. Right: milliseconds per step against the ids."""
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    draw_rows(left, evidence)
    draw_steps(right, evidence)
    words = [
        f"{case}: "
        + ", ".join(
            f"{CONTENDERS[name]} {entry['rows_a_second']['p50']:,.0f}"
            for name, entry in values["models"].items()
            if "rows_a_second" in entry
        )
        for case, values in trained(evidence).items()
    ]
    return Picture(
        fig,
        f"{evidence.data.title}. Left: rows per second, and the roofline of base. Right: milliseconds per step "
        "against the number of ids. Medians, 10th and 90th percentiles.",
        f"Rows per second. {'; '.join(words)}." if words else "Not run.",
    )


def draw_rows(axis: Axes, evidence: Evidence) -> None:
    """Rows per second: one group of bars per number of threads, under its roofline."""
    place, middles = 0, {}
    for case, values in trained(evidence).items():
        first = place
        for name, entry in values["models"].items():
            if "rows_a_second" in entry:
                speed = entry["rows_a_second"]
                ends = [[speed["p50"] - speed["p10"]], [speed["p90"] - speed["p50"]]]
                colour = f"C{list(CONTENDERS).index(name)}"
                label = CONTENDERS[name] if first == 0 else ""
                axis.bar(place, speed["p50"], yerr=ends, color=colour, label=label, capsize=3)
                place += 1
        label = "roofline of base" if first == 0 else ""
        axis.hlines(values["roofline"]["p50"], first - 0.5, place - 0.5, color="black", label=label)
        middles[(first + place - 1) / 2] = case
        place += 1
    axis.set_xticks(list(middles), list(middles.values()))
    axis.tick_params(axis="x", length=0)
    axis.grid(visible=False, axis="x")
    axis.yaxis.set_major_formatter("{x:,.0f}")
    axis.set(ylabel=f"rows per second, {device_title(evidence)}")
    if axis.has_data():
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=2, frameon=False, fontsize="small")


def draw_steps(axis: Axes, evidence: Evidence) -> None:
    """Milliseconds per step against the number of ids, one line per optimiser."""
    steps = steps_by_ids(evidence)
    for place, optimizer in enumerate(OPTIMIZERS):
        curve = 1000 * np.array(
            [[step[optimizer]["seconds"][end] for end in ("p10", "p50", "p90")] for step in steps.values()]
        )
        if len(curve):
            axis.plot(list(steps), curve[:, 1], "o-", color=f"C{place}", label=OPTIMIZERS[optimizer])
            axis.fill_between(list(steps), curve[:, 0], curve[:, 2], color=f"C{place}", alpha=0.2)
    axis.set(xscale="log", yscale="log", xlabel="ids of the user field", ylabel="ms per step")
    if axis.has_data():
        axis.legend(frameon=True, fontsize="small")


def steps_by_ids(evidence: Evidence) -> dict[int, Mapping[str, Any]]:
    """What a step costs by the number of ids; {} if it was not measured."""
    return {int(n): step for n, step in measured_values(evidence, IDS).get("ids", {}).items()}


def ids_table(evidence: Evidence) -> Table:
    """Milliseconds per step of base by the number of ids, dense Adam and row by row."""
    lines = [
        {
            "Ids": f"{n:,}",
            "Adam, ms": format_spread(step["adam"]["seconds"], 1000),
            "By row, ms": format_spread(step["row_adam"]["seconds"], 1000),
            "By row ÷ Adam": format_spread(step["row_adam"]["ratio"]),
        }
        for n, step in steps_by_ids(evidence).items()
    ]
    caption = "Milliseconds per step by the number of ids of the user field."
    caption = f"{evidence.data.title}, {device_title(evidence)}. {caption}"
    return Table(pd.DataFrame(lines), caption)


def machine(evidence: Evidence) -> str:
    """What the rows were measured on; without rows, that nothing was."""
    origins = [row.origin for on in measured_devices(evidence) for row in on.measured.values()]
    found = dict.fromkeys(f"{origin.device}, {origin.cores} cores, torch {origin.torch}" for origin in origins)
    return "; ".join(found) or "not measured"


TABLES = (rows_table, products_table, ids_table)
