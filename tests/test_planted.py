"""Planted truth: what is planted is exactly what is said, and the controls differ in nothing else."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from apg_repro import observe
from apg_repro.build import build
from apg_repro.data import Schema, load
from apg_repro.planted import N_USERS, best_auc, blind_auc, generate
from apg_repro.suites import CENTRE, CONTROLS, PLANTED, SUITES, SWEEPS, Plan, Planted, specific_verdict
from apg_repro.train import count
from data_scripts.planted import make, prepare

SUITE = SUITES["planted"]
PLAN = Plan(profile="full", dataset=CENTRE.name, seeds=(1, 2, 3, 4, 5))


def rows(**options):
    return generate(**{"n_rows": 50_000, "n_groups": 5, "heterogeneity": 0.6, "common": 0.8} | options)


def logits(table):
    """Of every pair of group and item, (groups, items)."""
    pairs = table.pivot_table(index="group", columns="item", values="probability")
    assert not pairs.isna().any(axis=None)
    return np.log(pairs / (1 - pairs))


def test_the_same_rows_come_out_every_time():
    assert rows().equals(rows())
    assert not rows().equals(rows(seed=1))


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_labels_follow_the_probabilities(noise):
    table = rows(noise=noise)
    by_bin = table.groupby((table["probability"] * 10).astype(int)).agg(
        p=("probability", "mean"), y=("label", "mean"), n=("label", "size")
    )
    assert ((by_bin["p"] - by_bin["y"]).abs() < 2 / np.sqrt(by_bin["n"])).all()


@pytest.mark.parametrize("heterogeneity", [0.0, 0.6, 2.0])
def test_groups_differ_by_the_amount_that_was_planted(heterogeneity):
    """A group's own part of the logits has mean 0 over the groups and the planted variance."""
    found = logits(rows(heterogeneity=heterogeneity))
    own = found - found.mean()
    assert (own.to_numpy() ** 2).mean() == pytest.approx(heterogeneity**2, abs=1e-9)


def test_the_shared_part_has_the_amount_that_was_planted():
    """It is what is left of two sets of equal items when the same biases are taken away: (0.8 - 0.3) w · q."""
    difference = logits(rows(common=0.8)) - logits(rows(common=0.3))
    assert (difference.to_numpy() ** 2).mean() == pytest.approx(0.5**2, abs=1e-9)


def test_a_sweep_changes_one_thing_only():
    """Impressions are the same in all settings, items too: without own weights the number of groups changes nothing."""
    base = rows()
    for options in ({"heterogeneity": 2.0}, {"n_groups": 50}, {"noise": 0.5}):
        assert rows(**options)[["user", "item", "category"]].equals(base[["user", "item", "category"]])
    columns = ["item", "probability", "label"]
    assert rows(heterogeneity=0.0)[columns].equals(rows(heterogeneity=0.0, n_groups=50)[columns])


def test_where_groups_are_alike_no_model_of_groups_is_better_than_a_common_one():
    alike, different = rows(heterogeneity=0.0), rows()
    assert blind_auc(alike) == pytest.approx(best_auc(alike), abs=1e-12)
    assert blind_auc(different) < best_auc(different) - 0.01


def test_noise_changes_what_can_be_reached_and_not_what_is_right():
    clean, noisy = rows(), rows(noise=0.5)
    assert (clean["probability"].rank() == noisy["probability"].rank()).all()
    assert best_auc(noisy) < best_auc(clean) - 0.05


