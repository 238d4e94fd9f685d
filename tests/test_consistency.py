"""The paper's arithmetic, on numbers worked out by hand."""

import math

import pytest

from apg_repro.paper import consistency, numbers
from apg_repro.paper.consistency import PUBLIC, REPEATED, Derived


def derived(**values):
    """Table 2's Δ of WDL on MovieLens, but for these values."""
    usual = {"table": "table2", "dataset": "movielens", "backbone": "WDL", "variant": "apg",
             "metric": "auc_difference", "value": 0.52, "unit": "points"}  # fmt: skip
    return Derived(**usual | values)


def test_a_cell_of_the_paper_is_printed_once():
    assert not numbers.numbers().duplicated(list(numbers.KEY)).any()


def test_a_cell_that_the_paper_lacks_has_no_value_and_no_difference():
    assert numbers.value("table4", "movielens", "WDL", "v4") == 79.61
    assert math.isnan(numbers.value("table4", "movielens", "WDL", "v3"))
    assert math.isnan(numbers.difference("table4", "movielens", "WDL", "v4", "v3"))
    assert numbers.difference("table4", "movielens", "WDL", "v4", "v1") == pytest.approx(0.10)


@pytest.mark.parametrize(
    ("value", "consistency"), [(0.52, "agrees"), (0.53, "rounding"), (0.54, "slip"), (0.39, "slip")]
)
def test_a_derived_number_agrees_is_rounding_or_is_a_slip(value, consistency):
    """79.73 − 79.21 = 0.52; cells that round to these differ by 0.51 to 0.53."""
    assert derived(value=value).consistency == consistency


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
    assert derived(**values).from_cells() == pytest.approx(expected)


def test_an_unknown_operation_is_refused():
    with pytest.raises(ValueError, match="no formula for auc_product"):
        derived(metric="auc_product").from_cells()


def test_every_derived_number_has_its_cells_and_is_listed_once():
    table = numbers.derived()
    assert not table.duplicated(["table", "dataset", "backbone", "variant", "metric", "where"]).any()
    assert not any(math.isnan(one.from_cells()) for one in consistency.checks())
    assert len(consistency.checks()) == len(table) + 6  # Table 2's averages are among the paper's numbers
    complete = {("table2", "auc_difference"): 24, ("table4", "auc_mean"): 5, ("table4", "auc_difference"): 4,
                ("table5", "epoch_time_change"): 20, ("table5", "hidden_memory_change"): 15}  # fmt: skip
    assert {key: len(consistency.printed_in(*key)) for key in complete} == complete


def test_the_slips_of_table_2_are_two_differences_and_two_averages():
    found = {(slip.dataset, slip.backbone, slip.metric) for slip in consistency.slips() if slip.table == "table2"}
    assert found == {
        ("movielens", "WDL", "auc_difference"), ("amazon", "WDL", "auc_difference"),
        ("movielens", "average", "auc_mean"), ("iaac", "average", "auc_mean"),
    }  # fmt: skip


def test_table_5s_times_of_the_second_width_were_taken_against_two_bases():
    found = [slip.variant for slip in consistency.slips() if slip.where.startswith("Table 5")]
    assert found == ["v2/128-64-32", "v3/128-64-32", "v4/128-64-32"]
    implied = {
        one.version: round(consistency.implied_base(one), 2)
        for one in consistency.printed_in("table5", "epoch_time_change")
        if one.width == "128-64-32"
    }
    assert implied["v1"] == numbers.value("table5", "iaac", "WDL", "base/128-64-32", "epoch_time")
    assert implied["v2"] == implied["v3"] == implied["v4"] != implied["v1"]


def test_the_memory_that_section_4_4_says_of_v1_is_v2s():
    (slip,) = [slip for slip in consistency.slips() if slip.where.startswith("Section 4.4")]
    assert (slip.value, slip.version, consistency.versions_that_fit(slip)) == (-75.1, "v1", ["v2"])


def test_a_number_without_a_width_is_said_of_no_other_version():
    assert consistency.versions_that_fit(derived(value=0.39)) == []


def test_what_the_text_says_otherwise_than_its_table_is_found():
    """Section 4.4 gives v1's greatest memory as 3146.6 %, Table 5 as 3146.4 %, and v2's saving as v1's."""
    pairs = [(text.where.split(",")[0], text.value, table.value) for text, table in consistency.said_twice()]
    assert pairs == [("Section 4.4", 3146.6, 3146.4), ("Section 4.4", -75.1, 3146.4)]


def test_what_is_printed_in_several_tables_is_the_same_in_all():
    found = [consistency.repeated(dataset, places) for places in REPEATED.values() for dataset in PUBLIC]
    assert [len(values) for values in found] == [1] * len(found)


def test_a_number_that_two_tables_print_differently_has_two_values():
    assert consistency.repeated("movielens", [("table4", "base"), ("table4", "v1")]) == [79.21, 79.51]


def test_gains_that_do_not_exceed_the_papers_threshold():
    assert [(one.backbone, one.dataset) for one in consistency.insignificant()] == [
        ("FiBiNET", "movielens"), ("DIFM", "movielens"), ("DIFM", "amazon"),
    ]  # fmt: skip
