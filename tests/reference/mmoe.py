"""MMoE (Ma et al., 2018, Section 4.2) for one instance of a domain, over explicit weights."""

from torch import Tensor

from tests.reference.common import Dense, Unit, affine, flat, hidden, softmax, total


def mmoe(
    wide: Tensor, embedded: list[Tensor], plain: Tensor, experts: list[list[Dense]], gate: Unit, tower: Unit
) -> Tensor:
    """wide + w · f + b, f = Σ_e softmax_e(G x) expert_e(x); ``gate`` and ``tower`` are those of the domain."""
    x = flat(embedded, plain)
    shares = softmax(list(affine(x, gate)))
    mixed = total([share * hidden(x, expert) for share, expert in zip(shares, experts, strict=True)])
    return wide + affine(mixed, tower)[0]
