"""Product-based Neural Network (Qu et al., ICDM 2016).

Shapes: B batch, F categorical columns, C number columns, J embedded features, E embedding size.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.nn.dense import DeepPart, MakeDense, StaticDense
from apg_repro.nn.embedding import Features

Product = Literal["inner", "outer"]


class PNN(nn.Module):
    """logit = w · deep([embeddings, numbers, products])    (Qu et al., Section III).

    Products are those of the embedded fields and bags: for "inner" (IPNN, the default) <e_i, e_j> of every pair,
    i = j included as in the paper; for "outer" (OPNN) the matrix s s^T with s the sum of all embeddings (its
    superposition). The first hidden layer is then its l_1 = ReLU(W_z z + W_p p + b); W_p is a full matrix
    over the distinct products. Hidden layers come from ``make_dense``.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding.
        hidden: units of the hidden layers.
        make_dense: makes each hidden layer.
        condition: makes z from the ids (see ``nn.conditions``).
        product: "inner" or "outer".

    Raises:
        UserError: ``product`` is neither.
    """

    pairs: torch.Tensor

    def __init__(
        self,
        schema: Schema,
        d_embedding: int,
        hidden: tuple[int, ...],
        make_dense: MakeDense,
        condition: nn.Module,
        product: Product = "inner",
    ) -> None:
        super().__init__()
        if product not in get_args(Product):
            raise UserError(f"product must be one of {', '.join(get_args(Product))}, not {product!r}")
        self.product = product
        self.features = Features(schema, d_embedding)
        self.condition = condition
        n = self.features.n_embedded
        rows, columns = torch.triu_indices(n, n)
        self.register_buffer("pairs", rows * n + columns, persistent=False)  # in a flat matrix of all <e_i, e_j>
        n_products = len(self.pairs) if product == "inner" else d_embedding**2
        self.deep = DeepPart(self.features.d_flat + n_products, hidden, make_dense)
        self.output = StaticDense(hidden[-1], 1)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, plain = self.features(fields, numbers)
        z = self.condition(fields, self.features.embedding, embedded)
        x = torch.cat([Features.flatten(embedded, plain), self.products(embedded)], dim=1)
        return self.output(self.deep(x, z), z).squeeze(1)

    def products(self, embedded: Float[torch.Tensor, "B J E"]) -> Float[torch.Tensor, "B n"]:
        """The product signals p."""
        if self.product == "inner":
            return (embedded @ embedded.transpose(1, 2)).flatten(1).index_select(1, self.pairs)
        total = embedded.sum(1)
        return (total.unsqueeze(2) * total.unsqueeze(1)).flatten(1)
