"""Factorisation machine (Rendle, ICDM 2010): the floor with pairs of features and no hidden layers.

Shapes: B batch, F categorical columns, C number columns.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.models.deepfm import pairs
from apg_repro.nn.embedding import Features, Wide


class FM(nn.Module):
    """logit = linear + Σ_{i<j} <e_i, e_j>    (Rendle, Eq. 1): DeepFM without its deep part.

    Pairs are taken of the embedded fields and bags; plain numbers enter the linear part.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding.
    """

    def __init__(self, schema: Schema, d_embedding: int) -> None:
        super().__init__()
        self.features = Features(schema, d_embedding)
        self.wide = Wide(schema)
        self.deep = nn.ModuleList()  # no hidden layers to count

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, _ = self.features(fields, numbers)
        return self.wide(fields, numbers) + pairs(embedded)
