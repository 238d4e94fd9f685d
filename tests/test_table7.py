"""Table 7: counts of the data sets, the paper's and ours."""

import torch

from apg_repro.config import Measurement
from apg_repro.data.dataset import Dataset
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
    data = Dataset(
        name="movielens", schema=Schema(fields={"user": 4, "movie": 3}, inputs=("user", "movie")), checksum="2" * 64,
        fields=torch.tensor([[0, 0], [1, 1], [2, 0]], dtype=torch.int32), numbers=torch.empty(3, 0),
        labels=torch.tensor([1.0, 1.0, 0.0]),
    )  # fmt: skip
    monkeypatch.setattr(table7, "load", lambda name: data)
    found = table7.measure(Measurement(name="table7", dataset="movielens"))
    assert found == {"rows": 3, "users": 3, "items": 2, "positive_rate": 0.666667, "data": "2" * 64}


def test_a_count_is_reproduced_by_the_very_same_number():
    table = table_of(evidence_of("movielens", 1_000_209, 6_040, 3_705))
    assert table.loc[("MovieLens-1M", "rows"), "Verdict"] == "reproduced"
    assert table.loc[("MovieLens-1M", "items"), "Verdict"] == "contradicted"


def test_what_is_not_at_hand_and_what_is_private_are_called_so():
    table = table_of(evidence_of("movielens", 1_000_209, 6_040, 3_706))
    assert set(table.loc[["Amazon", "IAAC"], "Ours"]) == {"not run: file not at hand"}
    assert set(table.loc[["IndusData"], "Ours"]) == {"cannot be tested outside"}
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
