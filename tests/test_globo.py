"""The loader of Globo.com, its negatives and its split in time, on clicks made by hand."""

import numpy as np
import pandas as pd
import pytest

from apg_repro.data.dataset import load, split
from apg_repro.errors import UserError
from data_scripts import globo


def clicks(n=200):
    """n clicks in three hours: articles 0 to 4 in the first, 5 to 9 in the second, 99 alone in the third."""
    random = np.random.RandomState(1)
    hour = np.sort(random.randint(3, size=n))
    item = np.where(hour == 2, 99, 5 * hour + random.randint(5, size=n))
    return pd.DataFrame(
        {
            "user_id": np.arange(n) % 7 + 50, "click_article_id": item,
            "click_timestamp_s": 3600 * (30 + hour) + np.arange(n),
            **{column: random.randint(3, size=n) for column in globo.CONTEXT.values()}, "session_size": 2,
        }
    ).astype("int32")  # fmt: skip


def written(tmp_path, table):
    path = tmp_path / globo.FILE
    table.to_parquet(path)
    return path


def test_a_click_is_followed_by_three_others_of_its_hour_with_all_else_the_same(tmp_path):
    known = globo.read(written(tmp_path, clicks()))
    rows = globo.make(known)
    kept = known[known["time"] // 3600 < 32].reset_index(drop=True)
    assert len(rows) == 4 * len(kept), "an hour with one article has no negatives, and is left out"
    assert rows["label"].tolist() == [1, 0, 0, 0] * len(kept)
    positive = rows[rows["label"] == 1].reset_index(drop=True)
    assert positive["item"].tolist() == kept["item"].tolist()
    of_hour = kept.groupby(kept["time"] // 3600)["item"].agg(set)
    for number in range(3):
        negative = rows.iloc[1 + number :: 4].reset_index(drop=True)
        assert negative.drop(columns=["item", "label"]).equals(positive.drop(columns=["item", "label"]))
        assert (negative["item"] != positive["item"]).all()
        assert all(item in of_hour[hour] for item, hour in zip(negative["item"], kept["time"] // 3600, strict=True))
    assert rows["hour"].tolist() == (kept["time"] // 3600 % 24).repeat(4).tolist()
    assert rows.equals(globo.make(known)), "the same rows every time"


def test_every_other_article_of_the_hour_is_drawn_as_often():
    item, hour = np.tile([0, 1, 2, 7], 3000).astype("int32"), np.full(12_000, 5)
    drawn = globo.negatives(item, hour, np.random.RandomState(0))
    for own in (0, 1, 2, 7):
        counts = pd.Series(drawn[item == own].ravel()).value_counts()
        assert set(counts.index) == {0, 1, 2, 7} - {own}
        assert all(abs(count - 3000) < 5 * (9000 * 2 / 9) ** 0.5 for count in counts)


def test_the_split_in_time_keeps_a_second_and_a_click_with_its_negatives_together(tmp_path, monkeypatch):
    table = clicks()
    for name, value in (("CLICKS", 200), ("USERS", 7), ("ITEMS", 11)):
        monkeypatch.setattr(globo, name, value)
    path = written(tmp_path, table)
    globo.prepare(path, root=tmp_path)
    globo.prepare(path, "time", root=tmp_path)
    plain, timed = load("globo", root=tmp_path), load("globo_time", root=tmp_path)
    assert plain.parts is None
    assert plain.fields.equal(timed.fields)
    found = [part.rows.tolist() for part in split(timed, seed=1)]
    assert found == [part.rows.tolist() for part in split(timed, seed=2)]
    assert [rows[0] % 4 for rows in found] == [0, 0, 0]
    assert [rows == sorted(rows) for rows in found] == [True] * 3
    assert found[0][-1] < found[1][0] < found[1][-1] < found[2][0], "these clicks are in order of time"
    assert globo.parts(np.array([5, 1, 1, 1, 1, 1, 1, 1, 9, 9])).tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 2, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="click_os"), "cannot be used"),
        (lambda table: table.assign(click_os=0.5), "column 'click_os' is not all whole numbers"),
        (lambda table: table.assign(click_os=table["click_os"].astype("Int32").where(table.index > 3)), "'click_os'"),
        (lambda table: table.iloc[:0], "has no rows"),
    ],
)
def test_a_file_with_other_columns_is_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        globo.read(written(tmp_path, change(clicks())))


def test_a_part_of_the_clicks_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"Globo.com rows: 200 found, 2,988,181 expected"):
        globo.prepare(written(tmp_path, clicks()), root=tmp_path)
