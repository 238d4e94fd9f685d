"""The encodings of MovieLens, and which of them the paper's base may have had."""

import pandas as pd

from apg_repro import paper
from apg_repro.report import MISSING, Panel, estimate


def table(panel: Panel) -> pd.DataFrame:
    """Base after one epoch on every encoding of MovieLens: weights of the hidden layers, and AUC."""
    lines = []
    for cell in panel.cells:
        rows = panel.found(cell, "one_epoch")
        lines.append(
            {
                "Encoding": cell.variant,
                "Weights of the hidden layers": f"{rows[0]['n_hidden']:,}" if rows else MISSING,
                "Paper AUC": f"{paper.value('table2', panel.plan.dataset, 'WDL', 'base'):.2f}",
                "Our AUC": str(estimate(list(panel.by_seed(cell, "one_epoch").values()))),
                "n": len(rows),
            }
        )
    return pd.DataFrame(lines)
