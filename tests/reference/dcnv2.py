"""DCN-V2 (Wang et al., 2021) for one instance, over explicit weights."""

import torch
from torch import Tensor

from tests.reference.common import Dense, Unit, affine, flat, hidden


def dcnv2(embedded: list[Tensor], plain: Tensor, cross: list[Unit], dense: list[Dense], output: Unit) -> Tensor:
    """w · [cross(x), deep(x)] + b; a cross layer is diag(x_0) (W x + b) + x."""
    start = crossed = flat(embedded, plain)
    for layer in cross:
        crossed = torch.diag(start) @ affine(crossed, layer) + crossed
    return affine(torch.cat([crossed, hidden(start, dense)]), output)[0]
