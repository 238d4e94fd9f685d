"""AutoInt: automatic feature interaction by self-attention (Song et al., CIKM 2019).

Shapes: B batch, F categorical columns, C number columns, J embedded features, E embedding size.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.nn.attention import FieldAttention
from apg_repro.nn.dense import DeepPart, MakeDense, StaticDense
from apg_repro.nn.embedding import Features

# As its implementation details say (Section 5.1): three interacting layers of two heads with d' = 32 each.
N_LAYERS, N_HEADS, D_HEAD = 3, 2, 32


class AutoInt(nn.Module):
    """logit = w · [attention(embeddings), deep([embeddings, numbers])]    (Song et al., Eq. 5 to 9, "AutoInt+").

    The interacting layers see the embedded fields and bags as J vectors. Plain numbers enter the deep part only,
    whose hidden layers come from ``make_dense``; the paper embeds numbers too, which for 25 indicator columns
    would make attention over 25 more fields.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding.
        hidden: units of the hidden layers.
        make_dense: makes each hidden layer.
        condition: makes z from the ids (see ``nn.conditions``).
        make_projection: makes the projections of the interacting layers (footnote 1 of the APG paper: "attention").
        n_layers, n_heads: interacting layers, and heads in each.
        d_head: size of a head.
    """

    def __init__(
        self,
        schema: Schema,
        d_embedding: int,
        hidden: tuple[int, ...],
        make_dense: MakeDense,
        condition: nn.Module,
        make_projection: MakeDense = StaticDense,
        n_layers: int = N_LAYERS,
        n_heads: int = N_HEADS,
        d_head: int = D_HEAD,
    ) -> None:
        super().__init__()
        self.features = Features(schema, d_embedding)
        self.condition = condition
        d_attention = n_heads * d_head
        self.attention = nn.ModuleList(
            FieldAttention(d_embedding if i == 0 else d_attention, n_heads, d_head, make_projection)
            for i in range(n_layers)
        )
        self.deep = DeepPart(self.features.d_flat, hidden, make_dense)
        self.output = StaticDense(self.features.n_embedded * d_attention + hidden[-1], 1)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, plain = self.features(fields, numbers)
        z = self.condition(fields, self.features.embedding, embedded)
        deep = self.deep(Features.flatten(embedded, plain), z)
        for layer in self.attention:
            embedded = layer(embedded, z)
        return self.output(torch.cat([embedded.flatten(1), deep], dim=1), z).squeeze(1)
