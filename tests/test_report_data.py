"""Tables of Figure 1 and Table 1: numbers from rows, verdicts on results only, nothing where there is no row."""

import pytest

from apg_repro import report_data
from apg_repro.report import Panel
from apg_repro.suites import Plan, get_suite

PLAN = Plan(profile="full", dataset="movielens", seeds=(1,))
PAIR = {"values": [0.7, 0.69], "difference": 0.01, "low": 0.002, "high": 0.02}


def contrast(share, low, high):
    distance = {"distance": 0.2, "low": low, "high": high, "chance": 0.05}
    group = {"users": 1500, "rows": 3000, "fewest": 2, "most": 3, "mean_rate": 0.5}
    pair = {"cold": [1, 2, 3], "active": [3, 2, 1]}
    names = ("rate", "thinned_rate", "trait")
    return {
        "share": share, "groups": {"cold": group, "active": group},
        "histograms": dict.fromkeys(names, pair), "distances": dict.fromkeys(names, distance),
    }  # fmt: skip


@pytest.fixture
def figure1():
    pairs = dict.fromkeys(("cold", "active", "both", "rate"), PAIR)
    row = {
        "contrasts": [contrast(0.25, 0.15, 0.25), contrast(0.1, 0.15, 0.25)],
        "transfer": {"same_size": pairs, "same_items": pairs},
    }
    return Panel(suite=get_suite("figure1"), plan=PLAN, pool={}, measured=[row])


def layer(version, n=4, part="WDL", **more):
    """N = M = n, D = 2."""
    return {
        "part": part, "condition": "group", "version": version, "N": n, "M": n, "D": 2, "multiplications": 16,
        "training": 48, "a_batch": 0, "parameters": 20, "biases": 4, "generated": 0,
    } | more  # fmt: skip


def table1(*layers):
    own = [layer | {"condition": "self"} for layer in layers]
    return Panel(suite=get_suite("table1"), plan=PLAN, pool={}, measured=[{"layers": [*layers, *own]}])


def changed(panel, **plan):
    return Panel(
        suite=panel.suite,
        plan=Plan(**({"profile": "full", "dataset": "movielens", "seeds": (1,)} | plan)),
        pool={},
        measured=panel.measured,
    )


def test_the_claims_of_figure_1_are_judged_on_the_first_groups_with_rows_thinned(figure1):
    assert report_data.distances(figure1)["Verdict"].tolist() == ["", "reproduced", "not reproduced", "", "", ""]


def test_p_of_y_is_judged_on_the_mean_of_both_groups_with_equal_items(figure1):
    table = report_data.transfer(figure1)
    assert table["Verdict"].tolist() == ["", "", "", "", "", "reproduced"]
    assert table["Own − other"].iloc[0] == "+1.00"


@pytest.mark.parametrize("plan", [{"profile": "quick"}, {"dataset": "synthetic"}])
def test_a_quick_number_and_made_up_users_get_no_verdict(figure1, plan):
    panel = changed(figure1, **plan)
    assert set(report_data.distances(panel)["Verdict"]) == set(report_data.transfer(panel)["Verdict"]) == {""}


def test_a_formula_is_judged_on_every_layer():
    good, bad = table1(layer("base")), table1(layer("base"), layer("base", multiplications=17, parameters=21))
    answers = {"multiplications": "holds exactly", "weights": "holds up to lower-order terms"}
    for cost, answer in answers.items():
        verdicts = report_data.formulas(good, cost).set_index("Version")["Verdict"]
        assert verdicts.to_dict() == {"base": answer} | dict.fromkeys(("v1", "v2", "v3", "v4"), "not run")
        assert report_data.formulas(bad, cost)["Verdict"].iloc[0] == "does not hold"


def test_costs_of_wdl_are_sums_over_its_layers_against_base():
    layers = [layer("base"), layer("base", 2, multiplications=4), layer("v1", multiplications=50)]
    layers += [layer(version, K=2.0, multiplications=5) for version in ("v2", "v3", "v4") for _ in range(2)]
    table = report_data.relative_costs(table1(*layers), "multiplications")
    assert table["any K"].tolist() == ["2.50", "", "", ""] * 2
    assert table["K = 2"].tolist() == ["", "0.50", "0.50", "0.50"] * 2


def test_without_a_row_pages_are_empty_and_whole():
    for name, tables in {
        "figure1": (report_data.groups, report_data.distances, report_data.transfer, report_data.rates),
        "table1": (
            report_data.over_parameterised,
            lambda panel: report_data.square_layers(panel, "weights"),
            lambda panel: report_data.relative_costs(panel, "weights"),
        ),
    }.items():
        panel = Panel(suite=get_suite(name), plan=PLAN, pool={})
        assert all(table(panel).empty for table in tables)
    assert set(report_data.formulas(panel, "weights")["Verdict"]) == {"not run"}
    assert report_data.histograms_figure(Panel(suite=get_suite("figure1"), plan=PLAN, pool={})).axes
