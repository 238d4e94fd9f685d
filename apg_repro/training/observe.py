"""What is recorded of a trained model besides its scores, for the pages that look inside.

Shapes: R rows, n of them sampled, F fields, K rank.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.catalogue import CATALOGUE, DataSet, family
from apg_repro.data.dataset import Dataset, Rows
from apg_repro.data.gate import enter
from apg_repro.errors import UserError
from apg_repro.nn.apg import PAPER_LAYERS, ApgLayer
from apg_repro.nn.conditions import GroupWise
from apg_repro.paths import DATA
from apg_repro.seeds import generator
from apg_repro.training.scoring import auc, predict

N_GROUPS = 10  # of users, by how often they occur (Appendix F)
TOP_SHARE = 0.1  # the share of a group's test rows that count as shown, for an offline click-through rate

N_POINTS = 500  # of which S is recorded
N_PERMUTATIONS = 200

Observer = Callable[[nn.Module, Rows, Rows], dict[str, Any]]


def user_groups(model: nn.Module, train_rows: Rows, test: Rows) -> dict[str, Any]:
    """Scores by ten groups of users, from the rarest to the most frequent in the training rows (Figure 8).

    Every group holds a tenth of the users who have a test row, as even as ties allow. ``top_rate`` is the share of
    positive labels among the tenth of a group's test rows that the model ranks highest: an offline substitute for a
    click-through rate, as if those had been shown.

    Returns:
        {"auc", "top_rate", "rows", "users", "train_rows"}: one list each, with one entry per group; ``train_rows`` is
        the mean number of training rows of the group's users.
    """
    field = entry_of(test).user
    n_users = test.schema.fields[field]
    frequency = train_rows.column(field).long().bincount(minlength=n_users)
    user, present = test.column(field).long(), users_of(test)
    ranked = present[frequency[present].argsort(stable=True)]
    group_of_user = torch.zeros(n_users, dtype=torch.long, device=user.device)
    group_of_user[ranked] = torch.arange(len(ranked), device=user.device) * N_GROUPS // len(ranked)
    logits, group = predict(model, test), group_of_user[user]
    found: dict[str, Any] = {"auc": [], "top_rate": [], "rows": [], "users": [], "train_rows": []}
    for number in range(N_GROUPS):
        inside = group == number
        labels, scores = test.labels[inside], logits[inside]
        shown = scores.topk(max(1, int(TOP_SHARE * len(scores)))).indices
        members = ranked[group_of_user[ranked] == number]
        found["auc"].append(auc(scores, labels))
        found["top_rate"].append(float(labels[shown].mean()))
        found["rows"].append(int(inside.sum()))
        found["users"].append(len(members))
        found["train_rows"].append(float(frequency[members].double().mean()))
    return found


def users_of(test: Rows) -> Int[torch.Tensor, " n"]:
    """The users of the test rows, each once.

    Raises:
        UserError: there are fewer than groups.
    """
    present = test.column(entry_of(test).user).long().unique()
    if len(present) < N_GROUPS:
        raise UserError(f"{N_GROUPS} groups need as many users, and the test rows have {len(present)}")
    return present


@torch.no_grad()
def states(model: nn.Module, train_rows: Rows, test: Rows) -> dict[str, Any]:
    """The generated S of every layer in the plane of its first two principal components (Figure 6).

    A point is a test row: one for each value of a group-wise condition, or each item for a self-wise one, at most
    ``N_POINTS`` of them. Only the plane is kept, no id.

    Returns:
        {"groups", "group", "layers"}: the names of the groups; the group of every point; and one dict per layer with
        its ``points``, the ``share`` of the variance that each component has, the share of all variance that the group
        explains (``explained``, see there), the mean of that share over permuted groups (``permuted``), and how often
        a permutation explains at least as much (``p``).

    Raises:
        UserError: the model has no layer that generates S and nothing else.
    """
    rows = test.take(one_each(model, test))
    names, group = groups_of_items(rows)
    layers = []
    for s in generated_states(model, rows):
        found = explained(s, group)
        random = generator(0, "permutations")
        chance = [explained(s, group[torch.randperm(len(s), generator=random)]) for _ in range(N_PERMUTATIONS)]
        points, share = plane(s)
        layers.append(
            {
                "points": [[float(f"{value:.3g}") for value in point] for point in points.tolist()],
                "share": [round(value, 4) for value in share],
                "explained": round(found, 4),
                "permuted": round(float(np.mean(chance)), 4),
                "p": round((1 + sum(value >= found for value in chance)) / (1 + N_PERMUTATIONS), 4),
            }
        )
    return {"groups": names, "group": group.tolist(), "layers": layers}


def entry_of(rows: Rows) -> DataSet:
    """The catalogue's entry of a data set; one of the usual names of fields for rows that it does not have."""
    return CATALOGUE.get(family(rows.name)) or DataSet(title=rows.name, kind="made")


