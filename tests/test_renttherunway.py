"""The loader of Rent the Runway on rows made by hand, in both forms, odd ones included."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from apg_repro.data.gate import enter
from apg_repro.data.prepare import NotFoundError
from apg_repro.errors import UserError
from data_scripts import renttherunway

FULL = {
    "fit": "fit", "user_id": "420272", "bust size": "34d", "item_id": "2260466", "weight": "137lbs", "rating": "10",
    "rented for": "vacation", "review_text": "An adorable \"romper\"!", "body type": "hourglass",
    "review_summary": "So many compliments!", "category": "romper", "height": "5' 8\"", "size": 14, "age": "28",
    "review_date": "April 20, 2016",
}  # fmt: skip


def review(left_out=(), **changed):
    """A review with other values, keys written with _ for a blank."""
    values = FULL | {name.replace("_", " ") if name.replace("_", " ") in FULL else name: value
                     for name, value in changed.items()}  # fmt: skip
    return {name: value for name, value in values.items() if name not in left_out}


REVIEWS = [
    FULL,
    review(user_id="273551", rating="8", rented_for="party: cocktail", bust_size="34dd", fit="small"),
    review(("weight", "bust size", "body type", "age", "height", "rented for"), user_id="360448", item_id="7"),
    review(user_id="1", rating=None),
    review(user_id="2", rating="2", bust_size="32ddd/e", height="4' 11\"", size=0, age="0", rented_for="party"),
    review(("weight",), user_id="420272", rating="10", bust_size="34d+"),
]
# The same rows as the table has them.
TABLE = pd.DataFrame(
    {
        "fit": ["fit", "small", "fit", "fit", "fit", "fit"],
        "user_id": [420272, 273551, 360448, 1, 2, 420272],
        "item_id": [2260466, 2260466, 7, 2260466, 2260466, 2260466],
        "weight_lbs": [137.0, 137.0, np.nan, 137.0, 137.0, np.nan],
        "rating": [10.0, 8.0, 10.0, np.nan, 2.0, 10.0],
        "rented_for": pd.Categorical(["vacation", "party", None, "vacation", "party", "vacation"]),
        "body_type": pd.Categorical(["hourglass", "hourglass", None, "hourglass", "hourglass", "hourglass"]),
        "category": ["romper"] * 6,
        "size": [14, 14, 14, 14, 0, 14],
        "age": [28.0, 28.0, np.nan, 28.0, 0.0, 28.0],
        "bust_size_num": [34.0, 34.0, np.nan, 34.0, 32.0, 34.0],
        "bust_size_letter": pd.Categorical(["d", "d", None, "d", "e", "d"]),
        "height_in": [68.0, 68.0, np.nan, 68.0, 59.0, 68.0],
        "recommend": [1, 0, 1, 0, 0, 1],
    }
)  # fmt: skip


def official(tmp_path, *reviews):
    path = tmp_path / renttherunway.FILE
    path.write_bytes(gzip.compress("\n".join(json.dumps(one) for one in reviews).encode(), mtime=0))
    return path


def table(tmp_path, rows=TABLE):
    path = tmp_path / renttherunway.TABLE
    rows.to_parquet(path)
    return path


def test_both_forms_give_the_same_rows(tmp_path):
    ours = renttherunway.read(official(tmp_path, *REVIEWS))
    pd.testing.assert_frame_equal(ours, renttherunway.read(table(tmp_path)))
    unpacked = tmp_path / "reviews.json"
    unpacked.write_bytes(gzip.decompress((tmp_path / renttherunway.FILE).read_bytes()))
    pd.testing.assert_frame_equal(ours, renttherunway.read(unpacked))


def test_rows_ids_and_labels(tmp_path):
    rows = renttherunway.read(official(tmp_path, *REVIEWS))
    assert rows["label"].tolist() == [1, 0, 1, 0, 1], "positive at a rating of 10; the row without one is left out"
    assert rows["user"].tolist() == [0, 1, 2, 3, 0]
    assert rows["item"].tolist() == [0, 0, 1, 0, 0]
    assert rows["rented_for"].tolist() == [0, 1, 2, 1, 0], "a cocktail party is a party"
    assert rows["bust"].tolist() == [0, 0, 1, 2, 0]


def test_a_missing_value_is_an_id_of_its_own(tmp_path):
    rows = renttherunway.read(official(tmp_path, *REVIEWS))
    assert rows["weight"].tolist() == [0, 0, 1, 0, 1]
    assert rows["age"].tolist() == [0, 0, 1, 2, 0], "an age of 0 is none that is missing"
    assert rows["height"].tolist() == [0, 0, 1, 2, 0]
    assert rows["body_type"].tolist() == [0, 0, 1, 0, 0]


def test_what_is_told_after_the_rental_is_no_column(tmp_path):
    """Neither of them can be learned from: a change leaves every row as it is."""
    other = [one | {"fit": "large", "review_text": "", "review_summary": "", "review_date": ""} for one in REVIEWS]
    rows = renttherunway.read(official(tmp_path, *REVIEWS))
    assert rows.equals(renttherunway.read(official(tmp_path, *other)))
    changed = TABLE.assign(fit="large", recommend=1 - TABLE["recommend"])
    assert rows.equals(renttherunway.read(table(tmp_path, changed)))
    assert not {"fit", "recommend", "rating"} & set(rows.columns)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"user_id": ', "line 2 is not a review"),
        ("[]", "line 2 is not a review"),
        (json.dumps(review(("user_id",))), r"line 2 is not a review \(no user_id\)"),
        (json.dumps(review(rating="5")), r"line 2 is not a review \(rating '5' is none of 2, 4, 6, 8, 10\)"),
        (json.dumps(review(height="tall")), r"line 2 is not a review \(height 'tall'\)"),
        (json.dumps(review(weight="137")), r"line 2 is not a review \(weight '137'\)"),
        (json.dumps(review(bust_size="d")), r"line 2 is not a review \(bust size 'd'\)"),
        (json.dumps(review(age="old")), "line 2 is not a review"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, message):
    path = tmp_path / "reviews.json"
    path.write_text(f"{json.dumps(FULL)}\n{line}\n")
    with pytest.raises(UserError, match=message):
        renttherunway.read(path)


def test_a_damaged_file_raises_a_user_error(tmp_path):
    path = official(tmp_path, *REVIEWS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"is damaged .*: get it again from https://"):
        renttherunway.read(path)
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match=r"cannot be used .*: is it cleandata.parquet"):
        renttherunway.read(path)
    with pytest.raises(UserError, match=r"height_in 68.5 is not a whole number"):
        renttherunway.read(table(tmp_path, TABLE.assign(height_in=TABLE["height_in"] + 0.5)))
    with pytest.raises(UserError, match=r"has no row with a rating"):
        renttherunway.read(official(tmp_path, review(rating=None)))


def test_a_part_is_refused_and_the_whole_is_written_from_the_folder_of_archives(tmp_path, monkeypatch):
    folder = tmp_path / "archives" / "renttherunway"
    folder.mkdir(parents=True)
    monkeypatch.setenv("APG_ARCHIVES", str(tmp_path / "archives"))
    with pytest.raises(NotFoundError, match=r"get renttherunway_final_data.json.gz from https://.*--archive"):
        renttherunway.prepare(None, root=tmp_path)
    table(folder, pd.concat([TABLE] * 5))
    with pytest.raises(UserError, match=r"Rent the Runway rows: 25 found, 192,462 expected \(the data of 2018\)"):
        renttherunway.prepare(None, root=tmp_path)
    for name, value in (("ROWS", 25), ("USERS", 4), ("ITEMS", 2)):
        monkeypatch.setattr(renttherunway, name, value)
    renttherunway.prepare(None, root=tmp_path)
    assert enter("renttherunway", root=tmp_path).schema.inputs == renttherunway.FIELDS
