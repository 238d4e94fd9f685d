"""Planted rows: what is planted is exactly what is said."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from apg_repro.catalogue import how_to_prepare
from apg_repro.data.gate import enter
from apg_repro.data.planted import CENTRE, N_USERS, PLANTED, SWEEPS, Planted, best_auc, blind_auc, generate
from data_scripts.planted import make, prepare


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


def test_a_long_tail_changes_who_sees_an_item_and_nothing_else():
    """The k-th user's share falls as 1/k; items are the same, and so are the probabilities of every group and item."""
    even, long = rows(n_groups=5), rows(n_groups=5, tail=1.0)
    assert long[["item", "category"]].equals(even[["item", "category"]])
    assert np.allclose(logits(long), logits(even))
    counts = long["user"].value_counts().sort_index()
    expected = 1 / np.arange(1, N_USERS + 1)
    expected *= len(long) / expected.sum()
    assert np.allclose(counts[:20], expected[:20], atol=4 * np.sqrt(expected[0]))
    assert counts.iloc[:20].sum() == pytest.approx(expected[:20].sum(), rel=0.03)


def test_where_groups_are_alike_no_model_of_groups_is_better_than_a_common_one():
    alike, different = rows(heterogeneity=0.0), rows()
    assert blind_auc(alike) == pytest.approx(best_auc(alike), abs=1e-12)
    assert blind_auc(different) < best_auc(different) - 0.01


def test_noise_changes_what_can_be_reached_and_not_what_is_right():
    clean, noisy = rows(), rows(noise=0.5)
    assert (clean["probability"].rank() == noisy["probability"].rank()).all()
    assert best_auc(noisy) < best_auc(clean) - 0.05


def test_shuffled_groups_are_as_large_as_the_groups_and_independent_of_them():
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
    assert {path.name for path in prepared.iterdir()} == set(PLANTED)
    for name, setting in PLANTED.items():
        manifest = json.loads((prepared / name / "manifest.json").read_text())
        table = pd.read_parquet(prepared / name / "rows.parquet")
        assert manifest["best_auc"] == round(float(roc_auc_score(table["label"], table["probability"])), 6)
        assert (manifest["blind_auc"] < manifest["best_auc"]) == (setting.heterogeneity > 0)
        assert manifest["fields"]["group"] == manifest["fields"]["shuffled"] == setting.groups


def test_models_see_neither_the_probabilities_nor_the_fields_of_the_controls(prepared):
    data = enter(CENTRE.name, root=prepared)
    assert data.schema.inputs == ("group", "item", "category")
    assert data.schema.numbers == ()


def test_a_sweep_goes_through_the_centre_and_moves_one_number():
    for name, sweep in SWEEPS.items():
        assert CENTRE in sweep
        assert all(dataclasses.replace(setting, **{name: getattr(CENTRE, name)}) == CENTRE for setting in sweep)
    assert SWEEPS["heterogeneity"][0] == Planted(heterogeneity=0)


def test_one_script_prepares_all_settings():
    assert {how_to_prepare(name) for name in PLANTED} == {"python data_scripts/planted.py"}
