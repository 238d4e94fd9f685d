"""What was fixed before the runs: plans, grids, the choice of K and P, the verdict."""

from dataclasses import replace

import pytest

from apg_repro.config import RunConfig, UserError
from apg_repro.data import load_manifest
from apg_repro.paths import DATA
from apg_repro.suites import (
    PROTOCOLS,
    SUITES,
    USER_ITEM_CONTEXT,
    Cell,
    Plan,
    Suite,
    cost_verdict,
    difference_verdict,
    formula_verdict,
    get_suite,
    verdict,
)

FULL = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3, 4, 5))
TABLE4 = SUITES["table4"]


def cell(name, suite=TABLE4, backbone="WDL"):
    return next(cell for cell in suite.cells(FULL) if cell.name == (backbone, name))


def pool_of(suite, scores, status="ok"):
    """The search of a suite as done: a validation AUC for every run, by what ``scores`` says of its configuration."""
    return {
        config.key: {
            "status": status if not isinstance(status, dict) else status.get(config.rank, "ok"),
            "one_epoch_valid_auc": scores(config), "early_stopping_valid_auc": scores(config),
        }
        for config in suite.search(FULL)
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
    ("claim", "distance", "low", "high", "answer"),
    [
        ("differ", 0.2, 0.1, 0.3, "reproduced"),
        ("differ", 0.2, 0.09, 0.3, "direction only"),
        ("differ", 0.05, 0.2, 0.3, "not reproduced"),
        ("alike", 0.08, 0.05, 0.09, "reproduced"),
        ("alike", 0.08, 0.05, 0.1, "not reproduced"),
    ],
)
def test_the_verdict_on_a_distance_of_distributions(claim, distance, low, high, answer):
    assert difference_verdict(claim, distance, low, high, chance=0.06) == answer


@pytest.mark.parametrize(
    ("counted", "is_lower_order", "answer"),
    [
        ([6, 20], False, "holds exactly"),
        ([8, 23], True, "holds up to lower-order terms"),
        ([8, 23], False, "does not hold"),
        ([8, 24], True, "does not hold"),
        ([6, 23], True, "does not hold"),
    ],
)
def test_the_verdict_on_a_formula(counted, is_lower_order, answer):
    assert formula_verdict([6, 20], [2, 3], counted, is_lower_order=is_lower_order) == answer


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
    search = TABLE4.search(FULL)
    assert {(c.rank, c.over) for c in search if c.variant == "v5"} == {
        (k, p) for k in (2, 4, 6, 8) for p in (32, 64, 128, 256, 512)
    }
    assert (
        {c.rank for c in search if c.variant == "v4"} == {c.rank for c in search if c.variant == "v2"} == {2, 4, 6, 8}
    )
    assert {c.seed for c in search} == {0}


def test_table_4_runs_have_the_papers_settings():
    best = {"v2": 2, "v4": 4, "v5": 6}
    runs = TABLE4.runs(FULL, pool_of(TABLE4, lambda c: 0.8 + (c.rank == best[c.variant]) - (c.over or 0) / 1e4))
    for config in runs:
        settings = (config.learning_rate, config.batch_size, config.d_embedding, config.hidden, config.rows)
        assert settings == (0.005, 1024, 32, (256, 128, 64), None)
    assert {(c.variant, c.rank, c.over) for c in runs} == {
        ("base", None, None), ("v1", None, None), ("v2", 2, None), ("v4", 4, None), ("v5", 6, 32),
    }  # fmt: skip
    assert all({c.seed for c in runs if c.variant == v} == {1, 2, 3, 4, 5} for v in ("base", "v2", "v4", "v5"))


def test_the_choice_is_the_best_validation_auc_of_the_search_seed():
    pool = pool_of(TABLE4, lambda c: 0.81 if c.rank == 4 else 0.80)
    reported = TABLE4.config(FULL, cell("v4"), 1, {"rank": 8})
    pool[reported.key] = {"status": "ok", "one_epoch_valid_auc": 0.99}
    assert TABLE4.choice(FULL, cell("v4"), "one_epoch", pool) == {"rank": 4}
    assert TABLE4.choice(FULL, cell("base"), "one_epoch", pool) == {}


def test_nothing_is_chosen_before_all_is_searched():
    pool = pool_of(TABLE4, lambda c: 0.8)
    del pool[TABLE4.candidate(FULL, cell("v4"), {"rank": 6}).key]
    assert TABLE4.choice(FULL, cell("v4"), "one_epoch", pool) is None
    assert TABLE4.reported(FULL, cell("v4"), "one_epoch", pool) == []


def test_a_diverged_run_is_chosen_only_if_all_diverged():
    rising = lambda c: 0.8 + c.rank / 100  # noqa: E731
    pool = pool_of(TABLE4, rising, status={8: "diverged"})
    assert TABLE4.choice(FULL, cell("v4"), "one_epoch", pool) == {"rank": 6}
    assert TABLE4.choice(FULL, cell("v4"), "one_epoch", pool_of(TABLE4, rising, "diverged")) == {"rank": 8}
    assert TABLE4.choice(FULL, cell("v4"), "one_epoch", pool_of(TABLE4, lambda c: None, "diverged")) is None


