"""The loader of MovieLens-1M on rows made by hand, odd ones included."""

import gzip
import hashlib
import json
import subprocess
import sys
import zipfile

import pytest

from apg_repro.data.gate import enter
from apg_repro.errors import UserError
from apg_repro.paths import ROOT
from data_scripts import movielens

USERS = """1::F::1::10::48067
2::M::56::16::70072
3::M::25::15::55117-1234
"""
MOVIES = """1::Toy Story (1995)::Animation|Children's|Comedy
2::Jumanji (1995)::Adventure|Children's|Fantasy
3::Misérables, Les (1995)::Drama|Musical
4::Not rated (1990)::War
"""
RATINGS = """1::1::5::978300760
1::2::3::978302109
2::1::4::978301968
2::3::1::978300275
3::3::4::978824291
3::2::2::978824292
"""


def archive(tmp_path, left_out=(), others=(), encoding="latin-1", compression=zipfile.ZIP_DEFLATED, **files):
    """An archive of these files, as text or bytes; those above where none are given."""
    path = tmp_path / "ml-1m.zip"
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, text in ({"users": USERS, "movies": MOVIES, "ratings": RATINGS} | files).items():
            if name not in left_out:
                file.writestr(f"ml-1m/{name}.dat", text if isinstance(text, bytes) else text.encode(encoding))
        for name in others:
            file.writestr(name, "content")
    return path


def test_rows_fields_and_labels(tmp_path):
    table = movielens.read_archive(archive(tmp_path))
    assert table["user"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["movie"].tolist() == [0, 1, 0, 2, 2, 1], "ids of rated movies only, in order of the original ids"
    assert table["label"].tolist() == [1, 0, 1, 0, 1, 0], "positive from 4 stars on"
    assert table["gender"].tolist() == [0, 0, 1, 1, 1, 1]
    assert table["age"].tolist() == [0, 0, 2, 2, 1, 1]
    assert table["zip"].tolist() == [0, 0, 2, 2, 1, 1]
    assert table["genres"].nunique() == 3
    assert table[["age_1", "age_25", "age_56"]].to_numpy().tolist()[::2] == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert table["genre_Children's"].tolist() == [1, 1, 1, 0, 0, 1]
    assert table["genre_Musical"].tolist() == [0, 0, 0, 1, 1, 0]
    assert table["genre_War"].sum() == 0
    for view in movielens.FEATURES.values():
        assert set(view["inputs"]) | set(view["numbers"]) <= set(table.columns)


def test_a_variant_leaves_out_three_stars_and_is_a_data_set_of_its_own(tmp_path, monkeypatch):
    path = archive(tmp_path, ratings=RATINGS * 8)
    for name, value in (("NO3_ROWS", 40), ("NO3_USERS", 3), ("NO3_ITEMS", 3)):
        monkeypatch.setattr(movielens, name, value)
    movielens.prepare(path, "no3", root=tmp_path)
    rows = enter("movielens_no3", root=tmp_path)
    table = movielens.read_archive(path)
    kept = [rating != "3" for rating in (line.split("::")[2] for line in (RATINGS * 8).splitlines())]
    assert rows.labels.tolist() == table["label"][kept].tolist()
    assert rows.fields[:, 0].tolist() == table["user"][kept].tolist()
    assert not (tmp_path / "movielens").exists()


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\n\n"])
@pytest.mark.fault("MovieLens saved as UTF-8, with a byte-order mark, CRLF or blank lines", "the same rows")
def test_the_same_rows_are_read_from_every_way_of_saving_the_files(tmp_path, encoding, line_end):
    """In UTF-8, half of "Å" is the byte 0x85: a line end for some, as are a form feed and a line separator."""
    movies = MOVIES.replace("Jumanji", "Ålevalen\x0b\x0c\x1c")
    files = {"users": USERS, "movies": movies, "ratings": RATINGS}
    path = archive(tmp_path, encoding=encoding, **{name: text.replace("\n", line_end) for name, text in files.items()})
    table = movielens.read_archive(path)
    assert table.equals(movielens.read_archive(archive(tmp_path)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratings": RATINGS + "3::2\n"}, r"ratings.dat, line 7: 2 columns where 4 are expected"),
        ({"ratings": RATINGS + "9::2::5::0\n"}, r"ratings.dat, line 7: user '9' is not in users.dat"),
        ({"ratings": RATINGS + "1::9::5::0\n"}, r"ratings.dat, line 7: movie '9' is not in movies.dat"),
        ({"ratings": RATINGS + "1::3::6::0\n"}, r"ratings.dat, line 7: rating '6' does not occur in MovieLens-1M"),
        ({"ratings": RATINGS + "\n1::3::4.5::0\n"}, r"ratings.dat, line 8: rating '4.5' does not occur"),
        ({"ratings": "UserID::MovieID::Rating::Timestamp\n" + RATINGS}, r"ratings.dat, line 1: user 'UserID' does not"),
        ({"ratings": "UserID::MovieID::Rating::Timestamp\n"}, r"ratings.dat, line 1: user 'UserID' does not"),
        ({"ratings": ""}, r"ratings.dat, line 1: the file is empty"),
        ({"ratings": RATINGS + "1\0::3::4::0\n"}, r"ratings.dat, line 7 has a NUL byte: is the file damaged"),
        ({"ratings": RATINGS.encode("utf-16")}, r"ratings.dat, line 1 has a NUL byte"),
        ({"ratings": gzip.compress(RATINGS.encode(), mtime=0)}, r"ratings.dat, line 1 has a NUL byte"),
        ({"ratings": RATINGS + "1" * 30 + "::3::4::0\n"}, r"ratings.dat, line 7: user '1{30}' does not occur"),
        ({"ratings": RATINGS.replace("\n", "\r")}, r"ratings.dat, line 1: 19 columns where 4 are expected"),
        ({"users": USERS.replace("::56::", "::99::")}, r"users.dat, line 2: age '99' does not occur in MovieLens-1M"),
        ({"users": USERS.replace("::16::", "::x::")}, r"users.dat, line 2: occupation 'x' does not occur"),
        ({"users": USERS.replace("3::M", "3::")}, r"users.dat, line 3: gender '' does not occur"),
        ({"users": USERS + "1::M::25::15::0\n"}, r"users.dat, line 4: user '1' is there twice"),
        ({"movies": MOVIES.replace("War", "Wars")}, r"movies.dat, line 4: genres 'Wars' does not occur"),
        ({"movies": MOVIES.replace("Toy ", "Toy\n")}, r"movies.dat, line 1: 2 columns where 3 are expected"),
        ({"movies": MOVIES + "2::B::War\n"}, r"movies.dat, line 5: movie '2' is there twice"),
        ({"left_out": ("users",)}, r"the archive has no ml-1m/users.dat: is it ml-1m.zip\?"),
        ({"others": ["../../evil"]}, r"ml-1m.zip holds '../../evil', which lies outside of its folder"),
        ({"others": ["/etc/evil"]}, r"holds '/etc/evil', which lies outside of its folder"),
        ({"others": ["..\\evil"]}, r"holds '..[\\/]+evil', which lies outside of its folder"),
        ({"others": ["C:/evil"]}, r"holds 'C:/evil', which lies outside of its folder"),
    ],
)
@pytest.mark.fault(
    "an archive with torn or foreign lines, missing files, or entries that lead out of its folder",
    "one sentence with file and line; nothing is unpacked",
)
def test_what_is_wrong_with_an_archive_is_named_with_file_and_line(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        movielens.read_archive(archive(tmp_path, **change))


@pytest.mark.fault("an archive that unpacks to far more than its size", "refused before it is unpacked")
def test_a_file_that_would_fill_the_memory_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(movielens, "LARGEST", 10_000)
    path = archive(tmp_path, ratings="1::1::5::978300760\n" * 100_000)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *arguments: pytest.fail("it was unpacked"))
    with pytest.raises(UserError, match=r"ratings.dat has 1,900,000 bytes, more than 10,000: is it ml-1m.zip"):
        movielens.read_archive(path)


def damaged(content, position, value):
    return content[:position] + bytes([value]) + content[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:200],
        lambda content: b"",
        lambda content: b"<html>Please sign in</html>",
        lambda content: gzip.compress(content),
        lambda content: damaged(content, 60, content[60] ^ 255),  # within the packed bytes of the first file
        # The flag "encrypted" and an unknown way of packing, in the central directory and before the file.
        lambda content: damaged(content, content.index(b"PK\1\2") + 8, 1),
        lambda content: damaged(damaged(content, content.index(b"PK\1\2") + 10, 77), 8, 77),
    ],
    ids=["torn", "empty", "web page", "gzip", "flipped", "encrypted", "unknown compression"],
)
@pytest.mark.fault("an archive that is torn, flipped, encrypted, a web page", "one sentence with the remedy")
def test_a_damaged_archive_raises_a_user_error_that_names_the_remedy(tmp_path, damage):
    path = archive(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        UserError, match=r"ml-1m.zip is not a readable zip archive \(.*\): fetch it again from https://"
    ):
        movielens.read_archive(path)


