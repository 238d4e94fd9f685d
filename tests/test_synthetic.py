"""The synthetic set: its structure is planted and known."""

import numpy as np
from sklearn.metrics import roc_auc_score

from data_scripts.synthetic import generate, prepare


def test_the_same_rows_come_out_every_time():
    assert generate(n_rows=1000).equals(generate(n_rows=1000))


def test_labels_follow_the_probabilities():
    table = generate(n_rows=50_000)
    by_bin = table.groupby((table["probability"] * 10).astype(int)).agg(p=("probability", "mean"), y=("label", "mean"))
    assert (by_bin["p"] - by_bin["y"]).abs().max() < 0.03


def test_groups_differ_as_much_as_planted():
    """How much the click rate of an item differs between groups grows with the heterogeneity."""
    spread = []
    for heterogeneity in (0.0, 1.0, 2.0):
        table = generate(n_rows=50_000, heterogeneity=heterogeneity)
        spread.append(table.groupby(["item", "group"])["probability"].mean().groupby("item").std().mean())
    assert spread[0] < 1e-9
    assert spread[1] < spread[2]


def test_the_best_possible_auc_stands_in_the_manifest(tmp_path):
    import json

    prepare(tmp_path)
    manifest = json.loads((tmp_path / "synthetic" / "manifest.json").read_text())
    table = generate()
    assert manifest["best_auc"] == round(float(roc_auc_score(table["label"], table["probability"])), 6)
    noisy = table["probability"] + 0.1 * np.random.default_rng(0).normal(size=len(table))
    assert roc_auc_score(table["label"], noisy) < manifest["best_auc"]
