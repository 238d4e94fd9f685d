"""Evidence made from what was measured, and lines of the tables that pages make from it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from apg_repro.config import Profile
from apg_repro.experiments import get_suite
from apg_repro.report.tables import Table
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Plan
from tests.conftest import measured_of


def measured_evidence(
    name: str, cases: Mapping[str, Mapping[str, Any]], *, dataset: str = "", profile: Profile = "full"
) -> Evidence:
    """A suite whose measurements gave these values, by case; on the first of its data sets if none is named."""
    return measured_of(name, cases, Plan(profile=profile, dataset=dataset or get_suite(name).datasets[0], seeds=(1, 2)))


def on_both(cpu: Evidence, gpu: Evidence) -> Evidence:
    """What was measured on a CPU and on a GPU, in one; the second is made as if it were on a CPU, too."""
    rows = {
        case: replace(
            row,
            measurement=replace(row.measurement, device_kind="cuda"),
            origin=replace(row.origin, device="a GPU"),
        )
        for case, row in gpu.measured.items()
    }
    return replace(cpu, elsewhere={"cuda": rows})


def line_of(table: Table, **wanted: Any) -> dict[Any, Any]:
    """The one line of a table whose columns have these values."""
    (found,) = [line for line in table.data.to_dict("records") if all(line[name] == wanted[name] for name in wanted)]
    return found
