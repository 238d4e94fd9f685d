"""Our account of the paper's memory, on numbers worked out by hand."""

import math
import re

import numpy as np
import pytest

from apg_repro.paper import memory, numbers
from apg_repro.paper.consistency import PUBLIC
from apg_repro.paper.memory import Shape, parameters


def test_parameters_are_those_of_the_layers():
    """One layer of 3 inputs and 5 outputs, K = 2, D = 4, by hand."""
    shape = Shape(inputs=3, hidden="5", rank=2, d_condition=4)
    assert parameters("base", shape) == 15 + 5
    assert parameters("v1", shape) == 15 * 5 + 5
    assert parameters("v2", shape) == (10 + 4 + 6) * 5 + 5
    assert parameters("v4", shape) == 10 + 6 + 4 * 5 + 5
    assert parameters("v4", Shape(inputs=3, hidden="5", rank=2, d_condition=None, bias=False)) == 10 + 6 + 4 * 3


@pytest.mark.parametrize("version", ["base", "v1", "v2", "v4"])
def test_parameters_are_what_the_modules_have(version):
    from apg_repro.nn.apg import ApgV1, ApgV2, ApgV4
    from apg_repro.nn.dense import StaticDense

    make = {
        "base": StaticDense,
        "v1": lambda i, o: ApgV1(i, o, d_condition=4),
        "v2": lambda i, o: ApgV2(i, o, rank=2, d_condition=4),
        "v4": lambda i, o: ApgV4(i, o, rank=2, d_condition=4),
    }[version]
    shape = Shape(inputs=7, hidden="6-5", rank=2, d_condition=4)
    modules = [make(i, o) for i, o in shape.layers]
    assert parameters(version, shape) == sum(p.numel() for module in modules for p in module.parameters())


def test_one_constant_explains_base_v1_and_v4_of_table_5():
    assert len(memory.rest()) == 15
    assert np.abs(memory.rest() - memory.constant()).max() < 0.07


def test_twelve_bytes_in_units_of_a_million_explain_memory_far_better_than_any_other_unit():
    best, second, *_ = sorted(memory.unit_fits(), key=lambda fit: fit.farthest)
    assert (best.size, best.unit) == (memory.BYTES, "10⁶ bytes")
    assert second.farthest > 100 * best.farthest


def test_v1_needs_32_biased_conditions_and_v2_contradicts_it():
    assert (memory.settings("v1")[0].d_condition, memory.settings("v1")[0].bias) == (32, True)
    best, *_, text = memory.settings("v2")
    assert (best.rank, best.d_condition) == (4, 16)
    assert (text.rank, text.d_condition) == (4, 32)
    assert memory.residuals("v2", text)[-1] == pytest.approx(-2.93, abs=0.005)


def test_input_widths_explain_table_6s_base():
    assert [round(memory.input_width(dataset)[0]) for dataset in PUBLIC] == [memory.INPUTS[name] for name in PUBLIC]
    assert memory.input_width("iaac") == (393, 0)


def test_the_readings_of_the_inputs_are_sums():
    for dataset in PUBLIC:
        terms, total = memory.READINGS[dataset].split(" = ")
        factors = [re.findall(r"\d+", term) for term in terms.split(" + ")]
        assert sum(math.prod(map(int, numbers)) for numbers in factors) == int(total) == memory.INPUTS[dataset]


def test_movielens_has_as_many_genre_strings_as_the_page_says(movielens):
    assert len(movielens.fields[:, movielens.schema.column("genres")].unique()) == memory.COARSE["movielens"]


def test_every_memory_cell_of_tables_5_and_6_has_an_account_but_iaacs_brands():
    cells = numbers.numbers().query("metric == 'hidden_memory' and table in ['table5', 'table6']")
    assert sorted(fit.printed for fit in memory.fits()) == sorted(cells["value"])
    unknown = [(fit.model, fit.grain, fit.dataset) for fit in memory.fits() if math.isnan(fit.fitted)]
    assert unknown == [("mmoe", "cg", "iaac"), ("star", "cg", "iaac")]


def test_apg_of_table_6_has_the_k_of_the_papers_grid_that_comes_nearest():
    for fit in memory.fits():
        if fit.table == "table6" and fit.model == "apg":
            shapes = [Shape(inputs=memory.INPUTS[fit.dataset], rank=rank) for rank in memory.RANKS]
            fitted = [memory.megabytes(parameters("v4", shape)) + memory.constant() for shape in shapes]
            assert abs(fit.fitted - fit.printed) == min(abs(size - fit.printed) for size in fitted)


def test_what_belongs_to_mmoes_domain_does_not_grow_with_the_input():
    """A gate that reads the input would add a parameter per input for every expert."""
    fine = [fit for fit in memory.fits() if (fit.model, fit.grain) == ("mmoe", "fg")]
    assert len(fine) == 3
    assert max(abs(fit.percent) for fit in fine) < 1 / 3
    each = [
        (memory.table6(name, "mmoe_fg") - memory.constant()) / memory.megabytes(1) / memory.domains(name, "fg")
        for name in PUBLIC
    ]
    assert max(each) - min(each) < (memory.INPUTS["iaac"] - memory.INPUTS["movielens"]) / 4


def test_star_holds_about_a_network_per_movie_but_three_times_as_many_as_amazon_has_categories():
    held = {key: memory.networks_held(*key) / memory.domains(*key) for key in [("movielens", "fg"), ("amazon", "cg")]}
    assert held["movielens", "fg"] == pytest.approx(1, abs=0.1)
    assert held["amazon", "cg"] == pytest.approx(3.3, abs=0.05)
