"""The gate of prepared data: what it hands on, and that nothing else passes."""

import json
import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apg_repro.data.gate import enter
from apg_repro.errors import UserError
from apg_repro.paths import ROOT
from tests.tiny import N, table

DELETED = object()


def change_rows(root, name, values):
    """Replaces ``rows.parquet`` alone. ``values``: a column's new values, or a single one for row 3."""
    path = root / "tiny" / "rows.parquet"
    columns = pq.read_table(path).to_pydict()
    if values is DELETED:
        del columns[name]
    elif isinstance(values, list):
        columns[name] = values
    else:
        columns[name][3] = values
    pq.write_table(pa.table(columns), path)


def change_manifest(root, keys, value):
    """Replaces ``manifest.json`` alone; keys are joined by dots."""
    path = root / "tiny" / "manifest.json"
    manifest = values = json.loads(path.read_text())
    *outer, last = keys.split(".")
    for key in outer:
        values = values[key]
    if value is DELETED:
        del values[last]
    else:
        values[last] = value
    path.write_text(json.dumps(manifest))


def test_what_is_written_comes_through(tiny):
    rows, written = enter("tiny", root=tiny), table()
    assert rows.fields.tolist() == written[["user", "item"]].to_numpy().tolist()
    assert np.array_equal(rows.numbers, written[["price", "war", "love"]].to_numpy(np.float32))
    assert rows.labels.tolist() == written["label"].tolist()
    assert rows.schema.fields == {"user": 8, "item": 5}
    assert rows.schema.bags == {"genre": ("war", "love")}


def test_a_feature_set_names_the_columns_that_a_model_sees(tiny):
    rows = enter("tiny", features="ids", root=tiny)
    assert rows.schema.inputs == ("user",)
    assert rows.numbers.shape == (N, 0)
    with pytest.raises(UserError, match="no feature set 'all'; it has default, ids"):
        enter("tiny", features="all", root=tiny)


def test_further_columns_come_through_the_gate_as_they_are_stored(tiny):
    found = enter("tiny", extra=["probability", "item"], root=tiny).extra
    assert found["probability"].tolist() == table()["probability"].tolist()
    assert found["item"].tolist() == table()["item"].tolist()


def test_missing_and_damaged_files_raise_a_user_error_that_names_the_remedy(tiny):
    with pytest.raises(UserError, match=r"'none' is unknown; choose one of movielens, "):
        enter("none", root=tiny)
    with pytest.raises(UserError, match="'indusdata' is the authors' own"):
        enter("indusdata", root=tiny)
    (tiny / "tiny" / "rows.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(UserError, match=r"rows.parquet cannot be used \(.*\): run `python data_scripts/tiny.py` again"):
        enter("tiny", root=tiny)
    (tiny / "tiny" / "manifest.json").write_text('{"rows": ')
    with pytest.raises(UserError, match=r"manifest.json is damaged \(.*\): run `python data_scripts/tiny.py` again"):
        enter("tiny", root=tiny)
    (tiny / "tiny" / "manifest.json").write_bytes("{'ä'}".encode("latin-1"))
    with pytest.raises(UserError, match=r"manifest.json is damaged \(.*utf-8"):
        enter("tiny", root=tiny)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("item", -1, "column 'item' has the id -1 in row 3, but its ids are 0 to 4"),
        ("item", 5, "column 'item' has the id 5 in row 3, but its ids are 0 to 4"),
        ("user", 2**32 + 5, "column 'user' has the id 4294967301 in row 3"),
        ("user", [0.0, 1.5] * 20, "column 'user' holds double, not whole numbers"),
        ("user", ["0", "1"] * 20, "column 'user' holds string, not whole numbers"),
        ("user", None, "column 'user' lacks 1 of its values"),
        ("label", math.nan, "column 'label' has the value nan in row 3, which is not a finite float32"),
        ("label", None, "column 'label' lacks 1 of its values"),
        ("label", 2, "column 'label' has the value 2 in row 3, neither 0 nor 1"),
        ("label", -1, "column 'label' has the value -1 in row 3, neither 0 nor 1"),
        ("label", [0.0, 0.5] * 20, "column 'label' has the value 0.5 in row 1, neither 0 nor 1"),
        ("label", ["no", "yes"] * 20, "column 'label' holds string, not numbers"),
        ("label", [1] * N, "all labels are 1, and an AUC needs both classes"),
        ("price", math.nan, "column 'price' has the value nan in row 3, which is not a finite float32"),
        ("price", -math.inf, "column 'price' has the value -inf in row 3, which is not a finite float32"),
        ("price", 1e300, r"column 'price' has the value 1e\+300 in row 3, which is not a finite float32"),
        ("price", None, "column 'price' lacks 1 of its values"),
        ("price", ["cheap"] * N, "column 'price' holds string, not numbers"),
        ("war", 2, "column 'war' has the value 2 in row 3, neither 0 nor 1"),
        ("love", DELETED, "column 'love' is missing"),
        ("label", DELETED, "column 'label' is missing"),
        ("user", DELETED, "column 'user' is missing"),
    ],
)
@pytest.mark.fault(
    "prepared rows with wrong values: ids too large or negative, labels of 2, NaN, text, missing columns",
    "one sentence with column, row and remedy; nothing is trained",
)
def test_the_gate_refuses_values_that_would_train_on_something_else(tiny, column, values, message):
    change_rows(tiny, column, values)
    with pytest.raises(UserError, match=rf"rows.parquet cannot be used \({message}.*\): run `python data_scripts/tiny"):
        enter("tiny", root=tiny)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        ("rows", DELETED, "it has no entry rows"),
        ("rows", "40", 'rows is "40", not a whole number'),
        ("positive_rate", None, "positive_rate is null, not a number"),
        ("fields", ["user", "item"], r'fields is \["user", "item"\], not an object'),
        ("fields.user", "8", 'fields.user is "8", not a whole number'),
        ("fields.user", 8.0, "fields.user is 8.0, not a whole number"),
        ("fields.user", True, "fields.user is true, not a whole number"),
        ("fields.user", 0, "fields.user is 0, not between 1 and"),
        ("fields.user", 10**12, "fields.user is 1000000000000, not between 1 and"),
        ("fields.label", 2, "fields has an entry 'label'"),
        ("features", {}, "it has no entry features.default"),
        ("features.ids.bags", DELETED, "it has no entry features.ids.bags"),
        ("features.ids.inputs", [], "features.ids.inputs is empty"),
        ("features.ids.inputs", [3], "features.ids.inputs has 3, which is not a name"),
        ("features.ids.inputs", ["users"], "features.ids.inputs has 'users', which is not a field"),
        ("features.ids.inputs", ["user", "user"], "features.ids.inputs has 'user' twice"),
        ("features.default.numbers", ["price", "label"], "features.default.numbers has 'label', which is not a number"),
        ("features.default.bags.genre", ["war", "death"], "has 'death', which is none of its numbers"),
        ("features.default.bags.genre", [], "features.default.bags.genre is empty"),
        ("features.default.bags.mood", ["love"], "features.default.bags has 'love' twice"),
        ("source.sha256", None, "source.sha256 is null, not text"),
        ("source", DELETED, "it has no entry source"),
        ("checksums", DELETED, "it has no entry checksums"),
        ("checksums.ids", DELETED, "it has no entry checksums.ids"),
        ("name", "small", "it is the manifest of 'small'"),
    ],
)
@pytest.mark.fault("a manifest that is damaged or contradicts itself", "one sentence with the entry and the remedy")
def test_the_gate_refuses_a_manifest_that_lacks_an_entry_or_contradicts_itself(tiny, keys, value, message):
    change_manifest(tiny, keys, value)
    with pytest.raises(
        UserError, match=rf"manifest.json is damaged \(.*{message}.*\): run `python data_scripts/tiny.py`"
    ):
        enter("tiny", root=tiny)


