"""Table 7: the data sets, counted. Imports no torch."""

import math
from collections.abc import Callable, Sequence

import pandas as pd

from apg_repro.catalogue import CATALOGUE, data_set
from apg_repro.paper import numbers as paper
from apg_repro.report.costs import measured_values
from apg_repro.report.tables import MISSING, Table
from apg_repro.rows.evidence import Evidence

COUNTS = ("rows", "users", "items")


def counts_table(found: Sequence[Evidence]) -> Table:
    """What the paper counts in each of its data sets and what we count, followed by the other data sets counted here.

    "Reproduced" is the very same number.
    """
    ours = {evidence.plan.dataset: measured_values(evidence) for evidence in found if evidence.measured}
    printed = [name for name, entry in CATALOGUE.items() if entry.kind in ("real", "private") and is_printed(name)]
    lines = []
    for dataset in dict.fromkeys([*printed, *ours]):
        entry = data_set(dataset)
        for count in COUNTS:
            theirs, counted = printed_count(dataset, count), ours.get(dataset, {}).get(count)
            lines.append(
                {
                    "Data set": entry.title,
                    "Count": count,
                    "Paper": MISSING if math.isnan(theirs) else f"{theirs:,.0f}",
                    "Ours": entry.absent if counted is None else f"{counted:,}",
                    "Verdict": judge_count(theirs, counted),
                }
            )
    return Table(pd.DataFrame(lines), "What the paper counts, and what we count in our copy.")


def unseen_table(found: Sequence[Evidence]) -> Table:
    """How many test rows have an id that training does not see, seed by seed."""
    lines = [
        {"Data set": evidence.data.title, "Seed": seed}
        | {name[0].upper() + name[1:]: f"{count:,}" for name, count in counts.items()}
        for evidence in found
        if evidence.measured
        for seed, counts in measured_values(evidence).get("unseen", {}).items()
    ]
    return Table(pd.DataFrame(lines), "Test rows whose user or item is in no training row of the same seed.")


def main_points(found: Sequence[Evidence]) -> list[str]:
    """How many of the paper's counts are ours, one sentence per data set of which we have a copy."""
    texts = []
    for evidence in found:
        printed = {count: printed_count(evidence.plan.dataset, count) for count in COUNTS}
        printed = {count: theirs for count, theirs in printed.items() if not math.isnan(theirs)}
        if printed and evidence.measured:
            ours = measured_values(evidence)
            n_same = sum(ours[count] == theirs for count, theirs in printed.items())
            counted = ", ".join(f"{ours[count]:,} {count}" for count in printed)
            texts.append(
                f"Our copy of {evidence.data.title} has {counted}: {n_same} of the paper's {len(printed)} counts are "
                "the very same."
            )
    return texts


def printed_count(dataset: str, count: str) -> float:
    """The paper's count; NaN where it prints none."""
    return paper.value("table7", data_set(dataset).paper, "", "", count)


def is_printed(dataset: str) -> bool:
    """Whether the paper counts a data set."""
    return not all(math.isnan(printed_count(dataset, count)) for count in COUNTS)


def judge_count(theirs: float, ours: int | None) -> str:
    """The verdict on a count: the very same number is reproduced; "" where the paper prints none."""
    if math.isnan(theirs):
        return ""
    if ours is None:
        return "not run"
    return "reproduced" if theirs == ours else "contradicted"


TABLES: tuple[Callable[[Evidence], Table], ...] = (
    lambda evidence: counts_table([evidence]),
    lambda evidence: unseen_table([evidence]),
)
