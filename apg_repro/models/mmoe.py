"""MMoE: multi-gate mixture of experts, the domains as its tasks (Ma et al., KDD 2018).

Shapes: B batch, F categorical columns, C number columns, I inputs, O outputs, X experts.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.nn.dense import DeepPart, StaticDense
from apg_repro.nn.domains import DomainDense, Domains, Tiles
from apg_repro.nn.embedding import Features, Wide

N_EXPERTS = 8  # as in its experiments on synthetic data


class MMoE(nn.Module):
    """logit = wide + w_p · f_p + b_p,  f_p = Σ_e g_pe expert_e(x),  g_p = softmax(G_p x)    (Ma et al., Section 4.2).

    WDL with a mixture for its deep part. Its experts, which all domains share, are deep parts with the hidden layers
    of WDL's, on embedded fields and plain numbers. Every domain p has a gate G_p over them (with a bias, as every
    dense layer here) and a tower of its own, which is WDL's last unit: w_p, b_p.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding.
        hidden: units of the hidden layers of an expert.
        domain: a field, or fields joined by "+".
        n_experts: X.
    """

    def __init__(
        self, schema: Schema, d_embedding: int, hidden: tuple[int, ...], domain: str, n_experts: int = N_EXPERTS
    ) -> None:
        super().__init__()
        self.features = Features(schema, d_embedding)
        self.wide = Wide(schema)
        self.domains = Domains(schema, domain)
        self.deep = Mixture(self.features.d_flat, hidden, self.domains.n, n_experts)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        x = Features.flatten(*self.features(fields, numbers))
        return self.wide(fields, numbers) + self.deep(x, Tiles(self.domains(fields))).squeeze(1)


class Mixture(nn.Module):
    """w_p · f_p + b_p: the experts, and for every domain a gate and a tower."""

    def __init__(self, d_in: int, hidden: tuple[int, ...], n_domains: int, n_experts: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(DeepPart(d_in, hidden, StaticDense) for _ in range(n_experts))
        self.gates = DomainDense(d_in, n_experts, n_domains)
        self.towers = DomainDense(hidden[-1], 1, n_domains)

    def forward(self, x: Float[torch.Tensor, "B I"], tiles: Tiles) -> Float[torch.Tensor, "B 1"]:
        experts = torch.stack([expert(x, None) for expert in self.experts], dim=1)  # (B, X, O)
        gates = self.gates(x, tiles).softmax(1)  # (B, X)
        return self.towers(torch.einsum("bx,bxo->bo", gates, experts), tiles)
