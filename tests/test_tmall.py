"""The loader of Tmall on rows made by hand, odd ones included."""

import numpy as np
import pytest

from apg_repro.data.gate import enter
from apg_repro.data.prepare import NotFoundError
from apg_repro.errors import UserError
from data_scripts import tmall

HEAD = "user_id,merchant_id,label"
LINES = ["34176,3906,0", "34176,121,1", "5,3906,0", "7,8,0"]
COUNTS_HEAD = ",".join(["merchant_id", *(f"merchant_{name}" for name in tmall.NUMBERS)])


def files(tmp_path, lines=LINES, merchants=((3906, 100), (121, 3))):
    path, counts = tmp_path / tmall.FILE, tmp_path / tmall.FEATURES_FILE
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    rows = [",".join(map(str, [one, *[users] * 10, 0.5, 2.0])) for one, users in merchants]
    counts.write_text("\n".join([COUNTS_HEAD, *rows]) + "\n")
    return path, counts


def test_rows_ids_and_labels(tmp_path):
    table = tmall.read(*files(tmp_path))
    assert table["user"].tolist() == [0, 0, 1, 2]
    assert table["merchant"].tolist() == [0, 1, 0, 2]
    assert table["label"].tolist() == [0, 1, 0, 0]


def test_a_merchant_without_counts_has_a_reach_of_its_own_and_the_mean(tmp_path):
    table = tmall.read(*files(tmp_path))
    assert table["reach"].tolist() == [0, 1, 0, 2]
    assert table["user_cnt"].tolist()[3] == 0.0
    assert table["buy_ratio"].tolist() == [0.0] * 4, "a constant says nothing"


def test_reach_changes_at_powers_of_two(tmp_path):
    merchants = [(1, 63), (2, 64), (3, 127), (4, 128), (5, 1)]
    table = tmall.read(*files(tmp_path, [f"1,{one},0" for one, _ in merchants], merchants))
    assert table["reach"].tolist() == [0, 1, 1, 2, 3]


def test_counts_enter_as_standardised_logarithms(tmp_path):
    table = tmall.read(*files(tmp_path))
    raw = np.log1p([100, 3, 100])
    np.testing.assert_allclose(table["item_cnt"][:3], (raw - raw.mean()) / raw.std(), rtol=1e-6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2,", "line 6: label '' is neither 0 nor 1"),
        ("1,2,-1", "line 6: label '-1' is neither 0 nor 1"),
        ("1,x,0", "line 6: merchant_id 'x' is not an id"),
        (",2,0", "line 6: user_id '' is not an id"),
        ("1,2", "line 6: 2 columns where 3 are expected"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, message):
    with pytest.raises(UserError, match=f"{tmall.FILE}, {message}"):
        tmall.read(*files(tmp_path, [*LINES, line]))


def test_counts_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"a merchant is there twice"):
        tmall.read(*files(tmp_path, merchants=[(1, 2), (1, 3)]))
    with pytest.raises(UserError, match=r"a number is negative"):
        tmall.read(*files(tmp_path, merchants=[(1, -2)]))
    with pytest.raises(UserError, match=r"cannot be used .*: is it merchant_features.csv"):
        tmall.read(*files(tmp_path, merchants=[(1, "many")]))


def test_both_files_are_found_in_the_folder_of_archives(tmp_path, monkeypatch):
    folder = tmp_path / "archives" / "tmall"
    folder.mkdir(parents=True)
    monkeypatch.setenv("APG_ARCHIVES", str(tmp_path / "archives"))
    with pytest.raises(NotFoundError, match=r"get train_format1.csv from https://tianchi.*--archive train_format1.csv"):
        tmall.prepare(None, root=tmp_path)
    _, counts = files(folder, LINES * 5)
    with pytest.raises(UserError, match=r"Tmall rows: 20 found, 260,864 expected \(the contest\)"):
        tmall.prepare(None, root=tmp_path)
    for name, value in (("ROWS", 20), ("USERS", 3), ("MERCHANTS", 3)):
        monkeypatch.setattr(tmall, name, value)
    tmall.prepare(None, root=tmp_path)
    data = enter("tmall", root=tmp_path)
    assert "reach" not in data.schema.inputs
    counts.unlink()
    with pytest.raises(NotFoundError, match=r"merchant_features.csv is not beside"):
        tmall.prepare(None, root=tmp_path)