def test_shuffled_groups_are_as_large_as_the_groups_and_tell_nothing_of_them():
    table = make(CENTRE, 100_000)
    users = table.groupby("user")[["group", "shuffled"]].agg(["min", "max"])
    for field in ("group", "shuffled"):
        assert (users[field]["min"] == users[field]["max"]).all(), "a user is in one group"
    sizes = [users[field]["min"].value_counts().sort_index() for field in ("group", "shuffled")]
    assert sizes[0].tolist() == sizes[1].tolist() == [N_USERS // CENTRE.groups] * CENTRE.groups
    pairs = pd.crosstab(users["group"]["min"], users["shuffled"]["min"])
    expected = N_USERS / CENTRE.groups**2
    chi_squared = ((pairs - expected) ** 2 / expected).to_numpy().sum()
    freedom = (CENTRE.groups - 1) ** 2
    assert abs(chi_squared - freedom) < 4 * np.sqrt(2 * freedom), "as independent as chance makes it"
    assert set(table["everyone"]) == {0}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    prepare(root, n_rows=20_000)
    return root


def test_every_setting_is_prepared_and_its_manifest_knows_the_best_possible_auc(prepared):
    assert {path.name for path in prepared.iterdir()} == set(PLANTED) == set(SUITE.datasets)
    for name, setting in PLANTED.items():
        manifest = json.loads((prepared / name / "manifest.json").read_text())
        table = pd.read_parquet(prepared / name / "rows.parquet")
        assert manifest["best_auc"] == round(float(roc_auc_score(table["label"], table["probability"])), 6)
        assert (manifest["blind_auc"] < manifest["best_auc"]) == (setting.heterogeneity > 0)
        assert manifest["fields"]["group"] == manifest["fields"]["shuffled"] == setting.groups


def test_models_see_neither_the_probabilities_nor_the_fields_of_the_controls(prepared):
    data = load(CENTRE.name, root=prepared)
    assert data.schema.inputs == ("group", "item", "category")
    assert data.schema.numbers == ()


def test_the_truth_of_some_rows_is_that_of_their_own_probabilities(prepared, monkeypatch):
    monkeypatch.setattr(observe, "DATA", prepared)
    chosen = np.random.default_rng(0).permutation(20_000)[:3_000]
    data = load(CENTRE.name, root=prepared).take(torch.tensor(chosen))
    table = pd.read_parquet(prepared / CENTRE.name / "rows.parquet")
    by_item = table.groupby("item")["probability"].mean()
    table = table.iloc[chosen]
    found = observe.truth(torch.nn.Identity(), data, data)
    assert found["best_auc"] == pytest.approx(roc_auc_score(table["label"], table["probability"]))
    assert found["blind_auc"] == pytest.approx(roc_auc_score(table["label"], table["item"].map(by_item)))


def test_a_sweep_goes_through_the_centre_and_moves_one_number():
    for name, sweep in SWEEPS.items():
        assert CENTRE in sweep
        assert all(dataclasses.replace(setting, **{name: getattr(CENTRE, name)}) == CENTRE for setting in sweep)
    assert SWEEPS["heterogeneity"][0] == Planted(heterogeneity=0)


def models():
    """The hidden layers' weights and all weights of each contender, and its configuration."""
    schema = Schema(
        fields={"user": 20, "group": 10, "item": 30, "category": 5, "shuffled": 10, "everyone": 1},
        inputs=("group", "item", "category"),
    )
    found = {}
    for cell in SUITE.cells(PLAN):
        config = SUITE.config(PLAN, cell, 1)
        model = build(config, schema)
        found[cell.variant] = (count(model.deep), config)  # pyright: ignore[reportArgumentType]
    return found


def test_the_controls_have_as_many_weights_as_apg_by_group():
    found = models()
    wanted, _ = found["APG by group"]
    assert wanted > 1.5 * found["base"][0]
    for name in CONTROLS:
        assert found[name][0] == pytest.approx(wanted, rel=0.01), name


def test_apgs_controls_differ_from_apg_by_group_in_the_condition_only():
    found = models()
    _, apg = found["APG by group"]
    for name, condition in {"APG, shuffled groups": "shuffled", "APG, one group": "everyone"}.items():
        assert found[name][1].key == dataclasses.replace(apg, condition=condition).key
    assert apg.condition == "group"


@pytest.mark.parametrize(
    ("gain", "over_controls", "answer"),
    [
        ((0.3, 0.4), [(0.1, 0.3), (0.1, 0.2)], "specific"),
        ((0.3, 0.4), [(0.1, 0.3), (0.1, 0.19)], "partly specific"),
        ((0.3, 0.4), [(0.1, 0.3), (-0.01, 0.3)], "not specific"),
        ((-0.01, 0.4), [(0.1, 0.3), (0.1, 0.3)], "no gain"),
        ((0.05, 0.09), [(0.1, 0.3), (0.1, 0.3)], "no gain"),
        ((float("nan"), 0.4), [(0.1, 0.3), (0.1, 0.3)], "no gain"),
        ((0.3, 0.4), [(0.1, 0.3), (float("nan"), 0.3)], "not specific"),
    ],
)
def test_the_rule_for_specific_parameters(gain, over_controls, answer):
    assert specific_verdict(gain, over_controls) == answer
