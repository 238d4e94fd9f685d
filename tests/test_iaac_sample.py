"""The loader of the parts of IAAC on rows made by hand, odd ones included."""

import numpy as np
import pytest

from apg_repro.data.gate import enter
from apg_repro.data.prepare import NotFoundError
from apg_repro.errors import UserError
from apg_repro.nn.embedding import Features
from data_scripts import iaac_sample as sample

HEAD = ",".join(sample.COLUMNS)
VALUES = "0,7,9.0,8,18,4,0,1,14,1.0,13,0.979,0.97922,0.98595,9740,82,391,101,148547,0,2005,187"
ROW = dict(zip(sample.COLUMNS, VALUES.split(","), strict=True))


def line(**changed):
    return ",".join((ROW | changed).values())


def write(folder, name, *lines):
    path = folder / name
    path.write_text("\n".join([HEAD, *lines]) + "\n")
    return path


def test_files_join_by_their_ids_and_a_row_in_two_of_them_is_there_once(tmp_path):
    """The same row may write its numbers and its category in another way."""
    one = write(tmp_path, "a.csv", line(), line(Label="1"), line(C5="7"))
    two = write(tmp_path, "b.csv", line(I2="9", I9="1", C2="1;82"), line(C5="7", C1="3", C2="1;82;5"), line(C2="83"))
    table = sample.read([one, two])
    assert table["label"].tolist() == [0, 1, 0, 0, 0]
    assert table["user"].tolist() == [0, 0, 1, 1, 0]
    assert table["item"].tolist() == [0, 0, 0, 1, 0]
    assert table["category"].tolist() == [0, 0, 0, 0, 1]


def test_numbers_are_standardised_over_the_rows_that_are_left(tmp_path):
    path = write(tmp_path, "a.csv", line(I1="1"), line(I1="1"), line(I1="2"), line(I1="6"))
    raw = np.array([1, 2, 6])
    np.testing.assert_allclose(sample.read([path])["item_price_level"], (raw - raw.mean()) / raw.std(), rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (line(Label="2"), "line 3: Label '2' is neither 0 nor 1"),
        (line(I3=""), "line 3: could not convert string to float: ''"),
        (line(I3="nan"), "line 3: I3 'nan' is not a number"),
        (line(C2=""), "line 3: no C2"),
        (line()[:-4], "line 3: 21 columns where 22 are expected"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        sample.read([write(tmp_path, "a.csv", line(), text)])


def test_the_inputs_are_those_of_iaac(tmp_path, monkeypatch):
    with pytest.raises(NotFoundError, match=r"te_8k.csv is not beside .*: put all four there"):
        sample.prepare(write(tmp_path, sample.FILES[0], line()), root=tmp_path)
    for number, name in enumerate(sample.FILES):
        write(tmp_path, name, *(line(Label=str(user % 2), C5=str(6 * number + user)) for user in range(6)))
    with pytest.raises(UserError, match=r"11 % of IAAC rows: 24 found, 53,227 expected \(the four files\)"):
        sample.prepare(tmp_path / sample.FILES[0], root=tmp_path)
    for name, value in (("ROWS", 24), ("USERS", 24), ("ITEMS", 1)):
        monkeypatch.setattr(sample, name, value)
    sample.prepare(tmp_path / sample.FILES[0], root=tmp_path)
    assert Features(enter("iaac_sample", root=tmp_path).schema, 32).d_flat == 12 * 32 + 9
