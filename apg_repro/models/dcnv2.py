"""DCN-V2 (Wang et al., WWW 2021), which the APG paper does not have.

Shapes: B batch, F categorical columns, C number columns, I inputs: embeddings and plain numbers side by side.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.nn.dense import DeepPart, MakeDense, StaticDense
from apg_repro.nn.embedding import Features

N_CROSS = 2  # ours: products of up to three inputs. The paper tunes it for every data set.


class DCNv2(nn.Module):
    """logit = w · [cross(x), deep(x)], x = [embeddings, numbers]; x_{l+1} = x_0 ⊙ (W x_l + b) + x_l    (Wang et al.).

    The parallel structure, as in our DCN, and W of full rank. The hidden layers of the deep part come from
    ``make_dense``; the cross network is static.

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
        self.cross = nn.ModuleList(StaticDense(self.features.d_flat, self.features.d_flat) for _ in range(n_cross))
        self.deep = DeepPart(self.features.d_flat, hidden, make_dense)
        self.output = StaticDense(self.features.d_flat + hidden[-1], 1)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, plain = self.features(fields, numbers)
        z = self.condition(fields, self.features.embedding, embedded)
        start = crossed = Features.flatten(embedded, plain)
        for layer in self.cross:
            crossed = start * layer(crossed) + crossed
        return self.output(torch.cat([crossed, self.deep(start, z)], dim=1), z).squeeze(1)
