"""The paper's printed numbers."""

import math

from apg_repro.paper import numbers


def test_every_number_of_the_paper_is_named_once():
    found = numbers.numbers()
    keys = ["table", "dataset", "backbone", "variant", "metric", "where"]
    assert len(found) == 213
    assert not found.duplicated(keys).any()


def test_a_number_is_looked_up_by_its_cell_and_is_missing_where_the_paper_prints_none():
    assert numbers.value("table2", "movielens", "WDL", "apg") == 79.73
    assert math.isnan(numbers.value("table4", "movielens", "WDL", "v9"))
