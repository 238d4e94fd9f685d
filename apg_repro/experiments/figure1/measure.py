"""Figure 1: how active users differ from cold ones, in what they like, in who they are, and in what predicts it.

A user's CTR is the share of positives among the user's rows; ``plan.py`` says who is cold and who is active.

A rate over few rows is noisy: cold users' rates spread more than active users' even if all like the same. So every
active user is also *thinned* to as many rows as a cold user has, drawn at random, and those rates are compared.

Only counts of users leave this module, never a user.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import OneHotEncoder

from apg_repro.catalogue import data_set
from apg_repro.config import Measurement, Profile
from apg_repro.data.dataset import Dataset, load
from apg_repro.experiments.figure1.plan import SHARES

BINS = 10  # of the rate
DRAWS: dict[Profile, int] = {"quick": 200, "full": 10_000}  # of every interval of a distance
FITS: dict[Profile, int] = {"quick": 3, "full": 100}  # draws of users that models are trained on
SEED = 0


def measure(measurement: Measurement) -> dict[str, Any]:
    """Histograms of both groups and their distances, for each of ``SHARES``; AUC across groups, for the first."""
    data, entry, profile = load(measurement.dataset), data_set(measurement.dataset), measurement.profile
    random = np.random.default_rng(SEED)
    found = contrasts(data, DRAWS[profile], random)
    table = table_of(data)
    groups = ends(per_user(table, entry.trait), next(iter(SHARES.values())))
    return {
        "contrasts": found,
        "transfer": transfer(table, groups, entry.about, entry.item, FITS[profile], random),
        "data": data.checksum,
    }


def contrasts(data: Dataset, draws: int, random: np.random.Generator) -> list[dict[str, Any]]:
    """Both groups compared, for each of ``SHARES``."""
    trait = data_set(data.name).trait
    users = per_user(table_of(data), trait)
    return [contrast(users, share, data.schema.fields[trait], draws, random) for share in SHARES.values()]


def table_of(data: Dataset) -> pd.DataFrame:
    """The rows: ``user``, ``label``, and what a model may see that is tested on other users."""
    entry = data_set(data.name)
    columns = {"user": entry.user} | {name: name for name in (*entry.about, entry.trait)}
    fields = {name: data.fields[:, data.schema.column(field)].numpy() for name, field in columns.items()}
    return pd.DataFrame({**fields, "label": data.labels.numpy().astype(int)})


def per_user(table: pd.DataFrame, trait: str) -> pd.DataFrame:
    """One line per user: rows, positives, trait."""
    grouped = table.groupby("user")
    return pd.DataFrame(
        {"rows": grouped.size(), "positives": grouped["label"].sum().astype(int), "trait": grouped[trait].first()}
    )


def ends(users: pd.DataFrame, share: float) -> dict[str, pd.DataFrame]:
    """Cold users, with no more rows than the quantile ``share``, and active ones, with no fewer than 1 - ``share``."""
    low, high = users["rows"].quantile([share, 1 - share])
    return {"cold": users[users["rows"] <= low], "active": users[users["rows"] >= high]}


def contrast(
    users: pd.DataFrame, share: float, n_traits: int, draws: int, random: np.random.Generator
) -> dict[str, Any]:
    """Who the two groups are, the histograms of their rates and traits, and how far apart those are."""
    groups = ends(users, share)
    rates = {name: rate_histogram(group["positives"], group["rows"]) for name, group in groups.items()}
    traits = {name: np.bincount(group["trait"], minlength=n_traits) for name, group in groups.items()}
    thinned = rates | {"active": rate_histogram(*thin(groups["active"], groups["cold"]["rows"], random))}
    histograms = {"rate": rates, "thinned_rate": thinned, "trait": traits}
    return {
        "share": share,
        "groups": {
            name: {
                "users": len(group),
                "rows": int(group["rows"].sum()),
                "fewest": int(group["rows"].min()),
                "most": int(group["rows"].max()),
                "mean_rate": round(float((group["positives"] / group["rows"]).mean()), 4),
            }
            for name, group in groups.items()
        },
        "histograms": {what: {name: counts.tolist() for name, counts in pair.items()}
                       for what, pair in histograms.items()},
        "distances": {what: distance(pair["cold"], pair["active"], draws, random)
                      for what, pair in histograms.items()},
    }  # fmt: skip


def rate_histogram(positives: pd.Series | np.ndarray, rows: pd.Series | np.ndarray) -> np.ndarray:
    """How many users have a rate in each of ``BINS`` bins of equal width; the last one holds 1."""
    bins = np.minimum(np.asarray(positives) * BINS // np.asarray(rows), BINS - 1)
    return np.bincount(bins, minlength=BINS)


def thin(active: pd.DataFrame, rows: pd.Series, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Positives and rows of active users when each keeps only as many rows as some cold user has."""
    kept = random.choice(rows.to_numpy(), size=len(active))
    return random.hypergeometric(active["positives"], active["rows"] - active["positives"], kept), kept


