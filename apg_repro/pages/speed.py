"""How fast is it: rows a second, and a step's cost against the number of ids."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from apg_repro.figures import style
from apg_repro.report import MISSING, Panel
from apg_repro.report_cost import between, cases
from apg_repro.suites import SPEED_THREADS

CONTENDERS = {"base": "base", "v5": "v5", "peer": "DeepCTR-Torch"}


def rows_a_second(panel: Panel) -> pd.DataFrame:
    """Rows a second, as a share of the roofline, and as a multiple of the peer's."""
    lines, rows = [], cases(panel)
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


def products(panel: Panel) -> pd.DataFrame:
    """What bare matrix products reach: billions of operations a second."""
    rows = cases(panel)
    return pd.DataFrame(
        {"Threads": threads(case, rows), "Product": name, "GF/s": between(entry)}
        for case in SPEED_THREADS if case in rows
        for name, entry in rows[case]["sgemm"].items()
    )  # fmt: skip


def figure(panel: Panel) -> Figure:
    """Left: rows a second beside the roofline. Right: milliseconds a step against the number of ids."""
    style()
    rows = cases(panel)
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    place, middles = 0, {}
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
        middles[(first + place - 1) / 2] = case
        place += 1
    left.set_xticks(list(middles), list(middles.values()))
    left.tick_params(axis="x", length=0)
    left.grid(visible=False, axis="x")
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
    plt.close(fig)
    return fig


def by_ids(panel: Panel) -> pd.DataFrame:
    """Milliseconds a step of base by the number of ids, dense Adam and row by row."""
    steps = cases(panel).get("ids", {"ids": {}})["ids"]
    return pd.DataFrame(
        {
            "Ids": f"{int(n):,}",
            "adam, ms": between(step["adam"]["seconds"], 1000),
            "row_adam, ms": between(step["row_adam"]["seconds"], 1000),
            "row_adam ÷ adam": between(step["row_adam"]["ratio"]),
        }
        for n, step in steps.items()
    )


def machine(panel: Panel) -> str:
    """What the rows were measured on; without rows, that nothing was."""
    rows = list(cases(panel).values())
    return (
        "not measured"
        if not rows
        else ", ".join(sorted({f"{row['device']}, {row['cores']} cores, torch {row['torch']}" for row in rows}))
    )
