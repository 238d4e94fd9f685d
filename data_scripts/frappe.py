"""Prepares Frappe, uses of apps in contexts (Baltrunas et al., arXiv:1505.03014), as ``data/frappe/``.

    python data_scripts/frappe.py --archive Mobile_Frappe.zip
    python data_scripts/frappe.py --archive Mobile_Frappe.zip --variant bench

A row of the archive is an app that a user used in a context: the label 1. How often (``cnt``) is known of those rows
only, so it is no feature. Two negatives are drawn for each, by the rule of the field's benchmark (He & Chua, SIGIR
2017): the same user and context, and an app that the user never used, each such app as likely. The seed is fixed: the
same archive gives the same rows. An app's category, of ``meta.csv``, is a field that can serve as a condition, but no
feature, as in the benchmark.

``--variant bench`` prepares ``data/frappe_bench/`` to compare models with published AUCs. Its validation and test rows
are those of the benchmark, ``frappe.validation.libfm.gz`` and ``frappe.test.libfm.gz``, beside the archive. Its
training rows are made here, as the benchmark's own are not at hand: the archive's rows less those that are positive in
the two files, and negatives drawn for them as above. So the positives are the benchmark's, and the negatives others of
the same distribution. Every seed of a run has the same parts.
"""

import csv
import gzip
import io
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int, Int32

from apg_repro.catalogue import CATALOGUE
from apg_repro.data.prepare import NotFoundError, check_counts, digest_of, main, own_archive_or_advice, write_dataset
from apg_repro.errors import UserError
from apg_repro.paths import DATA

FILE = "Mobile_Frappe.zip"
MEMBERS = {"uses": "Mobile_Frappe/frappe/frappe.csv", "apps": "Mobile_Frappe/frappe/meta.csv"}
LARGEST = 100_000_000  # bytes of an unpacked file; both official ones have 6 million
PARTS = {1: "frappe.validation.libfm.gz", 2: "frappe.test.libfm.gz"}  # by the number of the part
ROWS, USERS, ITEMS = 96_203, 957, 4_082  # of the archive
COLUMNS = (
    "user", "item", "cnt", "daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city",
)  # fmt: skip
INPUTS = tuple(name for name in COLUMNS if name != "cnt")
FEATURES = {"default": {"inputs": list(INPUTS), "numbers": [], "bags": {}}}
N_NEGATIVES = 2
SEED = 0


def read(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The uses, with ids from 0, and the category of every app.

    Users and apps keep the archive's ids, which count from 0; other ids are in order of first appearance.

    Raises:
        UserError: it is not the archive, or damaged.
    """
    uses, apps = read_member(path, MEMBERS["uses"]), read_member(path, MEMBERS["apps"])
    check_columns(path, MEMBERS["uses"], uses, COLUMNS)
    check_columns(path, MEMBERS["apps"], apps, ("item", "category"))
    table = pd.DataFrame({name: pd.factorize(uses[name])[0].astype("int32") for name in INPUTS if name != "item"})
    table["user"], table["item"] = (whole(path, uses[name]) for name in ("user", "item"))
    app = whole(path, apps["item"])
    if sorted(app) != list(range(len(app))) or table["item"].max() >= len(app):
        raise UserError(f"{path}: {MEMBERS['apps']} does not have every app of {MEMBERS['uses']} once: is it {FILE}?")
    category = np.empty(len(app), "int32")
    category[app] = pd.factorize(apps["category"])[0]
    return table[list(INPUTS)], category


def read_member(path: Path, member: str) -> pd.DataFrame:
    """A tab-separated file of the archive as text; a missing value is "".

    Raises:
        UserError: see ``read``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(member).file_size > LARGEST:
                raise UserError(f"{path}: {member} has more than {LARGEST:,} bytes: is it {FILE}?")
            text = archive.read(member).decode("utf-8")
        return pd.read_csv(
            io.StringIO(text), sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE
        )  # fmt: skip
    except KeyError as error:
        raise UserError(f"{path} has no {member}: is it {FILE}?") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"{path} cannot be read ({reason}): get it again from {CATALOGUE['frappe'].source}") from error


def check_columns(path: Path, member: str, table: pd.DataFrame, columns: tuple[str, ...]) -> None:
    """Raises a UserError if a table lacks columns, or rows."""
    if missing := [name for name in columns if name not in table]:
        raise UserError(f"{path}: {member} has no column {missing[0]!r}: is it {FILE}?")
    if table.empty:
        raise UserError(f"{path}: {member} has no rows: is it {FILE}?")


def whole(path: Path, values: pd.Series) -> Int32[np.ndarray, " R"]:
    """Text as whole numbers; raises a UserError that names the line of one that is none."""
    wrong = ~values.str.fullmatch("[0-9]{1,9}").fillna(False)
    if wrong.any():
        line = int(np.argmax(wrong)) + 2
        raise UserError(f"{path}, line {line}: {values.name} {values[wrong].iloc[0]!r} is not a whole number")
    return values.astype("int32").to_numpy()


