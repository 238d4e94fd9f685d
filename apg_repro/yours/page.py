"""What the notebook on a user's own data opens: an answer that is made now, or the committed example."""

import warnings
from pathlib import Path
from typing import Any

from tqdm import TqdmWarning

from apg_repro.paths import RESULTS
from apg_repro.report.style import show_style
from apg_repro.yours import verdict

EXAMPLE = RESULTS / "yours" / "renttherunway.json"


def open(source: str, label: str, minutes: float) -> dict[str, Any]:  # noqa: A001 (page.open)
    """The answer for a file, made or read from its work folder; without a file, that of the committed example.

    In Jupyter, tables get the book's colours from here on.

    Args:
        source: the file; "" for the example.
        label: the column to predict.
        minutes: for the search and the seeds.

    Raises:
        UserError: see ``trying.try_apg``.
    """
    show_style()
    if not source:
        return verdict.load(EXAMPLE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # of Optuna's bars, which need ipywidgets and are not shown here
        from apg_repro.yours.trying import Request, try_apg  # trains, so it needs torch and the extra [try]

    command = ["apg", "try", source, "--label", label, "--minutes", f"{minutes:g}"]
    return try_apg(Request(file=Path(source), label=label, minutes=minutes), command) or {}
