"""The store: whole lines, no run twice, torn tails, damage told."""

import math
import multiprocessing

import pandas as pd
import pytest

from apg_repro.config import RunConfig, UserError
from apg_repro.store import Store


def make(n: int) -> dict:
    return {"id": f"{n:012x}", "profile": "full", "suite": "s", "dataset": "d", "value": n}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    for n in range(3):
        store.append(make(n))
    return store


def path(store):
    return store.path("full", "s", "d")


def test_rows_come_back_in_order_and_pandas_reads_them(store):
    assert [row["value"] for row in store.rows("full", "s", "d")] == [0, 1, 2]
    assert pd.read_json(path(store), lines=True)["value"].tolist() == [0, 1, 2]
    assert store.rows("full", "s", "other") == []


def test_a_run_is_never_held_twice(store):
    assert not store.append(make(1))
    assert len(store.rows("full", "s", "d")) == 3


def test_a_torn_last_line_costs_that_run_only(store):
    content = path(store).read_bytes()
    path(store).write_bytes(content[:-20])
    assert [row["value"] for row in store.rows("full", "s", "d")] == [0, 1]
    assert store.append(make(2))
    assert path(store).read_bytes() == content


def test_a_whole_last_line_without_its_newline_is_kept(store):
    path(store).write_bytes(path(store).read_bytes()[:-1])
    store.append(make(3))
    assert [row["value"] for row in store.rows("full", "s", "d")] == [0, 1, 2, 3]


def test_damage_in_the_middle_is_told_with_its_line(store):
    lines = path(store).read_text().splitlines()
    path(store).write_text("\n".join([lines[0], lines[1][:10], lines[2]]) + "\n")
    with pytest.raises(UserError, match="line 2 is damaged: delete that line"):
        store.rows("full", "s", "d")


def test_json_that_is_no_row_is_told(store):
    path(store).write_text("{}\n" + path(store).read_text())
    with pytest.raises(UserError, match="line 1 is damaged: delete that line"):
        store.rows("full", "s", "d")


def test_a_row_of_another_version_is_told(store):
    store.append(make(3) | {"seed": 1, "variant": "v", "version": "v9"})
    with pytest.raises(UserError, match=r"row 000000000003 is damaged or of another version \(version 'v9'"):
        store.pool("full", "d")


def test_that_no_row_can_be_written_is_told_before_training(tmp_path):
    (tmp_path / "quick").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        Store(tmp_path).check_writable("quick", "s", "d")
    store = Store(tmp_path / "new")
    store.check_writable("quick", "s", "d")
    assert not list(store.path("quick", "s", "d").parent.iterdir())


def test_a_run_that_stands_there_twice_is_told(store):
    lines = path(store).read_text()
    path(store).write_text(lines + lines.splitlines()[0] + "\n")
    with pytest.raises(UserError, match="lines 1 and 4 hold the same run"):
        store.rows("full", "s", "d")


def test_what_is_not_finite_becomes_null(store):
    store.append(make(9) | {"value": math.nan, "history": [{"loss": math.inf}]})
    row = store.rows("full", "s", "d")[-1]
    assert row["value"] is None
    assert row["history"] == [{"loss": None}]


def append_many(root, start):
    for n in range(start, start + 25):
        Store(root).append(make(n))


def test_processes_may_write_side_by_side(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_many, args=(tmp_path, start)) for start in (0, 15)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(row["value"] for row in Store(tmp_path).rows("full", "s", "d")) == list(range(40))


def test_a_run_appended_by_another_process_is_in_the_pool_at_once(tmp_path, row):
    ours, other = Store(tmp_path), Store(tmp_path)
    assert not ours.pool("full", "movielens")
    for seed in (1, 2):
        config = RunConfig.of_row(row | {"seed": seed})
        other.append(row | {"seed": seed, "id": config.id})
        assert config.key in ours.pool("full", "movielens")
    assert len(ours.pool("full", "movielens")) == 2
