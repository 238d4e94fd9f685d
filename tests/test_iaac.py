"""The loader of IAAC on rows made by hand, odd ones included: ``tests/rows/round1_ijcai_18_train_20180301.txt``."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apg_repro.data.gate import enter
from apg_repro.data.prepare import NotFoundError
from apg_repro.errors import UserError
from apg_repro.paths import ROOT
from data_scripts import iaac

ROWS = Path(__file__).parent / "rows" / iaac.FILE
LINES = ROWS.read_text().splitlines()


@pytest.fixture(scope="module")
def table():
    return iaac.read(ROWS)


def changed(**columns):
    """The first row with other values in some columns."""
    row = dict(zip(iaac.COLUMNS, LINES[1].split(" "), strict=True)) | columns
    return " ".join(row.values())


def read(tmp_path, *lines):
    path = tmp_path / iaac.FILE
    path.write_text("\n".join([LINES[0], *lines]) + "\n")
    return iaac.read(path)


def test_the_label_is_is_trade(table):
    assert np.flatnonzero(table["label"]).tolist() == [3, 8, 17]


def test_ids_count_up_from_0_in_order_of_first_appearance(table):
    assert table["item"].tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 0, 2, 3, 1, 5, 1]
    assert table["user"].tolist() == [0, 1, 2, 3, 4, 5, 0, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 1, 2, 0, 4]
    assert table["shop"].tolist() == [0] * 5 + [1] * 8 + [2] * 2 + [0] * 3 + [1] * 2 + [0] * 3
    assert table["page"].tolist()[:6] == [0, 1, 2, 3, 4, 0]


def test_the_category_is_the_second_level_of_the_list_however_deep_it_is(tmp_path):
    lists = ["1;20", "1;20;300", "1;20;301", "1;21", "1", "-1", "1;1"]
    rows = [changed(item_category_list=text) for text in lists]
    assert read(tmp_path, *rows)["category"].tolist() == [0, 0, 0, 1, 2, 3, 2], "the root where there is no second"


def test_property_lists_do_not_matter(tmp_path):
    lists = ["-1", "5;6;7", "5:-1;6:7,8,9"]
    rows = [changed(item_property_list=text, predict_category_property=text) for text in lists]
    assert len(read(tmp_path, *rows).drop_duplicates()) == 1


def test_a_missing_code_is_an_id_of_its_own(table):
    assert table["gender"].tolist()[:7] == [0, 0, 1, 0, 2, 3, 0]
    assert table["age"].tolist()[:7] == [0, 1, 2, 3, 4, 5, 0]
    assert table["occupation"].tolist()[:5] == [0, 1, 2, 3, 0]
    assert table["user_star"].tolist()[:5] == [0, 1, 2, 3, 4]
    assert table["shop_star"].nunique() == 3
    assert table["brand"].tolist()[13:15] == [3, 3]


def test_numbers_are_standardised_over_what_is_known_and_a_missing_one_is_the_mean(table):
    raw = pd.read_csv(ROWS, sep=" ")["item_sales_level"].to_numpy(float)
    known = raw != -1
    assert known.sum() == 19
    ours = table["item_sales_level"].to_numpy()
    np.testing.assert_allclose(
        ours[known], (raw[known] - raw[known].mean()) / raw[known].std(), rtol=1e-5, atol=1e-6
    )  # fmt: skip
    assert (ours[~known] == 0).all()
    assert table["shop_score_service"].tolist()[13:15] == [0, 0]


def test_an_outlier_stays_within_three_deviations_and_a_constant_is_0():
    assert iaac.standardise(pd.Series([0.0] * 99 + [50.0])).max() == 3.0
    assert iaac.standardise(pd.Series([0.7] * 5 + [np.nan])).tolist() == [0.0] * 6
    assert iaac.standardise(pd.Series([np.nan, np.nan])).tolist() == [0.0, 0.0]


def test_the_hour_is_beijings(tmp_path):
    """1537200000 is 2018-09-17 16:00 UTC, midnight in Beijing."""
    times = [1537200000, 1537203599, 1537203600, 1537200000 + 86_400]
    assert read(tmp_path, *(changed(context_timestamp=str(time)) for time in times))["hour"].tolist() == [0, 0, 1, 0]


def test_a_repeated_instance_counts_twice_as_in_table_7(table):
    assert LINES[5] == LINES[-1]
    assert len(table) == len(LINES) - 1 == 23


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (LINES[1][:300], "line 3: 25 columns where 27 are expected"),
        (LINES[1][:-1], "line 3: no is_trade"),
        (changed(is_trade="2"), "line 3: is_trade '2' is neither 0 nor 1"),
        (changed(item_id=""), "line 3: no item_id"),
        (changed(item_pv_level="many"), "line 3: could not convert string to float: 'many'"),
        (changed(shop_score_service="nan"), "line 3: 'nan' is not a number"),
        (changed(shop_score_service="1e300"), "line 3: '1e300' is not a number"),
        (changed(context_timestamp="noon"), "line 3: context_timestamp 'noon' is not a number of seconds"),
        (changed(context_timestamp="-5"), "line 3: context_timestamp '-5' is not a number of seconds"),
        (changed(user_id="1\0"), "line 3 has a NUL byte"),
        (LINES[1].replace(" ", "  ", 1), "line 3: 28 columns where 27 are expected"),
    ],
)
def test_a_torn_or_malformed_line_is_named(tmp_path, line, message):
    with pytest.raises(UserError, match=f"{iaac.FILE}, {message}"):
        read(tmp_path, LINES[1], line)


def test_the_test_file_of_the_contest_is_not_taken_for_the_training_file(tmp_path):
    path = tmp_path / "test.txt"
    path.write_text(LINES[0].removesuffix(" is_trade") + "\n")
    with pytest.raises(UserError, match="line 1 does not name the 27 columns"):
        iaac.read(path)


def test_the_inputs_are_the_393_of_table_5(tmp_path, monkeypatch):
    """12 × 32 + 9, from the file to what a model sees; the hour is a field, but no input."""
    from apg_repro.nn.embedding import Features

    monkeypatch.setattr(iaac, "SHAPE", dataclasses.replace(iaac.SHAPE, rows=23, users=18, items=6))
    iaac.prepare(ROWS, root=tmp_path)
    data = enter("iaac", root=tmp_path)
    assert Features(data.schema, 32).d_flat == 393
    assert {"user", "item", "category", "brand", "page", "hour"} <= set(data.schema.fields)
    assert "hour" not in data.schema.inputs
    manifest = json.loads((tmp_path / "iaac" / "manifest.json").read_text())
    assert (manifest["rows"], manifest["users"], manifest["items"]) == (23, 18, 6)


def test_without_the_file_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.delenv("APG_ARCHIVES", raising=False)
    with pytest.raises(NotFoundError, match=rf"behind a login. Sign in at https://tianchi.*--archive {iaac.FILE}"):
        iaac.prepare(None)


def test_a_part_of_the_file_ends_in_one_line():
    done = subprocess.run(
        [sys.executable, "data_scripts/iaac.py", "--archive", ROWS], cwd=ROOT, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == "iaac: IAAC rows: 23 found, 478,138 expected (Table 7): is the file complete?"
