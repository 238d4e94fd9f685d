"""What threads and devices change: test AUC with two threads, or on a GPU, less that with one thread on a CPU.

Imports no torch.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.threads.plan import THREADS, models
from apg_repro.report.devices import measured_devices, on_a
from apg_repro.report.tables import PROTOCOL_TITLES, Table, format_signed
from apg_repro.rows.evidence import Evidence

POINTS = 100.0
DECIMALS = 3  # of a difference in points


def measured(evidence: Evidence) -> Iterator[tuple[str, dict[Protocol, float], dict[Protocol, float], bool]]:
    """By model: AUC of one thread on a CPU, what two threads or this GPU add, and whether it is the same again.

    AUC and what is added are in points; "again" is the same number of threads on the same device.
    """
    few, many = map(str, THREADS)
    reference, other = evidence.on("cpu").measured, many if evidence.plan.device_kind == "cpu" else few
    for name in models(evidence.plan.profile, evidence.plan.dataset):
        if name not in reference or name not in evidence.measured:
            continue
        values = evidence.measured[name].values
        of_one: dict[Protocol, float] = {p: POINTS * reference[name].values["auc"][p][few] for p in PROTOCOLS}
        change: dict[Protocol, float] = {p: POINTS * values["auc"][p][other] - of_one[p] for p in PROTOCOLS}
        yield name, of_one, change, all(values["again"][p] == values["auc"][p][few] for p in PROTOCOLS)


def changes_table(evidence: Evidence) -> Table:
    """AUC with one thread on a CPU, and how much it changes with two, or on the GPU of this evidence."""
    lines = []
    is_cpu = evidence.plan.device_kind == "cpu"
    twice = "One thread, twice" if is_cpu else "GPU, twice"
    for name, of_one, change, is_same in measured(evidence):
        line: dict[str, str] = {"Model": name, twice: "the same" if is_same else "differs"}
        for protocol in of_one:
            title = PROTOCOL_TITLES[protocol]
            line[f"AUC, {title}"] = f"{of_one[protocol]:.2f}"
            line[f"Δ, {title}"] = format_signed(change[protocol], DECIMALS)
        lines.append(line)
    add = "two threads add" if is_cpu else "training on the GPU adds"
    caption = f"Test AUC in percent with one thread of a CPU; Δ: how many points {add}."
    return Table(pd.DataFrame(lines), f"{evidence.data.title}. {caption}")


def main_points(found: Sequence[Evidence]) -> list[str]:
    """Which model moves most, and by how much; and whether training twice gives the same."""
    texts = []
    for on in (device for evidence in found for device in measured_devices(evidence)):
        is_cpu = on.plan.device_kind == "cpu"
        lines = list(measured(on))
        moves = {name: max(map(abs, change.values())) for name, _, change, _ in lines}
        if not moves:
            continue
        first, *rest = sorted(moves, key=lambda name: -moves[name])
        what = "a second thread" if is_cpu else f"training {on_a(on)}"
        text = f"{on.data.title}: {what} moves the test AUC of {first} by {moves[first]:.{DECIMALS}f} points"
        text += f", and of no other model by more than {moves[rest[0]]:.{DECIMALS}f}." if rest else "."
        again = sum(is_same for *_, is_same in lines)
        where = "With one thread twice" if is_cpu else "On the GPU twice"
        texts += [text, f"{where}, {again} of {len(lines)} models give the same AUC to the last digit."]
    return texts


TABLES = (changes_table,)
