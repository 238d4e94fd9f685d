"""STAR: one model for many domains by a star topology (Sheng et al., CIKM 2021).

Shapes: B batch, F categorical columns, C number columns, I inputs.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data import Schema
from apg_repro.nn.dense import DeepPart, MakeDense, StaticDense
from apg_repro.nn.domains import Domains, Groups, StarDense
from apg_repro.nn.embedding import Features, Wide


class PartitionedNorm(nn.Module):
    """y = γ γ_p (x − μ) / sqrt(σ² + ε) + β + β_p for an instance of domain p    (Sheng et al., Section 3.3).

    In the paper μ and σ² are a domain's own, as its batches hold one domain each. Here a batch mixes domains, and
    with thousands of them most have a row or none in it: μ and σ² are those of the whole batch, and at test
    time their running averages. Scale and bias are a domain's own, as in the paper.
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, d_in: int, n_domains: int, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.scale = nn.Parameter(torch.empty(d_in))
        self.bias = nn.Parameter(torch.empty(d_in))
        self.domain_scale = nn.Parameter(torch.empty(n_domains, d_in))
        self.domain_bias = nn.Parameter(torch.empty(n_domains, d_in))
        self.register_buffer("mean", torch.zeros(d_in))
        self.register_buffer("variance", torch.ones(d_in))

    def reset_parameters(self) -> None:
        for scale, bias in ((self.scale, self.bias), (self.domain_scale, self.domain_bias)):
            nn.init.ones_(scale)
            nn.init.zeros_(bias)

    def forward(self, x: Float[torch.Tensor, "B I"], domain: Int[torch.Tensor, " B"]) -> Float[torch.Tensor, "B I"]:
        normed = F.batch_norm(
            x, self.mean, self.variance, None, None, self.training, self.momentum, self.epsilon
        )  # fmt: skip
        scale = self.scale * F.embedding(domain, self.domain_scale)
        return scale * normed + self.bias + F.embedding(domain, self.domain_bias)


class Star(nn.Module):
    """logit = wide + main + auxiliary    (Sheng et al., Section 3).

    main: partitioned normalisation of embedded fields and plain numbers, then layers (W_p ⊙ W) x + b_p + b.
    auxiliary: a small static network, one hidden layer, on the same input and an embedding of the domain. wide: as
    in WDL, the backbone of Table 6. W_p costs a whole deep part for every domain; ``make_dense`` is used for the
    auxiliary network's hidden layer only.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding.
        hidden: units of the hidden layers; the auxiliary network has one of the last size.
        make_dense: makes the auxiliary hidden layer.
        condition: makes z from the ids (see ``nn.conditions``).
        domain: a field, or fields joined by "+".
    """

    def __init__(
        self, schema: Schema, d_embedding: int, hidden: tuple[int, ...], make_dense: MakeDense, condition: nn.Module,
        domain: str,
    ) -> None:  # fmt: skip
        super().__init__()
        self.features = Features(schema, d_embedding)
        self.wide = Wide(schema)
        self.condition = condition
        self.domains = Domains(schema, domain)
        n, d_flat = self.domains.n, self.features.d_flat
        self.norm = PartitionedNorm(d_flat, n)
        self.deep = nn.ModuleList(StarDense(i, o, n) for i, o in pairwise((d_flat, *hidden)))
        self.output = StarDense(hidden[-1], 1, n)
        self.domain_embedding = DomainEmbedding(n, d_embedding)
        self.auxiliary = DeepPart(d_flat + d_embedding, hidden[-1:], make_dense)
        self.auxiliary_output = StaticDense(hidden[-1], 1)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        embedded, plain = self.features(fields, numbers)
        z = self.condition(fields, self.features.embedding)
        domain = self.domains(fields)
        groups = Groups(domain)
        x = Features.flatten(embedded, plain)
        main = self.norm(x, domain)
        for layer in self.deep:
            main = F.relu(layer(main, groups))
        auxiliary = self.auxiliary(torch.cat([x, self.domain_embedding(domain)], dim=1), z)
        logit = self.output(main, groups) + self.auxiliary_output(auxiliary, z)
        return self.wide(fields, numbers) + logit.squeeze(1)


class DomainEmbedding(nn.Module):
    """An embedding of the domain, the auxiliary network's indicator; starts normal with deviation 0.01."""

    def __init__(self, n_domains: int, d_embedding: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_domains, d_embedding))

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, domain: Int[torch.Tensor, " B"]) -> Float[torch.Tensor, "B E"]:
        return F.embedding(domain, self.weight)
