"""Wide & Deep (Cheng et al., 2016, Eq. 3) for one instance, over explicit weights."""

import torch
from torch import Tensor


def wdl(
    ids: list[int], numbers: list[float], tables: list[Tensor], bags: list[tuple[list[int], Tensor]], plain: list[int],
    wide_tables: list[Tensor], wide_numbers: Tensor, wide_bias: Tensor, dense: list, output: tuple[Tensor, Tensor],
) -> Tensor:  # fmt: skip
    """One logit.

    Args:
        ids, numbers: the instance; one id an embedded field.
        tables: per embedded field its (cardinality, E) table; bags: (columns of numbers, (members, E) table).
        plain: the columns of numbers that the deep part sees as they are.
        wide_tables: per embedded field its weights; wide_numbers: a weight a number; wide_bias.
        dense: functions from the layer's input to its output, before ReLU.
        output: weight and bias of the last unit.
    """
    wide = wide_bias
    for table, index in zip(wide_tables, ids, strict=True):
        wide = wide + table[index]
    for weight, number in zip(wide_numbers, numbers, strict=True):
        wide = wide + weight * number
    parts = [table[index] for table, index in zip(tables, ids, strict=True)]
    for columns, table in bags:
        parts.append(sum((table[row] * numbers[column] for row, column in enumerate(columns)), torch.zeros(1)))
    parts.append(torch.tensor([numbers[column] for column in plain], dtype=parts[0].dtype))
    x = torch.cat(parts)
    for layer in dense:
        x = torch.clamp(layer(x), min=0)
    weight, bias = output
    return wide + (weight @ x + bias)[0]
