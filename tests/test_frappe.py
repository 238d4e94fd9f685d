"""The loader of Frappe, the drawing of negatives, and the published parts, on rows made by hand."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest

from apg_repro.data.dataset import load, split
from apg_repro.data.prepare import NotFoundError
from apg_repro.errors import UserError
from data_scripts import frappe

HEAD = "\t".join(frappe.COLUMNS)
CONTEXT = "sunday\tweekend\tunknown\tfree\tsunny\tSpain\t0"
USES = [f"{user}\t{item}\t{1 + user}\t{'morning' if item % 2 else 'night'}\t{CONTEXT}"
        for user, item in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 3), (2, 4), (2, 5), (0, 5), (1, 0), (2, 0)]]  # fmt: skip
APPS = [f'{item}\tpackage\t{"Games" if item < 3 else "Tools"}\tit says "hi' for item in range(6)]


def archive(tmp_path, uses=USES, apps=APPS, **members):
    path = tmp_path / frappe.FILE
    files = {
        frappe.MEMBERS["uses"]: "\n".join([HEAD, *uses]) + "\n",
        frappe.MEMBERS["apps"]: "\n".join(["item\tpackage\tcategory\tdescription", *apps]) + "\n",
    }
    with zipfile.ZipFile(path, "w") as file:
        for name, text in (files | members).items():
            file.writestr(name, text)
    return path


@pytest.fixture
def counted(monkeypatch):
    for name, value in (("ROWS", 10), ("USERS", 3), ("ITEMS", 6)):
        monkeypatch.setattr(frappe, name, value)


def test_a_use_is_positive_and_has_two_negatives_of_its_user_and_context_with_apps_never_used(tmp_path):
    uses, _ = frappe.read(archive(tmp_path))
    table = frappe.with_negatives(uses, uses, n_items=6)
    assert table["label"].tolist() == [1] * 10 + [0] * 20
    assert table[list(frappe.INPUTS)].iloc[:10].equals(uses)
    negative, others = table.iloc[10:].reset_index(drop=True), [name for name in frappe.INPUTS if name != "item"]
    for column in others:
        assert negative[column].tolist() == uses[column].repeat(2).tolist()
    used = set(zip(uses["user"], uses["item"], strict=True))
    assert not used & set(zip(negative["user"], negative["item"], strict=True))
    assert table.equals(frappe.with_negatives(uses, uses, n_items=6)), "the same rows every time"


def test_every_app_that_a_user_never_used_is_drawn_as_often():
    used = pd.DataFrame({"user": [0, 0], "item": [1, 3]})
    positives = pd.DataFrame({"user": np.zeros(6000, int), "item": np.ones(6000, int)})
    found = frappe.negatives(positives, used, 5, np.random.RandomState(0))["item"].value_counts()
    assert set(found.index) == {0, 2, 4}
    assert all(abs(count - 4000) < 5 * (12_000 * 2 / 9) ** 0.5 for count in found)


def test_a_user_of_every_app_is_refused(tmp_path):
    uses = [f"0\t{item}\t1\tmorning\t{CONTEXT}" for item in range(6)]
    table, _ = frappe.read(archive(tmp_path, uses))
    with pytest.raises(UserError, match=r"user 0 has used all 6 apps, so no negative can be drawn"):
        frappe.with_negatives(table, table, n_items=6)


def test_an_unknown_or_missing_context_is_an_id_of_its_own_and_the_count_is_no_column(tmp_path):
    uses = [USES[0], USES[1].replace("sunny", "unknown"), USES[2].replace("sunny", "")]
    table, category = frappe.read(archive(tmp_path, uses))
    assert table["weather"].tolist() == [0, 1, 2]
    assert "cnt" not in table
    assert category.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uses": ["x" + USES[0]]}, "line 2: user 'x0' is not a whole number"),
        ({"uses": [USES[0].replace("0\t0", "0\t9", 1)]}, "does not have every app"),
        ({"uses": []}, "frappe.csv has no rows"),
        ({"apps": [*APPS, APPS[0]]}, "does not have every app"),
        ({frappe.MEMBERS["uses"]: "user\titem\n0\t0\n"}, "frappe.csv has no column 'cnt'"),
        ({frappe.MEMBERS["uses"]: f"{HEAD}\n{USES[0]}\tmore\tmore\n{USES[1]}\tmore\tmore\tmore\n"}, "cannot be read"),
    ],
)
def test_what_is_wrong_with_an_archive_is_named(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        frappe.read(archive(tmp_path, **change))


def test_another_file_raises_a_user_error(tmp_path):
    path = tmp_path / frappe.FILE
    path.write_bytes(b"<html>")
    with pytest.raises(UserError, match=r"cannot be read .*: get it again from https://"):
        frappe.read(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("other", "")
    with pytest.raises(UserError, match=r"has no Mobile_Frappe/frappe/frappe.csv"):
        frappe.read(path)


# Columns begin at 0 (3 users), 3 (6 apps), 9 (daytime), 11, 12, 13, 14, 15, 16, 17.
CONSTANT = " ".join(f"{number}:1" for number in range(11, 18))


def published(tmp_path, part, *lines):
    path = tmp_path / frappe.PARTS[part]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path


def test_the_published_parts_are_taken_as_they_are_and_their_positives_left_out_of_training(tmp_path, counted):
    path = archive(tmp_path)
    with pytest.raises(NotFoundError, match=r"frappe.validation.libfm.gz is not beside"):
        frappe.prepare(path, "bench", root=tmp_path)
    published(tmp_path, 1, f"1 0:1 3:1 9:1 {CONSTANT}", f"-1 0:1 5:1 9:1 {CONSTANT}")  # user 0 used app 0, not app 2
    published(tmp_path, 2, f"1 2:1 8:1 10:1 {CONSTANT}", f"-1 2:1 5:1 10:1 {CONSTANT}")  # user 2 used app 5, not app 2
    frappe.prepare(path, "bench", root=tmp_path)
    train, valid, test = (part.copy() for part in split(load("frappe_bench", root=tmp_path), seed=1))
    assert (len(train), len(valid), len(test)) == (8 * 3, 2, 2)
    assert (valid.column("user").tolist(), valid.column("item").tolist()) == ([0, 0], [0, 2])
    assert (test.column("user").tolist(), test.column("item").tolist()) == ([2, 2], [5, 2])
    assert valid.labels.tolist() == test.labels.tolist() == [1, 0]
    positive = {(u, i) for u, i, label in zip(train.column("user").tolist(), train.column("item").tolist(),
                                               train.labels.tolist(), strict=True) if label}  # fmt: skip
    assert (0, 0) not in positive
    assert (2, 5) not in positive
    assert len(positive) == 8
    frappe.prepare(path, root=tmp_path)
    assert load("frappe", root=tmp_path).parts is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"2 0:1 3:1 9:1 {CONSTANT}", "line 1 is not a label of 1 or -1"),
        ("1 0:1 3:1", "line 1 is not a label of 1 or -1 and 10 features"),
        (f"1 3:1 3:1 9:1 {CONSTANT}", "line 1 has a feature outside of its column"),
        (f"1 a:1 3:1 9:1 {CONSTANT}", "is damaged"),
        ("", "has no rows"),
    ],
)
def test_a_malformed_line_of_a_published_part_is_named(tmp_path, line, message):
    uses, _ = frappe.read(archive(tmp_path))
    with pytest.raises(UserError, match=message):
        frappe.read_part(published(tmp_path, 1, *filter(None, [line])), uses, 6)


def test_a_published_use_that_the_archive_lacks_is_refused(tmp_path):
    uses, _ = frappe.read(archive(tmp_path))
    other = uses.iloc[:1].assign(item=3, label=1)
    with pytest.raises(UserError, match=r"is not in Mobile_Frappe.zip: do they belong together"):
        frappe.less(uses, other)
    twice = pd.concat([uses, uses.iloc[:1]], ignore_index=True)
    assert len(frappe.less(twice, uses.iloc[:1])) == len(uses), "of two equal uses, one is left"
