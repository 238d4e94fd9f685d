"""Where APG stands among other layers that depend on an instance. Imports no torch.

The paper compares with none of them, so there is no verdict: differences, their intervals, and on which side of 0
those lie.
"""

from collections import defaultdict
from collections.abc import Iterable
from html import escape
from statistics import median

import pandas as pd

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.comparators.plan import OURS
from apg_repro.report.comparison import Comparison, compare
from apg_repro.report.statistics import estimate
from apg_repro.report.tables import (
    MISSING,
    Markup,
    Table,
    differences_table,
    format_chosen,
    format_difference,
    format_estimate,
    note_on_first_epochs,
    title_of,
    without_empty_columns,
)
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.row import TrainedRow
from apg_repro.suite import Cell, command

QUICK = "a quick run decides nothing"


def others(evidence: Evidence) -> list[Cell]:
    """All that APG is compared with."""
    return [cell for cell in evidence.cells if cell.name != OURS]


def layers_table(evidence: Evidence, protocol: Protocol) -> Table:
    """One line per layer or floor: AUC, its difference to tuned base, what was chosen, weights, and time."""
    rows = [line_of(evidence, line, protocol) for line in compare(evidence, protocol).values()]
    caption = (
        f"{title_of(evidence, protocol)}. Test AUC in percent, Δ against tuned base in points, ± 95 % confidence, "
        f"n seeds. Weights of the hidden layers. Time of an epoch relative to base, on the same machine. "
        f"{registration(evidence)}{note_on_first_epochs(evidence, evidence.cells, protocol)}"
    )
    return Table(without_empty_columns(pd.DataFrame(rows)), caption)


def line_of(evidence: Evidence, line: Comparison, protocol: Protocol) -> dict[str, str]:
    """A line of that table."""
    cell, found = line.cell, evidence.found(line.cell, protocol)
    is_other = line.reference is not None and line.reference.name != cell.against
    return {
        "Layer": cell.title,
        "AUC": format_estimate(line.ours),
        "Δ": format_difference(line.difference) if line.difference.n else "",
        "Against": line.reference.title if line.reference and is_other else "",
        "n": f"{line.ours.n}" + (f" ({line.n_diverged} diverged)" if line.n_diverged else ""),
        "Chosen": format_chosen(line.chosen),
        "Weights": each_number(row.n_hidden for row in found),
        "As served": each_number(row.n_served for row in found),
        "Time ÷ base": relative_time(found, evidence.found(evidence.cell("base"), protocol)),
    }


def registration(evidence: Evidence) -> str:
    """When which line was added, in a sentence."""
    names: dict[str, list[str]] = defaultdict(list)
    for cell in evidence.cells:
        names[cell.registered].append(cell.name)
    parts = [f"{reason}: {', '.join(of_it)}" for reason, of_it in names.items()]
    return f"Added {'; '.join(parts)}."


def each_number(values: Iterable[int]) -> str:
    """A count that all rows have; several, if the cell has models of several sizes."""
    return ", ".join(f"{value:,}" for value in sorted(set(values))) or MISSING


def relative_time(ours: list[TrainedRow], base: list[TrainedRow]) -> str:
    """The median epoch of some runs relative to base's, where both ran on one machine in the same way."""
    found, reference = by_machine(ours), by_machine(base)
    ratios = [median(found[machine]) / median(reference[machine]) for machine in found if machine in reference]
    return f"{median(ratios):.2f}" if ratios else MISSING


def by_machine(rows: list[TrainedRow]) -> dict[tuple[object, ...], list[float]]:
    """The seconds of every epoch, by machine, threads and torch."""
    found: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for row in rows:
        origin = row.origin
        machine = (origin.device, origin.cores, origin.memory_gb, origin.threads, origin.torch)
        found[machine] += [entry["seconds"] for entry in row.history]
    return found


def versus_table(evidence: Evidence) -> Table:
    """APG less each of the others."""
    return differences_table(evidence, {f"APG − {cell.name}": (OURS, cell.name) for cell in others(evidence)})


def answer(evidence: Evidence) -> Markup:
    """Where APG stands, in words made from the rows."""
    lines = "".join(
        f"<li>{title_of(evidence, protocol)}: {standing(evidence, protocol)}.</li>" for protocol in PROTOCOLS
    )
    return Markup(f"<ul>{lines}</ul>")


def standing(evidence: Evidence, protocol: Protocol) -> str:
    """On which side of 0 APG's difference from each of the others lies; HTML."""
    lines = {line.cell.name: line for line in compare(evidence, protocol).values()}
    if not lines[OURS].ours.n:
        plan = evidence.plan
        return f"not run; <code>{escape(command(evidence.suite.name, plan.profile, [plan.dataset], plan.seeds))}</code>"
    if not evidence.is_result:
        return QUICK
    sides: dict[str, list[str]] = {"above": [], "below": [], "not told apart from": []}
    for cell in others(evidence):
        found = estimate(evidence.between([evidence.cell(OURS)], [cell], protocol))
        if found.n:
            side = "above" if found.is_above else "below" if found.is_below else "not told apart from"
            sides[side].append(f"{cell.name} ({format_difference(found)})")
    told = "; ".join(f"{side} {', '.join(names)}" for side, names in sides.items() if names)
    missing = [name for name, line in lines.items() if not line.ours.n]
    words = f"by the interval of the difference, APG is {told}" if told else "nothing to compare with was run"
    return words + (f". Not run: {', '.join(missing)}" if missing else "")


TABLES = (versus_table,)
