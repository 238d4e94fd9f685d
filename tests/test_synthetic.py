"""The synthetic set for use offline. How its rows come about: ``test_planted``."""

import json

from sklearn.metrics import roc_auc_score

from apg_repro.data import load
from apg_repro.planted import generate
from data_scripts.synthetic import HETEROGENEITY, N_GROUPS, N_ROWS, prepare


def test_the_best_possible_auc_stands_in_the_manifest_and_the_probabilities_nowhere(tmp_path):
    prepare(tmp_path)
    manifest = json.loads((tmp_path / "synthetic" / "manifest.json").read_text())
    table = generate(n_rows=N_ROWS, n_groups=N_GROUPS, heterogeneity=HETEROGENEITY)
    assert manifest["best_auc"] == round(float(roc_auc_score(table["label"], table["probability"])), 6)
    data = load("synthetic", root=tmp_path)
    assert len(data) == N_ROWS
    assert list(data.schema.fields) == ["user", "group", "item", "category"]
    assert data.schema.numbers == ()
