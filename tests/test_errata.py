"""The paper's arithmetic and our account of its memory, on numbers worked out by hand."""

import math
import re

import pytest

from apg_repro import errata, paper, paper_memory
from apg_repro.errata import PUBLIC, WIDTHS, computed, judge
from apg_repro.paper_memory import Shape, parameters


def row(**values):
    return {"table": "table2", "dataset": "movielens", "backbone": "WDL", "variant": "apg", "metric": "auc_difference",
            "value": 0.52, "unit": "points"} | values  # fmt: skip


def slips():
    return [check for check in errata.checks() if check["verdict"] == "slip"]


def test_a_derived_number_agrees_is_rounding_or_is_a_slip():
    """79.73 − 79.21 = 0.52; cells that round to these differ by 0.51 to 0.53."""
    assert judge(row(value=0.52)) == "agrees"
    assert judge(row(value=0.53)) == "rounding"
    assert judge(row(value=0.54)) == "slip"
    assert judge(row(value=0.39)) == "slip"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 79.73 - 79.21),
        ({"backbone": "average"}, (0.52 + 0.17 + 0.04 + 0.10 + 0.30 + 0.33 + 0.28) / 7),
        ({"table": "table4", "dataset": "average", "variant": "v4", "metric": "auc_mean"}, (79.61 + 69.36 + 65.78) / 3),
        ({"table": "table5", "dataset": "iaac", "variant": "v4/1024-512-256", "metric": "epoch_time_change"},
         100 * (7.99 - 13.04) / 13.04),
        ({"table": "table5", "dataset": "iaac", "variant": "v1/1024-512-256", "metric": "epoch_time_extra"},
         (1462.78 - 13.04) / 13.04),
        ({"table": "table10", "dataset": "indusdata", "backbone": "", "metric": "hidden_memory_saving"},
         138.03 / 16.14),
    ],
)  # fmt: skip
def test_derived_numbers_are_computed_from_the_cells(values, expected):
    assert computed(row(**values)) == pytest.approx(expected)


def test_every_derived_number_has_its_cells_and_is_named_once():
    derived = paper.derived()
    assert not derived.duplicated(["table", "dataset", "backbone", "variant", "metric", "where"]).any()
    assert not any(math.isnan(check["computed"]) for check in errata.checks())
    assert len(errata.checks()) == len(derived) + 6  # Table 2's averages stand among the paper's numbers
    complete = {("table2", "auc_difference"): 24, ("table4", "auc_mean"): 5, ("table4", "auc_difference"): 4,
                ("table5", "epoch_time_change"): 20, ("table5", "hidden_memory_change"): 15}  # fmt: skip
    assert {key: len(errata.printed_in(*key)) for key in complete} == complete


def test_the_slips_of_table_2_are_two_differences_and_two_averages():
    found = {(slip["dataset"], slip["backbone"], slip["metric"]) for slip in slips() if slip["table"] == "table2"}
    assert found == {
        ("movielens", "WDL", "auc_difference"), ("amazon", "WDL", "auc_difference"),
        ("movielens", "average", "auc_mean"), ("iaac", "average", "auc_mean"),
    }  # fmt: skip


def test_wdls_printed_differences_and_averages_come_from_an_older_cell():
    table = errata.older_cells().set_index("Data set")
    same = table["Average"] == table["With base + Δ"]
    assert dict(same) == {"MovieLens-1M": True, "Amazon": True, "IAAC": False}
    assert not (table["Average"] == table["With the cell"]).any()


def test_table_5s_times_of_the_second_width_were_taken_against_two_bases():
    line = errata.implied_bases().iloc[1]
    assert line["Hidden layers"] == "128-64-32"
    assert line["v1"] == line["Base, printed"]
    assert line["v2"] == line["v3"] == line["v4"] != line["Base, printed"]
    found = [slip["variant"] for slip in slips() if slip["where"].startswith("Table 5")]
    assert found == ["v2/128-64-32", "v3/128-64-32", "v4/128-64-32"]


def test_the_memory_that_section_4_4_says_of_v1_is_v2s():
    (line,) = errata.slips().query("Where.str.startswith('Section 4.4')").to_dict("records")
    assert (line["Printed"], line["Names"], line["Fits"]) == ("−75.1 %", "v1", "v2")


