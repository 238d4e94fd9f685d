"""Committed counts are those of today's code, exactly, wherever the data are prepared."""

from importlib import import_module

import numpy as np
import pytest

from apg_repro.catalogue import how_to_prepare, is_prepared
from apg_repro.data.dataset import load
from apg_repro.experiments.figure1 import measure as figure1
from apg_repro.rows.row import MeasuredRow
from apg_repro.rows.store import Store

COUNTED = ("table1", "table6", "table7")


def committed(name: str) -> list[MeasuredRow]:
    store = Store()
    return [row for row in store.read(store.measured_path("full", name)) if isinstance(row, MeasuredRow)]


def skip_unless_prepared(name: str) -> None:
    if not is_prepared(name):
        pytest.skip(f"{name} is not prepared: {how_to_prepare(name)}")


@pytest.mark.parametrize("name", [*COUNTED, "figure1"])
def test_there_are_committed_counts(name):
    assert committed(name)


@pytest.mark.parametrize("row", [row for name in COUNTED for row in committed(name)],
                         ids=lambda row: f"{row.measurement.name}-{row.dataset}")  # fmt: skip
def test_a_count_is_what_it_was(row):
    skip_unless_prepared(row.dataset)
    found = import_module(f"apg_repro.experiments.{row.measurement.name}.measure").measure(row.measurement)
    values = {name: value for name, value in found.items() if name != "data"}
    if "layers" in values:  # a version that was added since is counted with the next measurement
        known = {layer["version"] for layer in row.values["layers"]}
        values["layers"] = [layer for layer in values["layers"] if layer["version"] in known]
    assert values == row.values


@pytest.mark.parametrize("row", committed("figure1"), ids=lambda row: row.dataset)
def test_the_distances_of_figure_1_are_what_they_were(row):
    """Its models across groups take minutes; ``run figure1 --again`` compares those."""
    skip_unless_prepared(row.dataset)
    draws = figure1.DRAWS[row.measurement.profile]
    found = figure1.contrasts(load(row.dataset), draws, np.random.default_rng(figure1.SEED))
    assert found == row.values["contrasts"]
