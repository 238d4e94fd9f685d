"""What threads change: test AUC with two threads less that with one. Imports no torch."""

from collections.abc import Iterator, Sequence

import pandas as pd

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.threads.plan import THREADS, models
from apg_repro.report.tables import PROTOCOL_TITLES, Table, format_signed
from apg_repro.rows.evidence import Evidence

POINTS = 100.0
DECIMALS = 3  # of a difference in points


def measured(evidence: Evidence) -> Iterator[tuple[str, dict[Protocol, float], dict[Protocol, float], bool]]:
    """By model: AUC of one thread, what two add to it, both in points; and whether one thread gives the same again."""
    few, many = map(str, THREADS)
    for name in models(evidence.plan.profile, evidence.plan.dataset):
        if name in evidence.measured:
            values = evidence.measured[name].values
            found: dict[Protocol, dict[str, float]] = {p: values["auc"][p] for p in PROTOCOLS if p in values["auc"]}
            of_one: dict[Protocol, float] = {p: POINTS * auc[few] for p, auc in found.items()}
            change: dict[Protocol, float] = {p: POINTS * (auc[many] - auc[few]) for p, auc in found.items()}
            yield name, of_one, change, all(values["again"][p] == auc[few] for p, auc in found.items())


def threads_table(evidence: Evidence) -> Table:
    """AUC with one thread, and how much it changes with two."""
    lines = []
    for name, of_one, change, is_same in measured(evidence):
        line: dict[str, str] = {"Model": name, "One thread, twice": "the same" if is_same else "differs"}
        for protocol in of_one:
            title = PROTOCOL_TITLES[protocol]
            line[f"AUC, {title}"] = f"{of_one[protocol]:.2f}"
            line[f"Δ, {title}"] = format_signed(change[protocol], DECIMALS)
        lines.append(line)
    caption = "Test AUC in percent with one thread; Δ: how many points two threads add."
    return Table(pd.DataFrame(lines).fillna(""), f"{evidence.data.title}. {caption}")


def main_points(found: Sequence[Evidence]) -> list[str]:
    """Which model moves most, and by how much; and whether one thread gives the same twice."""
    texts = []
    for evidence in found:
        lines = list(measured(evidence))
        moves = {name: max(map(abs, change.values())) for name, _, change, _ in lines}
        if not moves:
            continue
        first, *rest = sorted(moves, key=lambda name: -moves[name])
        most = f"{moves[first]:.{DECIMALS}f} points"
        text = f"{evidence.data.title}: a second thread moves the test AUC of {first} by {most}"
        text += f", and of no other model by more than {moves[rest[0]]:.{DECIMALS}f}." if rest else "."
        again = sum(is_same for *_, is_same in lines)
        texts += [text, f"With one thread twice, {again} of {len(lines)} models give the same AUC to the last digit."]
    return texts


TABLES = (threads_table,)
