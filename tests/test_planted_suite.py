"""The study of planted truth: what its controls differ from APG in, and what the truth of its rows is."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from apg_repro.data.dataset import load
from apg_repro.data.planted import CENTRE, PLANTED
from apg_repro.data.schema import Schema
from apg_repro.experiments.planted.plan import CONTROLS, SUITE
from apg_repro.suite import Plan, configure
from apg_repro.training import observe
from apg_repro.training.build import build
from apg_repro.training.train import count
from data_scripts.planted import prepare
from tests.pretend_cuda import PretendedCuda

PLAN = Plan(profile="full", dataset=CENTRE.name, seeds=(1, 2, 3, 4, 5))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    prepare(root, n_rows=20_000)
    return root


def test_every_setting_is_a_data_set_of_the_suite():
    assert set(SUITE.datasets) == set(PLANTED)


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


def test_the_truth_is_found_on_a_gpu_as_on_a_cpu(prepared, monkeypatch):
    monkeypatch.setattr(observe, "DATA", prepared)
    data = load(CENTRE.name, root=prepared)
    expected = observe.truth(torch.nn.Identity(), data, data)
    with PretendedCuda():
        there = data.to(torch.device("cuda"))
        assert observe.truth(torch.nn.Identity(), there, there) == pytest.approx(expected)


def models():
    """The number of the hidden layers' weights of every contender, and its configuration."""
    schema = Schema(
        fields={"user": 20, "group": 10, "item": 30, "category": 5, "shuffled": 10, "everyone": 1},
        inputs=("group", "item", "category"),
    )
    found = {}
    for cell in SUITE.cells(PLAN):
        config = configure(PLAN, cell, 1)
        found[cell.name] = (count(build(config, schema).deep), config)  # pyright: ignore[reportArgumentType]
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
        assert found[name][1].id == dataclasses.replace(apg, condition=condition).id
    assert apg.condition == "group"
