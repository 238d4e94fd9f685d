"""CTR rows with planted weights, whose truth is known: the generator of the synthetic data sets, and their settings.

Each of R impressions shows an item of some category to a user of some group. The click is drawn with

    P(click) = (1 - noise) sigmoid(w_group · q_item / sqrt(Q) + b_item) + noise / 2
    w_group = common · w + heterogeneity · d_group

where q_item are the item's Q hidden qualities, w is what all users care about, and d_group what a group cares about
beyond that: the specific patterns that the paper says shared weights miss. Over the items, qualities have mean 0 and
the identity as covariance; |w|^2 is Q, and so is the mean of |d|^2 over the groups, whose d add up to 0. So the logits
vary over the items by common² + heterogeneity² + the variance of b, and the first two say exactly how much of it is
shared and how much is a group's own. The probabilities are known, so the best possible AUC is: that of the
probabilities themselves, on the same clicks.

Users are equally frequent, or have a long tail: the k-th user's share of the impressions is then proportional to
k^-tail, and as user u belongs to group u mod n_groups, groups have a long tail, too.

Items, groups, impressions, clicks and a tail are drawn from streams of their own, so changing one leaves the others
alone.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

N_ROWS, N_USERS, N_ITEMS, N_CATEGORIES, N_QUALITIES = 200_000, 2_000, 500, 10, 4


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A setting of the study of planted truth: when does APG pay, and is it the specific parameters that do it?

    Attributes:
        heterogeneity: share of the variance of preferences that is a group's own, in percent.
        groups: how many; more groups are smaller ones, as there are as many rows in all.
        noise: share of labels that a fair coin decides, in percent.
        tail: 100 times the exponent with which the shares of users in the rows fall; 0: all are equally frequent.
    """

    heterogeneity: int = 50
    groups: int = 100
    noise: int = 0
    tail: int = 0

    @property
    def name(self) -> str:
        """The setting's data set."""
        return f"planted-h{self.heterogeneity}-g{self.groups}-n{self.noise}" + (f"-t{self.tail}" if self.tail else "")


# The settings: one number at a time is swept around a centre.
CENTRE = Planted()
SWEEPS: dict[str, tuple[Planted, ...]] = {
    "heterogeneity": tuple(Planted(heterogeneity=share) for share in (0, 25, 50, 75, 100)),
    "groups": tuple(Planted(groups=groups) for groups in (5, 20, 100, 500)),
    "noise": tuple(Planted(noise=noise) for noise in (0, 25, 50)),
    "tail": tuple(Planted(tail=tail) for tail in (0, 100)),
}
PLANTED = {setting.name: setting for setting in (CENTRE, *(found for sweep in SWEEPS.values() for found in sweep))}


def generate(
    *, n_rows: int, n_groups: int, heterogeneity: float, common: float = 1.0, noise: float = 0.0, tail: float = 0.0,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Rows of user, group, item, category, label, and the probability that the label was drawn with.

    Args:
        n_rows: impressions.
        n_groups: groups of users, at least 2; user u belongs to group u mod n_groups.
        heterogeneity: size of the weights that are a group's own; with 0 every group is alike.
        common: size of the weights that all groups share.
        noise: share of labels that a fair coin decides.
        tail: exponent of the users' shares; 0: all are equally frequent.
        seed: of all streams.
    """
    of_items, of_groups, of_impressions, of_clicks, of_tail = np.random.default_rng(seed).spawn(5)
    category_of = of_items.integers(N_CATEGORIES, size=N_ITEMS)
    centres = of_items.normal(size=(N_CATEGORIES, N_QUALITIES))
    qualities = whitened(centres[category_of] + of_items.normal(size=(N_ITEMS, N_QUALITIES)))
    bias = of_items.normal(scale=0.5, size=N_ITEMS)
    shared, own = of_groups.normal(size=N_QUALITIES), of_groups.normal(size=(n_groups, N_QUALITIES))
    own -= own.mean(0)
    weights = common * scaled(shared) + heterogeneity * scaled(own)  # (groups, qualities)
    user = of_impressions.integers(N_USERS, size=n_rows)
    item = of_impressions.integers(N_ITEMS, size=n_rows)
    if tail:
        shares = np.arange(1, N_USERS + 1) ** -tail
        user = of_tail.choice(N_USERS, size=n_rows, p=shares / shares.sum())
    group = user % n_groups
    logits = (weights[group] * qualities[item]).sum(1) / np.sqrt(N_QUALITIES) + bias[item]
    probability = (1 - noise) / (1 + np.exp(-logits)) + noise / 2
    label = of_clicks.random(n_rows) < probability
    ids = {"user": user, "group": group, "item": item, "category": category_of[item]}
    return pd.DataFrame({name: values.astype("int32") for name, values in ids.items()}).assign(
        label=label.astype("int8"), probability=probability
    )


def whitened(values: np.ndarray) -> np.ndarray:
    """The rows, moved and turned so that their mean is 0 and their covariance the identity."""
    centred = values - values.mean(0)
    return centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred.T, bias=True))).T


def scaled(weights: np.ndarray) -> np.ndarray:
    """The rows, scaled so that their mean squared length is their dimension."""
    return weights / np.sqrt((weights**2).mean())


def best_auc(table: pd.DataFrame) -> float:
    """The AUC of the probabilities themselves, which no model can surpass but by chance."""
    return auc(table["label"], table["probability"])


def blind_auc(table: pd.DataFrame) -> float:
    """The best possible AUC of a model that does not see groups: that of each item's mean probability."""
    return auc(table["label"], table.groupby("item")["probability"].transform("mean"))


def auc(labels: pd.Series, scores: pd.Series) -> float:
    """The area under the ROC curve."""
    from sklearn.metrics import roc_auc_score  # takes a second, and who only wants the settings needs none of it

    return float(roc_auc_score(labels, scores))


def checksum(table: pd.DataFrame) -> str:
    """The sha256 of generated rows, their probabilities included."""
    return hashlib.sha256(table.to_numpy().tobytes()).hexdigest()
