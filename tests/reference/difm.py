"""DIFM (Lu et al., 2020, Section 3) for one instance, over explicit weights."""

import torch
from torch import Tensor

from tests.reference.common import Dense, Unit, affine, attend, dot, flat, hidden, pairwise_products


def difm(
    embedded: list[Tensor], plain: Tensor, weights: list[Tensor], plain_weights: Tensor, bias: Tensor,
    projections: tuple[Dense, Dense, Dense, Dense], n_heads: int, vector_factors: Unit, dense: list[Dense],
    bit_factors: Unit,
) -> Tensor:  # fmt: skip
    """b + numbers + Σ m_i w_i + Σ_{i<j} <m_i e_i, m_j e_j>, m = m_vector + m_bit; ``weights`` are the w_i."""
    attended = attend(embedded, *projections, n_heads=n_heads, scaled=True)
    by_vector = affine(torch.cat(attended), vector_factors)
    by_bit = affine(hidden(flat(embedded, plain), dense), bit_factors)
    m = by_vector + by_bit
    linear = bias + dot(plain, plain_weights)
    for m_i, w_i in zip(m, weights, strict=True):
        linear = linear + m_i * w_i
    return linear + pairwise_products([m_i * e for m_i, e in zip(m, embedded, strict=True)])
