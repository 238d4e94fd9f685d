"""Where APG stands among other layers that depend on an instance. Imports no torch.

The paper compares with none of them, so there is no verdict: differences, their intervals, and on which side of 0
those lie.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape

import pandas as pd

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.comparators.plan import FLOORS, LAYERS, OURS, STEP
from apg_repro.labels import words_for
from apg_repro.report.comparison import Comparison, compare
from apg_repro.report.costs import measured_values, rounded
from apg_repro.report.devices import device_title, each_device, measured_devices
from apg_repro.report.short import by_side, sides_in_words
from apg_repro.report.statistics import Estimate, estimate, sides_after_holm
from apg_repro.report.tables import (
    MISSING,
    NBSP,
    PROTOCOL_TITLES,
    WHEN,
    Markup,
    Table,
    differences_table,
    format_chosen,
    format_difference,
    format_estimate,
    n_in_words,
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


def trained(found: Sequence[Evidence]) -> list[Evidence]:
    """The data sets on which something has been trained: of the others there may be times alone."""
    has_runs = [
        evidence for evidence in found
        if any(line.ours.n for protocol in PROTOCOLS for line in compare(evidence, protocol).values())
    ]  # fmt: skip
    return has_runs or list(found)


def layers_table(evidence: Evidence, protocol: Protocol) -> Table:
    """One line per layer or floor: AUC, its difference to tuned base, what was chosen, weights, and time."""
    rows = [line_of(evidence, line, protocol) for line in compare(evidence, protocol).values()]
    caption = (
        f"{title_of(evidence, protocol)}. Test AUC in percent, Δ against tuned base in points, ± 95 % confidence, "
        f"n seeds. Weights: those of the hidden layers. Time: of a training step relative to base's, both timed in "
        f"turn on one thread. {registration(evidence)}{note_on_first_epochs(evidence, evidence.cells, protocol)}"
    )
    return Table(without_empty_columns(pd.DataFrame(rows)), caption)


def line_of(evidence: Evidence, line: Comparison, protocol: Protocol) -> dict[str, str]:
    """A line of that table."""
    cell, found = line.cell, evidence.found(line.cell, protocol)
    return {
        "Layer": cell.title,
        "AUC": format_estimate(line.ours),
        "Δ": format_difference(line.difference) if line.difference.n else "",
        "Against": line.rival.title if line.rival else "",
        "n": n_in_words(line),
        "Chosen": format_chosen(line.chosen),
        "Weights": each_number(row.n_hidden for row in found),
        "As served": each_number(row.n_served for row in found),
    } | {f"Time, {device_title(on)}": relative_time(on, cell, found) for on in each_device(evidence)}


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


def relative_time(evidence: Evidence, cell: Cell, found: list[TrainedRow]) -> str:
    """The time of a training step relative to base's, with the conditions that were chosen."""
    layers = measured_values(evidence, STEP).get("layers", {})
    chosen = sorted({row.config.condition for row in found})
    return ", ".join(rounded(layers[cell.name][one]["ratio"]["p50"]) for one in chosen if layers) or MISSING


def own_step(evidence: Evidence) -> str:
    """The time of a training step of APG, self-wise, relative to base's; "" before it is measured."""
    layers = measured_values(evidence, STEP).get("layers", {})
    return rounded(layers[OURS]["self"]["ratio"]["p50"]) if layers else ""