def one_each(model: nn.Module, rows: Rows) -> Int[torch.Tensor, " n"]:
    """Numbers of random rows, one for each value of the condition's field, or for each item."""
    condition = getattr(model, "condition", None)
    column = condition.column if isinstance(condition, GroupWise) else rows.schema.column(entry_of(rows).item)
    ids = rows.column(list(rows.schema.fields)[column])
    random = generator(0, "states")
    order = torch.randperm(len(rows), generator=random)
    first = np.unique(ids.cpu().numpy()[order], return_index=True)[1]
    chosen = order[torch.from_numpy(first)]
    return chosen[torch.randperm(len(chosen), generator=random)[:N_POINTS]].to(rows.device)


def groups_of_items(rows: Dataset) -> tuple[list[str], Int[torch.Tensor, " n"]]:
    """What kind of item each row has: a field, or the first of the indicators (``DataSet.item_kind``)."""
    kind = entry_of(rows).item_kind
    if kind in rows.schema.fields:
        return [str(number) for number in range(rows.schema.fields[kind])], rows.column(kind).long().cpu()
    members = [name for name in rows.schema.numbers if name.startswith(kind)]
    columns = torch.tensor([rows.schema.numbers.index(name) for name in members], device=rows.device)
    first = rows.numbers.index_select(1, columns).argmax(1)
    return [name.removeprefix(kind) for name in members], first.cpu()


def generated_states(model: nn.Module, rows: Dataset) -> list[Float[torch.Tensor, "n KK"]]:
    """S of every layer that generates nothing else, flat and in double precision, in the order of their calls."""
    found: list[torch.Tensor] = []

    def keep(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        assert isinstance(layer, ApgLayer)
        found.append(layer.generated(*inputs).double().cpu())

    hooks = [layer.register_forward_pre_hook(keep) for layer in layers_with_states(model)]
    predict(model, rows)
    for hook in hooks:
        hook.remove()
    return found


def layers_with_states(model: nn.Module) -> list[ApgLayer]:
    """The layers that generate S and nothing else.

    Raises:
        UserError: there is none.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, ApgLayer) and layer.generates_only_s]
    if not layers:
        able = " and ".join(version for version, layer in PAPER_LAYERS.items() if layer.generates_only_s)
        raise UserError(f"only {able} generate S alone: observe its states in a run of one of them")
    return layers


def plane(s: Float[torch.Tensor, "n KK"]) -> tuple[Float[torch.Tensor, "n 2"], list[float]]:
    """The first two principal components of every point, and the share of the variance that each has."""
    left, size, right = torch.linalg.svd(s - s.mean(0), full_matrices=False)
    sign = right.gather(1, right.abs().argmax(1, keepdim=True)).sign().squeeze(1)  # of an axis is arbitrary: fix it
    variance = size**2
    return (left * size * sign)[:, :2], (variance / variance.sum())[:2].tolist()


def explained(s: Float[torch.Tensor, "n KK"], group: Int[torch.Tensor, " n"]) -> float:
    """The share of the variance of S, all entries together, that lies between the means of groups; 0 to 1."""
    centred = s - s.mean(0)
    present, member = group.unique(return_inverse=True)
    sums = torch.zeros(len(present), s.shape[1], dtype=s.dtype).index_add(0, member, centred)
    return float((sums**2 / member.bincount().unsqueeze(1)).sum() / (centred**2).sum())


def truth(model: nn.Module, train_rows: Rows, test: Rows) -> dict[str, Any]:
    """What a model can reach at best on the test rows of planted data; it says nothing of the trained model itself.

    Returns:
        {"best_auc", "blind_auc"}: the AUC of the probabilities that the labels were drawn with, and that of each item's
        mean probability, the best that a model blind to groups can know.
    """
    rows = enter(test.name, extra=("probability",), root=DATA)
    probability = rows.extra["probability"]
    groups, items = (rows.fields[:, test.schema.column(name)] for name in ("group", "item"))
    by_pair = np.zeros((test.schema.fields["group"], test.schema.fields["item"]))
    by_pair[groups, items] = probability
    by_item = np.bincount(items, probability) / np.bincount(items)
    group, item = (test.column(name).cpu().numpy() for name in ("group", "item"))
    scores = {"best_auc": by_pair[group, item], "blind_auc": by_item[item]}
    return {name: auc(torch.tensor(score, device=test.device), test.labels) for name, score in scores.items()}


OBSERVERS: dict[str, Observer] = {"user_groups": user_groups, "states": states, "truth": truth}


def observer(name: str, model: nn.Module, test: Rows) -> Observer:
    """The observer of that name, for this model and these test rows: asked for before the model is trained.

    Raises:
        UserError: there is none; or it could not observe this model on these rows.
    """
    if name not in OBSERVERS:
        raise UserError(f"nothing is observed under {name!r}; choose one of {', '.join(OBSERVERS)}")
    if name == "user_groups":
        users_of(test)
    if name == "states":
        layers_with_states(model)
    return OBSERVERS[name]
