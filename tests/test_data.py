"""Prepared data: what comes back, and what is said when it cannot."""

import json

import pandas as pd
import pytest
import torch

from apg_repro.config import UserError
from apg_repro.data import derive_seed, load, split
from apg_repro.prepare import write_dataset


@pytest.fixture
def prepared(tmp_path):
    table = pd.DataFrame(
        {"user": [0, 2, 1, 0], "item": [1, 0, 0, 1], "price": [0.5, 1.0, 2.0, 4.0], "label": [1, 0, 0, 1]}
    )
    features = {
        "default": {"inputs": ["user", "item"], "numbers": ["price"], "bags": {}},
        "ids": {"inputs": ["user"], "numbers": [], "bags": {}},
    }
    write_dataset(
        "tiny", table, fields=["user", "item"], features=features,
        source={"file": "f", "sha256": "ab" * 32, "official": False}, counts={"users": 3, "items": 2}, root=tmp_path,
    )  # fmt: skip
    return tmp_path


def test_what_is_written_is_read_back(prepared):
    data = load("tiny", root=prepared)
    assert data.fields.tolist() == [[0, 1], [2, 0], [1, 0], [0, 1]]
    assert data.numbers.flatten().tolist() == [0.5, 1.0, 2.0, 4.0]
    assert data.labels.tolist() == [1, 0, 0, 1]
    assert data.schema.fields == {"user": 3, "item": 2}
    assert data.checksum == "ab" * 32


def test_a_feature_set_names_the_columns_that_a_model_sees(prepared):
    data = load("tiny", features="ids", root=prepared)
    assert data.schema.inputs == ("user",)
    assert data.numbers.shape == (4, 0)
    with pytest.raises(UserError, match="no feature set 'all'; it has default, ids"):
        load("tiny", features="all", root=prepared)


def test_a_sample_is_always_the_same_rows(prepared):
    one, other = load("tiny", rows=2, root=prepared), load("tiny", rows=2, root=prepared)
    assert len(one) == 2
    assert torch.equal(one.fields, other.fields)
    assert len(load("tiny", rows=100, root=prepared)) == 4


def test_missing_and_damaged_data_say_what_to_do(prepared):
    with pytest.raises(UserError, match=r"'none' is not prepared: run `python data_scripts/none.py`"):
        load("none", root=prepared)
    (prepared / "tiny" / "rows.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(UserError, match="cannot be read: run"):
        load("tiny", root=prepared)
    (prepared / "tiny" / "manifest.json").write_text('{"rows": ')
    with pytest.raises(UserError, match="is damaged"):
        load("tiny", root=prepared)


def test_rows_that_differ_from_the_manifest_are_told(prepared):
    path = prepared / "tiny" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rows": 5}))
    with pytest.raises(UserError, match="has 4 rows, its manifest 5"):
        load("tiny", root=prepared)


def test_a_split_is_80_10_10_disjoint_and_fixed_by_the_seed(small):
    whole = small.take(torch.arange(3000))
    tagged = type(whole)(
        name="t", schema=whole.schema, fields=torch.arange(3000, dtype=torch.int32).unsqueeze(1),
        numbers=whole.numbers, labels=whole.labels, checksum="",
    )  # fmt: skip
    parts = split(tagged, seed=1)
    assert [len(part) for part in parts] == [2400, 300, 300]
    assert sorted(torch.cat([part.fields[:, 0] for part in parts]).tolist()) == list(range(3000))
    again = split(tagged, seed=1)
    assert all(torch.equal(a.fields, b.fields) for a, b in zip(parts, again, strict=True))
    assert not torch.equal(parts[0].fields, split(tagged, seed=2)[0].fields)


def test_every_purpose_has_a_seed_of_its_own():
    seeds = {derive_seed(seed, purpose) for seed in range(5) for purpose in ("split", "batches", "init")}
    assert len(seeds) == 15
    assert derive_seed(1, "init", "deep") == derive_seed(1, "init", "deep")


def test_movielens_is_what_table_7_counts(movielens):
    assert len(movielens) == 1_000_209
    assert movielens.fields[:, movielens.schema.column("user")].unique().numel() == 6_040
    assert movielens.fields[:, movielens.schema.column("movie")].unique().numel() == 3_706
    assert movielens.schema.fields["genres"] == 301
    ages = movielens.numbers[:, :7]
    assert torch.equal(ages.sum(1), torch.ones(len(movielens)))
