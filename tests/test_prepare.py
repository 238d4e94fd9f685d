"""What the loaders share: finding a source, reading its rows, checking counts, and shape twins."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from apg_repro import prepare
from apg_repro.config import UserError
from apg_repro.data import load
from data_scripts import amazon, amazon_twin, iaac, iaac_twin

COLUMNS = ("user", "item", "price", "label")


def parse(row):
    return [row["user"], row["item"]], [float(row["price"])], row["label"] == "1"


def read(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return prepare.read_table(path, COLUMNS, parse, fields=("user", "item"), numbers=("price",))


def test_the_users_own_file_comes_first_then_an_earlier_download(tmp_path, monkeypatch):
    named, folder, data = tmp_path / "named.csv", tmp_path / "archives", tmp_path / "data"
    for path in (named, folder / "a.csv", data / "a.csv"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.setattr(prepare, "DATA", data)
    monkeypatch.delenv("APG_ARCHIVES", raising=False)
    assert prepare.find_archive(None, "a.csv", "http://x/a.csv") == (data / "a.csv", False)
    monkeypatch.setenv("APG_ARCHIVES", str(folder))
    assert prepare.find_archive(None, "a.csv", "http://x/a.csv") == (folder / "a.csv", True)
    assert prepare.find_archive(named, "a.csv", "http://x/a.csv") == (named, True)
    with pytest.raises(UserError, match=r"there is no file .*lost.csv: give the path of a.csv to --archive"):
        prepare.find_archive(tmp_path / "lost.csv", "a.csv", "http://x/a.csv")


def test_without_network_the_download_says_what_to_do(tmp_path, monkeypatch):
    def offline(*args, **options):
        raise OSError("network is unreachable")

    monkeypatch.setattr(prepare.urllib.request, "urlopen", offline)
    with pytest.raises(UserError, match=r"http://x/a.csv could not be downloaded.*--archive a.csv"):
        prepare.download("http://x/a.csv", tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_kept_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare.urllib.request, "urlopen", lambda *args, **options: io.BytesIO(b"content"))
    prepare.download("http://x/a.csv", tmp_path / "new" / "a.csv")
    assert (tmp_path / "new" / "a.csv").read_bytes() == b"content"
    assert len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.parametrize(
    "text",
    [
        "user,item,price,label\na,x,1.5,1\nb,x,2,0\n",
        "user,item,price,label\na,x,1.5,1\nb,x,2,0",
        "user,item,price,label\r\na,x,1.5,1\r\nb,x,2,0\r\n",
        "\ufeffuser,item,price,label\n\na,x,1.5,1\n\n\nb,x,2,0\n\n",
        "user,item,price,label\na,x,1.5,1\nuser,item,price,label\nb,x,2,0\n",
        'user,item,price,label\n"a",x,"1.5",1\n"b","x",2,0\n',
    ],
    ids=["as it is", "no last newline", "CRLF", "mark and blank lines", "repeated header", "quotes"],
)
def test_the_same_rows_in_other_clothes_are_read_alike(tmp_path, text):
    table = read(tmp_path, text)
    assert table.to_dict("list") == {"user": [0, 1], "item": [0, 0], "price": [1.5, 2.0], "label": [1, 0]}
    assert [str(kind) for kind in table.dtypes] == ["int32", "int32", "float32", "int8"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"table.csv, line 1 does not name the 4 columns"),
        ("user,item,label\na,x,1\n", r"table.csv, line 1 does not name the 4 columns"),
        ("user,item,price,label\na,x,1,1\nb,x", r"table.csv, line 3: 2 columns where 4 are expected"),
        ("user,item,price,label\na,x,1,1,9\n", r"table.csv, line 2: 5 columns where 4 are expected"),
        ('user,item,price,label\n"a\na",x,1,1\n\nb,x,dear,1\n', r"table.csv, line 5: could not convert .* 'dear'"),
        ('user,item,price,label\na,x,1,1\nb,"x,1', r"table.csv, line 3: unexpected end of data"),
    ],
)
def test_the_line_that_is_torn_or_malformed_is_named(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, text)


def test_bytes_that_are_no_text_stay_different_from_each_other(tmp_path):
    header = b"user,item,price,label\n"
    assert read(tmp_path, header + b"\xff,x,1,1\n\xfe,x,1,1\n\xff,x,1,1\n")["user"].tolist() == [0, 1, 0]


def test_a_zip_archive_is_to_be_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "table.zip", "w") as file:
        file.writestr("table.csv", "user,item,price,label\n")
    with pytest.raises(UserError, match="is a zip archive: unpack it"):
        read(tmp_path, (tmp_path / "table.zip").read_bytes())


@pytest.mark.parametrize("wrong", ["rows", "users", "items"])
def test_every_count_is_held_against_table_7(wrong):
    table = pd.DataFrame({"user": [0, 0, 1], "item": [0, 1, 2]})
    right = {"rows": 3, "users": 2, "items": 3}
    prepare.check_counts("X", table, right)
    message = rf"X {wrong}: {right[wrong]} found, 1,000 expected \(Table 7\)"
    with pytest.raises(UserError, match=message):
        prepare.check_counts("X", table, right | {wrong: 1_000})


def test_a_twin_has_every_id_a_skew_and_nothing_to_learn(tmp_path):
    prepare.write_twin(
        "small", rows=20_000, fields={"user": 15_000, "item": 100}, root=tmp_path, assumed=["item"],
        features={"default": {"inputs": ["user", "item"], "numbers": ["price"], "bags": {}}},
    )  # fmt: skip
    twin = load("small_twin", root=tmp_path)
    manifest = json.loads((tmp_path / "small_twin" / "manifest.json").read_text())
    assert manifest["twin"] is True
    assert manifest["assumed"] == ["item"]
    assert (manifest["rows"], manifest["users"], manifest["items"]) == (20_000, 15_000, 100)
    assert [len(twin.fields[:, column].unique()) for column in (0, 1)] == [15_000, 100]
    share = twin.fields[:, 1].bincount().double() / len(twin)
    wanted = np.arange(1, 101) ** -prepare.ZIPF
    assert np.abs(share.numpy() - wanted / wanted.sum()).max() < 0.01
    assert abs(twin.labels.mean().item() - 0.5) < 0.02
    for item in range(3):
        assert abs(twin.labels[twin.fields[:, 1] == item].mean().item() - 0.5) < 0.06
    assert abs(twin.numbers.mean().item()) < 0.03


@pytest.mark.parametrize(("data", "twin"), [(amazon, amazon_twin), (iaac, iaac_twin)], ids=["amazon", "iaac"])
def test_a_twin_has_the_rows_fields_and_features_of_its_data_set(data, twin, monkeypatch):
    """As the loader writes them: an encoding that changes in one place only fails here."""
    written = {}
    monkeypatch.setattr(twin, "write_twin", lambda of, **options: written.update(of=of, **options))
    twin.prepare()
    assert written["of"] == data.__name__.rpartition(".")[2]
    assert written["rows"] == data.TABLE_7["rows"]
    assert list(written["fields"]) == list(data.FIELDS)
    assert written["fields"]["user"] == data.TABLE_7["users"]
    assert written["fields"]["item"] == data.TABLE_7["items"]
    assert written["features"] == data.FEATURES
    assert set(written["assumed"]) == set(twin.ASSUMED)
