"""DIFM: a dual input-aware factorisation machine (Lu et al., IJCAI 2020).

Shapes: B batch, F categorical columns, C number columns, J embedded features, E embedding size.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.models.deepfm import pairs
from apg_repro.nn.attention import FieldAttention
from apg_repro.nn.dense import DeepPart, MakeDense, StaticDense
from apg_repro.nn.embedding import Features

N_HEADS = 4  # ours; divides the embedding sizes in use, 32 and 8


class DIFM(nn.Module):
    """logit = b + numbers + Σ m_i w_i + Σ_{i<j} <m_i e_i, m_j e_j>, m = m_vector + m_bit    (Lu et al., Section 3).

    The factors m reweight every embedded field and bag, in the linear part and in the factorisation machine, by
    the input as a whole. The vector-wise part sees the embeddings as J vectors: one layer of multi-head
    self-attention with a residual connection, then a linear map to J factors. The bit-wise part sees embeddings
    and plain numbers as one flat vector: hidden layers from ``make_dense``, then a linear map to J factors.
    Plain numbers have weights of their own in the linear part, which no factor changes.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding; a multiple of the number of heads.
        hidden: units of the hidden layers of the bit-wise part.
        make_dense: makes each hidden layer.
        condition: makes z from the ids (see ``nn.conditions``).
        make_projection: makes the attention's projections (footnote 1 of the APG paper: "attention").
        n_heads: of the attention.

    Raises:
        UserError: d_embedding is no multiple of n_heads.
    """

    def __init__(
        self,
        schema: Schema,
        d_embedding: int,
        hidden: tuple[int, ...],
        make_dense: MakeDense,
        condition: nn.Module,
        make_projection: MakeDense = StaticDense,
        n_heads: int = N_HEADS,
    ) -> None:
        super().__init__()
        if d_embedding % n_heads:
            raise UserError(
                f"the embedding size of DIFM must be a multiple of its {n_heads} heads; {d_embedding} is not"
            )
        self.features = Features(schema, d_embedding)
        self.weights = Features(schema, 1)  # w_i: a weight for every id and bag member
        self.numbers = nn.Parameter(torch.empty(self.features.n_plain))
        self.bias = nn.Parameter(torch.empty(()))
        self.condition = condition
        n = self.features.n_embedded
        self.attention = FieldAttention(d_embedding, n_heads, d_embedding // n_heads, make_projection, scaled=True)
        self.vector_factors = StaticDense(n * d_embedding, n)
        self.deep = DeepPart(self.features.d_flat, hidden, make_dense)
        self.bit_factors = StaticDense(hidden[-1], n)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.numbers)
        nn.init.zeros_(self.bias)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, plain = self.features(fields, numbers)
        weights, _ = self.weights(fields, numbers)
        z = self.condition(fields, self.features.embedding, embedded)
        by_vector = self.vector_factors(self.attention(embedded, z).flatten(1), z)
        by_bit = self.bit_factors(self.deep(Features.flatten(embedded, plain), z), z)
        factors = (by_vector + by_bit).unsqueeze(2)  # (B, J, 1)
        linear = self.bias + plain @ self.numbers + (factors * weights).sum((1, 2))
        return linear + pairs(factors * embedded)
