"""AutoInt+ (Song et al., 2019, Eq. 5 to 9) for one instance, over explicit weights."""

import torch
from torch import Tensor

from tests.reference.common import Dense, Unit, affine, attend, flat, hidden


def autoint(
    embedded: list[Tensor], plain: Tensor, attention: list[tuple[Dense, Dense, Dense, Dense]], n_heads: int,
    dense: list[Dense], output: Unit,
) -> Tensor:  # fmt: skip
    """w · [attended embeddings, deep([embeddings, numbers])] + b; ``attention``: each layer's Q, K, V and residual."""
    deep = hidden(flat(embedded, plain), dense)
    for projections in attention:
        embedded = attend(embedded, *projections, n_heads=n_heads, scaled=False)
    return affine(torch.cat([*embedded, deep]), output)[0]
