"""FiBiNET: feature importance and bilinear feature interaction (Huang et al., RecSys 2019).

Shapes: B batch, F categorical columns, C number columns, J embedded features, E embedding size, Q pairs i < j.
"""

from math import ceil
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.nn.dense import DeepPart, MakeDense, StaticDense
from apg_repro.nn.embedding import Features, Wide

Bilinear = Literal["all", "each", "interaction"]
REDUCTION = 3  # the ratio of its experiments


class SeNet(nn.Module):
    """v_i = a_i e_i, a = ReLU(W_2 ReLU(W_1 s)), s_i = mean of e_i    (Huang et al., SENET layer).

    W_1 squeezes J means to J / 3, rounded up: of a single unit, all fields whose weight on it starts negative would be
    switched off for good.
    """

    def __init__(self, n_fields: int) -> None:
        super().__init__()
        d_squeezed = ceil(n_fields / REDUCTION)
        self.squeeze = nn.Parameter(torch.empty(d_squeezed, n_fields))
        self.excite = nn.Parameter(torch.empty(n_fields, d_squeezed))

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.squeeze)
        nn.init.xavier_uniform_(self.excite)

    def forward(self, embedded: Float[torch.Tensor, "B J E"]) -> Float[torch.Tensor, "B J E"]:
        hidden = F.relu(F.linear(embedded.mean(2), self.squeeze))
        return embedded * F.relu(F.linear(hidden, self.excite)).unsqueeze(2)


class BilinearInteraction(nn.Module):
    """p_ij = (v_i W) ⊙ v_j for every pair i < j    (Huang et al., bilinear-interaction layer).

    There is one W for "all", one per left field i for "each", and one per pair for "interaction".
    """

    left: torch.Tensor
    right: torch.Tensor
    which: torch.Tensor

    def __init__(self, n_fields: int, d_embedding: int, kind: Bilinear) -> None:
        super().__init__()
        left, right = torch.triu_indices(n_fields, n_fields, offset=1)
        n_pairs = len(left)
        which = {"all": torch.zeros(n_pairs, dtype=torch.long), "each": left, "interaction": torch.arange(n_pairs)}
        n_weights = {"all": 1, "each": n_fields - 1, "interaction": n_pairs}
        self.weight = nn.Parameter(torch.empty(n_weights[kind], d_embedding, d_embedding))
        for name, index in (("left", left), ("right", right), ("which", which[kind])):
            self.register_buffer(name, index, persistent=False)
        self.n_pairs = n_pairs

    def reset_parameters(self) -> None:
        for matrix in self.weight:
            nn.init.xavier_uniform_(matrix)

    def forward(self, embedded: Float[torch.Tensor, "B J E"]) -> Float[torch.Tensor, "B Q E"]:
        left, right = embedded.index_select(1, self.left), embedded.index_select(1, self.right)
        return torch.einsum("bqe,qef->bqf", left, self.weight.index_select(0, self.which)) * right


class FiBiNET(nn.Module):
    """logit = linear + w · deep([p, q, numbers])    (Huang et al., Section 3).

    p are the bilinear interactions of the embedded fields and bags, q those of the same embeddings reweighted by
    SENet, with weights of their own (the paper does not say whether they share them). Plain numbers enter the linear
    part and, as they are, the deep part, whose hidden layers come from ``make_dense``.

    Args:
        schema: of the data set; at least two embedded fields.
        d_embedding: size of every embedding.
        hidden: units of the hidden layers.
        make_dense: makes each hidden layer.
        condition: makes z from the ids (see ``nn.conditions``).
        bilinear: "all", "each" or "interaction", the richest of the three and our default.

    Raises:
        UserError: ``bilinear`` is none of the three; there are fewer than two embedded fields.
    """

    def __init__(
        self,
        schema: Schema,
        d_embedding: int,
        hidden: tuple[int, ...],
        make_dense: MakeDense,
        condition: nn.Module,
        bilinear: Bilinear = "interaction",
    ) -> None:
        super().__init__()
        if bilinear not in get_args(Bilinear):
            raise UserError(f"bilinear must be one of {', '.join(get_args(Bilinear))}, not {bilinear!r}")
        self.features = Features(schema, d_embedding)
        n = self.features.n_embedded
        if n < 2:
            raise UserError("FiBiNET pairs embedded fields, and there is one only: take another backbone, such as WDL")
        self.wide = Wide(schema)
        self.condition = condition
        self.senet = SeNet(n)
        self.plain_pairs = BilinearInteraction(n, d_embedding, bilinear)
        self.senet_pairs = BilinearInteraction(n, d_embedding, bilinear)
        d_deep = 2 * self.plain_pairs.n_pairs * d_embedding + self.features.n_plain
        self.deep = DeepPart(d_deep, hidden, make_dense)
        self.output = StaticDense(hidden[-1], 1)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, plain = self.features(fields, numbers)
        z = self.condition(fields, self.features.embedding, embedded)
        p, q = self.plain_pairs(embedded), self.senet_pairs(self.senet(embedded))
        x = torch.cat([p.flatten(1), q.flatten(1), plain], dim=1)
        return self.wide(fields, numbers) + self.output(self.deep(x, z), z).squeeze(1)
