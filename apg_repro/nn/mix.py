"""Mix-wise conditions with output aggregation: a generator a condition, their parameters joined (Section 3.1.1).

Shapes: B batch, D size of one condition, k conditions, n generated parameters.
"""

import torch
from jaxtyping import Float
from torch import nn

from apg_repro.config import How, Init
from apg_repro.nn.apg import Generator
from apg_repro.nn.conditions import Join


class OutputMix(nn.Module):
    """G^1(z^1), …, G^k(z^k) joined into the generated parameters of a layer; takes the place of its one generator.

    "mean" and "attention" (see ``Join``) join k whole sets of parameters. For "concat" G^j makes its share of the n
    parameters, and the shares stand side by side: the paper's layers have as many parameters as any other.

    Damping (see ``nn.apg``) counts the terms of a single G: the k parameter sets are joined with weights that add up
    to 1, or stand side by side.

    Args:
        d_conditions: k D, the conditions side by side.
        n_outputs: n.
        layers: of every G.
        k: conditions.
        how: "mean", "concat" or "attention".
    """

    def __init__(self, d_conditions: int, n_outputs: int, layers: int, *, k: int, how: How) -> None:
        super().__init__()
        self.k = k
        d_condition = d_conditions // k
        even = [n_outputs // k + (j < n_outputs % k) for j in range(k)]
        self.shares = even if how == "concat" else [n_outputs] * k
        self.parts = nn.ModuleList(Generator(d_condition, share, layers) for share in self.shares)
        self.join = Join(how, d_condition)

    def start(self, init: Init, start: Float[torch.Tensor, " n"]) -> None:
        """Initialises every G so that the joined parameters are first as ``Generator.start`` says."""
        starts = start.split(self.shares) if self.join.how == "concat" else [start] * self.k
        for part, values in zip(self.parts, starts, strict=True):
            part.start(init, values)  # pyright: ignore[reportCallIssue]
        self.join.reset_parameters()

    def terms(self) -> dict[nn.Parameter, int]:
        """As ``Generator.terms``."""
        return {weight: n for part in self.parts for weight, n in part.terms().items()}  # pyright: ignore[reportCallIssue]

    def forward(self, z: Float[torch.Tensor, "B kD"]) -> Float[torch.Tensor, "B n"]:
        conditions = z.view(len(z), self.k, -1)  # (B, k, D)
        return self.join([part(conditions[:, j]) for j, part in enumerate(self.parts)], conditions)
