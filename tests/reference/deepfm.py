"""DeepFM (Guo et al., 2017, Eq. 1 to 4) for one instance, over explicit weights."""

from torch import Tensor

from tests.reference.common import Dense, Unit, affine, flat, hidden, pairwise_products


def deepfm(wide: Tensor, embedded: list[Tensor], plain: Tensor, dense: list[Dense], output: Unit) -> Tensor:
    """linear + Σ_{i<j} <e_i, e_j> + w · deep([embeddings, numbers]) + b."""
    return wide + pairwise_products(embedded) + affine(hidden(flat(embedded, plain), dense), output)[0]
