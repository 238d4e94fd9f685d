"""Checksums of what is trained on, and their record."""

import dataclasses
import hashlib
import struct

import pytest

from apg_repro.catalogue import CATALOGUE, is_prepared
from apg_repro.data import checksums, gate, record
from apg_repro.data.gate import enter
from apg_repro.data.planted import PLANTED
from apg_repro.errors import UserError
from tests.tiny import N, table, write


def test_a_checksum_is_that_of_little_endian_bytes_after_a_line_of_json(tiny):
    """So it is the same on every platform, and with every version of Python, pandas and parquet."""
    rows = table()
    line = '{"fields": [["user", 8], ["item", 5]], "inputs": ["user"], "numbers": [], "bags": []}\n'
    ids = struct.pack(f"<{2 * N}i", *rows[["user", "item"]].to_numpy().flatten().tolist())
    labels = struct.pack(f"<{N}f", *rows["label"].tolist())
    expected = hashlib.sha256(line.encode() + ids + labels).hexdigest()
    assert enter("tiny", features="ids", root=tiny).checksum == expected


@pytest.mark.fault("a label rule, an id or a column changes", "the checksum does, and rows of that data set are stale")
def test_what_a_model_is_trained_on_cannot_change_without_its_checksum(tmp_path):
    def checksum_of(rows, features="default"):
        write(tmp_path, rows)
        return enter("tiny", features=features, root=tmp_path).checksum

    rows = table()
    changed = [
        rows.assign(label=rows["label"].where(rows.index != 5, 1 - rows["label"])),
        rows.assign(label=1 - rows["label"]),
        rows.assign(item=rows["item"].where(rows.index != 5, 1)),
        rows.assign(user=rows["user"].where(rows.index != 7, 8)),
        rows.assign(price=rows["price"].where(rows.index != 5, 0.25)),
        rows.assign(war=1 - rows["war"]),
        rows.iloc[::-1].reset_index(drop=True),
    ]
    found = [checksum_of(each) for each in (rows, *changed)]
    assert len(set(found)) == len(found)
    assert checksum_of(rows) == found[0]
    assert checksum_of(rows.assign(price=0.0), "ids") == checksum_of(rows, "ids"), (
        "price is no part of that feature set"
    )


def test_a_checksum_covers_what_the_model_sees_of_the_columns(tiny):
    rows = enter("tiny", root=tiny)
    views = [
        {},
        {"fields": {"user": 9, "item": 5}},
        {"fields": {"item": 8, "user": 5}},
        {"inputs": ("user",)},
        {"numbers": ("cost", "war", "love")},
        {"bags": {}},
    ]
    schemas = [dataclasses.replace(rows.schema, **view) for view in views]
    assert len({checksums.checksum(each, rows.fields, rows.numbers, rows.labels) for each in schemas}) == len(views)


@pytest.mark.parametrize("name", sorted(checksums.read()))
def test_prepared_data_have_the_recorded_checksums(name):
    """Those of the data that the committed results were computed on."""
    if not is_prepared(name):
        pytest.skip(f"{name} is not prepared")
    manifest = gate.load_manifest(name)
    assert {features: checksums.recorded(name, features) for features in manifest["features"]} == manifest["checksums"]
    if name in ("movielens", "synthetic"):
        assert record.prepared(name) == manifest["checksums"]


def test_the_record_has_what_can_be_prepared_here():
    made = {name for name, entry in CATALOGUE.items() if entry.kind in ("made", "twin")} - {"planted"}
    assert {"movielens", *made, *PLANTED} <= set(checksums.read())
    assert set(checksums.read()["movielens"]) == {"default", "six_fields", "genre_string", "genre_bag"}


def test_a_record_is_replaced_by_data_set(tiny, tmp_path):
    path = tmp_path / "data.json"
    assert checksums.recorded("tiny", "ids", path) is None
    path.write_text('{"other": {"default": {"sha256": "0"}}, "tiny": {"old": {"sha256": "1"}}}')
    record.record("tiny", root=tiny, path=path)
    assert checksums.recorded("tiny", "ids", path) == enter("tiny", features="ids", root=tiny).checksum
    assert checksums.recorded("tiny", "old", path) is None
    assert checksums.recorded("other", "default", path) == "0"
    path.write_text("{")
    with pytest.raises(UserError, match=r"data.json cannot be read \(.*\): get it back with `git checkout"):
        checksums.recorded("tiny", "ids", path)


def test_the_command_compares_what_is_prepared_with_the_record(tiny, tmp_path, capsys):
    def answers(*arguments):
        status = record.main([*arguments], root=tiny, path=tmp_path / "data.json")
        return status, [line.rpartition(", ")[2] for line in capsys.readouterr().out.splitlines()]

    assert answers() == (1, ["not recorded", "not recorded"])
    assert answers("--record", "tiny") == (0, ["as recorded", "as recorded"])
    write(tiny, table().assign(price=0.0))
    capsys.readouterr()
    assert answers() == (1, ["differs", "as recorded"])
    assert record.main(["none"], root=tiny) == 1
    assert "'none' is unknown" in capsys.readouterr().err
    assert record.main(["--record", "tiny"], root=tiny, path=tmp_path / "none" / "data.json") == 1
    assert "data.json cannot be written (No such file or directory)" in capsys.readouterr().err
