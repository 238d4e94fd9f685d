"""The synthetic set for use offline. How its rows come about: ``test_planted``."""

import json

import pandas as pd
from sklearn.metrics import roc_auc_score

from apg_repro.data.gate import enter
from apg_repro.data.planted import generate
from data_scripts.synthetic import HETEROGENEITY, N_GROUPS, N_ROWS, prepare


def test_the_manifest_has_the_best_possible_auc_and_no_column_has_the_probabilities(tmp_path):
    prepare(tmp_path)
    manifest = json.loads((tmp_path / "synthetic" / "manifest.json").read_text())
    table = generate(n_rows=N_ROWS, n_groups=N_GROUPS, heterogeneity=HETEROGENEITY)
    assert manifest["best_auc"] == round(float(roc_auc_score(table["label"], table["probability"])), 6)
    data = enter("synthetic", root=tmp_path)
    assert len(data.labels) == N_ROWS
    assert list(data.schema.fields) == ["user", "group", "item", "category"]
    assert data.schema.numbers == ()
    assert "probability" not in pd.read_parquet(tmp_path / "synthetic" / "rows.parquet")
