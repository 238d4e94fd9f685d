"""Prepares MovieLens-1M (Harper & Konstan, 2015) as ``data/movielens/``.

    python data_scripts/movielens.py                         # downloads the official archive (5.7 MB)
    python data_scripts/movielens.py --archive ml-1m.zip     # takes a copy that you have

The label is 1 for a rating of 4 or 5. ``--variant no3`` leaves out the ratings of 3 stars, as some papers do, and
prepares ``data/movielens_no3/``: a data set of its own and no feature set, as it has fewer rows. MovieLens may be used
for research and may not be redistributed: what this script writes stays on your machine.
"""

import codecs
import re
import sys
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pandas as pd

from apg_repro.catalogue import CATALOGUE
from apg_repro.data.prepare import check_counts, digest_of, find_archive, main, write_dataset
from apg_repro.errors import UserError
from apg_repro.paths import DATA

FILE = "ml-1m.zip"
URL = "https://files.grouplens.org/datasets/movielens/ml-1m.zip"
MD5 = "c4d9eecfca2ab87c1945afe126590906"  # published with the archive
ROWS, USERS, ITEMS = 1_000_209, 6_040, 3_706  # as Table 7 counts them
NO3_ROWS, NO3_USERS, NO3_ITEMS = 739_012, 6_040, 3_668
AGES = (1, 18, 25, 35, 45, 50, 56)
GENRES = (
    "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
AGE_COLUMNS = tuple(f"age_{age}" for age in AGES)
GENRE_COLUMNS = tuple(f"genre_{genre}" for genre in GENRES)

# The archive's files: their columns, and what a value looks like.
NUMBER = "[0-9]{1,9}"
GENRE = "|".join(map(re.escape, GENRES))
COLUMNS = {
    "ratings": {"user": NUMBER, "movie": NUMBER, "rating": "[1-5]", "time": ".*"},
    "users": {
        "user": NUMBER, "gender": "[FM]", "age": "|".join(map(str, AGES)), "occupation": NUMBER, "zip": ".+",
    },
    "movies": {"movie": NUMBER, "title": ".*", "genres": rf"({GENRE})([|]({GENRE}))*"},
}  # fmt: skip
POSITIVE = 4  # stars, at least
UNDECIDED = 3  # stars, which a variant leaves out
LARGEST = 60_000_000  # bytes of an unpacked file; the largest official one has 25 million

# What a model sees. "default" is the encoding whose input width, 5 × 32 + 7 + 18 = 185, explains the memory
# that the paper prints for MovieLens in Table 6; the others are measured for comparison.
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


def read_archive(path: Path, without: int | None = None) -> pd.DataFrame:
    """The prepared rows, but for ratings of so many stars.

    Raises:
        UserError: it is no zip file, or a file in it is missing, too large, torn or malformed; the text names the
            line.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_names(path, archive)
            ratings, users, movies = (read_table(archive, name) for name in ("ratings", "users", "movies"))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:  # RuntimeError: encrypted
        raise UserError(f"{path} is not a readable zip archive ({error}): fetch it again from {URL}") from error
    # The number of a line stays with its rating.
    return join(ratings[ratings["rating"] != str(without)], users, movies)


def check_names(path: Path, archive: zipfile.ZipFile) -> None:
    """Raises a UserError if unpacking an archive would write outside of its folder.

    Nothing is unpacked here, but a user may unpack what was accepted here.
    """
    for name in archive.namelist():
        inside = PurePosixPath(name.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or ":" in name:
            raise UserError(f"{path} holds {name!r}, which lies outside of its folder: is it {FILE}?")


def read_table(archive: zipfile.ZipFile, name: str) -> pd.DataFrame:
    """One of the archive's ``::``-separated files as text; the index is the number of the line."""
    member, columns = f"ml-1m/{name}.dat", COLUMNS[name]
    try:
        info = archive.getinfo(member)
    except KeyError as error:
        raise UserError(f"the archive has no {member}: is it {FILE}?") from error
    if info.file_size > LARGEST:
        raise UserError(f"{member} has {info.file_size:,} bytes, more than {LARGEST:,}: is it {FILE}?")
    # The official files are latin-1, in which any byte is some letter. A copy in UTF-8 differs in titles only, which
    # are not used. Lines end with \n alone: for str.splitlines, half of an "Å" in UTF-8 would be a line end too.
    lines = archive.read(info).removeprefix(codecs.BOM_UTF8).decode("latin-1").split("\n")
    rows, numbers = [], []
    for number, line in enumerate(lines, 1):
        row = line.removesuffix("\r").split("::")
        if row == [""]:
            continue
        if "\0" in line:
            raise UserError(f"{member}, line {number} has a NUL byte: is the file damaged?")
        if len(row) != len(columns):
            raise UserError(f"{member}, line {number}: {len(row)} columns where {len(columns)} are expected")
        rows.append(row)
        numbers.append(number)
    if not rows:
        raise UserError(f"{member}, line 1: the file is empty")
    table = pd.DataFrame(rows, columns=list(columns), index=numbers)
    for column, pattern in columns.items():
        refuse(table, ~table[column].str.fullmatch(pattern), member, column, "does not occur in MovieLens-1M")
    return table


def refuse(table: pd.DataFrame, wrong: pd.Series, member: str, column: str, why: str) -> None:
    """Raises a UserError that names the first line that is wrong, if there is one."""
    if wrong.any():
        line = wrong.idxmax()
        raise UserError(f"{member}, line {line}: {column} {table.at[line, column]!r} {why}")


def join(ratings: pd.DataFrame, users: pd.DataFrame, movies: pd.DataFrame) -> pd.DataFrame:
    """One row per rating: ids from 0, the one-hot ages, the multi-hot genres and the label.

    Raises:
        UserError: a rating names a user or movie that the archive lacks or has twice.
    """
    for name, other in (("user", users), ("movie", movies)):
        refuse(other, other[name].duplicated(), f"ml-1m/{name}s.dat", name, "is there twice")
        refuse(ratings, ~ratings[name].isin(other[name]), "ml-1m/ratings.dat", name, f"is not in {name}s.dat")
    rows = ratings[["user", "movie"]].merge(users, on="user").merge(movies[["movie", "genres"]], on="movie")
    # merge keeps the order of its left side, so labels still belong to their rows
    labels = ratings["rating"].astype(int).to_numpy() >= POSITIVE
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
        label=labels.astype("int8")
    )


