"""Logistic regression: the floor below every model with hidden layers.

Shapes: B batch, F categorical columns, C number columns.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.nn.embedding import Wide


class LR(nn.Module):
    """logit = a weight for every id and every number, summed, plus a bias: WDL's wide part alone.

    Args:
        schema: of the data set.
        d_embedding: of no use here; every floor is called with it.
    """

    def __init__(self, schema: Schema, d_embedding: int) -> None:
        super().__init__()
        self.wide = Wide(schema)
        self.deep = nn.ModuleList()  # no hidden layers to count

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        return self.wide(fields, numbers)
