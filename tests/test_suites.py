"""What was fixed before the runs: plans, grids, the choice of K and P, the verdict."""

import pytest

from apg_repro.config import RunConfig, UserError
from apg_repro.suites import SUITES, Plan, choose, cost_verdict, get_suite, verdict

FULL = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3, 4, 5))


def searched(variant, auc, rank=2, over=None, status="ok", seed=0):
    return {
        "variant": variant, "seed": seed, "status": status, "rank": rank, "over": over,
        "one_epoch_valid_auc": auc, "early_stopping_valid_auc": auc,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("low", "mean", "expected", "answer"),
    [
        (0.05, 0.30, +0.4, "reproduced"),
        (0.01, 0.10, +0.4, "reproduced"),
        (0.01, 0.09, +0.4, "direction only"),
        (-0.01, 0.30, +0.4, "not reproduced"),
        (float("nan"), 0.30, +0.4, "not reproduced"),
        (-0.05, -0.30, -0.4, "reproduced"),
        (0.05, 0.30, -0.4, "not reproduced"),
    ],
)
def test_the_verdict_rule(low, mean, expected, answer):
    assert verdict(low, mean, expected) == answer


@pytest.mark.parametrize(
    ("low", "high", "expected", "answer"),
    [
        (0.50, 0.60, 0.61, "reproduced"),
        (0.50, 0.62, 0.61, "direction only"),
        (0.90, 1.00, 0.61, "not reproduced"),
        (0.50, float("nan"), 0.61, "not reproduced"),
        (4.0, 5.0, 3.9, "reproduced"),
        (3.8, 5.0, 3.9, "direction only"),
        (1.0, 5.0, 3.9, "not reproduced"),
    ],
)
def test_the_verdict_rule_for_costs(low, high, expected, answer):
    assert cost_verdict(low, high, expected, dearer=expected > 1) == answer


def test_costs_are_measured_case_by_case_and_in_the_quick_profile_a_few():
    for name in ("table5", "table10", "speed"):
        suite = get_suite(name)
        plans = [Plan(profile=profile, dataset=suite.datasets[0], seeds=(1,)) for profile in ("quick", "full")]
        quick, full = ({task.case for task in suite.measurements(plan)} for plan in plans)
        assert quick < full
        assert len(full) == len(suite.measurements(plans[1]))


def test_table_4_searches_the_papers_grid():
    search = SUITES["table4"].search(FULL)
    assert {(c.rank, c.over) for c in search if c.variant == "v5"} == {
        (k, p) for k in (2, 4, 6, 8) for p in (32, 64, 128, 256, 512)
    }
    assert (
        {c.rank for c in search if c.variant == "v4"} == {c.rank for c in search if c.variant == "v2"} == {2, 4, 6, 8}
    )
    assert {c.seed for c in search} == {0}


def test_table_4_runs_have_the_papers_settings():
    rows = [searched("v4", 0.8, 4), searched("v5", 0.8, 6, 64), searched("v2", 0.8, 2)]
    runs = SUITES["table4"].runs(FULL, rows)
    for config in runs:
        settings = (config.learning_rate, config.batch_size, config.d_embedding, config.hidden, config.rows)
        assert settings == (0.005, 1024, 32, (256, 128, 64), None)
    assert {(c.variant, c.rank, c.over) for c in runs} == {
        ("base", None, None), ("v1", None, None), ("v2", 2, None), ("v4", 4, None), ("v5", 6, 64),
    }  # fmt: skip
    assert all({c.seed for c in runs if c.variant == v} == {1, 2, 3, 4, 5} for v in ("base", "v2", "v4", "v5"))


def test_the_choice_is_the_best_validation_auc_of_the_search_seed():
    rows = [searched("v4", 0.80, 2), searched("v4", 0.81, 4), searched("v4", 0.99, 8, seed=1), searched("v5", 0.9, 6)]
    assert choose(rows, "v4", "one_epoch")["rank"] == 4
    assert choose(rows, "v2", "one_epoch") is None


def test_a_diverged_run_is_chosen_only_if_all_diverged():
    bad = searched("v4", 0.9, 8, status="diverged")
    assert choose([bad, searched("v4", 0.8, 2)], "v4", "one_epoch")["rank"] == 2
    assert choose([bad], "v4", "one_epoch")["rank"] == 8
    assert choose([searched("v4", None, 8, status="diverged")], "v4", "one_epoch") is None


def test_no_two_runs_of_a_plan_are_one():
    for suite in SUITES.values():
        configs = [*suite.search(FULL), *suite.runs(FULL, [searched("v4", 0.8), searched("v5", 0.8, 2, 32)])]
        assert len({config.id for config in configs}) == len(configs)
        assert {config.suite for config in configs} <= {suite.name}


def test_bad_plans_are_told():
    with pytest.raises(UserError, match="not 0, which chooses K and P"):
        Plan(profile="full", dataset="movielens", seeds=(0, 1))
    with pytest.raises(UserError, match="must be different"):
        Plan(profile="full", dataset="movielens", seeds=(1, 1))
    with pytest.raises(UserError, match="choose quick or full"):
        Plan(profile="fast", dataset="movielens", seeds=(1,))
    with pytest.raises(UserError, match="suite 'table3' is unknown; choose one of table4"):
        get_suite("table3")


def test_an_id_names_what_differs_from_the_defaults():
    config = RunConfig(suite="s", dataset="d", variant="base", seed=1)
    same = RunConfig.from_dict(config.as_dict())
    assert same == config
    assert same.id == config.id == RunConfig(suite="s", dataset="d", variant="base", seed=1, batch_size=1024).id
    assert config.id != RunConfig(suite="s", dataset="d", variant="base", seed=1, batch_size=512).id


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": "v6"}, "version 'v6' is unknown"),
        ({"version": "v4"}, "v4 needs a rank K"),
        ({"version": "v5", "rank": 4}, "v5 needs a width P"),
        ({"init": "zeros"}, "init 'zeros' is unknown"),
        ({"max_epochs": 0}, "at least 1"),
    ],
)
def test_bad_configurations_are_told(options, message):
    with pytest.raises(UserError, match=message):
        RunConfig(suite="s", dataset="d", variant="x", seed=1, **options)
    with pytest.raises(UserError, match="unknown configuration keys: lr"):
        RunConfig.from_dict({"lr": 1})
