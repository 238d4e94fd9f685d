"""Prepares a synthetic CTR set with planted per-group weights as ``data/synthetic/``: the data for use offline.

    python data_scripts/synthetic.py

Each of R impressions shows an item of some category to a user of some group. The click is drawn with

    P(click) = sigmoid(w_group · q_item + b_item),    w_group = w + HETEROGENEITY · d_group

where q_item are the item's hidden qualities, w is what all users care about, and d_group what a group cares
about beyond that: the specific patterns that the paper says shared weights miss. With HETEROGENEITY = 0 every
group is alike. The probabilities are known, so the best possible AUC is: that of the probabilities themselves,
on the same clicks. Seeds are fixed; the same rows come out everywhere.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from apg_repro.paths import DATA
from apg_repro.prepare import write_dataset

N_ROWS, N_USERS, N_ITEMS, N_GROUPS, N_CATEGORIES, N_QUALITIES = 200_000, 2_000, 500, 20, 10, 4
HETEROGENEITY = 1.0
SEED = 0


def generate(
    n_rows: int = N_ROWS, n_groups: int = N_GROUPS, heterogeneity: float = HETEROGENEITY, seed: int = SEED
) -> pd.DataFrame:
    """Rows of user, group, item, category, label, and the probability that the label was drawn with.

    Args:
        n_rows: impressions.
        n_groups: groups of users; user u belongs to group u mod n_groups.
        heterogeneity: size of the groups' own weights against the common ones.
        seed: of the generator.
    """
    random = np.random.default_rng(seed)
    common = random.normal(size=N_QUALITIES)
    own = random.normal(size=(n_groups, N_QUALITIES))
    centres = random.normal(size=(N_CATEGORIES, N_QUALITIES))
    category_of = random.integers(N_CATEGORIES, size=N_ITEMS)
    qualities = (centres[category_of] + random.normal(size=(N_ITEMS, N_QUALITIES))) / np.sqrt(2)
    bias = random.normal(scale=0.5, size=N_ITEMS)
    user = random.integers(N_USERS, size=n_rows)
    item = random.integers(N_ITEMS, size=n_rows)
    group = user % n_groups
    weights = common + heterogeneity * own[group]  # (R, qualities)
    logits = (weights * qualities[item]).sum(1) / np.sqrt(N_QUALITIES) + bias[item]
    probability = 1 / (1 + np.exp(-logits))
    label = random.random(n_rows) < probability
    ids = {"user": user, "group": group, "item": item, "category": category_of[item]}
    return pd.DataFrame({name: values.astype("int32") for name, values in ids.items()}).assign(
        label=label.astype("int8"), probability=probability
    )


def prepare(root: Path = DATA) -> None:
    """Generates and writes."""
    table = generate()
    parameters = Path(__file__).read_bytes()
    write_dataset(
        "synthetic", table.drop(columns="probability"), fields=["user", "group", "item", "category"],
        features={"default": {"inputs": ["user", "group", "item", "category"], "numbers": [], "bags": {}}},
        source={"file": Path(__file__).name, "sha256": hashlib.sha256(parameters).hexdigest(), "official": True},
        counts={"users": N_USERS, "items": N_ITEMS},
        extra={"best_auc": round(float(roc_auc_score(table["label"], table["probability"])), 6)}, root=root,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(prepare())