def negatives(
    positives: pd.DataFrame, used: pd.DataFrame, n_items: int, random: np.random.RandomState
) -> pd.DataFrame:  # fmt: skip
    """``N_NEGATIVES`` rows for every positive one: its user and context, and an app that the user never used.

    Args:
        positives: the rows that negatives are drawn for.
        used: all uses of all users.
        n_items: how many apps there are.
        random: draws. RandomState's streams are frozen: the same rows with every version of numpy.

    Raises:
        UserError: a user has used every app.
    """
    n_used = used.drop_duplicates(["user", "item"])["user"].value_counts()
    if n_used.max() >= n_items:
        raise UserError(f"user {n_used.idxmax()} has used all {n_items:,} apps, so no negative can be drawn")
    known = np.unique(pairs(used["user"].to_numpy(), used["item"].to_numpy(), n_items))
    rows = positives.loc[positives.index.repeat(N_NEGATIVES)].reset_index(drop=True)
    user, item = rows["user"].to_numpy(), np.empty(len(rows), "int32")
    left = np.arange(len(rows))
    while len(left):
        item[left] = random.randint(n_items, size=len(left))
        left = left[np.isin(pairs(user[left], item[left], n_items), known)]
    return rows.assign(item=item)


def pairs(user: np.ndarray, item: np.ndarray, n_items: int) -> Int[np.ndarray, " R"]:
    """One number for each pair of a user and an app."""
    return user.astype("int64") * n_items + item


def with_negatives(positives: pd.DataFrame, used: pd.DataFrame, n_items: int) -> pd.DataFrame:
    """The positive rows, followed by the negatives that are drawn for them."""
    drawn = negatives(positives, used, n_items, np.random.RandomState(SEED))
    return pd.concat([positives.assign(label=np.int8(1)), drawn.assign(label=np.int8(0))], ignore_index=True)


def read_part(path: Path, uses: pd.DataFrame, n_items: int) -> pd.DataFrame:
    """The rows of a published part, with our ids.

    Its features are numbered through all columns: users first, then apps, then the contexts in the order of ``INPUTS``.

    Raises:
        UserError: it is not that file, or damaged; the text names the line.
    """
    sizes = [n_items if name == "item" else int(uses[name].max()) + 1 for name in INPUTS]
    starts = np.cumsum([0, *sizes])
    rows, labels = [], []
    try:
        with gzip.open(path, "rt", encoding="ascii") as text:
            for number, line in enumerate(text, 1):
                label, *features = line.split()
                ids = [int(feature.removesuffix(":1")) for feature in features]
                if label not in ("1", "-1") or len(ids) != len(INPUTS):
                    raise UserError(f"{path}, line {number} is not a label of 1 or -1 and {len(INPUTS)} features")
                if any(not low <= one < high for one, low, high in zip(ids, starts[:-1], starts[1:], strict=True)):
                    raise UserError(f"{path}, line {number} has a feature outside of its column")
                rows.append(ids)
                labels.append(label == "1")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}): get it again") from error
    if not rows:
        raise UserError(f"{path} has no rows: get it again")
    table = pd.DataFrame(np.array(rows) - starts[:-1], columns=list(INPUTS), dtype="int32")
    return table.assign(label=np.array(labels, "int8"))


def less(uses: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """The uses that are not among the published ones; of equal ones, as many fewer.

    Raises:
        UserError: a published use is none of the archive's.
    """
    key, columns = ["number", *INPUTS], list(INPUTS)
    numbered = [table.assign(number=table.groupby(columns).cumcount()) for table in (uses, published[columns])]
    ours, theirs = (pd.MultiIndex.from_frame(table[key]) for table in numbered)
    if not theirs.isin(ours).all():
        raise UserError(f"a positive row of the published parts is not in {FILE}: do they belong together?")
    return uses[~ours.isin(theirs)].reset_index(drop=True)


def bench(path: Path, uses: pd.DataFrame, n_items: int) -> pd.DataFrame:
    """The rows of the benchmark, with their part.

    Raises:
        NotFoundError: the published parts do not lie beside the archive.
        UserError: they are damaged, or belong to other data.
    """
    published = {}
    for part, file in PARTS.items():
        if not (path.parent / file).is_file():
            raise NotFoundError(f"{file} is not beside {path}: put both published parts there")
        published[part] = read_part(path.parent / file, uses, n_items).assign(part=np.int8(part))
    known = pd.concat(published.values(), ignore_index=True)
    train = with_negatives(less(uses, known[known["label"] == 1]), uses, n_items).assign(part=np.int8(0))
    return pd.concat([train, known], ignore_index=True)


def prepare(archive: Path | None, variant: str = "", root: Path = DATA) -> None:
    """Reads, compares with the known counts, draws, writes.

    Raises:
        NotFoundError: there is no file; the text says how to get it.
        UserError: it is not the right one.
    """
    path = own_archive_or_advice(archive, (FILE,), "frappe")
    uses, category = read(path)
    check_counts(CATALOGUE["frappe"].title, uses, rows=ROWS, users=USERS, items=ITEMS, where="its makers' paper")
    name = "frappe_bench" if variant else "frappe"
    table = bench(path, uses, len(category)) if variant else with_negatives(uses, uses, len(category))
    write_dataset(
        name, table.assign(category=category[table["item"]]), fields=[*INPUTS, "category"], features=FEATURES,
        counts={"users": USERS, "items": ITEMS}, root=root,
        source={"file": path.name, "sha256": digest_of(path), "official": False},
        part="training rows made here, validation and test rows as published" if variant else "",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("frappe", __doc__, prepare, file=FILE, variants=("bench",)))
