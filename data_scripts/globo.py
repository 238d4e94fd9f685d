"""Prepares the clicks of the news portal Globo.com (Moreira et al., 2018) as ``data/globo/``: twelve million rows.

    python data_scripts/globo.py --archive globo_clicks.parquet
    python data_scripts/globo.py --archive globo_clicks.parquet --variant time

The source is "News Portal User Interactions by Globo.com", for academic use, which has one CSV file for each hour of
clicks; ``globo_clicks.parquet`` has all of them as one table, sorted by user and time.

A row of it is a click: the label 1. Three negatives are drawn for each: the same user, time and context, and an article
that somebody clicked in the same hour, each such article as likely, but for the one that was clicked. In an hour with
one article only there is nothing to draw from, so its clicks are left out. Nothing says whether the user saw the
article, or clicks it at another time. The seed is fixed: the same file gives the same rows.

Features are user, article, environment, device, system, country, region, referrer and the hour of day (UTC). How many
clicks a session has is known only when it is over, so it is no feature.

``--variant time`` prepares ``data/globo_time/``: the same rows, split by the time of the click and not at random, the
first 80 % of the clicks for training, the next 10 % for validation, the last 10 % for test; clicks of one second stay
together, and so do a click and its negatives. Every seed of a run has the same parts.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int, Int8, Int32

from apg_repro.catalogue import CATALOGUE
from apg_repro.data.prepare import check_counts, coded, digest_of, main, own_archive_or_advice, write_dataset
from apg_repro.errors import UserError, first_line
from apg_repro.paths import DATA

FILE = "globo_clicks.parquet"
CLICKS, USERS, ITEMS = 2_988_181, 322_897, 46_033
CONTEXT = {
    "environment": "click_environment", "device": "click_deviceGroup", "system": "click_os",
    "country": "click_country", "region": "click_region", "referrer": "click_referrer_type",
}  # fmt: skip
COLUMNS = {"user": "user_id", "item": "click_article_id", "time": "click_timestamp_s", **CONTEXT}
FIELDS = ("user", "item", *CONTEXT, "hour")
FEATURES = {"default": {"inputs": list(FIELDS), "numbers": [], "bags": {}}}
N_NEGATIVES = 3
SHARES = (0.8, 0.9)  # of the clicks, in order of time: where training ends, and validation
HOUR = 3600  # seconds
SEED = 0


def read(path: Path) -> pd.DataFrame:
    """The clicks: ids from 0 in order of first appearance, and ``time`` in seconds.

    Raises:
        UserError: it is not that file, or a value is missing or no whole number.
    """
    try:
        table = pq.read_table(path, columns=list(COLUMNS.values()))
    except (OSError, KeyError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be used ({first_line(error)}): is it {FILE}?") from error
    for name in table.column_names:
        column = table.column(name)
        if not pa.types.is_integer(column.type) or column.null_count:
            raise UserError(f"{path}: column {name!r} is not all whole numbers: is it {FILE}?")
    if not table.num_rows:
        raise UserError(f"{path} has no rows: is it {FILE}?")
    clicks = pd.DataFrame({name: table.column(column).to_numpy() for name, column in COLUMNS.items()})
    return clicks.assign(**{name: coded(clicks[name]) for name in COLUMNS if name != "time"})


def negatives(
    item: Int32[np.ndarray, " R"], hour: Int[np.ndarray, " R"], random: np.random.RandomState
) -> Int32[np.ndarray, "R 3"]:
    """Articles for every click: of its hour, another than its own, each as likely.

    Args:
        item: the article that was clicked.
        hour: in which hour; in each, at least two articles were clicked.
        random: draws. RandomState's streams are frozen: the same rows with every version of numpy.
    """
    pairs = np.unique(hour.astype("int64") << 32 | item)  # by hour, then by article, each once
    starts = np.searchsorted(pairs, hour.astype("int64") << 32)
    ends = np.searchsorted(pairs, (hour.astype("int64") + 1) << 32)
    own = np.searchsorted(pairs, hour.astype("int64") << 32 | item)
    found = np.empty((len(item), N_NEGATIVES), "int32")
    for column in range(N_NEGATIVES):
        # A place among the others: those from the own one on move up by one.
        place = starts + (random.random_sample(len(item)) * (ends - starts - 1)).astype("int64")
        place += place >= own
        found[:, column] = (pairs[place] & 0xFFFFFFFF).astype("int32")
    return found


def several_articles(clicks: pd.DataFrame) -> pd.Series:
    """Whether at least two articles were clicked in the hour of each click."""
    articles = clicks["item"].groupby(clicks["time"] // HOUR)
    return articles.transform("min") != articles.transform("max")


def parts(time: Int[np.ndarray, " R"]) -> Int8[np.ndarray, " R"]:
    """The part of each click by its time: 0 for training, 1 for validation, 2 for test."""
    first_valid, first_test = np.sort(time)[[int(share * len(time)) for share in SHARES]]
    return ((time >= first_valid).astype("int8") + (time >= first_test)).astype("int8")


def make(clicks: pd.DataFrame) -> pd.DataFrame:
    """The rows: each click, followed by its negatives."""
    clicks = clicks[several_articles(clicks)].reset_index(drop=True)
    hour = (clicks["time"] // HOUR).to_numpy()
    drawn = negatives(clicks["item"].to_numpy(), hour, np.random.RandomState(SEED))
    each = 1 + N_NEGATIVES
    columns = {"user": np.repeat(clicks["user"].to_numpy(), each)}
    columns["item"] = np.column_stack([clicks["item"].to_numpy(), drawn]).reshape(-1)
    del drawn
    for name in CONTEXT:
        columns[name] = np.repeat(clicks[name].to_numpy().astype("int8"), each)
    columns["hour"] = np.repeat((hour % 24).astype("int8"), each)
    columns["label"] = np.tile(np.array([1] + [0] * N_NEGATIVES, "int8"), len(clicks))
    columns["part"] = np.repeat(parts(clicks["time"].to_numpy()), each)
    return pd.DataFrame(columns, copy=False)


def prepare(archive: Path | None, variant: str = "", root: Path = DATA) -> None:
    """Reads, compares with the known counts, draws, writes.

    Raises:
        NotFoundError: there is no file; the text says how to get it.
        UserError: it is not the right one.
    """
    path = own_archive_or_advice(archive, (FILE,), "globo")
    clicks = read(path)
    check_counts(CATALOGUE["globo"].title, clicks, rows=CLICKS, users=USERS, items=ITEMS, where="its makers' files")
    table = make(clicks)
    del clicks
    write_dataset(
        "globo_time" if variant else "globo", table if variant else table.drop(columns="part"), fields=FIELDS,
        features=FEATURES, counts={"users": USERS, "items": ITEMS}, root=root,
        source={"file": path.name, "sha256": digest_of(path), "official": False},
        part="by the time of the click" if variant else "",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("globo", __doc__, prepare, file=FILE, variants=("time",)))
