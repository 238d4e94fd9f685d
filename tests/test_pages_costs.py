"""Costs on pages: from rows, beside the paper's."""

import subprocess
import sys

import pytest

from apg_repro.pages import cost, serving, speed
from apg_repro.report import Panel
from apg_repro.suites import COST_CASES, EPOCH_STEPS, Plan, get_suite
from apg_repro.summary import COSTS

WIDEST = "1024-512-256"


def around(middle, share=0.01):
    return {"p10": middle * (1 - share), "p50": middle, "p90": middle * (1 + share)}


def panel(suite, rows, profile="full"):
    plan = Plan(profile=profile, dataset=get_suite(suite).datasets[0], seeds=(1,))
    return Panel(suite=get_suite(suite), plan=plan, pool={}, measured=rows)


def table5(ratios, profile="full"):
    """Rows of every width in which the versions cost these multiples of base, and base 0.01 s a step."""
    rows = []
    for case in COST_CASES.values():
        versions = {
            version: {"seconds": around(0.01 * ratio), "ratio": {"base": around(ratio)}, "n_hidden": 1000,
                      "peak_bytes": 500_000}
            for version, ratio in {"base": 1.0, "v3": 1.0, "v4": 1.0, **ratios}.items()
        }  # fmt: skip
        rows.append({"case": case.name, "versions": versions})
    return panel("table5", rows, profile)


def line(table, **wanted):
    (found,) = [row for row in table.to_dict("records") if all(row[name] == wanted[name] for name in wanted)]
    return found


def test_the_papers_seconds_and_ratio_stand_beside_ours():
    found = line(cost.times(table5({"v4": 0.5})), **{"Layers": WIDEST, "Version": "v4"})
    assert (found["Paper, s"], found["Paper ÷ base"]) == ("7.99", "0.61")
    assert found["Ours, s"] == f"{0.005 * EPOCH_STEPS:.2f}"
    assert found["Ours ÷ base"] == "0.50 (0.49–0.51)"
    assert found["Verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(0.60, "reproduced"), (0.61, "direction only"), (0.9, "direction only"), (1.0, "not reproduced")],
)
def test_the_claim_on_time_is_judged_by_the_upper_end_of_the_ratio(ratio, verdict):
    claims = cost.claims(table5({"v4": ratio}))
    assert line(claims, Claim="v4 cuts training time by 38.7%")["Verdict"] == verdict


def test_memory_is_judged_by_count():
    costs = table5({})
    assert line(cost.claims(costs), Claim="v4 cuts memory by 96.6%")["Verdict"] == "not reproduced"
    for row in costs.rows:
        row["versions"]["v4"]["n_hidden"] = 30
    found = line(cost.claims(costs), Claim="v4 cuts memory by 96.6%")
    assert (found["Ours ÷ base"], found["Verdict"]) == ("0.030", "reproduced")


def test_12_bytes_a_parameter_and_the_peak_above_them():
    found = line(cost.memory(table5({})), **{"Layers": WIDEST, "Version": "base"})
    assert (found["Paper, M"], found["Ours, M"], found["Peak, M"]) == ("12.91", "0.01", "0.5")
    assert found["Verdict"] == ""


def test_what_was_not_run_says_why():
    costs = table5({})
    for row in costs.rows:
        row["versions"]["v1"] = {"n_hidden": 5000, "not_run": "needs about 99 GB of memory"}
    found = line(cost.times(costs), **{"Layers": WIDEST, "Version": "v1"})
    assert (found["Ours ÷ base"], found["Verdict"]) == ("needs about 99 GB of memory", "not run")
    assert line(cost.memory(costs), **{"Layers": WIDEST, "Version": "v1"})["Peak, M"] == "not run"
    assert line(cost.arithmetic(costs), **{"Layers": WIDEST, "Version": "v1"})["Time, group-wise"] == "not run"


def test_without_rows_a_page_has_empty_tables_and_figures_without_warnings():
    figures = {
        "table5": (cost.width_figure, cost.arithmetic_figure), "table10": (serving.figure,), "speed": (speed.figure,)
    }  # fmt: skip
    for suite, tables in COSTS.items():
        for make in (*figures[suite], *tables):
            make(panel(suite, []))
    assert speed.machine(panel("speed", [])) == "not measured"


