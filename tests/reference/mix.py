"""Conditions of one instance (Section 3.1.1), over explicit weights: k embeddings joined before G or after it."""

from math import sqrt

import torch
from torch import Tensor

from tests.reference.apg import Mlp, generate
from tests.reference.common import dot, softmax, total


def join(how: str, parts: list[Tensor], conditions: list[Tensor], query: Tensor | None) -> Tensor:
    """One vector of k: the mean, side by side, or weighted by softmax_j(<q, z^j> / sqrt(D))."""
    if how == "concat":
        return torch.cat(parts)
    if how == "mean":
        return total(parts) / len(parts)
    scores = [dot(query, condition) / sqrt(len(query)) for condition in conditions]
    return total([weight * part for weight, part in zip(softmax(scores), parts, strict=True)])


def input_mix(how: str, conditions: list[Tensor], query: Tensor | None) -> Tensor:
    """z, of k conditions."""
    return join(how, conditions, conditions, query)


def output_mix(how: str, conditions: list[Tensor], generators: list[Mlp], query: Tensor | None) -> Tensor:
    """The generated parameters: each condition has a G of its own."""
    return join(how, [generate(z, g) for z, g in zip(conditions, generators, strict=True)], conditions, query)