def test_a_run_of_one_epoch_answers_nothing_under_early_stopping():
    assert len(TABLE4.reported(FULL, cell("v1"), "one_epoch", {})) == 2
    assert TABLE4.reported(FULL, cell("v1"), "early_stopping", {}) == []


def test_every_suite_names_each_cell_and_each_run_once():
    for suite in SUITES.values():
        for dataset in set(suite.datasets) - {"amazon", "iaac", "iaac_twin"}:
            plan = Plan(profile="full", dataset=dataset, seeds=(1, 2))
            cells, search = suite.cells(plan), suite.search(plan)
            assert len({found.name for found in cells}) == len(cells)
            pool = {c.key: {"status": "ok"} | {f"{p}_valid_auc": 0.8 for p in PROTOCOLS} for c in search}
            runs = suite.runs(plan, pool)
            assert len({config.key for config in runs}) == len(runs)
            assert not {config.key for config in runs} & {config.key for config in search}
            for found in cells:
                if found.against:
                    assert found.against in {other.variant for other in cells}, (suite.name, found.name)


def test_base_is_tuned_with_as_many_points_as_apg():
    cells = {found.name: found for found in SUITES["table2"].cells(FULL)}
    assert len(cells) == 5 * 7
    assert cells["WDL", "tuned apg"].grid == cells["WDL", "tuned base"].grid
    for (_, variant), found in cells.items():
        assert len(found.grid) == (0 if variant == "base" else 20)


def test_dear_cells_come_last_and_first_seeds_first():
    suite = Suite(
        name="s", title="", page="", datasets=("movielens",),
        cells=lambda plan: (Cell(variant="a", dear=1), Cell(variant="base"), Cell(variant="c", n_seeds=1)),
    )  # fmt: skip
    runs = suite.runs(Plan(profile="full", dataset="movielens", seeds=(1, 2)), {})
    # a, base and c train the same: one run answers all three
    assert [config.seed for config in runs] == [1, 2]
    different = Suite(
        name="s", title="", page="", datasets=("movielens",),
        cells=lambda plan: (
            Cell(variant="a", dear=1), Cell(variant="b", options={"patience": 2}),
            Cell(variant="c", options={"patience": 3}, n_seeds=1),
        ),
    )  # fmt: skip
    runs = different.runs(Plan(profile="full", dataset="movielens", seeds=(1, 2)), {})
    assert [(c.variant, c.seed) for c in runs] == [("b", 1), ("c", 1), ("b", 2), ("a", 1), ("a", 2)]
    grid = ({"patience": 4}, {"patience": 5})
    searched = replace(
        different, cells=lambda plan: (Cell(variant="a", dear=1, grid=grid), Cell(variant="b", grid=grid))
    )
    assert [c.variant for c in searched.search(FULL)] == ["b", "b", "a", "a"]


def test_bad_plans_are_told():
    with pytest.raises(UserError, match="above 0, which chooses K and P"):
        Plan(profile="full", dataset="movielens", seeds=(0, 1))
    with pytest.raises(UserError, match="must be different"):
        Plan(profile="full", dataset="movielens", seeds=(1, 1))
    with pytest.raises(UserError, match="choose quick or full"):
        Plan(profile="fast", dataset="movielens", seeds=(1,))
    with pytest.raises(UserError, match="suite 'table3' is unknown; choose one of table2"):
        get_suite("table3")


def test_an_id_names_what_differs_from_the_defaults():
    config = RunConfig(suite="s", dataset="d", variant="base", seed=1)
    same = RunConfig.of_row(config.as_dict())
    assert same == config
    assert same.id == config.id == RunConfig(suite="s", dataset="d", variant="base", seed=1, batch_size=1024).id
    assert config.id != RunConfig(suite="s", dataset="d", variant="base", seed=1, batch_size=512).id


def test_a_key_names_what_is_computed_whoever_asks():
    config = RunConfig(suite="s", dataset="d", variant="base", seed=1)
    assert config.key == RunConfig(suite="t", dataset="d", variant="static", seed=1).key != config.id
    assert config.key != RunConfig(suite="s", dataset="d", variant="base", seed=2).key


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": "v6"}, "version 'v6' is unknown"),
        ({"version": "v4"}, "v4 needs a rank K"),
        ({"version": "v5", "rank": 4}, "v5 needs a width P"),
        ({"init": "zeros"}, "init 'zeros' is unknown"),
        ({"max_epochs": 0}, "at least 1"),
        ({"optimizer": "sgd"}, "optimizer 'sgd' is unknown; choose adam or row_adam"),
        ({"optimizer": "row_adam", "weight_decay": 0.1}, "row_adam knows no weight decay"),
    ],
)
def test_bad_configurations_are_told(options, message):
    with pytest.raises(UserError, match=message):
        RunConfig(suite="s", dataset="d", variant="x", seed=1, **options)


@pytest.mark.parametrize("dataset", USER_ITEM_CONTEXT)
def test_user_item_and_context_are_fields_of_the_data_set(dataset):
    if not (DATA / dataset / "manifest.json").exists():
        pytest.skip(f"{dataset} is not prepared: python data_scripts/{dataset}.py")
    assert set(USER_ITEM_CONTEXT[dataset]) <= set(load_manifest(dataset)["fields"])
