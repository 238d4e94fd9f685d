"""Mix-wise conditions with output aggregation: a generator a condition, their parameters joined (Section 3.1.1).

Shapes: B batch, D size of one condition, k conditions, n generated parameters.
"""

import torch
from jaxtyping import Float
from torch import nn

from apg_repro.config import Init
from apg_repro.nn.apg import ApgLayer, Generator


class OutputMix(nn.Module):
    """G^1(z^1), …, G^k(z^k) joined into the generated parameters of a layer; takes the place of its one generator.

    - "mean" of the k parameter vectors.
    - "attention": their sum with the weights softmax_j(<q, z^j> / sqrt(D)), q learned and 0 at the start.
    - "concat": G^j makes its share of the n parameters, and the shares stand side by side.

    The paper names the three and gives no formulae.

    Args:
        d_condition: D, of one condition.
        n_outputs: n.
        k: conditions.
        how: "mean", "concat" or "attention".
        layers: of every G.
        terms: what the layer's generator counts for damping (see ``nn.apg``).
    """

    def __init__(self, d_condition: int, n_outputs: int, k: int, how: str, layers: int, terms: int) -> None:
        super().__init__()
        self.how, self.d_condition, self.k, self.terms = how, d_condition, k, terms
        even = [n_outputs // k + (j < n_outputs % k) for j in range(k)]
        self.shares = even if how == "concat" else [n_outputs] * k
        self.generators = nn.ModuleList(Generator(d_condition, share, layers) for share in self.shares)
        self.query = nn.Parameter(torch.empty(d_condition)) if how == "attention" else None

    def parts(self) -> list[Generator]:
        """The generators, one a condition."""
        return list(self.generators)  # pyright: ignore[reportReturnType]

    @property
    def last(self) -> nn.Linear:
        """The last layer of the first generator."""
        return self.parts()[0].last

    def start(self, init: Init, start: Float[torch.Tensor, " n"]) -> None:
        """Initialises every G so that the joined parameters are first ``start`` for every z."""
        starts = start.split(self.shares) if self.how == "concat" else [start] * self.k
        for generator, part in zip(self.parts(), starts, strict=True):
            generator.start(init, part)
        if self.query is not None:
            nn.init.zeros_(self.query)

    def damped_parameters(self) -> dict[nn.Parameter, int]:
        """As ``ApgLayer.damped_parameters``."""
        return {part.last.weight: self.terms for part in self.parts()}  # pyright: ignore[reportReturnType]

    def forward(self, z: Float[torch.Tensor, "B kD"]) -> Float[torch.Tensor, "B n"]:
        conditions = z.view(-1, self.k, self.d_condition)  # (B, k, D)
        generated = [generator(conditions[:, j]) for j, generator in enumerate(self.parts())]
        if self.how == "concat":
            return torch.cat(generated, dim=1)
        if self.query is None:
            return torch.stack(generated).mean(0)
        weights = attention_weights(conditions, self.query)  # (B, k)
        return (weights.unsqueeze(2) * torch.stack(generated, dim=1)).sum(1)


def mix_outputs(layer: ApgLayer, d_condition: int, k: int, how: str) -> ApgLayer:
    """Gives a layer that was built for k conditions side by side a generator for each; returns the layer."""
    generator = layer.generator
    layers = len(generator.hidden) + 1
    terms = layer.damped_parameters()[generator.last.weight]  # pyright: ignore[reportArgumentType]
    if layers == 1:  # counted over the k conditions side by side, of which each new generator sees one
        terms //= k
    mixed = OutputMix(d_condition, generator.last.out_features, k, how, layers, terms)
    layer.generator = mixed  # pyright: ignore[reportAttributeAccessIssue]
    return layer
