"""``apg try`` before anything runs: files are read or refused in one sentence, and columns are told apart."""

import codecs
import gzip
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch")

from apg_repro.errors import UserError  # noqa: E402
from apg_repro.yours import read as reading  # noqa: E402
from apg_repro.yours.columns import Column, Columns, Wishes, check, choose, in_words, inspect, labels_of  # noqa: E402
from apg_repro.yours.prepare import MISSING, RARE, encode, load, parts, prepare, safe_names  # noqa: E402
from apg_repro.yours.read import read  # noqa: E402

N = 400
CPU = torch.device("cpu")


def table(n=N, seed=0):
    """Rows of a click log: ids with and without zeros in front, a number with gaps, a time, a constant."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "click": random.integers(2, size=n), "user_id": [f"{u:04d}" for u in random.integers(60, size=n)],
            "ad": random.choice(["shoe", "a, b", 'say "hi"'], n), "hour": random.integers(24, size=n),
            "price": np.where(random.random(n) < 0.1, np.nan, random.normal(size=n).round(3)),
            "when": [f"2026-01-{1 + i % 28:02d} 10:00:00" for i in range(n)], "site": ["x"] * n,
            "row": [f"r{i}" for i in range(n)],
        }
    )  # fmt: skip


def written(folder, name="clicks.csv", rows=None, **options):
    path = folder / name
    (table() if rows is None else rows).to_csv(path, index=False, **options)
    return path


def chosen(path, wishes=None, label="click"):
    """The source, its columns as found, and those that are used."""
    source = read(path)
    found = inspect(source.table, label, labels_of(source.table, label, ""))
    return source, found, choose(found, label, wishes or Wishes())


def prepared(path, folder, wishes=None):
    source, _, columns = chosen(path, wishes)
    prepare(source, columns, folder)
    return load(columns, folder)


# Reading.


def test_every_form_of_file_gives_the_same_columns(tmp_path):
    rows = table()
    expected = read(written(tmp_path)).table
    files = {
        "tabs.tsv": rows.to_csv(index=False, sep="\t").encode(),
        "semicolons.txt": rows.to_csv(index=False, sep=";").encode(),
        "bom.csv": codecs.BOM_UTF8 + rows.to_csv(index=False).encode(),
        "windows.csv": rows.to_csv(index=False, lineterminator="\r\n").encode(),
        "packed.csv.gz": gzip.compress(rows.to_csv(index=False).encode()),
        "lines.jsonl": rows.to_json(orient="records", lines=True).encode(),
        "lines.json.gz": gzip.compress(rows.to_json(orient="records", lines=True).encode()),
    }
    rows.to_parquet(tmp_path / "rows.parquet")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name in [*files, "rows.parquet"]:
        found = read(tmp_path / name).table
        assert found.column_names == expected.column_names, name
        for column in ("click", "user_id", "ad", "hour", "when"):
            assert found[column].to_pylist() == expected[column].to_pylist(), (name, column)
        price = pd.to_numeric(found["price"].to_pandas())
        assert np.allclose(price, rows["price"], equal_nan=True), name


def csv_with(line, number=300):
    """A CSV whose line of that number is another one."""
    lines = table().to_csv(index=False).encode().splitlines(keepends=True)
    lines[number - 1] = line + b"\n"
    return b"".join(lines)


def parquet(value, name="user_id"):
    """A Parquet file with a column of bytes."""
    file = io.BytesIO()
    columns = [pa.array([0, 1] * 200), pa.array([value] * 400, pa.binary())]
    pq.write_table(pa.Table.from_arrays(columns, ["click", name]), file)
    return file.getvalue()


def damaged_late():
    """A packed CSV of two blocks, the second of which is damaged."""
    packed = bytearray(gzip.compress(csv_with(b"").ljust(reading.BLOCK + 10**6, b"\n"), compresslevel=0))
    packed[-(10**5) :] = b"\xff" * 10**5
    return bytes(packed)


HEADER = b"click,user_id,ad,hour,price,when,site,row\n"
FAULTS = {
    "empty": (b"", "clicks.csv is empty"),
    "blank": (b" \n\n", "clicks.csv is empty"),
    "header only": (HEADER, "has a header and no row below it"),
    "too few rows": (b"".join(csv_with(b"").splitlines(keepends=True)[:50]), "has 49 rows, too few"),
    "short row": (csv_with(b"1,2"), "line 300: 2 columns where the header has 8"),
    "long row": (csv_with(b"1,2,3,4,5,6,7,8,9"), "line 300: 9 columns where the header has 8"),
    "open quote": (csv_with(b"1,\"2,3,4,5,6,7,8").replace(b"\"\"", b""), "line 300"),
    "one column": (b"click\n" + b"1\n0\n" * 200, "names a single column, 'click'"),
    "NUL": (csv_with(b"1,2,3\0,4,5,6,7,8"), "line 300 has a NUL byte"),
    "Latin-1": (csv_with(b"1,2,M\xfcller,4,5,6,7,8"), "line 300 is not UTF-8"),
    "UTF-16": (table().to_csv(index=False).encode("utf-16"), "is text in UTF-16: save it as UTF-8"),
    "column twice": (HEADER.replace(b"ad", b"hour") + csv_with(b"").partition(b"\n")[2], "has the column 'hour' twice"),
    "no name": (HEADER.replace(b"ad", b"") + csv_with(b"").partition(b"\n")[2], "column 3 has no name"),
    "zip": (b"PK\x03\x04" + bytes(500), "is a zip archive or an Excel sheet"),
    "half of a gzip": (gzip.compress(csv_with(b""))[:900], "is it complete"),
    "gzip, damaged at its start": (gzip.compress(csv_with(b""))[:10] + b"\xff" * 900, "cannot be read (Error -3"),
    "gzip, damaged later": (damaged_late(), "cannot be unpacked (Error -3"),
    "column twice, with a space": (
        HEADER.replace(b"ad", b" hour") + csv_with(b"").partition(b"\n")[2], "has the column 'hour' twice"
    ),
    "bytes that are no text": (parquet(b"\xff"), "has a column that is not text"),
    "column twice, Parquet": (parquet(b"a", "click"), "has the column 'click' twice: rename one"),
    "JSON, of two kinds": (b'{"a": 1, "b": 2}\n{"a": 0, "b": "2"}\n' * 150, "changed from number to string"),
    "JSON array": (table().to_json(orient="records").encode(), "is one JSON array: write one object per line"),
    "JSON, nested": (b'{"click": 1, "tags": ["a"]}\n' * 300, "column 'tags' holds lists or objects"),
    "JSON, a fault in a later block": (
        b'{"click": 1, "user": "%s"}\n' % (b"u" * 4000) * 999 + b'{"click": }\n' + b'{"click": 1}\n', "in row 1000"
    ),
    "JSON, torn": (b'{"click": 1, "user": 2}\n' * 300 + b'{"click": ', "cannot be read"),
    "torn Parquet": (b"PAR1" + bytes(500), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.fault(
    "a user's file that is empty, torn, packed, nested, of few rows, in another encoding, with a column twice",
    "one sentence with the line and the remedy",
)
def test_a_fault_of_a_file_is_one_sentence_that_says_where(fault, tmp_path):
    content, message = FAULTS[fault]
    (tmp_path / "clicks.csv").write_bytes(content)
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        read(tmp_path / "clicks.csv")
    assert "\n" not in str(caught.value)
    assert "clicks.csv" in str(caught.value)


def test_a_file_that_is_none_or_too_large_is_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="there is no file"):
        read(tmp_path / "none.csv")
    with pytest.raises(UserError, match="is not a file"):
        read(tmp_path)
    with pytest.raises(UserError, match=r"cannot be read .*File name too long"):
        read(Path("x" * 300))
    path = written(tmp_path)
    monkeypatch.setattr(reading, "MAX_BYTES", 1000)
    with pytest.raises(UserError, match="take a random sample"):
        read(path)


def test_values_with_delimiters_quotes_and_newlines_stay_whole(tmp_path):
    rows = table()
    rows.loc[[0, N - 1], "ad"] = 'two\nlines, "quoted"'
    found = read(written(tmp_path, rows=rows)).table
    assert found["ad"].to_pylist() == rows["ad"].tolist()


def test_spaces_around_names_of_columns_are_none_of_them(tmp_path):
    expected = read(written(tmp_path)).table
    content = (tmp_path / "clicks.csv").read_text().replace("click,user_id,ad", "click, user_id , ad", 1)
    (tmp_path / "spaces.csv").write_text(content)
    assert read(tmp_path / "spaces.csv").table.equals(expected)


# The label.


@pytest.mark.parametrize(
    ("values", "label", "message"),
    [
        ([0, 1], "clck", "there is no column 'clck' for --label; the file has click, user"),
        ([0, 1, 2], "click", "is not binary, it has '0', '1', '2': say which value counts as 1, --positive 1"),
        ([1], "click", "all labels are 1"),
        ([0], "click", "all labels are 0"),
        (["", 1, 0], "click", "of 600 rows lack the label 'click'"),
        ([1] + [0] * 59, "click", "only 10 rows are of the rarer class"),
        ([0, 1, "unknown"], "click", "say which value counts as 1, --positive 1"),
        (["clicked", "nothing"], "click", "say which value counts as 1, --positive VALUE"),
        ([-1, 0], "click", "is not binary, it has '-1', '0': say which value counts as 1, --positive VALUE"),
        ([0, 2], "click", "is not binary, it has '0', '2': say which value counts as 1, --positive 2"),
        (["buy", "look"], "click", "is not binary, it has 'buy', 'look'"),
    ],
)
def test_a_label_that_cannot_be_used_is_refused(values, label, message, tmp_path):
    rows = pd.DataFrame({"click": (values * 600)[:600], "user": np.arange(600) % 7})
    source = read(written(tmp_path, rows=rows))
    with pytest.raises(UserError, match=re.escape(message)):
        labels_of(source.table, label, "")


def test_labels_are_0_and_1_in_the_usual_words_or_by_the_value_that_counts():
    words = pa.table({"y": ["yes", "No", None, "YES"] * 25})
    assert labels_of(pa.table({"y": words["y"].to_pylist() + ["no"] * 2000}), "y", "")[:4].tolist() == [1, 0, -1, 1]
    stars = pa.table({"y": ["10", "8", "6"] * 40})
    assert labels_of(stars, "y", "10")[:3].tolist() == [1, 0, 0]
    with pytest.raises(UserError, match="no row has y = '11'"):
        labels_of(stars, "y", "11")


# Columns.


def test_columns_are_told_apart(tmp_path):
    _, found, columns = chosen(written(tmp_path))
    assert {column.name: column.kind for column in found} == {
        "user_id": "id", "ad": "id", "hour": "category", "price": "number", "when": "time", "site": "constant",
        "row": "row id",
    }  # fmt: skip
    assert columns.fields == ("user_id", "ad", "hour")
    assert columns.numbers == ("price",)
    assert (columns.user, columns.item, columns.time) == ("user_id", "ad", "when")
    text = in_words(found, columns)
    assert all(name in text for name in table().columns if name != "click")


def test_a_column_that_tells_the_label_is_suspected_and_left_out_unless_it_is_asked_for(tmp_path):
    rows = table(2000)
    rows["paid"] = np.where(rows["click"] == 1, rows["click"] * 9.5, 0.25 * rows["hour"])
    rows["hint"] = np.where(np.arange(2000) % 4, rows["click"], 1 - rows["click"])  # 75 %: not suspicious
    path = written(tmp_path, rows=rows)
    _, found, columns = chosen(path)
    kinds = {column.name: column for column in found}
    assert kinds["paid"].kind == "leak suspect"
    assert kinds["paid"].alone > 0.99
    assert kinds["hint"].kind == "category"
    assert 0.7 < kinds["hint"].alone < 0.8
    assert "paid" in columns.drop
    assert "paid ranks the label by itself with an AUC of" in in_words(found, columns)
    assert "paid" in chosen(path, Wishes(numbers=("paid",)))[2].numbers


def test_an_id_that_is_seen_once_does_not_look_like_a_leak(tmp_path):
    rows = table(3000)
    rows["user_id"] = np.random.default_rng(1).integers(2500, size=3000)
    _, found, _ = chosen(written(tmp_path, rows=rows))
    (user,) = [column for column in found if column.name == "user_id"]
    assert user.kind == "id"
    assert user.alone < 0.6


def test_the_user_has_the_last_word(tmp_path):
    path = written(tmp_path)
    wishes = Wishes(
        fields=("site",), numbers=("hour",), drop=("ad",), user="row", time="when", split="time", min_count=5
    )
    columns = chosen(path, wishes)[2]
    assert columns.fields == ("user_id", "site", "row")
    assert columns.numbers == ("hour", "price")
    assert columns.user == "row"
    assert columns.min_count == 5


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (Wishes(fields=("userid",)), "there is no column 'userid' for --fields"),
        (Wishes(fields=("ad",), numbers=("ad",)), "is named in --fields and in --numbers"),
        (
            Wishes(drop=("user_id", "ad", "hour")),
            "no column is taken for an id or a category, and embeddings need one: name some in --fields",
        ),
        (Wishes(split="week"), "--split must be random, time or column:NAME"),
        (Wishes(split="column:part"), "there is no column 'part' for --split column:"),
        (Wishes(min_count=0), "--min-count must be at least 1"),
        (Wishes(user="price", numbers=("price",)), "--user 'price' is not a field"),
    ],
)
def test_wishes_that_do_not_fit_are_refused(wishes, message, tmp_path):
    with pytest.raises(UserError, match=re.escape(message)):
        chosen(written(tmp_path), wishes)


def test_a_number_that_is_none_is_named(tmp_path):
    with pytest.raises(UserError, match=r"column 'ad' has '.*', which is not a number"):
        prepared(written(tmp_path), tmp_path, Wishes(numbers=("ad",)))


def test_a_schema_can_be_saved_edited_and_given_back(tmp_path):
    columns = chosen(written(tmp_path))[2]
    columns.save(tmp_path / "schema.json")
    assert Columns.load(tmp_path / "schema.json") == columns
    values = json.loads((tmp_path / "schema.json").read_text())
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    (tmp_path / "schema.toml").write_text("\n".join(lines))
    assert Columns.load(tmp_path / "schema.toml") == columns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"label": "y", "feilds": []}', "it has no entry 'feilds'"),
        ('{"label": "y", "fields": "a"}', 'fields is "a"'),
        ('{"label": "y", "min_count": "2"}', 'min_count is "2"'),
        ('{"fields": []}', "it has no entry 'label'"),
        ("[1]", "it is not an object"),
        ("{", "cannot be used"),
        ("", "cannot be used"),
        ("[" * 100_000, "cannot be used"),
        ('{"label": "y", "fields": [["a"]]}', 'fields is [["a"]]'),
        ('{"label": "y", "min_count": true}', "min_count is true"),
        ('{"label": "y", "min_count": 1.5}', "min_count is 1.5"),
        ('{"label": ["y"]}', 'label is ["y"]'),
    ],
)
@pytest.mark.fault("a schema for `apg try` that is empty, torn, nested, or has values of other types", "one sentence")
def test_a_damaged_schema_is_refused(text, message, tmp_path):
    (tmp_path / "schema.json").write_text(text)
    with pytest.raises(UserError, match=re.escape(message)):
        Columns.load(tmp_path / "schema.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fields": ["user_id", "adv"], "item": ""}, "there is no column 'adv' for fields; the file has user_id"),
        ({"time": "date", "split": "time"}, "there is no column 'date' for --time"),
        ({"time": "click", "split": "time"}, "there is no column 'click' for --time"),
        ({"split": "column:kind"}, "there is no column 'kind' for --split column:"),
        ({"split": "column:ad"}, "column 'ad' splits the rows, and fields names it: leave it out there"),
        ({"split": "weekly"}, "--split must be random, time or column:NAME, not 'weekly'"),
        ({"fields": ["user_id", "ad", "click"]}, "column 'click' is the label, and fields names it"),
        ({"numbers": ["price", "price"]}, "column 'price' is named twice in numbers: leave one out"),
        ({"fields": ["user_id", "ad", "ad"]}, "column 'ad' is named twice in fields"),
        ({"numbers": ["ad"]}, "column 'ad' is named in fields and in numbers: leave one out"),
        ({"drop": ["ad"]}, "column 'ad' is named in fields and in drop: leave one out"),
        ({"user": "price"}, "--user 'price' is not a field"),
        ({"min_count": -1}, "--min-count must be at least 1, not -1"),
        ({"fields": [], "user": "", "item": ""}, "the schema has no fields"),
    ],
)
@pytest.mark.fault(
    "a schema for `apg try` that does not fit its file: columns that are not there or used twice, the label",
    "one sentence before anything is prepared",
)
def test_a_schema_that_does_not_fit_its_file_is_refused(change, message, tmp_path):
    source, found, columns = chosen(written(tmp_path))
    columns.save(tmp_path / "schema.json")
    values = json.loads((tmp_path / "schema.json").read_text()) | change
    (tmp_path / "schema.json").write_text("\ufeff" + json.dumps(values), encoding="utf-8")  # as Windows' editor saves
    given = Columns.load(tmp_path / "schema.json")
    with pytest.raises(UserError, match=re.escape(message)):
        check(given, [column.name for column in found])
    assert check(columns, source.table.column_names[1:]) == columns


ODD = (
    "label", "index", "__index_level_0__", "part", "place", "self", "none", "probability", "rows", "is missing",
    "x" * 300,
    "\N{GRINNING FACE} ü", "<script>alert(1)</script>", "a(b)+c", "a_b__c", "../../x", "{name}", "%s", 'say "hi"',
    "two\nlines", "a, b",
)  # fmt: skip


def test_a_column_that_splits_the_rows_is_no_feature_even_if_it_is_named_as_one():
    part = Column(name="part", kind="category", n=3, missing=0.0, alone=0.5, examples=("train", "valid", "test"))
    found = [part, replace(part, name="ad")]
    assert choose(found, "click", Wishes(split="column:part")).fields == ("ad",)
    with pytest.raises(UserError, match="column 'part' splits the rows, and fields names it: leave it out there"):
        choose(found, "click", Wishes(split="column:part", fields=("part",)))


@pytest.mark.fault(
    "columns called label, index, part, two lines, a script, a path, 300 letters",
    "each is what it was: ids and numbers",
)
def test_no_name_of_a_column_changes_what_is_in_it(tmp_path):
    """Every name as a field, and once more as a number that lacks values."""
    random = np.random.default_rng(0)
    fields = {name: random.integers(5 + place, size=N).astype(str) for place, name in enumerate(ODD)}
    numbers = {f"{name} is missing": random.normal(size=N).round(3) for name in ODD}
    for place, values in enumerate(numbers.values()):
        values[place] = np.nan
    rows = pd.DataFrame({"click": random.integers(2, size=N), **fields, **numbers})
    source, found, columns = chosen(written(tmp_path, rows=rows), Wishes(fields=ODD, numbers=tuple(numbers)))
    assert columns.fields == ODD
    assert len(in_words(found, columns).splitlines()) >= len(ODD)
    prepare(source, columns, tmp_path)
    again = load(columns, tmp_path)
    for place, name in enumerate(ODD):
        ours = again.field(name)
        codes = again.rows.fields[:, again.rows.schema.column(ours)]
        assert [again.values[ours][code - 1] for code in codes] == fields[name].tolist()
        wanted = np.nan_to_num(numbers[f"{name} is missing"])
        assert np.allclose(again.rows.numbers[:, place], wanted)
    assert sorted(again.lacking) == list(range(len(ODD)))


@pytest.mark.fault("ids beyond 64 bits, as text, floats or in JSON", "different ids stay different")
def test_ids_beyond_64_bits_stay_apart(tmp_path):
    ids = [2**64 + 2**14 * (i % 7) for i in range(N)]
    clicks = [i % 2 for i in range(N)]
    pd.DataFrame({"click": clicks, "user_id": list(map(str, ids))}).to_csv(tmp_path / "ids.csv", index=False)
    (tmp_path / "ids.json").write_text(
        "".join(f'{{"click": {c}, "user_id": {i}}}\n' for c, i in zip(clicks, ids, strict=True))
    )
    pd.DataFrame({"click": clicks, "user_id": list(map(float, ids))}).to_parquet(tmp_path / "ids.parquet")
    for name in ("ids.csv", "ids.json", "ids.parquet"):
        found = read(tmp_path / name).table["user_id"].to_pylist()
        assert len(set(found)) == 7, (name, set(found))
        assert found[:7] == found[7:14]


@pytest.mark.parametrize("first", [20_000_000, 10**18])
def test_whole_numbers_that_single_precision_would_merge_are_ids(first, tmp_path):
    rows = table().assign(lot=[str(first + i % 60) for i in range(N)], cents=[1999 + 7 * (i % 60) for i in range(N)])
    _, found, columns = chosen(written(tmp_path, rows=rows))
    assert {column.name: column.kind for column in found if column.name in ("lot", "cents")} == {
        "lot": "id", "cents": "number",
    }  # fmt: skip
    assert "lot" in columns.fields


def test_ids_are_the_same_whether_or_not_a_value_is_missing(tmp_path):
    """pandas writes whole numbers with a point where one is missing."""
    rows = table().assign(shop=[44.0 + i % 9 for i in range(N)])
    whole = read(written(tmp_path, "whole.csv", rows=rows.astype({"shop": int}))).table["shop"].to_pylist()
    pointed = read(written(tmp_path, "pointed.csv", rows=rows.assign(shop=[None, *rows["shop"][1:]])))
    assert pointed.table["shop"].to_pylist() == [None, *whole[1:]]
    prices = rows.assign(shop=[f"{44 + i % 9}.{i % 2}" for i in range(N)])
    assert read(written(tmp_path, "prices.csv", rows=prices)).table["shop"].to_pylist()[:2] == ["44.0", "45.1"]


def test_a_column_without_any_finite_number_is_left_out(tmp_path):
    rows = table().assign(price=["inf", "-inf"] * (N // 2))
    _, found, columns = chosen(written(tmp_path, rows=rows))
    assert {column.name: column.kind for column in found}["price"] == "constant"
    assert columns.numbers == ()


# Splits and ids.


def test_a_random_split_is_the_projects_own_and_one_of_its_own_for_every_seed(tmp_path):
    from apg_repro.data.dataset import random_parts

    found = prepared(written(tmp_path), tmp_path)
    split = parts(found, 3, N)
    assert [part.tolist() for part in split] == [part.tolist() for part in random_parts(N, 3)]
    assert split[0].tolist() != parts(found, 4, N)[0].tolist()


def test_a_split_by_time_trains_on_the_past_and_tests_on_the_last_rows(tmp_path):
    rows = table().sample(frac=1, random_state=1)
    found = prepared(written(tmp_path, rows=rows), tmp_path, Wishes(split="time"))
    train, valid, test = parts(found, 1, N)
    assert found.place is not None
    assert found.place[train].max() < found.place[valid].min() <= found.place[valid].max() < found.place[test].min()
    assert [len(part) for part in (train, valid, test)] == [316, 42, 42], "as near to 320, 40, 40 as times allow"
    assert parts(found, 2, N)[2].tolist() == test.tolist()


def test_a_sample_of_one_time_cannot_be_split_by_it(tmp_path):
    rows = table().assign(when=["2026-01-01"] * (N - 1) + ["2026-01-02"])
    found = prepared(written(tmp_path, rows=rows), tmp_path, Wishes(split="time"))
    with pytest.raises(UserError, match=r"of the 0 validation rows are positive.* split in another way"):
        parts(found, 1, N // 2)


@pytest.mark.parametrize(
    ("when", "message"),
    [
        (["inf", 3], "column 'when' has 'inf', which is not a time"),
        (["1e40", 3], "column 'when' has '1e40', which is not a time"),
        (["2026-02-30", "2026-02-27"], "column 'when' has '2026-02-30', which is not a time"),
        (["2026-02-27", None], "column 'when' lacks a value in 200 rows with a label, and --split time needs all"),
        ([5, 5], "column 'when' has one time only, '5'"),
        (
            ["04/01/2024", "13/01/2024"],
            "column 'when' has '04/01/2024', which is not a time that can be read in one way",
        ),
        (
            ["2024-01-13", "01/02/2024"],
            "column 'when' has '01/02/2024', which is not a time that can be read in one way",
        ),
    ],
)
@pytest.mark.fault(
    "a split by times that are none, infinite, missing or all the same", "one sentence; no row is sorted to an end"
)
def test_a_split_by_what_is_no_time_is_refused(when, message, tmp_path):
    path = written(tmp_path, rows=table().assign(when=when * (N // 2)))
    with pytest.raises(UserError, match=re.escape(message)):
        prepared(path, tmp_path, Wishes(split="time", time="when"))


def test_rows_without_a_label_need_no_time(tmp_path):
    rows = table().astype({"click": "Int64"})
    rows.loc[:9, ["click", "when"]] = None
    rows.loc[0, "when"] = "soon"
    found = prepared(written(tmp_path, rows=rows), tmp_path, Wishes(split="time", time="when"))
    assert found.place is not None
    assert len(found.place) == len(found.rows.labels) == N - 10


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_seconds_since_1970_and_parts_of_them_are_times(unit, tmp_path):
    rows = table().assign(event_time=[(1_700_000_000 + 60 * i) * unit for i in range(N)])
    _, found, _ = chosen(written(tmp_path, rows=rows))
    assert {column.name: column.kind for column in found}["event_time"] == "time"


@pytest.mark.parametrize("form", ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f+02:00", "seconds"])
def test_a_split_by_time_reads_dates_times_and_seconds(form, tmp_path):
    days = np.random.default_rng(0).permutation(N)
    when = [
        str(int(day.timestamp())) if form == "seconds" else day.strftime(form)
        for day in pd.Timestamp("2024-01-01") + pd.to_timedelta(days, "D")
    ]
    found = prepared(written(tmp_path, rows=table().assign(when=when)), tmp_path, Wishes(split="time", time="when"))
    assert days[parts(found, 1, N)[2]].min() == N - N // 10


def test_a_column_of_times_is_a_feature_only_if_it_is_asked_for(tmp_path):
    path = written(tmp_path)
    assert "when" not in chosen(path, Wishes(time="when"))[2].fields
    assert "when" in chosen(path, Wishes(time="when", fields=("when",)))[2].fields


def test_a_split_by_time_knows_centuries(tmp_path):
    years = np.random.default_rng(0).permutation(np.arange(N) * 20 + 1)
    path = written(tmp_path, rows=table().assign(when=[f"{year:04d}-03-01" for year in years]))
    found = prepared(path, tmp_path, Wishes(split="time", time="when"))
    assert years[np.concatenate(parts(found, 1, N))].tolist() != years.tolist()
    assert years[parts(found, 1, N)[2]].min() > years[parts(found, 1, N)[1]].max() > years[parts(found, 1, N)[0]].max()


def test_a_split_by_a_column_follows_its_words(tmp_path):
    words = np.array(["train", "Valid", "test"])[np.arange(N) % 3]
    found = prepared(written(tmp_path, rows=table().assign(part=words)), tmp_path, Wishes(split="column:part"))
    assert [set(words[part]) for part in parts(found, 1, N)] == [{"train"}, {"Valid"}, {"test"}]
    path = written(tmp_path, rows=table().assign(part=np.where(words == "test", "dev2", words)))
    with pytest.raises(UserError, match="column 'part' has 'dev2': write train, valid or test"):
        prepared(path, tmp_path / "other", Wishes(split="column:part"))


def test_rare_and_unseen_values_share_an_id_and_missing_ones_have_another(tmp_path):
    rows = table()
    rows["ad"] = "shoe"
    rows.loc[:9, "ad"] = ["rare", "late", None, None, "twice", "twice", "hat", "hat", "hat", "late"]
    found = prepared(written(tmp_path, rows=rows), tmp_path, Wishes(fields=("ad",)))
    train = np.flatnonzero(~np.isin(np.arange(N), [1, 9]))
    encoding = encode(found, train)
    ids = encoding.dataset(np.arange(10), CPU).fields[:, list(encoding.ids).index("ad")].tolist()
    hat, twice = ids[6], ids[4]
    assert ids == [RARE, RARE, MISSING, MISSING, twice, twice, hat, hat, hat, RARE]
    assert {hat, twice} == {3, 4}  # 2 is the most frequent, "shoe"
    assert encoding.sizes["ad"] == 5


def test_numbers_have_mean_0_and_variance_1_over_the_training_rows_and_gaps_an_indicator(tmp_path):
    found = prepared(written(tmp_path), tmp_path)
    train = np.arange(300)
    data = encode(found, train).dataset(train, CPU)
    price, gap = data.numbers.numpy().T
    lacks = table()["price"].isna().to_numpy()[:300]
    assert found.lacking == [0]
    assert np.array_equal(gap, lacks)
    assert np.all(price[lacks] == 0)
    assert abs(price[~lacks].mean()) < 1e-5
    assert abs(price[~lacks].std() - 1) < 1e-5


def test_names_that_conditions_could_not_hold_are_changed():
    names = ["price (USD)", "self", "label", "a+b", "a_b"]
    found = safe_names(names)
    assert len(set(found.values())) == len(names)
    assert not any(set(name) & set("(),+") or name in ("self", "label") for name in found.values())
