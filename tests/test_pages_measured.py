"""Tables of Figure 1, Table 1 and Table 7: numbers from rows, verdicts on results only, nothing without a row."""

import pytest

from apg_repro.pages import counts, layers, users
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


def table1(*counted):
    own = [layer | {"condition": "self"} for layer in counted]
    return Panel(suite=get_suite("table1"), plan=PLAN, pool={}, measured=[{"layers": [*counted, *own]}])


def changed(panel, **plan):
    return Panel(
        suite=panel.suite,
        plan=Plan(**({"profile": "full", "dataset": "movielens", "seeds": (1,)} | plan)),
        pool={},
        measured=panel.measured,
    )


def test_the_claims_of_figure_1_are_judged_on_the_first_groups_with_rows_thinned(figure1):
    assert users.distances(figure1)["Verdict"].tolist() == ["", "reproduced", "not reproduced", "", "", ""]


def test_p_of_y_is_judged_on_the_mean_of_both_groups_with_equal_items(figure1):
    table = users.transfer(figure1)
    assert table["Verdict"].tolist() == ["", "", "", "", "", "reproduced"]
    assert table["Own − other"].iloc[0] == "+1.00"


@pytest.mark.parametrize("plan", [{"profile": "quick"}, {"dataset": "synthetic"}])
def test_a_quick_number_and_made_up_users_get_no_verdict(figure1, plan):
    panel = changed(figure1, **plan)
    assert set(users.distances(panel)["Verdict"]) == set(users.transfer(panel)["Verdict"]) == {""}


def test_a_formula_is_judged_on_every_layer():
    good, bad = table1(layer("base")), table1(layer("base"), layer("base", multiplications=17, parameters=21))
    answers = {"multiplications": "holds exactly", "weights": "holds up to lower-order terms"}
    for cost, answer in answers.items():
        verdicts = layers.formulas(good, cost).set_index("Version")["Verdict"]
        assert verdicts.to_dict() == {"base": answer} | dict.fromkeys(("v1", "v2", "v3", "v4"), "not run")
        assert layers.formulas(bad, cost)["Verdict"].iloc[0] == "does not hold"


def test_costs_of_wdl_are_sums_over_its_layers_against_base():
    counted = [layer("base"), layer("base", 2, multiplications=4), layer("v1", multiplications=50)]
    counted += [layer(version, K=2.0, multiplications=5) for version in ("v2", "v3", "v4") for _ in range(2)]
    table = layers.relative_costs(table1(*counted), "multiplications")
    assert table["any K"].tolist() == ["2.50", "", "", ""] * 2
    assert table["K = 2"].tolist() == ["", "0.50", "0.50", "0.50"] * 2


def test_without_a_row_pages_are_empty_and_whole():
    for name, tables in {
        "figure1": (users.groups, users.distances, users.transfer, users.rates),
        "table1": (
            layers.over_parameterised,
            lambda panel: layers.square_layers(panel, "weights"),
            lambda panel: layers.relative_costs(panel, "weights"),
        ),
    }.items():
        panel = Panel(suite=get_suite(name), plan=PLAN, pool={})
        assert all(table(panel).empty for table in tables)
    assert set(layers.formulas(panel, "weights")["Verdict"]) == {"not run"}
    assert users.figure(Panel(suite=get_suite("figure1"), plan=PLAN, pool={})).axes


def test_table_7_joins_counts_and_says_what_is_not_at_hand():
    rows = [{"dataset": "movielens", "rows": 1_000_209, "users": 6_040, "items": 3_705}]
    panel = Panel(suite=get_suite("table7"), plan=PLAN, pool={}, measured=rows)
    table = counts.table([panel]).set_index(["Data set", "Count"])
    assert table.loc[("MovieLens-1M", "rows"), "Verdict"] == "reproduced"
    assert table.loc[("MovieLens-1M", "items"), "Verdict"] == "not reproduced"
    assert set(table.loc[["Amazon", "IAAC"], "Ours"]) == {"not run here: data not available"}
    assert set(table.loc[["Amazon", "IAAC"], "Verdict"]) == {"not run"}


def test_table_7_has_a_verdict_for_every_data_set_that_was_counted():
    counted = {
        "amazon": {"rows": 1_292_954, "users": 1_157_633, "items": 9_560},
        "iaac": {"rows": 478_138, "users": 197_694, "items": 10_074},
    }
    panels = [
        Panel(
            suite=get_suite("table7"),
            plan=Plan(profile="full", dataset=dataset, seeds=(1,)),
            pool={},
            measured=[{"dataset": dataset, **found}],
        )
        for dataset, found in counted.items()
    ]
    table = counts.table(panels).set_index(["Data set", "Count"])["Verdict"]
    assert set(table["Amazon"]) == {"reproduced"}
    assert table["IAAC"].to_dict() == {"rows": "reproduced", "users": "reproduced", "items": "not reproduced"}
    assert set(table["MovieLens-1M"]) == {"not run"}
