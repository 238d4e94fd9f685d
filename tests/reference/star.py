"""STAR (Sheng et al., 2021, Section 3) for one instance of a domain, over explicit weights."""

from typing import NamedTuple

import torch
from torch import Tensor

from tests.reference.common import Dense, Unit, affine, hidden, relu, total


class Star(NamedTuple):
    """A weight or vector that all domains share, and the domain's own."""

    shared: Tensor
    own: Tensor


def moments(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance of a batch."""
    mean = total(rows) / len(rows)
    return mean, total([(row - mean) ** 2 for row in rows]) / len(rows)


def star(
    wide: Tensor, x: Tensor, mean: Tensor, variance: Tensor, scale: Star, shift: Star, layers: list[tuple[Star, Star]],
    indicator: Tensor, auxiliary: list[Dense], auxiliary_output: Unit,
) -> Tensor:  # fmt: skip
    """wide + main + auxiliary.

    Args:
        x: embeddings and plain numbers. mean, variance: that they are normalised with.
        scale, shift: γ and β of the normalisation.
        layers: weight and bias of every layer of the main network, its last unit included.
        indicator: the domain's embedding.
        auxiliary, auxiliary_output: the auxiliary network.
    """
    h = scale.shared * scale.own * (x - mean) / torch.sqrt(variance + 1e-5) + (shift.shared + shift.own)
    for number, (weight, bias) in enumerate(layers):
        h = (weight.shared * weight.own) @ h + (bias.shared + bias.own)
        if number < len(layers) - 1:
            h = relu(h)
    return wide + h[0] + affine(hidden(torch.cat([x, indicator]), auxiliary), auxiliary_output)[0]