def test_the_headline_is_v4_at_the_widest_layers_only():
    table = errata.headline().set_index("Hidden layers")
    assert table.index[table["Time"] == "−38.7 %"].tolist() == ["1024-512-256"]
    assert table.index[table["Memory"] == "−96.6 %"].tolist() == ["1024-512-256"]


def test_what_is_printed_in_several_tables_is_the_same_in_all():
    assert set(errata.repeated()["Verdict"]) == {"agrees"}


def test_gains_that_do_not_exceed_the_papers_threshold():
    assert list(zip(errata.insignificant()["Model"], errata.insignificant()["Data set"], strict=True)) == [
        ("FiBiNET", "MovieLens-1M"), ("DIFM", "MovieLens-1M"), ("DIFM", "Amazon"),
    ]  # fmt: skip


def test_numbers_carry_a_true_sign_and_no_negative_zero():
    assert errata.plus(-0.001) == "+0.00"
    assert errata.plus(-1234.5, 1, " %") == "−1,234.5 %"


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
    from apg_repro.train import count

    make = {
        "base": StaticDense,
        "v1": lambda i, o: ApgV1(i, o, d_condition=4),
        "v2": lambda i, o: ApgV2(i, o, rank=2, d_condition=4),
        "v4": lambda i, o: ApgV4(i, o, rank=2, d_condition=4),
    }[version]
    shape = Shape(inputs=7, hidden="6-5", rank=2, d_condition=4)
    assert parameters(version, shape) == sum(count(make(i, o)) for i, o in shape.layers)


def test_one_constant_explains_base_v1_and_v4_of_table_5():
    rest = paper_memory.rest(paper_memory.BYTES, paper_memory.UNIT) - paper_memory.constant()
    assert abs(rest).max() < 0.07
    best = paper_memory.units().set_index(["Bytes a parameter", "Unit"])["Farthest cell"].astype(float)
    assert best.idxmin() == (12, "10⁶ bytes")
    assert best.nsmallest(2).iloc[1] > 100 * best.min()


def test_v1_needs_32_biased_conditions_and_v2_contradicts_it():
    assert list(paper_memory.settings("v1").loc[0, ["D", "Biases"]]) == [32, "yes"]
    v2 = paper_memory.settings("v2")
    assert list(v2.loc[0, ["K", "D"]]) == [4, 16]
    assert list(v2.iloc[-1][["K", "D", WIDTHS[-1]]]) == [4, 32, "−2.93"]


def test_input_widths_explain_table_6s_base():
    assert [text.split()[0] for text in paper_memory.input_widths()["Inputs"]] == ["185", "256", "393"]


def test_the_readings_of_the_inputs_are_sums():
    for dataset in PUBLIC:
        terms, total = paper_memory.READINGS[dataset].split(" = ")
        numbers = [re.findall(r"\d+", term) for term in terms.split(" + ")]
        assert sum(math.prod(map(int, factors)) for factors in numbers) == int(total) == paper_memory.INPUTS[dataset]


def test_movielens_has_as_many_genre_strings_as_the_page_says(movielens):
    assert len(movielens.fields[:, movielens.schema.column("genres")].unique()) == paper_memory.COARSE["movielens"]


def test_every_memory_cell_of_tables_5_and_6_has_its_line():
    numbers = paper.numbers().query("metric == 'hidden_memory' and table in ['table5', 'table6']")
    assert sorted(fit.printed for fit in paper_memory.fits()) == sorted(numbers["value"])
    unknown = [fit for fit in paper_memory.fits() if math.isnan(fit.fitted)]
    assert [fit.cell for fit in unknown] == ["IAAC, coarse"] * 2


def test_what_belongs_to_mmoes_domain_does_not_grow_with_the_input():
    """A gate that reads the input would add a parameter an input for every expert."""
    fine = [fit for fit in paper_memory.fits() if fit.group == "6, MMoE" and "fine" in fit.cell]
    assert max(abs(fit.percent) for fit in fine) < 1 / 3
    each = [
        (paper_memory.table6(name, "mmoe_fg") - paper_memory.constant()) / paper_memory.megabytes(1)
        / paper_memory.domains(name, "fg") for name in PUBLIC
    ]  # fmt: skip
    assert max(each) - min(each) < (paper_memory.INPUTS["iaac"] - paper_memory.INPUTS["movielens"]) / 4
