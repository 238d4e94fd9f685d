"""The page of errata: what its tables show of the paper's numbers."""

import re

import pytest

from apg_repro.experiments import SUITES
from apg_repro.experiments.errata import page
from apg_repro.experiments.table5.plan import WIDTHS
from apg_repro.paper.numbers import numbers, table5_widths


def frame(table, index):
    return table.data.set_index(index)


def test_the_tally_counts_every_derived_number_once_and_ends_with_the_sum():
    counts = frame(page.tally(), "Where")
    assert counts.index[-1] == "all"
    assert counts.loc["all"].sum() == counts.drop("all").to_numpy().sum() > 80
    assert list(counts.columns) == ["agrees", "rounding", "slip"]


def test_as_many_slips_are_listed_as_counted():
    assert len(page.slips().data) == frame(page.tally(), "Where").loc["all", "slip"] == 8


def test_section_4_4s_saving_of_v1_is_listed_as_v2s():
    (line,) = page.slips().data.query("Where.str.startswith('Section 4.4')").to_dict("records")
    assert (line["Printed"], line["Names"], line["Fits"]) == ("−75.1 %", "v1", "v2")


def test_a_grid_is_laid_out_as_in_the_paper_with_what_the_cells_give_where_that_differs():
    table = frame(page.table2_differences(), "")
    assert table.index[0] == "WDL"
    assert table.index[-1] == "average"
    assert table.loc["WDL", "MovieLens-1M"] == "+0.39 ≠ +0.52"
    assert table.loc["PNN", "MovieLens-1M"] == "+0.17"
    assert "≈" in " ".join(page.table5_changes("hidden_memory").data.to_numpy().ravel())


@pytest.mark.parametrize(
    ("table", "shape"),
    [
        (page.table2_averages(), (2, 4)),
        (page.table4_averages("AUC"), (5, 2)),
        (page.table4_averages("Δ"), (4, 2)),
        (page.table5_changes("epoch_time"), (4, 6)),
        (page.table5_changes("hidden_memory"), (3, 6)),
    ],
)
def test_a_grid_has_every_number_that_the_table_derives(table, shape):
    assert table.data.shape == shape
    assert table.data.notna().all(axis=None)


def test_wdls_printed_differences_and_averages_come_from_an_older_cell():
    table = frame(page.older_cells(), "Data set")
    assert dict(table["Average"] == table["With base + Δ"]) == {"MovieLens-1M": True, "Amazon": True, "IAAC": False}
    assert not (table["Average"] == table["With the cell"]).any()


def test_the_implied_bases_of_time_differ_in_the_second_width():
    line = page.implied_bases().data.iloc[1]
    assert line["Hidden layers"] == "128-64-32"
    assert line["v1"] == line["Base, printed"]
    assert line["v2"] == line["v3"] == line["v4"] != line["Base, printed"]


def test_the_abstracts_savings_are_v4s_at_the_widest_layers_only():
    table = frame(page.savings(), "Hidden layers")
    assert tuple(table.index) == table5_widths()
    assert table.index[table["Time"] == "−38.7 %"].tolist() == ["1024-512-256"]
    assert table.index[table["Memory"] == "−96.6 %"].tolist() == ["1024-512-256"]
    assert table.loc["256-128-64", "Used for"] == "AUC (Appendix B.3)"


def test_input_aggregation_is_not_better_in_every_pair():
    table = frame(page.aggregations(), "Function")
    assert table.loc["mean", "MovieLens-1M"] == "+0.03"  # 79.33 less 79.30
    assert {text[0] for text in table.to_numpy().ravel()} == {"+", "−"}


def test_gains_below_the_papers_threshold_are_listed_with_it():
    table = page.insignificant_gains().data
    assert list(zip(table["Model"], table["Data set"], strict=True)) == [
        ("FiBiNET", "MovieLens-1M"), ("DIFM", "MovieLens-1M"), ("DIFM", "Amazon"),
    ]  # fmt: skip
    assert list(table["Threshold 0.1"]) == ["below it", "at it", "below it"]


def test_what_is_printed_in_several_tables_agrees():
    assert set(page.repeated_numbers().data["Verdict"]) == {"agrees"}


def test_v1_has_no_k_and_the_last_settings_are_those_of_the_text():
    assert set(page.memory_settings("v1").data["K"]) == {"–"}
    assert list(page.memory_settings("v2").data.iloc[-1][["K", "D", table5_widths()[-1]]]) == [4, 32, "−2.93"]


def test_input_widths_come_with_their_uncertainty_and_a_reading():
    inputs = page.input_widths().data["Inputs"]
    assert [text.split()[0] for text in inputs] == ["185", "256", "393"]
    assert [" ± " in text for text in inputs] == [True, True, False]


def test_every_memory_cell_of_tables_5_and_6_has_its_line():
    cells = numbers().query("metric == 'hidden_memory' and table in ['table5', 'table6']")
    table = page.memory_cells().data
    assert sorted(float(text.replace(",", "")) for text in table["Printed"]) == sorted(cells["value"])
    unknown = table[table["Fitted"] == "–"]
    assert list(unknown["Cell"]) == ["IAAC, coarse"] * 2
    assert set(unknown["Residual"]) == {"–"}


def test_the_figure_shows_every_cell_that_has_an_account():
    left, right = page.memory_figure().axes
    known = (page.memory_cells().data["Fitted"] != "–").sum()
    groups = len(right.get_yticks())
    assert sum(len(line.get_xdata()) for line in left.lines[:groups]) == known
    assert sum(len(line.get_xdata()) for line in right.lines[:groups]) == known


def test_star_has_no_count_of_networks_per_domain_where_the_domains_are_not_printed():
    table = frame(page.star_networks(), ["Data set", "Domains are"])
    assert table.loc[("IAAC", "coarse"), "Networks per domain"] == "–"
    assert table.loc[("MovieLens-1M", "fine"), "Domains"] == "3,706"


def test_the_foot_names_both_files_and_how_many_numbers_they_hold():
    assert re.findall(r"<dt>(.*?)</dt><dd>(\d+) numbers", page.foot().html) == [
        ("paper/numbers.csv", str(len(numbers()))), ("paper/derived.csv", "85"),
    ]  # fmt: skip


def test_the_errata_are_a_room_without_a_suite():
    assert "errata" not in SUITES
    assert {"table4", "table5"} <= set(SUITES)  # a module, and a folder


def test_we_measure_the_widths_of_the_papers_table_5():
    assert tuple(WIDTHS) == table5_widths()
