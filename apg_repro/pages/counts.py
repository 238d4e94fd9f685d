"""Table 7: the data sets, counted."""

import math
from collections.abc import Sequence

import pandas as pd

from apg_repro import paper
from apg_repro.report import DATASET_TITLES, MISSING, NO_DATA, Panel


def table(panels: Sequence[Panel]) -> pd.DataFrame:
    """What the paper counts in each data set, and what we count."""
    ours = {row["dataset"]: row for panel in panels for row in panel.measured}
    printed = paper.numbers().query("table == 'table7'")
    lines = []
    for dataset in [*dict.fromkeys(printed["dataset"]), *(name for name in ours if name == "synthetic")]:
        for count in ("rows", "users", "items"):
            theirs, found = paper.value("table7", dataset, "", "", count), ours.get(dataset, {}).get(count)
            lines.append(
                {
                    "Data set": DATASET_TITLES[dataset],
                    "Count": count,
                    "Paper": MISSING if math.isnan(theirs) else f"{theirs:,.0f}",
                    "Ours": NO_DATA[dataset] if found is None else f"{found:,}",
                    "Verdict": "" if math.isnan(theirs)
                    else "not run" if found is None else "reproduced" if theirs == found else "not reproduced",
                }
            )  # fmt: skip
    return pd.DataFrame(lines)
