"""Table 7: counts of the data sets, the paper's and ours."""

import torch

from apg_repro.config import Measurement
from apg_repro.data.dataset import Dataset, Part
from apg_repro.data.schema import Schema
from apg_repro.experiments.table7 import measure as table7
from apg_repro.experiments.table7 import page
from tests.measured import measured_evidence


def table_of(*found):
    return page.counts_table(found).data.set_index(["Data set", "Count"])


def evidence_of(dataset, rows, users, items):
    return measured_evidence("table7", {"": {"rows": rows, "users": users, "items": items}}, dataset=dataset)


def test_ids_that_occur_are_counted_in_the_fields_that_the_catalogue_names(monkeypatch):
    """MovieLens' item is its movie. The last id of either field does not occur."""
    n = 60
    data = Dataset(
        name="movielens", schema=Schema(fields={"user": 4, "movie": 3}, inputs=("user", "movie")), checksum="2" * 64,
        fields=torch.tensor([[row % 3, row % 2] for row in range(n)], dtype=torch.int32), numbers=torch.empty(n, 0),
        labels=torch.tensor([float(row % 4 < 2) for row in range(n)]),
    )  # fmt: skip
    monkeypatch.setattr(table7, "load", lambda name: data)
    monkeypatch.setattr(table7, "SEEDS", {"full": ()})
    found = table7.measure(Measurement(name="table7", dataset="movielens"))
    assert found == {"rows": n, "users": 3, "items": 2, "positive_rate": 0.5, "unseen": {}, "data": "2" * 64}


def test_test_rows_with_an_id_that_training_does_not_see_are_counted(monkeypatch):
    train, valid, test = [[0, 0], [1, 1]], [[2, 2]], [[0, 1], [2, 0], [1, 2], [3, 2]]
    data = Dataset(
        name="movielens", schema=Schema(fields={"user": 4, "movie": 3}, inputs=("user", "movie")), checksum="",
        fields=torch.tensor([*train, *valid, *test], dtype=torch.int32), numbers=torch.empty(7, 0),
        labels=torch.zeros(7),
    )  # fmt: skip
    parts = [Part(whole=data, rows=rows) for rows in torch.arange(7).split([2, 1, 4])]
    monkeypatch.setattr(table7, "split", lambda data, seed: parts)
    found = table7.unseen(data, "user", "movie", 1)
    assert found == {"test rows": 4, "new user": 2, "new item": 2, "either": 3}
    table = page.unseen_table([measured_evidence("table7", {"": {"unseen": {"1": found}}}, dataset="movielens")])
    assert table.data.to_dict("records") == [
        {"Data set": "MovieLens-1M", "Seed": "1", "Test rows": "4", "New user": "2", "New item": "2", "Either": "3"}
    ]


def test_a_count_is_reproduced_by_the_very_same_number():
    table = table_of(evidence_of("movielens", 1_000_209, 6_040, 3_705))
    assert table.loc[("MovieLens-1M", "rows"), "Verdict"] == "reproduced"
    assert table.loc[("MovieLens-1M", "items"), "Verdict"] == "contradicted"


def test_what_is_not_at_hand_and_what_is_private_are_called_so():
    table = table_of(evidence_of("movielens", 1_000_209, 6_040, 3_706))
    assert set(table.loc[["Amazon", "IAAC"], "Ours"]) == {"not run: file not at hand"}
    assert set(table.loc[["IndusData"], "Ours"]) == {"needs the authors' data or traffic"}
    assert set(table.loc[["Amazon", "IAAC", "IndusData"], "Verdict"]) == {"not run"}


def test_every_data_set_that_was_counted_has_a_verdict():
    found = evidence_of("amazon", 1_292_954, 1_157_633, 9_560), evidence_of("iaac", 478_138, 197_694, 10_074)
    table = table_of(*found)["Verdict"]
    assert set(table["Amazon"]) == {"reproduced"}
    assert table["IAAC"].to_dict() == {"rows": "reproduced", "users": "reproduced", "items": "contradicted"}
    assert set(table["MovieLens-1M"]) == {"not run"}


def test_a_data_set_that_the_paper_does_not_have_is_counted_without_a_verdict():
    table = table_of(evidence_of("synthetic", 10, 5, 2))
    assert table.loc[("synthetic", "rows")].to_dict() == {"Paper": "–", "Ours": "10", "Verdict": ""}
    assert "synthetic" not in set(table_of(evidence_of("movielens", 1, 1, 1)).index.get_level_values(0))
