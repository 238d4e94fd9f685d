"""Prepared data as tensors, samples of them, and their split."""

import numpy as np
import pytest
import torch

from apg_repro.data.dataset import Dataset, load, split
from apg_repro.data.gate import MIN_ROWS
from apg_repro.errors import UserError
from apg_repro.seeds import derive_seed
from tests.conftest import random_rows
from tests.tiny import N, table, write


def test_what_is_written_is_read_back(tiny):
    data, written = load("tiny", root=tiny), table()
    assert data.fields.tolist() == written[["user", "item"]].to_numpy().tolist()
    assert torch.equal(data.numbers, torch.tensor(written[["price", "war", "love"]].to_numpy(np.float32)))
    assert data.labels.tolist() == written["label"].tolist()
    assert load("tiny", features="ids", root=tiny).schema.inputs == ("user",)


def test_a_sample_is_always_the_same_rows(tiny):
    """Those that pandas samples with the seed 0, by which the committed rows were sampled."""
    one, other = load("tiny", rows=7, root=tiny), load("tiny", rows=7, root=tiny)
    expected = table().sample(n=7, random_state=0)
    assert torch.equal(one.fields, other.fields)
    assert one.fields.tolist() == expected[["user", "item"]].to_numpy().tolist()
    assert len(load("tiny", rows=100, root=tiny)) == N
    with pytest.raises(UserError, match="rows must be at least 1, not 0"):
        load("tiny", rows=0, root=tiny)


def test_a_sample_has_the_checksum_of_all_rows(tiny):
    assert load("tiny", rows=7, root=tiny).checksum == load("tiny", root=tiny).checksum


@pytest.mark.fault("a test row is trained on", "the three parts have no row in common")
def test_a_split_is_80_10_10_disjoint_and_fixed_by_the_seed(small):
    whole = small.take(torch.arange(3000))
    tagged = type(whole)(
        name="t", schema=whole.schema, fields=torch.arange(3000, dtype=torch.int32).unsqueeze(1),
        numbers=whole.numbers, labels=whole.labels, checksum="",
    )  # fmt: skip
    parts = split(tagged, seed=1)
    assert [len(part) for part in parts] == [2400, 300, 300]
    assert sorted(torch.cat([part.copy().fields[:, 0] for part in parts]).tolist()) == list(range(3000))
    again = split(tagged, seed=1)
    assert all(torch.equal(a.rows, b.rows) for a, b in zip(parts, again, strict=True))
    assert not torch.equal(parts[0].rows, split(tagged, seed=2)[0].rows)


def test_a_part_holds_no_copy_of_its_rows_and_gives_those_that_are_asked_for(small):
    part = split(small, seed=1)[2]
    assert part.whole is small
    whole, places = part.copy(), torch.tensor([5, 0, 5])
    assert torch.equal(whole.fields, small.fields[part.rows])
    assert torch.equal(part.take(places).numbers, whole.numbers[places])
    assert torch.equal(part.labels, whole.labels)
    for batches in (part.batches(64), whole.batches(64)):
        found = list(batches)
        assert {len(batch) for batch in found[:-1]} == {64}
        assert torch.equal(torch.cat([batch.fields for batch in found]), whole.fields)
    for field in small.schema.fields:
        assert torch.equal(part.column(field), whole.column(field))


def test_rows_with_parts_of_their_own_are_split_by_them_whatever_the_seed(tmp_path):
    def written(numbers, **extra):
        rows = table().assign(part=np.array(numbers, np.int8))
        write(tmp_path, rows, **extra)
        return load("tiny", root=tmp_path)

    part = [0] * 20 + [2] * 8 + [1] * 12
    data = written(part, part="as published")
    for seed in (1, 2):
        assert [found.rows.tolist() for found in split(data, seed)] == [
            list(range(20)), list(range(28, 40)), list(range(20, 28)),
        ]  # fmt: skip
    some = torch.arange(40)[torch.arange(40) % 4 < 2]
    assert len(split(data.take(some), 1)[0]) == 10, "a sample keeps the part of each row"
    other = written(part[::-1], part="as published")
    assert other.checksum != data.checksum, "which row is in which part is part of the data"
    assert written(part).parts is None
    with pytest.raises(UserError, match="no row is for test"):
        written([0] * 20 + [1] * 20, part="as published")
    with pytest.raises(UserError, match="column 'part' has the id 3"):
        written([0, 1, 2, 3] * 10, part="as published")


def test_too_few_rows_cannot_be_split(schema):
    with pytest.raises(UserError, match=f"random: 19 rows cannot be split, take at least {MIN_ROWS}"):
        split(random_rows(schema, MIN_ROWS - 1), seed=1)


def labelled(schema, labels):
    rows = random_rows(schema, len(labels))
    return Dataset(
        name="rare", schema=schema, fields=rows.fields, numbers=rows.numbers, checksum="0",
        labels=torch.tensor(labels, dtype=torch.float32),
    )  # fmt: skip


def test_a_part_of_one_class_raises_a_user_error_that_names_part_counts_and_remedy(schema):
    data = labelled(schema, [1.0] * 3 + [0.0] * 97)
    with pytest.raises(
        UserError, match=r"rare, seed 1: 0 of the 10 (validation|test) rows are positive, .* take more than 100 rows"
    ):
        split(data, seed=1)
    data = labelled(schema, [0.0] * 3 + [1.0] * 97)
    with pytest.raises(UserError, match=r"10 of the 10 (validation|test) rows are positive, .* needs both classes"):
        split(data, seed=1)


def test_the_fewest_rows_that_can_be_split_leave_both_classes_in_every_part(schema):
    for seed in range(50):  # one is enough that puts both classes into each part
        try:
            parts = split(labelled(schema, [0.0, 1.0] * (MIN_ROWS // 2)), seed)
        except UserError:
            continue
        assert [len(part) for part in parts] == [16, 2, 2]
        return
    pytest.fail("no seed splits them")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_split_on_a_gpu_has_the_rows_of_one_on_the_cpu(small):
    for here, there in zip(split(small, seed=1), split(small.to(torch.device("cuda")), seed=1), strict=True):
        assert there.labels.is_cuda
        assert torch.equal(here.copy().fields, there.copy().fields.cpu())


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
