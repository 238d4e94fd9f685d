"""FiBiNET (Huang et al., 2019, Section 3) for one instance, over explicit weights."""

import torch
from torch import Tensor

from tests.reference.common import Dense, Unit, affine, flat, hidden, relu


def senet(embedded: list[Tensor], squeeze: Tensor, excite: Tensor) -> list[Tensor]:
    """a_i e_i, a = ReLU(W_2 ReLU(W_1 s)), s_i the mean of e_i."""
    means = torch.stack([e.sum() / len(e) for e in embedded])
    weights = relu(excite @ relu(squeeze @ means))
    return [a * e for a, e in zip(weights, embedded, strict=True)]


def bilinear(embedded: list[Tensor], kind: str, matrices: Tensor) -> list[Tensor]:
    """(e_i W) ⊙ e_j for every i < j: one W, one per i, or one per pair."""
    products = []
    for i, left in enumerate(embedded):
        for right in embedded[i + 1 :]:
            which = {"all": 0, "each": i, "interaction": len(products)}[kind]
            products.append((left @ matrices[which]) * right)
    return products


def fibinet(
    wide: Tensor, embedded: list[Tensor], plain: Tensor, squeeze: Tensor, excite: Tensor, kind: str,
    plain_matrices: Tensor, senet_matrices: Tensor, dense: list[Dense], output: Unit,
) -> Tensor:  # fmt: skip
    """wide + w · deep([p, q, numbers]) + b."""
    p = bilinear(embedded, kind, plain_matrices)
    q = bilinear(senet(embedded, squeeze, excite), kind, senet_matrices)
    return wide + affine(hidden(flat([*p, *q], plain), dense), output)[0]