def steps_table(found: Sequence[Evidence]) -> Table | Markup:
    """The time of a training step relative to base's, with every condition: one column per data set and device."""
    measured = {
        f"{on.data.title}, {device_title(on)}": values["layers"]
        for evidence in found
        for on in measured_devices(evidence)
        if (values := measured_values(on, STEP))
    }
    if not measured:
        return Markup("<p>No step has been timed yet.</p>")
    lines = [
        {"Layer": name}
        | {
            column: ", ".join(
                (f"{words_for(condition)}{NBSP}" if len(layers[name]) > 1 else "") + rounded(costs["ratio"]["p50"])
                for condition, costs in layers[name].items()
            )
            for column, layers in measured.items()
        }
        for name in next(iter(measured.values()))
    ]
    caption = (
        "Time of a training step relative to base's, both timed in turn on one thread: medians by condition, whether "
        "or not it was chosen. Static layers have no condition."
    )
    return Table(pd.DataFrame(lines), caption, wrap=True)


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
    """On which side of 0 APG's difference from each of the others lies after Holm's correction; HTML."""
    lines = {line.cell.name: line for line in compare(evidence, protocol).values()}
    if not lines[OURS].ours.n:
        plan = evidence.plan
        return f"not run; <code>{escape(command(evidence.suite.name, plan.profile, [plan.dataset], plan.seeds))}</code>"
    if not evidence.is_result:
        return QUICK
    found = {
        cell.name: estimate(evidence.between([evidence.cell(OURS)], [cell], protocol)) for cell in others(evidence)
    }
    sides = sides_after_holm(found)
    compared = {f"{name} ({format_difference(gap)})": sides[name] for name, gap in found.items() if gap.n}
    parts = by_side(compared)
    words = "; ".join(f"{side} {', '.join(names)}" for side, names in parts.items())
    missing = [name for name, line in lines.items() if not line.ours.n]
    text = f"after Holm's correction, APG is {words}" if words else "nothing to compare with was run"
    return text + (f". Not run: {', '.join(missing)}" if missing else "")


def above_base(found: Sequence[Evidence]) -> Markup:
    """Which layers and floors are shown above tuned base, after Holm's correction over the lines of a table."""
    if not all(evidence.is_result for evidence in found):
        return Markup(f"<p>{QUICK.capitalize()}.</p>")
    shown: dict[str, list[str]] = {}
    for evidence in found:
        for protocol in PROTOCOLS:
            for name, (difference, side) in over_tuned_base(evidence, protocol).items():
                if side > 0:
                    where = f"{evidence.data.title}, {PROTOCOL_TITLES[protocol]}: {format_difference(difference)}"
                    shown.setdefault(name, []).append(where)
    run = {name: sum(name in names_run(evidence) for evidence in found) for name in (*LAYERS, *FLOORS.values())}
    absent = [f"{name} (run on {n} of {len(found)})" for name, n in run.items() if name not in shown]
    parts = [f"{name} ({'; '.join(places)})" for name, places in shown.items()]
    text = f"Shown above tuned base after Holm's correction: {', '.join(parts) or 'nothing'}."
    text += f" Not shown above it on any data set: {', '.join(absent)}." if absent else ""
    return Markup(f"<p>{escape(text)}</p>")


def over_tuned_base(evidence: Evidence, protocol: Protocol) -> dict[str, tuple[Estimate, int]]:
    """The difference of each line that was run from tuned base, and its side of 0 after Holm's correction."""
    lines = {line.cell.name: line.difference for line in compare(evidence, protocol).values() if line.difference.n}
    sides = sides_after_holm(lines)
    return {name: (difference, sides[name]) for name, difference in lines.items()}


def main_points(found: Sequence[Evidence]) -> list[str]:
    """On which data sets APG is above tuned base, and on which below, after Holm's correction, by protocol."""
    texts = []
    for protocol in PROTOCOLS:
        sides: dict[str, int] = {}
        for evidence in found:
            if ours := over_tuned_base(evidence, protocol).get(OURS):
                gain, side = ours
                sides[f"{evidence.data.title} ({format_difference(gain)}, n = {gain.n})"] = side
        if sides:
            texts.append(f"{WHEN[protocol]}, APG is {sides_in_words(sides, 'tuned base')}.")
    return texts


def names_run(evidence: Evidence) -> set[str]:
    """The layers that have been run here."""
    return {name for protocol in PROTOCOLS for (_, name), line in compare(evidence, protocol).items() if line.ours.n}


TABLES = (versus_table,)
