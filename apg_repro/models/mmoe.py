"""MMoE: multi-gate mixture of experts, the domains as its tasks (Ma et al., KDD 2018).

Shapes: B batch, F categorical columns, C number columns, I inputs, X experts.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data import Schema
from apg_repro.nn.dense import DeepPart, MakeDense
from apg_repro.nn.domains import Domains
from apg_repro.nn.embedding import Features, Wide

N_EXPERTS = 8  # of its experiments


class MMoE(nn.Module):
    """logit = wide + w_p · f_p + b_p,  f_p = Σ_e softmax_e(G_p x) expert_e(x)    (Ma et al., Section 4.2).

    As the deep part of WDL, on embedded fields and plain numbers. Every domain p has a gate G_p over the shared
    experts and a tower of its own, here one linear unit. An expert has the hidden layers of WDL's deep part,
    from ``make_dense``.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding.
        hidden: units of the hidden layers of an expert.
        make_dense: makes each hidden layer.
        condition: makes z from the ids (see ``nn.conditions``).
        domain: a field, or fields joined by "+".
        n_experts: X.
    """

    def __init__(
        self, schema: Schema, d_embedding: int, hidden: tuple[int, ...], make_dense: MakeDense, condition: nn.Module,
        domain: str, n_experts: int = N_EXPERTS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.features = Features(schema, d_embedding)
        self.wide = Wide(schema)
        self.condition = condition
        self.domains = Domains(schema, domain)
        self.deep = Mixture(self.features.d_flat, hidden, make_dense, self.domains.n, n_experts)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, plain = self.features(fields, numbers)
        z = self.condition(fields, self.features.embedding)
        deep = self.deep(Features.flatten(embedded, plain), z, self.domains(fields))
        return self.wide(fields, numbers) + deep


class Mixture(nn.Module):
    """w_p · f_p + b_p: the experts, and a gate and a tower a domain."""

    def __init__(
        self, d_in: int, hidden: tuple[int, ...], make_dense: MakeDense, n_domains: int, n_experts: int
    ) -> None:
        super().__init__()
        self.experts = nn.ModuleList(DeepPart(d_in, hidden, make_dense) for _ in range(n_experts))
        self.gates = DomainTable(n_domains, n_experts, d_in)
        self.towers = DomainTable(n_domains, 1, hidden[-1])

    def forward(
        self,
        x: Float[torch.Tensor, "B I"],
        z: Float[torch.Tensor, "B D"] | None,
        domain: Int[torch.Tensor, " B"],
    ) -> Float[torch.Tensor, " B"]:
        experts = torch.stack([expert(x, z) for expert in self.experts], dim=1)  # (B, X, O)
        gates = self.gates(x, domain).softmax(1)  # (B, X)
        return self.towers((gates.unsqueeze(2) * experts).sum(1), domain).squeeze(1)


class DomainTable(nn.Module):
    """y = W_p x + b_p with a small W_p and b_p for every domain p; only those in the batch are fetched."""

    def __init__(self, n_domains: int, d_out: int, d_in: int) -> None:
        super().__init__()
        self.shape = (d_out, d_in)
        self.weight = nn.Parameter(torch.empty(n_domains, d_out * d_in))
        self.bias = nn.Parameter(torch.empty(n_domains, d_out))

    def reset_parameters(self) -> None:
        """Glorot-uniform, the same start for every domain."""
        with torch.no_grad():
            self.weight.copy_(nn.init.xavier_uniform_(torch.empty(self.shape)).flatten())
        nn.init.zeros_(self.bias)

    def forward(self, x: Float[torch.Tensor, "B I"], domain: Int[torch.Tensor, " B"]) -> Float[torch.Tensor, "B O"]:
        weight = F.embedding(domain, self.weight).view(-1, *self.shape)  # (B, O, I)
        return torch.einsum("boi,bi->bo", weight, x) + F.embedding(domain, self.bias)
