"""STAR: one model for many domains by a star topology (Sheng et al., CIKM 2021).

Shapes: B batch, F categorical columns, C number columns, I inputs, E embedding size.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.nn.dense import DeepPart, StaticDense
from apg_repro.nn.domains import Domains, StarDense, Tiles
from apg_repro.nn.embedding import Features, Table, Wide, fetch


class Star(nn.Module):
    """logit = wide + main + auxiliary    (Sheng et al., Section 3).

    main: partitioned normalisation of embedded fields and plain numbers, then layers (W_p ⊙ W) x + b_p + b.
    auxiliary: a small network that all domains share, one hidden layer and a last unit, on the same input and an
    embedding of the domain. wide: as in WDL, the backbone of the APG paper's Table 6; it is no part of STAR. W_p
    costs a whole deep part for every domain.

    Args:
        schema: of the data set.
        d_embedding: size of every embedding.
        hidden: units of the hidden layers; the auxiliary network's has as many as the last of them (ours).
        domain: a field, or fields joined by "+".
    """

    def __init__(self, schema: Schema, d_embedding: int, hidden: tuple[int, ...], domain: str) -> None:
        super().__init__()
        self.features = Features(schema, d_embedding)
        self.wide = Wide(schema)
        self.domains = Domains(schema, domain)
        n, d_flat = self.domains.n, self.features.d_flat
        self.norm = PartitionedNorm(d_flat, n)
        self.deep = nn.ModuleList(StarDense(i, o, n) for i, o in pairwise((d_flat, *hidden)))
        self.output = StarDense(hidden[-1], 1, n)
        self.domain_embedding = DomainEmbedding(n, d_embedding)
        self.auxiliary = DeepPart(d_flat + d_embedding, hidden[-1:], StaticDense)
        self.auxiliary_output = StaticDense(hidden[-1], 1)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        x = Features.flatten(*self.features(fields, numbers))
        domain = self.domains(fields)
        tiles = Tiles(domain)
        main = self.norm(x, domain)
        for layer in self.deep:
            main = F.relu(layer(main, tiles))
        auxiliary = self.auxiliary(torch.cat([x, self.domain_embedding(domain)], dim=1), None)
        logit = self.output(main, tiles) + self.auxiliary_output(auxiliary, None)
        return self.wide(fields, numbers) + logit.squeeze(1)


class PartitionedNorm(nn.Module):
    """y = γ γ_p (x − μ) / sqrt(σ² + ε) + β + β_p for an instance of domain p    (Sheng et al., Section 3.3).

    In the paper μ and σ² are a domain's own, as its batches hold one domain each. Here a batch mixes domains, and
    with thousands of them most have one row in it or none: μ and σ² are those of the whole batch, and at test
    time their running averages (momentum 0.1, ε 1e-5, as is usual in batch normalisation). Scale and bias are a
    domain's own, as in the paper.
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, d_in: int, n_domains: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(d_in))
        self.bias = nn.Parameter(torch.empty(d_in))
        self.domain_scale = Table(torch.empty(n_domains, d_in))
        self.domain_bias = Table(torch.empty(n_domains, d_in))
        self.register_buffer("mean", torch.zeros(d_in))
        self.register_buffer("variance", torch.ones(d_in))

    def reset_parameters(self) -> None:
        for scale, bias in ((self.scale, self.bias), (self.domain_scale, self.domain_bias)):
            nn.init.ones_(scale)
            nn.init.zeros_(bias)

    def forward(self, x: Float[torch.Tensor, "B I"], domain: Int[torch.Tensor, " B"]) -> Float[torch.Tensor, "B I"]:
        by_batch = self.training and len(x) > 1  # the last batch of an epoch may be a single row, without a variance
        normed = F.batch_norm(x, self.mean, self.variance, None, None, by_batch, momentum=0.1, eps=1e-5)
        scale = self.scale * fetch(self.domain_scale, domain)
        return scale * normed + self.bias + fetch(self.domain_bias, domain)


class DomainEmbedding(nn.Module):
    """An embedding of the domain, the auxiliary network's indicator; starts normal with deviation 0.01."""

    def __init__(self, n_domains: int, d_embedding: int) -> None:
        super().__init__()
        self.weight = Table(torch.empty(n_domains, d_embedding))

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, domain: Int[torch.Tensor, " B"]) -> Float[torch.Tensor, "B E"]:
        return fetch(self.weight, domain)
