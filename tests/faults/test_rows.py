"""Lines of results that are torn, damaged, doubled or of another version: see also ``tests/test_store.py``."""

import json

import pytest

from apg_repro.config import RunConfig
from apg_repro.data import checksums
from apg_repro.errors import UserError
from apg_repro.rows import numerics, record
from apg_repro.rows.store import Store
from tests.conftest import trained_row


def row(seed):
    return trained_row(RunConfig(dataset="d", seed=seed))


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    for seed in (1, 2, 3):
        store.append("full", row(seed))
    return store


def damaged(store, content):
    """The file with this content after its rows, and what reading it says; nothing is written."""
    path = store.runs_path("full", "d")
    before = path.read_bytes() + content
    path.write_bytes(before)
    with pytest.raises(UserError) as caught:
        store.runs("full", "d")
    with pytest.raises(UserError):
        store.append("full", row(4))
    assert path.read_bytes() == before
    assert str(caught.value).startswith(f"{path}, line 4 ")
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, 65.0) for name in ("one_epoch_test_auc", "early_stopping_valid_auc")],
        *[("one_epoch_valid_auc", value) for value in (-1.0, "0.7", [0.7], True, float("inf"))],
        *[("one_epoch_epoch", value) for value in (0, 3, "1", 1.5)],
        *[("status", value) for value in (None, "fine", [1])],
        *[("history", value) for value in (None, "x", [1], {"a": 1})],
        *[("seed", value) for value in (None, "9", 1.0, True)],
        *[("id", value) for value in ([1], {"a": 1}, None, "0" * 12)],
        *[("kind", value) for value in ("guessed", ["trained"], None)],
        ("version", "v9"), ("n_parameters", "many"), ("threads", None), ("finished", None), ("seconds", "1"),
        ("dirty", "no"), ("observed", 3), ("n_parameters", -1), ("n_parameters", True), ("seconds", -1.0),
        ("threads", -1), ("seconds", float("inf")), ("one_epoch_test_auc", float("nan")),
        ("one_epoch_test_auc", 1.7), ("cores", True),
        ("early_stopping_test_logloss", -0.1), ("early_stopping_test_logloss", float("nan")),
    ],
)  # fmt: skip
@pytest.mark.fault(
    "a line with a value that no row has: an AUC of 65, NaN or as text, a seed as text, an id as a list, −1 seconds",
    "one sentence with file and line; the file stays as it is",
)
def test_a_value_that_no_row_has_is_named_with_its_line(store, name, value):
    damaged(store, json.dumps(row(9).as_json() | {name: value}).encode() + b"\n")


@pytest.mark.parametrize("name", ["kind", "id", "dataset", "seed", "status", "history", "one_epoch_test_auc", "data"])
@pytest.mark.fault("a line that lacks a value", "one sentence with file and line; the file stays as it is")
def test_a_value_that_is_missing_is_named_with_its_line(store, name):
    values = row(9).as_json()
    del values[name]
    damaged(store, json.dumps(values).encode() + b"\n")


@pytest.mark.parametrize(
    "content",
    [b"[1]\n", b"[" * 100_000 + b"\n", b"\xff\xfe\n", b"\0\0\0\n", b"<html>\n", b"<<<<<<< HEAD\n"],
    ids=["list", "deep", "no text", "NUL", "HTML", "merge conflict"],
)
@pytest.mark.fault("a line that is not JSON, or too deep, before others", "one sentence; the file stays as it is")
def test_what_is_no_row_is_named_with_its_line(store, content):
    damaged(store, content)


@pytest.mark.parametrize(
    "cut", [b'{"kind": "tr', b"\0\0\0\0", '{"dataset": "ä'.encode()[:-1]], ids=["half", "NUL", "UTF-8"]
)
@pytest.mark.fault("the last line is torn: half of it, NUL bytes, half a character", "the next row replaces it")
def test_a_torn_last_line_is_replaced(store, cut):
    path = store.runs_path("full", "d")
    whole = path.read_bytes()
    path.write_bytes(whole + cut)
    assert len(store.runs("full", "d")) == 3
    assert store.append("full", row(4))
    assert path.read_bytes() == whole + json.dumps(row(4).as_json()).encode() + b"\n"


@pytest.mark.fault("an editor turned the line ends into CR alone", "one sentence; no row is cut off")
def test_rows_whose_line_ends_were_turned_into_others_are_not_cut_off(store):
    path = store.runs_path("full", "d")
    content = path.read_bytes().replace(b"\n", b"\r")
    path.write_bytes(content)
    with pytest.raises(UserError, match="line 1 is damaged"):
        store.append("full", row(4))
    assert path.read_bytes() == content


@pytest.mark.fault("line ends became CRLF, or empty lines came in between", "the same rows")
def test_windows_line_ends_and_empty_lines_change_nothing(store):
    path = store.runs_path("full", "d")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert [row.config.seed for row in store.runs("full", "d").values()] == [1, 2, 3]


@pytest.mark.fault("two lines became one, or one line several", "one sentence; the file stays as it is")
def test_lines_that_were_joined_or_broken_are_named(store):
    path = store.runs_path("full", "d")
    first, second, third = path.read_bytes().splitlines(keepends=True)
    for content in (
        first + second.rstrip() + third, first.rstrip() + second + third, first + second.rstrip() + third.rstrip(),
        json.dumps([json.loads(line) for line in (first, second, third)]).encode(),
        first + json.dumps(json.loads(second), indent=1).encode() + b"\n" + third,
        first.replace(b"\n", b"\x0c\n") + second + third,
    ):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"line [12] is damaged: delete that line"):
            store.append("full", row(4))
        assert path.read_bytes() == content


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"null", b"3", b"[" * 100_000, b'{"runs/d.jsonl": []}', b'{"runs/d.jsonl": 3}', b"<<<<<<< HEAD\n",
        b"\xff",
    ],
    ids=["empty", "list", "null", "number", "deep", "list within", "number within", "merge conflict", "no text"],
)  # fmt: skip
@pytest.mark.fault(
    "a record of rows, data or golden runs is torn or holds something else", "one sentence; it stays as it is"
)
def test_a_record_that_is_damaged_is_named_and_not_written_over(store, content, tmp_path, capsys):
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    for options in ([], ["--record"], ["--replace"]):
        assert record.main(options, store=store, path=path) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"error: {path} cannot be read (")
        assert error.count("\n") == 1
        assert path.read_bytes() == content
    with pytest.raises(UserError, match=r"rows.json cannot be read .*: get it back with"):
        numerics.record(path)
    with pytest.raises(UserError, match="cannot be read"):
        checksums.recorded("d", "default", path)
