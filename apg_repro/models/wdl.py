"""Wide & Deep (Cheng et al., DLRS 2016).

Shapes: B batch, F categorical columns, C number columns.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.nn.dense import DeepPart, MakeDense, StaticDense
from apg_repro.nn.embedding import Features, Wide


class WDL(nn.Module):
    """logit = wide(ids, numbers) + w · deep([embeddings, numbers])    (Cheng et al., Eq. 3).

    The wide part is linear in every id and number and has no hand-made cross products, which the APG paper
    does not name. The deep part sees the embedded fields and the plain numbers. Its hidden layers come from
    ``make_dense``; the last unit, w, is static.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding.
        hidden: units of the hidden layers.
        make_dense: makes each hidden layer.
        condition: makes z from the ids (see ``nn.conditions``).
    """

    def __init__(
        self, schema: Schema, d_embedding: int, hidden: tuple[int, ...], make_dense: MakeDense, condition: nn.Module
    ) -> None:
        super().__init__()
        self.features = Features(schema, d_embedding)
        self.wide = Wide(schema)
        self.condition = condition
        self.deep = DeepPart(self.features.d_flat, hidden, make_dense)
        self.output = StaticDense(hidden[-1], 1)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, plain = self.features(fields, numbers)
        z = self.condition(fields, self.features.embedding, embedded)
        deep = self.deep(Features.flatten(embedded, plain), z)
        return self.wide(fields, numbers) + self.output(deep, z).squeeze(1)