def distance(cold: np.ndarray, active: np.ndarray, draws: int, random: np.random.Generator) -> dict[str, float]:
    """The total variation of two histograms of users.

    Returns:
        distance: 0 for equal shares in every bin, 1 for no bin in common: the share of one group that would have to
            move.
        low, high: 95 % interval by the basic bootstrap over users, which subtracts what chance adds. With 1,500 users
            per group and seven bins it covers a distance of 0.1 in 92 of 100 trials, one of 0.03 in 85.
        chance: what 95 % of random divisions of the same users stay below.
    """
    found = total_variation(cold, active)
    again = total_variation(*(random.multinomial(group.sum(), group / group.sum(), draws) for group in (cold, active)))
    divided = random.multivariate_hypergeometric(cold + active, cold.sum(), draws)
    low, high = 2 * found - np.quantile(again, [0.975, 0.025])
    values = {
        "distance": found,
        "low": max(low, 0),
        "high": max(high, 0),
        "chance": np.quantile(total_variation(divided, cold + active - divided), 0.95),
    }
    return {name: round(float(value), 4) for name, value in values.items()}


def total_variation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Half the sum of absolute differences of shares, over the last axis."""
    return np.abs(one / one.sum(-1, keepdims=True) - other / other.sum(-1, keepdims=True)).sum(-1) / 2


def transfer(
    table: pd.DataFrame, groups: dict[str, pd.DataFrame], inputs: Sequence[str], item: str, fits: int,
    random: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """Is a group predicted better by a model of its own than by one of the other group?

    For every draw, users are divided into two halves and drawn again within each; a logistic model is trained on one
    half of each group and tested on the other half of both. Both models are trained on equally many rows: any
    (``same_size``), or as many of every item (``same_items``), so that the items do not differ and only what predicts
    the label can. AUC does not depend on how positive a whole group is.

    Returns:
        For each of the two ways, pairs as ``paired`` gives them. ``cold``, ``active``: a group's test AUC, from 0 to
        1, by its own model and by the other group's. ``both``: their mean, in which it cancels out if one group is the
        better teacher for all. ``rate``: the share of positives in the rows that the cold and the active model are
        trained on.
    """
    features = OneHotEncoder().fit_transform(table[list(inputs)]).tocsr()
    labels, items, user = (table[name].to_numpy() for name in ("label", item, "user"))
    found: dict[str, list[dict[str, Sequence[float]]]] = {"same_size": [], "same_items": []}
    for _ in range(fits):
        halves = {name: draw_halves(user, group.index.to_numpy(), random) for name, group in groups.items()}
        (cold, cold_test), (active, active_test) = halves["cold"], halves["active"]
        size = min(len(cold), len(active))
        ways = {
            "same_size": (random.permutation(cold)[:size], random.permutation(active)[:size]),
            "same_items": matched(cold, active, items, random),
        }
        for way, rows in ways.items():
            models = [fit(features[own], labels[own]) for own in rows]
            on_cold, on_active = (aucs(models, features[test], labels[test]) for test in (cold_test, active_test))
            found[way].append(
                {
                    "cold": on_cold,
                    "active": (on_active[1], on_active[0]),
                    "both": ((on_cold[0] + on_active[1]) / 2, (on_cold[1] + on_active[0]) / 2),
                    "rate": (float(labels[rows[0]].mean()), float(labels[rows[1]].mean())),
                }
            )
    return {
        way: {name: paired(np.array([draw[name] for draw in draws])) for name in draws[0]}
        for way, draws in found.items()
    }


def draw_halves(user: np.ndarray, chosen: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two halves of these users, each half drawn with replacement: a user drawn twice has its rows twice."""
    shuffled = random.permutation(chosen)
    rows = []
    for half in np.array_split(shuffled, 2):
        times = np.bincount(random.choice(half, size=len(half)), minlength=user.max() + 1)
        rows.append(np.repeat(np.arange(len(user)), times[user]))
    return rows[0], rows[1]


def matched(
    cold: np.ndarray, active: np.ndarray, items: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both groups, at random, but of every item as many of one as of the other."""
    n_items = items.max() + 1
    quota = np.minimum(*(np.bincount(items[rows], minlength=n_items) for rows in (cold, active)))

    def take(rows: np.ndarray) -> np.ndarray:
        shuffled = random.permutation(rows)
        place = pd.Series(shuffled).groupby(items[shuffled]).cumcount().to_numpy()  # among the rows of its item
        return shuffled[place < quota[items[shuffled]]]

    return take(cold), take(active)


def fit(features: csr_matrix, labels: np.ndarray) -> LogisticRegression:
    """A logistic regression with scikit-learn's own penalty."""
    return LogisticRegression(solver="liblinear").fit(features, labels)


def aucs(models: Sequence[LogisticRegression], features: csr_matrix, labels: np.ndarray) -> list[float]:
    """AUC of each model, from 0 to 1."""
    return [float(roc_auc_score(labels, model.decision_function(features))) for model in models]


def paired(draws: np.ndarray) -> dict[str, Any]:
    """Means of two values over draws, their difference, and its 95 % interval: percentiles over draws."""
    differences = draws[:, 0] - draws[:, 1]
    low, high = np.quantile(differences, [0.025, 0.975])
    return {
        "values": draws.mean(0).round(5).tolist(),
        "difference": round(float(differences.mean()), 5),
        "low": round(float(low), 5),
        "high": round(float(high), 5),
    }