def test_a_manifest_that_is_a_list_raises_a_user_error(tiny):
    (tiny / "tiny" / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match=r"is damaged \(it is not a JSON object\)"):
        enter("tiny", root=tiny)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        # Without the gate, users 6 and 7 would be trained with the embeddings of items 0 and 1.
        ("fields.user", 6, "column 'user' has the id 6 in row 6, but its ids are 0 to 5"),
        ("rows", 41, "it has 40 rows, its manifest 41"),
        ("features.ids.numbers", ["weight"], "column 'weight' is missing"),
    ],
)
@pytest.mark.fault("prepared rows that do not fit their manifest", "one sentence; nothing is trained")
def test_the_gate_refuses_rows_that_differ_from_their_manifest(tiny, keys, value, message):
    change_manifest(tiny, keys, value)
    with pytest.raises(UserError, match=rf"rows.parquet cannot be used \({message}"):
        enter("tiny", root=tiny)


def test_the_gate_refuses_fewer_rows_than_a_split_needs(tiny):
    pq.write_table(pa.table(table().head(7).to_dict("list")), tiny / "tiny" / "rows.parquet")
    change_manifest(tiny, "rows", 7)
    with pytest.raises(UserError, match="it has 7 rows, and training, validation and test rows need at least 20"):
        enter("tiny", root=tiny)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("label", [0, 0, *([1, 0] * 19)]),
        ("item", [1, *table()["item"].tolist()[1:]]),
        ("price", 7.0),
        ("love", [0] * N),
    ],
)
@pytest.mark.fault("prepared rows were changed to other valid values", "the checksum shows it; nothing is trained")
def test_the_gate_refuses_valid_values_that_are_not_the_prepared_ones(tiny, column, values):
    change_rows(tiny, column, values)
    with pytest.raises(UserError, match=r"has changed since it was prepared: run `python data_scripts/tiny.py` again"):
        enter("tiny", root=tiny)


def test_the_types_in_which_the_same_values_are_stored_do_not_matter(tiny):
    expected = enter("tiny", root=tiny)
    rows = table().astype({"user": "uint64", "item": "int16", "price": "float64", "war": "bool", "label": "float64"})
    rows.to_parquet(tiny / "tiny" / "rows.parquet", index=False)
    found = enter("tiny", root=tiny)
    for each in ("fields", "numbers", "labels"):
        assert getattr(found, each).dtype == getattr(expected, each).dtype
        assert np.array_equal(getattr(found, each), getattr(expected, each))


def test_reading_data_needs_no_torch_and_reading_the_record_no_pandas():
    script = """if True:
        import sys
        import apg_repro.data.checksums
        apg_repro.data.checksums.recorded("movielens", "default")
        assert not {"pandas", "pyarrow", "sklearn", "torch"} & set(sys.modules)
        import apg_repro.data.gate, apg_repro.data.planted, apg_repro.data.prepare, apg_repro.data.shapes
        assert not {"sklearn", "torch"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
