"""DCN (Wang et al., 2017, Section 2) for one instance, over explicit weights."""

import torch
from torch import Tensor

from tests.reference.common import Dense, Unit, affine, flat, hidden


def dcn(
    embedded: list[Tensor], plain: Tensor, cross: list[tuple[Tensor, Tensor]], dense: list[Dense], output: Unit
) -> Tensor:
    """w · [cross(x), deep(x)] + b; a cross layer is x_0 x^T w + b + x, the matrix formed (Eq. 3)."""
    start = crossed = flat(embedded, plain)
    for weight, bias in cross:
        crossed = torch.outer(start, crossed) @ weight + bias + crossed
    return affine(torch.cat([crossed, hidden(start, dense)]), output)[0]
