"""The loader of MovieLens-1M on rows made by hand, odd ones included."""

import hashlib
import subprocess
import sys
import zipfile

import pytest

from apg_repro.config import UserError
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


def archive(tmp_path, users=USERS, movies=MOVIES, ratings=RATINGS, left_out=()):
    path = tmp_path / "ml-1m.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, text in (("users", users), ("movies", movies), ("ratings", ratings)):
            if name not in left_out:
                file.writestr(f"ml-1m/{name}.dat", text.encode("latin-1"))
    return path


def read(path):
    return movielens.read_archive(path, any_checksum=True)


def test_rows_fields_and_labels(tmp_path):
    path = archive(tmp_path)
    table, sha256 = read(path)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ratings": RATINGS + "3::2\n"}, r"ratings.dat, line 7: 2 columns where 4 are expected"),
        ({"ratings": RATINGS + "9::2::5::0\n"}, r"1 users of ratings.dat are not in users.dat, 9 for one"),
        ({"ratings": RATINGS + "1::9::5::0\n"}, r"1 movies of ratings.dat are not in movies.dat, 9 for one"),
        ({"ratings": RATINGS + "1::3::6::0\n"}, r"other than 1, 2, 3, 4, 5"),
        ({"users": USERS.replace("::56::", "::99::")}, r"age hold '99', which MovieLens-1M does not"),
        ({"movies": MOVIES.replace("War", "Wars")}, r"genres hold 'Wars', which MovieLens-1M does not"),
        ({"users": USERS.replace("::16::", "::x::")}, r"occupation 'x' is no number"),
        ({"left_out": ("users",)}, r"the archive has no ml-1m/users.dat: is it ml-1m.zip\?"),
    ],
)
def test_what_is_wrong_with_an_archive_is_told(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read(archive(tmp_path, **change))


def test_a_torn_archive_is_told(tmp_path):
    path = archive(tmp_path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match="not a readable zip archive"):
        read(path)


def test_only_an_archive_that_the_user_named_may_differ_from_the_official_one(tmp_path):
    with pytest.raises(UserError, match="not the official archive"):
        movielens.read_archive(archive(tmp_path), any_checksum=False)


def test_an_archive_of_other_counts_ends_in_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "data_scripts/movielens.py", "--archive", archive(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "movielens: MovieLens rows: 6 found, 1,000,209 expected (Table 7): is the file complete?"
    )
