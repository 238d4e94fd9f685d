"""What the notebook on a user's own data opens: an answer that is made now, or the committed example."""

from pathlib import Path
from typing import Any

from apg_repro.paths import RESULTS
from apg_repro.yours import verdict

EXAMPLE = RESULTS / "yours" / "renttherunway.json"


def open(source: str, label: str, minutes: float) -> dict[str, Any]:  # noqa: A001 (page.open)
    """The answer for a file, made or read from its work folder; without a file, that of the committed example.

    Args:
        source: the file; "" for the example.
        label: the column to predict.
        minutes: for the search and the seeds.

    Raises:
        UserError: see ``trying.try_apg``.
    """
    if not source:
        return verdict.load(EXAMPLE)
    from apg_repro.yours.trying import Request, try_apg  # trains, so it needs torch and the extra [try]

    command = ["apg", "try", source, "--label", label, "--minutes", f"{minutes:g}"]
    return try_apg(Request(file=Path(source), label=label, minutes=minutes), command) or {}
