"""How a run's weights move: Adam, its safeguards, and Adam row by row for tables too big to touch whole.

``adam`` moves every row of every table in every step, as the equations of Adam say: a row that the batch does not
hold still follows its momentum. That costs time and memory traffic in proportion to the number of ids.
``row_adam`` moves the rows in the batch only, and leaves the moments of all others as they are (torch's
SparseAdam): a step costs the same with a thousand ids as with a million. Clipping sees the same gradient in both.
"""

from math import sqrt
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from apg_repro.config import RunConfig
from apg_repro.nn.embedding import Table


@runtime_checkable
class Damped(Protocol):
    """A module that makes weights from weights, as the APG layers do (see ``nn.apg``), or that learns as slowly."""

    def damped_parameters(self) -> dict[torch.Tensor, int]: ...


class Optimizer:
    """Clips the gradient of a whole model and moves its weights.

    Args:
        model: its tables are switched to gradients by row for ``row_adam``.
        config: names the optimiser, learning rate, weight decay, clipping and damping.
        capturable: keeps the step count on the device, so that CUDA graphs can hold a step.
    """

    def __init__(self, model: nn.Module, config: RunConfig, capturable: bool = False) -> None:
        self.clip_norm = config.clip_norm
        self.parameters = list(model.parameters())
        groups = parameter_groups(model, config.learning_rate, config.damping or config.base_damping)
        tables: list[Table] = []
        if config.optimizer == "row_adam":
            tables = [parameter for parameter in self.parameters if isinstance(parameter, Table)]
            for group in groups:
                group["params"] = [parameter for parameter in group["params"] if not isinstance(parameter, Table)]
        for table in tables:
            table.by_row = True
        self.parts: list[torch.optim.Optimizer] = [
            torch.optim.Adam(groups, weight_decay=config.weight_decay, fused=True, capturable=capturable)
        ]
        if tables:
            self.parts.append(torch.optim.SparseAdam(tables, lr=config.learning_rate))

    def zero_grad(self) -> None:
        """Forgets the last step's gradient."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Moves the weights by the gradient, clipped."""
        if self.clip_norm is not None:
            clip(self.parameters, self.clip_norm)
        for part in self.parts:
            part.step()


def clip(parameters: list[nn.Parameter], norm: float) -> None:
    """Scales the gradient of all parameters, in place, so that its Euclidean norm is at most ``norm``."""
    gradients = []
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and gradient.is_sparse:
            parameter.grad = gradient = gradient.coalesce()  # a row that several instances share counts once
            gradient = gradient.values()
        if gradient is not None:
            gradients.append(gradient)
    total = torch.nn.utils.get_total_norm(gradients, foreach=True)
    # A CPU skips the pass over all gradients where nothing is clipped; a GPU would have to be waited for to know that.
    if total.is_cuda or not total + 1e-6 <= norm:  # also when it is NaN
        torch.nn.utils.clip_grads_with_norm_(parameters, norm, total)


def parameter_groups(model: nn.Module, learning_rate: float, damping: bool = True) -> list[dict[str, Any]]:
    """All parameters for an optimiser, those that make other weights with a damped learning rate (see ``nn.apg``)."""
    terms: dict[torch.Tensor, int] = {}
    if damping:
        for module in model.modules():
            if isinstance(module, Damped):
                terms |= module.damped_parameters()
    groups: dict[int, list[nn.Parameter]] = {}
    for parameter in model.parameters():
        groups.setdefault(terms.get(parameter, 1), []).append(parameter)
    return [{"params": group, "lr": learning_rate / sqrt(n)} for n, group in groups.items()]
