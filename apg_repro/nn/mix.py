"""Mix-wise conditions with output aggregation: one generator per condition, their parameters joined (Section 3.1.1).

Shapes: B batch, D size of one condition, k conditions, n generated parameters.
"""

import torch
from jaxtyping import Float
from torch import nn

from apg_repro.config import Aggregation, Init
from apg_repro.nn.apg import Generator
from apg_repro.nn.checks import require_sizes
from apg_repro.nn.conditions import Join


class OutputMix(nn.Module):
    """G^1(z^1), …, G^k(z^k) joined into the generated parameters of a layer; takes the place of its one generator.

    "mean" and "attention" (see ``Join``) join k whole sets of parameters. For "concat" G^j makes its share of the n
    parameters, and the shares are put side by side: the paper's layers have as many parameters as any other.

    Damping (see ``nn.apg``) counts the terms of a single G: the k parameter sets are joined with weights that add up
    to 1, or are put side by side.

    Args:
        d_conditions: k D, the conditions side by side.
        n_outputs: n.
        layers: of every G.
        k: conditions.
        how: "mean", "concat" or "attention".

    Raises:
        ValueError: k does not divide ``d_conditions``, or a G would have nothing to generate.
    """

    def __init__(self, d_conditions: int, n_outputs: int, layers: int, *, k: int, how: Aggregation) -> None:
        require_sizes(k=k)
        if d_conditions % k:
            raise ValueError(f"d_condition must be a multiple of the {k} conditions, not {d_conditions}")
        if how == "concat" and n_outputs < k:
            raise ValueError(
                f"{k} conditions cannot share {n_outputs} generated parameters: choose another aggregation"
            )
        super().__init__()
        self.k = k
        d_condition = d_conditions // k
        even = [n_outputs // k + (j < n_outputs % k) for j in range(k)]
        self.shares = even if how == "concat" else [n_outputs] * k
        self.parts = nn.ModuleList(Generator(d_condition, share, layers) for share in self.shares)
        self.join = Join(how, d_condition)

    @property
    def generators(self) -> list[Generator]:
        """G^1, …, G^k."""
        return [part for part in self.parts if isinstance(part, Generator)]

    def start(self, init: Init, values: Float[torch.Tensor, " n"]) -> None:
        """Initialises every G so that the joined parameters are first as ``ParameterGenerator.start`` says."""
        shares = values.split(self.shares) if self.join.how == "concat" else [values] * self.k
        for generator, share in zip(self.generators, shares, strict=True):
            generator.start(init, share)
        self.join.reset_parameters()

    def terms(self) -> dict[torch.Tensor, int]:
        """See ``ParameterGenerator``."""
        return {weight: n for generator in self.generators for weight, n in generator.terms().items()}

    def forward(self, z: Float[torch.Tensor, "B kD"]) -> Float[torch.Tensor, "B n"]:
        conditions = z.unflatten(1, (self.k, -1))  # (B, k, D)
        parts = [part(z) for part, z in zip(self.parts, conditions.unbind(1), strict=True)]
        return self.join(parts, conditions)
