"""Dense layers as the backbones see them, and the static one.

A backbone asks for a dense layer by calling a ``MakeDense`` with (inputs, outputs) and calls what it gets with
(x, z): the input and the condition. It does not know whether the weights are shared or generated.

Shapes: B batch, I inputs, O outputs, D size of the condition.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import nn

MakeDense = Callable[[int, int], nn.Module]


@runtime_checkable
class HasStart(Protocol):
    """A module with weights of its own, which it can start again."""

    def reset_parameters(self) -> None: ...


class StaticDense(nn.Module):
    """y = W x + b, the same W for every instance: the paper's "base". The condition is ignored.

    W starts Glorot-uniform (Glorot & Bengio, 2010), b at 0; the paper does not say how anything is initialised.
    """

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_out, d_in))
        self.bias = nn.Parameter(torch.empty(d_out))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(
        self, x: Float[torch.Tensor, "B I"], z: Float[torch.Tensor, "B D"] | None = None
    ) -> Float[torch.Tensor, "B O"]:
        return F.linear(x, self.weight, self.bias)


class DampedDense(StaticDense):
    """A static layer whose weight matrix learns at 1/sqrt(I) of the learning rate: a control for the damping of APG."""

    def damped_parameters(self) -> dict[torch.Tensor, int]:
        """The weight matrix, and over how many inputs each of its rows is summed (see ``nn/apg.py``)."""
        return {self.weight: self.weight.shape[1]}


class DeepPart(nn.Module):
    """The hidden layers of a backbone's deep part: dense layers made by ``make_dense``, each followed by ReLU."""

    def __init__(self, d_in: int, hidden: tuple[int, ...], make_dense: MakeDense) -> None:
        super().__init__()
        sizes = (d_in, *hidden)
        self.layers = nn.ModuleList(make_dense(i, o) for i, o in pairwise(sizes))

    def forward(
        self, x: Float[torch.Tensor, "B I"], z: Float[torch.Tensor, "B D"] | None = None
    ) -> Float[torch.Tensor, "B O"]:
        for layer in self.layers:
            x = F.relu(layer(x, z))
        return x


def initialise(model: nn.Module, seed_of: Callable[[str], int]) -> None:
    """Calls ``reset_parameters`` of every submodule that has one, each under a seed of its own name.

    Two models therefore start equal wherever they have a module of the same name and shape, whatever else
    they contain: base and APG share the start of what they share.

    Args:
        model: any module; every parameter must belong to a module with ``reset_parameters``.
        seed_of: module name → seed.
    """
    for name, module in reversed(list(model.named_modules())):  # parts first: a whole may overrule its parts
        if isinstance(module, HasStart):
            with torch.random.fork_rng(devices=[]):
                # The generator of the CPU alone: torch.manual_seed is slow before CUDA has started.
                torch.default_generator.manual_seed(seed_of(name))
                module.reset_parameters()
