"""The loader of Amazon on rows made by hand, odd ones included: ``tests/rows/df_electronics.csv``."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from apg_repro.data.gate import enter
from apg_repro.errors import UserError
from apg_repro.paths import ROOT
from data_scripts import amazon

ROWS = Path(__file__).parent / "rows" / amazon.FILE
HEADER = ",".join(amazon.COLUMNS)
GOOD = "0,Rhea,5.0,1999-06-13,Female,Headphones,,1999,,0"


@pytest.fixture(scope="module")
def table():
    return amazon.read(ROWS)


def read(tmp_path, *lines):
    path = tmp_path / amazon.FILE
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return amazon.read(path)


def test_a_row_is_positive_from_four_stars_on(table):
    assert table["label"].tolist() == [1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0]


def test_ids_count_up_from_0_in_order_of_first_appearance(table):
    assert table["item"].tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8]
    assert table["model_attr"].tolist() == [0] * 5 + [1] * 3 + [2] * 3 + [0] * 3 + [2] * 2 + [0] * 2 + [1] * 3 + [2]
    assert table["year"].tolist() == [0] * 5 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 2 + [5] * 2 + [6] * 3 + [7]


def test_a_missing_value_is_an_id_of_its_own_in_every_field(table):
    assert table["user"].tolist()[:5] == [0, 1, 2, 0, 2]
    assert table["user"][11] == 2, "NaN is nobody"
    assert table["brand"].tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 0, 0, 0, 2, 2, 1, 1, 4, 4, 4, 0]
    assert table["category"].tolist()[14:16] == [4, 4]
    assert table["user_attr"].tolist()[:8] == [0, 1, 0, 0, 0, 1, 0, 2]
    assert table["user_attr"][11] == 0


def test_users_whose_names_look_alike_stay_apart(table):
    users = table["user"]
    assert users[8] != users[9], "Zoë, zoë"
    assert users[5] != users[10], "Smith, J. and Smith"
    assert len({users[12], users[13]}) == 2, "007 and 7 are names, not numbers"
    assert users[14] not in (users[2], users[11]), "N/A is a name"
    assert users.nunique() == 16


def test_quotes_commas_and_line_ends_within_a_value_are_part_of_it(table):
    assert table["category"].tolist()[5:8] == [1, 1, 1]
    assert table["user"].tolist()[5:8] == [3, 4, 5]
    assert len(table) == 22


def test_a_time_of_day_is_cut_off(tmp_path):
    days = [GOOD.replace("06-13", day) for day in ("06-13", "06-13 08:00:00", "06-14 08:00:00")]
    assert read(tmp_path, *days)["timestamp"].tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,B\0o,4.0,2016-11-12,Male,Headphones,,2016,,0", "line 3 has a NUL byte"),
        ("1,Bo,4.0,2016-11-12,Ma", "line 3: 5 columns where 10 are expected"),
        ("1,Bo,4.0,2016-11-12,Male,Headphones,,2016,,", "line 3: no split: is the line torn"),
        ("1,Bo,6.0,2016-11-12,Male,Headphones,,2016,,0", "line 3: rating '6.0' is none of 1, 2, 3, 4, 5"),
        ("1,Bo,,2016-11-12,Male,Headphones,,2016,,0", "line 3: rating '' is none of"),
        ("1,Smith, J.,4.0,2016-11-12,Male,Headphones,,2016,,0", "line 3: 11 columns where 10 are expected"),
    ],
)
def test_a_torn_or_malformed_line_is_named(tmp_path, line, message):
    with pytest.raises(UserError, match=f"df_electronics.csv, {message}"):
        read(tmp_path, GOOD, line)


def test_the_inputs_are_the_256_of_table_6(tmp_path, monkeypatch):
    """8 × 32, from the file to what a model sees; the manifest holds the counts and the source."""
    from apg_repro.nn.embedding import Features

    monkeypatch.setattr(amazon, "SHAPE", dataclasses.replace(amazon.SHAPE, rows=22, users=16, items=9))
    amazon.prepare(ROWS, root=tmp_path)
    data = enter("amazon", root=tmp_path)
    assert Features(data.schema, 32).d_flat == 256
    assert {"user", "item", "category", "brand"} <= set(data.schema.fields)
    manifest = json.loads((tmp_path / "amazon" / "manifest.json").read_text())
    assert (manifest["rows"], manifest["users"], manifest["items"]) == (22, 16, 9)
    assert manifest["source"]["sha256"] == hashlib.sha256(ROWS.read_bytes()).hexdigest()
    assert manifest["source"]["official"] is False


def test_a_part_of_the_file_ends_in_one_line():
    done = subprocess.run(
        [sys.executable, "data_scripts/amazon.py", "--archive", ROWS], cwd=ROOT, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == "amazon: Amazon rows: 22 found, 1,292,954 expected (Table 7): is the file complete?"