def codes(values: pd.Series) -> pd.Series:
    """Ids from 0 in ascending order of the values."""
    return values.astype("category").cat.codes.astype("int32")


def is_official(path: Path) -> bool:
    """Whether a file is the archive that GroupLens publishes."""
    return digest_of(path, "md5") == MD5


def prepare(archive: Path | None, variant: str = "", root: Path = DATA) -> None:
    """Reads, compares with Table 7 or with what is known of the variant, writes."""
    path = find_archive(archive, FILE, URL, is_official, "movielens")
    name, without = ("movielens_no3", UNDECIDED) if variant else ("movielens", None)
    rows, users, items = (NO3_ROWS, NO3_USERS, NO3_ITEMS) if variant else (ROWS, USERS, ITEMS)
    table = read_archive(path, without)
    where = "the official archive" if variant else "Table 7"
    check_counts(CATALOGUE[name].title, table, rows=rows, users=users, items=items, item="movie", where=where)
    write_dataset(
        name, table, fields=["user", "movie", "gender", "age", "occupation", "zip", "genres"],
        features=FEATURES, counts={"users": users, "items": items},
        source={"file": path.name, "sha256": digest_of(path), "official": is_official(path)}, root=root,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("movielens", __doc__, prepare, file=FILE, variants=("no3",)))