def test_quick_numbers_get_no_verdict():
    costs = table5({"v4": 0.1}, profile="quick")
    for table in (cost.claims(costs), cost.times(costs), cost.memory(costs)):
        assert set(table["Verdict"]) == {""}


def test_arithmetic_says_from_which_width_on_a_version_is_cheaper():
    """Group-wise: v3 has (NK + MK + KK)(D + 1) multiplications against NM, so it needs wide layers; v4 does not."""
    found = cost.crossings(table5({"v3": 0.5, "v4": 2.0}))
    v3 = line(found, Version="v3", Condition="group-wise")
    assert (v3["By arithmetic"], v3["Measured, whole step"]) == ("512-256-128", "64-32-16")
    v4 = line(found, Version="v4", Condition="group-wise")
    assert (v4["By arithmetic"], v4["Measured, whole step"]) == ("64-32-16", "nowhere")
    assert line(found, Version="v3", Condition="self-wise")["By arithmetic"] == "nowhere"


def test_table_1_by_hand():
    """v4, group-wise, [64, 32, 16], K = 4: K K D + N K + M K + K K for 393 → 64 → 32 → 16."""
    by_hand = 3 * (16 * 32 + 16) + 4 * (393 + 64 + 64 + 32 + 32 + 16)
    assert cost.multiplications("v4", "64-32-16", "user") == by_hand
    assert cost.multiplications("base", "64-32-16", "user") == 393 * 64 + 64 * 32 + 32 * 16


def test_cheaper_from_means_cheaper_from_there_on():
    assert cost.cheaper_from({"a": True, "b": False, "c": True}) == "c"
    assert cost.cheaper_from({"a": False}) == "nowhere"
    assert cost.cheaper_from({}) == "–"


def table10(apg, v1):
    def entry(ratio, answered):
        return {"ms": {"p50": ratio, "p90": 2 * ratio, "p99": 3 * ratio}, "ratio": around(ratio),
                "answered": answered, "differs_by": 1e-7}  # fmt: skip

    engines = {
        "eager": {"base": entry(1.0, 0.9), "apg": entry(apg, 0.9), "v1": entry(v1, 0.45)},
        "onnx": {"not_run": "not there"},
    }
    models = {
        name: {"n_hidden": n, "n_parameters": 10 * n} for name, n in (("base", 1000), ("apg", 100), ("v1", 33000))
    }
    return panel("table10", [{"case": "1 candidate", "engines": engines, "models": models}])


@pytest.mark.parametrize(("apg", "verdict"), [(0.5, "reproduced"), (1.005, "reproduced"), (1.1, "not reproduced")])
def test_apg_may_take_as_long_as_the_papers_ratio(apg, verdict):
    assert line(serving.table(table10(apg, 5.0)), Model="v5, folded")["Verdict"] == verdict


@pytest.mark.parametrize(("v1", "verdict"), [(5.0, "reproduced"), (2.0, "direction only"), (0.9, "not reproduced")])
def test_v1_must_be_dearer(v1, verdict):
    found = line(serving.table(table10(1.0, v1)), Model="v1")
    assert found["Verdict"] == verdict


def test_page_views_are_compared_with_base_in_the_same_engine():
    found = line(serving.page_views(table10(1.0, 5.0)), Engine="torch")
    assert (found["base answers"], found["v5, folded"], found["v1"]) == ("90.00%", "+0.00%", "−50.00%")


def test_an_engine_that_is_missing_says_so():
    assert line(serving.table(table10(1.0, 5.0)), Engine="ONNX Runtime")["Model"] == "not there"


def test_served_memory_is_compared_as_a_ratio():
    found = line(serving.memory(table10(1.0, 5.0)), Model="v5, folded")
    assert (found["Paper ÷ base"], found["Ours ÷ base"], found["Verdict"]) == ("0.12", "0.10", "reproduced")


def test_pages_of_costs_are_made_without_torch():
    code = (
        "import sys\nfrom apg_repro import study\n"
        "from apg_repro.pages import cost\nfrom apg_repro.summary import COSTS\n"
        "given = dict(profile='full', datasets=[], seeds=[], device='cpu', run='none')\n"
        "for name, tables in COSTS.items():\n"
        "    [table(panel) for panel in study.open(name, given).panels for table in tables]\n"
        "[cost.width_figure(panel) for panel in study.open('table5', given).panels]\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
