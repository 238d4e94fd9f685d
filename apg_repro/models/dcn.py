"""Deep & Cross Network, the first version (Wang et al., ADKDD 2017).

Shapes: B batch, F categorical columns, C number columns, I inputs: embeddings and plain numbers side by side.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.nn.dense import DeepPart, MakeDense, StaticDense
from apg_repro.nn.embedding import Features

N_CROSS = 6  # cross layers of the best model that its Section 4 reports


class CrossLayer(nn.Module):
    """x_{l+1} = x_0 (x_l · w) + b + x_l    (Wang et al., Eq. 3)."""

    def __init__(self, d_in: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_in))
        self.bias = nn.Parameter(torch.empty(d_in))

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight.view(1, -1))
        nn.init.zeros_(self.bias)

    def forward(self, start: Float[torch.Tensor, "B I"], x: Float[torch.Tensor, "B I"]) -> Float[torch.Tensor, "B I"]:
        return start * (x @ self.weight).unsqueeze(1) + self.bias + x


class DCN(nn.Module):
    """logit = w · [cross(x), deep(x)], x = [embeddings, numbers]    (Wang et al., Section 2).

    Both parts see all embedded fields and plain numbers. The hidden layers of the deep part come from
    ``make_dense``; the cross network is static, as its weights are vectors.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding.
        hidden: units of the hidden layers.
        make_dense: makes each hidden layer.
        condition: makes z from the ids (see ``nn.conditions``).
        n_cross: cross layers.
    """

    def __init__(
        self,
        schema: Schema,
        d_embedding: int,
        hidden: tuple[int, ...],
        make_dense: MakeDense,
        condition: nn.Module,
        n_cross: int = N_CROSS,
    ) -> None:
        super().__init__()
        self.features = Features(schema, d_embedding)
        self.condition = condition
        self.cross = nn.ModuleList(CrossLayer(self.features.d_flat) for _ in range(n_cross))
        self.deep = DeepPart(self.features.d_flat, hidden, make_dense)
        self.output = StaticDense(self.features.d_flat + hidden[-1], 1)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, plain = self.features(fields, numbers)
        z = self.condition(fields, self.features.embedding, embedded)
        start = crossed = Features.flatten(embedded, plain)
        for layer in self.cross:
            crossed = layer(start, crossed)
        return self.output(torch.cat([crossed, self.deep(start, z)], dim=1), z).squeeze(1)
