"""Wide & Deep (Cheng et al., 2016, Eq. 3) for one instance, over explicit weights."""

from torch import Tensor

from tests.reference.common import Dense, Unit, affine, flat, hidden


def wdl(wide: Tensor, embedded: list[Tensor], plain: Tensor, dense: list[Dense], output: Unit) -> Tensor:
    """wide + w · deep([embeddings, numbers]) + b."""
    return wide + affine(hidden(flat(embedded, plain), dense), output)[0]
