"""What the references share: features, linear part, hidden layers and attention of one instance.

e_1 … e_J are the embedded features of an instance: one for each id, then one for each bag.
"""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor

Dense = Callable[[Tensor], Tensor]  # a layer's input → its output, before ReLU
Unit = tuple[Tensor, Tensor]  # weight (outputs, inputs) and bias (outputs)


def embed(ids: list[int], numbers: Tensor, tables: list[Tensor], bags: list[tuple[list[int], Tensor]]) -> list[Tensor]:
    """e_1 … e_J.

    Args:
        ids, numbers: the instance; one id per embedded field.
        tables: per embedded field its (cardinality, E) table.
        bags: per bag the columns of its indicators in numbers, and its (members, E) table.
    """
    embedded = [table[index] for table, index in zip(tables, ids, strict=True)]
    for columns, table in bags:
        total = torch.zeros_like(table[0])
        for row, column in enumerate(columns):
            total = total + table[row] * numbers[column]
        embedded.append(total)
    return embedded


def wide(ids: list[int], numbers: Tensor, tables: list[Tensor], weights: Tensor, bias: Tensor) -> Tensor:
    """The linear part: a weight for every id, looked up in its field's table, and for every number, and a bias."""
    total = bias
    for table, index in zip(tables, ids, strict=True):
        total = total + table[index]
    for weight, number in zip(weights, numbers, strict=True):
        total = total + weight * number
    return total


def flat(embedded: list[Tensor], plain: Tensor) -> Tensor:
    """Embeddings and plain numbers side by side."""
    return torch.cat([*embedded, plain])


def relu(x: Tensor) -> Tensor:
    return torch.clamp(x, min=0)


def hidden(x: Tensor, layers: list[Dense]) -> Tensor:
    """Layers, each followed by ReLU."""
    for layer in layers:
        x = relu(layer(x))
    return x


def affine(x: Tensor, unit: Unit) -> Tensor:
    """W x + b."""
    weight, bias = unit
    return weight @ x + bias


def dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum()


def total(values: list[Tensor]) -> Tensor:
    """The sum of a list, of at least one."""
    result = values[0]
    for value in values[1:]:
        result = result + value
    return result


def softmax(scores: list[Tensor]) -> list[Tensor]:
    exponentials = [torch.exp(score) for score in scores]
    return [value / total(exponentials) for value in exponentials]


def pairwise_products(embedded: list[Tensor]) -> Tensor:
    """Σ_{i<j} <e_i, e_j>."""
    n = len(embedded)
    return total([dot(embedded[i], embedded[j]) for i in range(n) for j in range(i + 1, n)])


def attend(
    embedded: list[Tensor], query: Dense, key: Dense, value: Dense, residual: Dense, n_heads: int, scaled: bool
) -> list[Tensor]:
    """ReLU(W_res e_j + [head_1, …, head_H]) for every j; each projection gives all heads' outputs, head after head."""
    queries, keys, values = ([project(e) for e in embedded] for project in (query, key, value))
    size = len(queries[0]) // n_heads
    result = []
    for j, e in enumerate(embedded):
        heads = []
        for h in range(n_heads):
            part = slice(h * size, (h + 1) * size)
            scores = [dot(queries[j][part], k[part]) / (sqrt(size) if scaled else 1) for k in keys]
            heads.append(total([a * v[part] for a, v in zip(softmax(scores), values, strict=True)]))
        result.append(relu(residual(e) + torch.cat(heads)))
    return result
