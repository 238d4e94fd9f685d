"""Prepares MovieLens-1M (Harper & Konstan, 2015) as ``data/movielens/``.

    python data_scripts/movielens.py                         # downloads the official archive (5.7 MB)
    python data_scripts/movielens.py --archive ml-1m.zip     # takes a copy that you have

The label is 1 for a rating of 4 or 5. MovieLens may be used for research and may not be redistributed: what
this script writes stays on your machine.
"""

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import pandas as pd

from apg_repro.config import UserError
from apg_repro.prepare import check_counts, find_archive, main, write_dataset

FILE = "ml-1m.zip"
URL = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
MD5 = "c4d9eecfca2ab87c1945afe126590906"  # published beside the archive
TABLE_7 = {"rows": 1_000_209, "users": 6_040, "items": 3_706}
AGES = (1, 18, 25, 35, 45, 50, 56)
GENRES = (
    "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
AGE_COLUMNS = tuple(f"age_{age}" for age in AGES)
GENRE_COLUMNS = tuple(f"genre_{genre}" for genre in GENRES)

# What a model sees. "default" is the encoding whose input width, 5 × 32 + 7 + 18 = 185, explains the memory
# that the paper prints for MovieLens in Table 6; the others are measured beside it.
FEATURES = {
    "default": {
        "inputs": ["user", "movie", "gender", "occupation", "zip"],
        "numbers": [*AGE_COLUMNS, *GENRE_COLUMNS],
        "bags": {},
    },
    "six_fields": {
        "inputs": ["user", "movie", "gender", "age", "occupation", "zip"],
        "numbers": [],
        "bags": {},
    },
    "genre_string": {
        "inputs": ["user", "movie", "gender", "age", "occupation", "zip", "genres"],
        "numbers": [],
        "bags": {},
    },
    "genre_bag": {
        "inputs": ["user", "movie", "gender", "age", "occupation", "zip"],
        "numbers": list(GENRE_COLUMNS),
        "bags": {"genre": list(GENRE_COLUMNS)},
    },
}


def read_archive(path: Path, *, any_checksum: bool) -> tuple[pd.DataFrame, str]:
    """The prepared rows and the archive's sha256.

    Raises:
        UserError: not the official archive (unless ``any_checksum``), not a zip file, or a file in it is
            missing or malformed.
    """
    content = path.read_bytes()
    if not any_checksum and hashlib.md5(content).hexdigest() != MD5:
        raise UserError(f"{path} is not the official archive (md5 differs): delete it and run again")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            ratings = read_table(archive, "ratings", ["user", "movie", "rating", "time"])
            users = read_table(archive, "users", ["user", "gender", "age", "occupation", "zip"])
            movies = read_table(archive, "movies", ["movie", "title", "genres"])
    except (zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{path} is not a readable zip archive ({error}): fetch it again from {URL}") from error
    return join(ratings, users, movies), hashlib.sha256(content).hexdigest()


def read_table(archive: zipfile.ZipFile, name: str, columns: list[str]) -> pd.DataFrame:
    """One of the archive's ``::``-separated files."""
    member = f"ml-1m/{name}.dat"
    try:
        text = archive.read(member).decode("latin-1")
    except KeyError as error:
        raise UserError(f"the archive has no {member}: is it ml-1m.zip?") from error
    rows = [line.split("::") for line in text.splitlines() if line]
    torn = next((number for number, row in enumerate(rows, 1) if len(row) != len(columns)), None)
    if torn is not None:
        raise UserError(f"{member}, line {torn}: {len(rows[torn - 1])} columns where {len(columns)} are expected")
    return pd.DataFrame(rows, columns=columns)


def join(ratings: pd.DataFrame, users: pd.DataFrame, movies: pd.DataFrame) -> pd.DataFrame:
    """One row a rating: ids from 0, the one-hot ages, the multi-hot genres and the label.

    Raises:
        UserError: a rating names a user or movie that the archive lacks, or lies outside 1–5; an age, a genre or a
            number is none.
    """
    for name, other in (("user", users), ("movie", movies)):
        lost = set(ratings[name]) - set(other[name])
        if lost:
            raise UserError(f"{len(lost)} {name}s of ratings.dat are not in {name}s.dat, {min(lost)} for one")
    stars = pd.to_numeric(ratings["rating"], errors="coerce")
    if not stars.isin([1, 2, 3, 4, 5]).all():
        raise UserError("ratings.dat has ratings other than 1, 2, 3, 4, 5")
    for column, known in ((users["age"], map(str, AGES)), (movies["genres"].str.split("|").explode(), GENRES)):
        other = set(column) - set(known)
        if other:
            raise UserError(f"the archive's {column.name} hold {min(other)!r}, which MovieLens-1M does not")
    for name, column in (("user", users["user"]), ("occupation", users["occupation"]), ("movie", movies["movie"])):
        if not column.str.isdecimal().all():
            raise UserError(f"{name} {column[~column.str.isdecimal()].iloc[0]!r} is no number")
    rows = ratings[["user", "movie"]].merge(users, on="user").merge(movies[["movie", "genres"]], on="movie")
    # merge keeps the order of its left side, so labels still belong to their rows
    table = pd.DataFrame(
        {
            "user": codes(rows["user"].astype(int)),
            "movie": codes(rows["movie"].astype(int)),
            "gender": codes(rows["gender"]),
            "age": codes(rows["age"].astype(int)),
            "occupation": codes(rows["occupation"].astype(int)),
            "zip": codes(rows["zip"]),
            "genres": codes(rows["genres"]),
        }
    )
    indicators = {
        **{column: (rows["age"].astype(int) == age) for column, age in zip(AGE_COLUMNS, AGES, strict=True)},
        **{
            column: ("|" + rows["genres"] + "|").str.contains(f"|{genre}|", regex=False)
            for column, genre in zip(GENRE_COLUMNS, GENRES, strict=True)
        },
    }
    return table.assign(**{name: values.astype("int8") for name, values in indicators.items()}).assign(
        label=(stars >= 4).astype("int8")
    )


def codes(values: pd.Series) -> pd.Series:
    """Ids from 0 in ascending order of the values."""
    return values.astype("category").cat.codes.astype("int32")


def prepare(archive: Path | None) -> None:
    """Reads, checks against Table 7, writes."""
    path, own = find_archive(archive, FILE, URL)
    if own and hashlib.md5(path.read_bytes()).hexdigest() != MD5:
        print(f"movielens: {path} is another file than the official one; its counts are checked, its ratings cannot be")
    table, sha256 = read_archive(path, any_checksum=own)
    check_counts("MovieLens", table, TABLE_7, item="movie")
    fields = ["user", "movie", "gender", "age", "occupation", "zip", "genres"]
    write_dataset(
        "movielens", table, fields=fields, features=FEATURES,
        counts={"users": TABLE_7["users"], "items": TABLE_7["items"]},
        source={"file": path.name, "sha256": sha256, "official": not own},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("movielens", __doc__, FILE, prepare))
