"""What is recorded of a trained model besides its scores, for the pages that look inside.

Shapes: R rows, F fields.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import nn

from apg_repro.config import UserError
from apg_repro.data import Dataset
from apg_repro.metrics import auc
from apg_repro.paths import DATA

N_GROUPS = 10  # of users, by how often they occur (Appendix F)
TOP = 0.1  # the share of a group's instances that count as shown, for its stand-in of the click-through rate

Observer = Callable[[nn.Module, Dataset, Dataset], dict[str, Any]]


@torch.no_grad()
def predict(model: nn.Module, rows: Dataset, batch_size: int = 8192) -> Float[torch.Tensor, " R"]:
    """The logit of every row."""
    model.eval()
    parts = zip(rows.fields.split(batch_size), rows.numbers.split(batch_size), strict=True)
    return torch.cat([model(fields, numbers) for fields, numbers in parts])


def user_groups(model: nn.Module, train_rows: Dataset, test: Dataset) -> dict[str, Any]:
    """Scores by ten groups of users, from the rarest to the most frequent in the training rows (Figure 8).

    Every group holds a tenth of the users who have a test row, as even as ties allow. ``top_rate`` is the share of
    positive labels among the tenth of a group's test rows that the model ranks highest: an offline stand-in for a
    click-through rate, as if those had been shown.

    Returns:
        {"auc", "top_rate", "rows", "users", "train_rows"}: a list each, one entry a group; ``train_rows`` is the
        mean number of training rows of the group's users.
    """
    column = test.schema.column("user")
    n_users = test.schema.fields["user"]
    frequency = train_rows.fields[:, column].long().bincount(minlength=n_users)
    user = test.fields[:, column].long()
    present = user.unique()
    ranked = present[frequency[present].argsort(stable=True)]
    group_of_user = torch.zeros(n_users, dtype=torch.long, device=user.device)
    group_of_user[ranked] = torch.arange(len(ranked), device=user.device) * N_GROUPS // len(ranked)
    logits, group = predict(model, test), group_of_user[user]
    found: dict[str, Any] = {"auc": [], "top_rate": [], "rows": [], "users": [], "train_rows": []}
    for number in range(N_GROUPS):
        inside = group == number
        labels, scores = test.labels[inside], logits[inside]
        shown = scores.topk(max(1, int(TOP * len(scores)))).indices
        members = ranked[group_of_user[ranked] == number]
        found["auc"].append(auc(scores, labels))
        found["top_rate"].append(float(labels[shown].mean()))
        found["rows"].append(int(inside.sum()))
        found["users"].append(len(members))
        found["train_rows"].append(float(frequency[members].double().mean()))
    return found


def truth(model: nn.Module, train_rows: Dataset, test: Dataset) -> dict[str, Any]:
    """What is to be reached on the test rows of planted data: nothing of the model itself.

    Returns:
        {"best_auc", "blind_auc"}: of the probabilities that the labels were drawn with, and of each item's mean
        probability, the best that a model blind to groups can know.
    """
    table = pd.read_parquet(DATA / test.name / "rows.parquet", columns=["group", "item", "probability"])
    by_pair = np.zeros((test.schema.fields["group"], test.schema.fields["item"]))
    by_pair[table["group"], table["item"]] = table["probability"]
    by_item = table.groupby("item")["probability"].mean().to_numpy()
    group, item = (test.fields[:, test.schema.column(name)].cpu().numpy() for name in ("group", "item"))
    scores = {"best_auc": by_pair[group, item], "blind_auc": by_item[item]}
    return {name: auc(torch.tensor(score), test.labels) for name, score in scores.items()}


OBSERVERS: dict[str, Observer] = {"user_groups": user_groups, "truth": truth}


def observer(name: str) -> Observer:
    """The observer of that name.

    Raises:
        UserError: there is none.
    """
    if name not in OBSERVERS:
        raise UserError(f"nothing is observed under {name!r}; choose one of {', '.join(OBSERVERS)}")
    return OBSERVERS[name]
