"""PNN (Qu et al., 2016, Section III) for one instance, over explicit weights."""

import torch
from torch import Tensor

from tests.reference.common import Dense, Unit, affine, dot, flat, hidden, total


def pnn(embedded: list[Tensor], plain: Tensor, product: str, dense: list[Dense], output: Unit) -> Tensor:
    """w · deep([z, p]) + b: z the embeddings (and numbers), p their products."""
    if product == "inner":
        products = [dot(a, b) for i, a in enumerate(embedded) for b in embedded[i:]]
    else:  # the superposition of all outer products e_i e_j^T is that of the sums
        products = [total([a[row] * b[column] for a in embedded for b in embedded])
                    for row in range(len(embedded[0])) for column in range(len(embedded[0]))]  # fmt: skip
    return affine(hidden(torch.cat([flat(embedded, plain), torch.stack(products)]), dense), output)[0]
