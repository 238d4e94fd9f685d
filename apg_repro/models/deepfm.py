"""DeepFM (Guo et al., IJCAI 2017).

Shapes: B batch, F categorical columns, C number columns, J embedded features, E embedding size.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.nn.dense import DeepPart, MakeDense, StaticDense
from apg_repro.nn.embedding import Features, Wide


class DeepFM(nn.Module):
    """logit = linear + Σ_{i<j} <e_i, e_j> + w · deep([embeddings, numbers])    (Guo et al., Eq. 1 to 4).

    The factorisation machine and the deep part share the embeddings. Pairs are taken of the embedded fields and
    bags; plain numbers enter the linear part and the deep part. Its hidden layers come from ``make_dense``.

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
        return self.wide(fields, numbers) + pairs(embedded) + self.output(deep, z).squeeze(1)


def pairs(embedded: Float[torch.Tensor, "B J E"]) -> Float[torch.Tensor, " B"]:
    """Σ_{i<j} <e_i, e_j>, as half of (Σ e)² − Σ e² (Rendle, 2010)."""
    return 0.5 * (embedded.sum(1).square() - embedded.square().sum(1)).sum(1)
