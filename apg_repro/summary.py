"""The tables of a suite as plain text, for the command line. Imports no torch."""

from apg_repro import report, report_cost, report_data
from apg_repro.report import Panel
from apg_repro.suites import PROTOCOLS


def summary(panel: Panel) -> str:
    """What the suite's page shows in tables."""
    match panel.suite.name:
        case "table7":
            tables = {"": report.counts([panel])}
        case "encodings":
            tables = {"": report.encodings(panel)}
        case "figure1":
            tables = {"distributions": report_data.distances(panel), "models": report_data.transfer(panel)}
        case "table1":
            tables = {cost: report_data.formulas(panel, cost) for cost in report_data.FORMULAS}
        case "table5" | "table10" | "speed":
            tables = report_cost.summary(panel)
        case _:
            tables = {
                report.PROTOCOL_TITLES[protocol]: report.shown(report.comparison(panel, protocol))
                for protocol in PROTOCOLS
            }
    return "\n\n".join(f"{title}\n{table.to_string(index=False)}".strip() for title, table in tables.items())
