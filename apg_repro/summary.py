"""The tables of a suite as plain text, for the command line. Imports no torch."""

import pandas as pd

from apg_repro import report
from apg_repro.pages import cost, counts, domains, layers, serving, speed, users
from apg_repro.report import Panel
from apg_repro.suites import PROTOCOLS

COSTS = {
    "table5": (cost.claims, cost.times, cost.self_wise, cost.crossings, cost.memory),
    "table10": (serving.table, serving.page_views, serving.memory),
    "speed": (speed.rows_a_second, speed.products, speed.by_ids),
}


def summary(panel: Panel) -> str:
    """What the suite's page shows in tables."""
    return "\n\n".join(f"{title}\n{table.to_string(index=False)}".strip() for title, table in tables(panel).items())


def tables(panel: Panel) -> dict[str, pd.DataFrame]:
    """The same as tables, by their titles."""
    match panel.suite.name:
        case "table7":
            return {"": counts.table([panel])}
        case "table6_memory":
            return {"": domains.memory(panel)}
        case "figure1":
            return {"distributions": users.distances(panel), "models": users.transfer(panel)}
        case "table1":
            return {kind: layers.formulas(panel, kind) for kind in layers.FORMULAS}
        case "table5" | "table10" | "speed" as name:
            return {table.__name__.replace("_", " "): table(panel) for table in COSTS[name]}
        case _:
            return {
                report.PROTOCOL_TITLES[protocol]: report.shown(report.comparison(panel, protocol))
                for protocol in PROTOCOLS
            }