def test_a_copy_of_ones_own_may_differ_from_the_official_archive(tmp_path, monkeypatch):
    path = archive(tmp_path, ratings=RATINGS * 4)
    for name, value in (("ROWS", 24), ("USERS", 3), ("ITEMS", 3)):
        monkeypatch.setattr(movielens, name, value)
    movielens.prepare(path, root=tmp_path)
    source = json.loads((tmp_path / "movielens" / "manifest.json").read_text())["source"]
    assert source == {
        "file": "ml-1m.zip", "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "official": False,
    }  # fmt: skip


def test_another_label_rule_changes_the_checksum_of_every_feature_set(tmp_path, monkeypatch):
    for name, value in (("ROWS", 24), ("USERS", 3), ("ITEMS", 3)):
        monkeypatch.setattr(movielens, name, value)
    path, found = archive(tmp_path, ratings=RATINGS * 4), set()
    for stars in (4, 3):
        monkeypatch.setattr(movielens, "POSITIVE", stars)
        movielens.prepare(path, root=tmp_path)
        found |= {enter("movielens", features=name, root=tmp_path).checksum for name in movielens.FEATURES}
    assert len(found) == 2 * len(movielens.FEATURES)


def test_an_archive_of_other_counts_ends_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "data_scripts/movielens.py", "--archive", archive(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "movielens: MovieLens-1M rows: 6 found, 1,000,209 expected (Table 7): is the file complete?"
    )
