"""How a run's weights move: Adam, its safeguards, and Adam row by row for tables too big to touch whole.

``adam`` moves every row of every table in every step, as the equations of Adam say: a row that the batch does not
hold still follows its momentum. That costs time and memory traffic in proportion to the number of ids.
``row_adam`` moves the rows in the batch only, and leaves the moments of all others as they are (torch's
SparseAdam): a step costs the same with a thousand ids as with a million. Clipping sees the same gradient in both. On a
GPU, small tables are passed over whole all the same, with as many kernels whatever the batch holds (``RowAdam``).
"""

from math import ceil, sqrt
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
        graphed: whether a CUDA graph is to hold a step. Then the step count is on the device, Adam itself clips, and
            big tensors are moved piece by piece, as a kernel takes each for the work of a few multiprocessors.
    """

    def __init__(self, model: nn.Module, config: RunConfig, graphed: bool = False) -> None:
        self.clip_norm = config.clip_norm
        self.graphed = graphed
        self.parameters = list(model.parameters())
        tables = tables_of(model) if config.optimizer == "row_adam" else []
        for table in tables:
            table.by_row = not graphed
        moved_by_row = set(tables)
        groups = parameter_groups(model, config.learning_rate, config.damping or config.base_damping)
        for group in groups:
            group["params"] = [one for one in group["params"] if one not in moved_by_row]
        moved = [parameter for group in groups for parameter in group["params"]]
        self.pieces = {one: pieces_of(one) for one in moved if graphed and one.numel() >= 2 * PIECE_SIZE}
        for group in groups:
            group["params"] = [piece for parameter in group["params"] for piece in self.pieces_or_whole(parameter)]
        adam = Adam(groups, weight_decay=config.weight_decay, fused=True, capturable=graphed)
        self.parts: list[Adam | RowAdam | torch.optim.SparseAdam] = [adam]
        if tables and graphed:
            self.parts.append(RowAdam(tables, config.learning_rate))
        elif tables:
            self.parts.append(torch.optim.SparseAdam(tables, lr=config.learning_rate))

    def zero_grad(self) -> None:
        """Forgets the last step's gradient."""
        for parameter in self.parameters:
            parameter.grad = None

    def pieces_or_whole(self, parameter: nn.Parameter) -> list[nn.Parameter]:
        """What Adam moves of a parameter: it or its pieces."""
        return self.pieces.get(parameter, [parameter])

    def step(self) -> None:
        """Moves the weights by the gradient, clipped."""
        for parameter, pieces in self.pieces.items():
            gradient = parameter.grad
            parts = [None] * len(pieces) if gradient is None else gradient.reshape(-1).split(piece_size(parameter))
            for piece, part in zip(pieces, parts, strict=True):
                piece.grad = part
        if self.clip_norm is not None and self.graphed:
            moved = [piece for parameter in self.parameters for piece in self.pieces_or_whole(parameter)]
            gradients = [piece.grad for piece in moved if piece.grad is not None]
            scale = divisor(gradients, self.clip_norm)
            if scale.dtype == torch.float32:
                for part in self.parts:
                    if not isinstance(part, torch.optim.SparseAdam):  # which no graph holds
                        part.grad_scale = scale
            else:  # Adam would take it for float32
                for gradient in gradients:
                    gradient.div_(scale)
        elif self.clip_norm is not None:
            clip(self.parameters, self.clip_norm)
        for part in self.parts:
            part.step()


class Adam(torch.optim.Adam):
    """torch's.

    Attributes:
        grad_scale: what its fused step divides gradients by, a scalar on their device; None: nothing.
    """

    grad_scale: torch.Tensor | None = None


class RowAdam:
    """What SparseAdam does, with gradients of whole tables, so that no shape depends on the batch: for a CUDA graph.

    Args:
        tables: their memory is passed over whole in each step.

    Attributes:
        grad_scale: what gradients are divided by, a scalar on their device; None: nothing.
    """

    grad_scale: torch.Tensor | None = None
    betas, eps = (0.9, 0.999), 1e-8  # as in torch

    def __init__(self, tables: list[Table], learning_rate: float) -> None:
        self.tables, self.learning_rate = tables, learning_rate
        self.moments = [(torch.zeros_like(table), torch.zeros_like(table)) for table in tables]
        self.fetched = [torch.zeros(len(table), dtype=torch.bool, device=table.device) for table in tables]
        for table, fetched in zip(tables, self.fetched, strict=True):
            table.fetched = fetched
        self.steps = torch.zeros((), device=tables[0].device, dtype=tables[0].dtype)

    @torch.no_grad()
    def step(self) -> None:
        """Moves the rows that have been fetched since the last step."""
        self.steps += 1
        one, two = self.betas
        rate = self.learning_rate * (1 - two**self.steps).sqrt() / (1 - one**self.steps)
        for table, fetched, (first, second) in zip(self.tables, self.fetched, self.moments, strict=True):
            if (gradient := table.grad) is None:  # nothing was fetched
                continue
            if self.grad_scale is not None:
                gradient = gradient / self.grad_scale
            moves = fetched.unsqueeze(1).to(gradient.dtype)
            first.lerp_(gradient, moves * (1 - one))
            second.lerp_(gradient.square(), moves * (1 - two))
            table.sub_(moves * rate * first / (second.sqrt() + self.eps))
            fetched.zero_()


SMALL_TABLES = 2**22  # numbers, up to which a pass over them takes a GPU less time than launching a step's kernels


def tables_of(model: nn.Module) -> list[Table]:
    """The parameters whose rows are fetched by id."""
    return [parameter for parameter in model.parameters() if isinstance(parameter, Table)]


def has_fixed_shapes(model: nn.Module, config: RunConfig) -> bool:
    """Whether the shapes in a step depend on the size of its batch alone, as a CUDA graph needs.

    The number of domains in a batch decides shapes, and so does that of rows with a sparse gradient: big tables have
    one under ``row_adam``.
    """
    small = sum(table.numel() for table in tables_of(model)) <= SMALL_TABLES
    return config.domain is None and (config.optimizer == "adam" or small)


PIECE_SIZE = 2**14  # numbers
MAX_PIECES = 252  # as many tensors as one kernel of fused Adam takes


def piece_size(parameter: torch.Tensor) -> int:
    """How many numbers a piece of a parameter has, the last one aside; kernels read four at once."""
    return max(PIECE_SIZE, 4 * ceil(parameter.numel() / MAX_PIECES / 4))


def pieces_of(parameter: nn.Parameter) -> list[nn.Parameter]:
    """A parameter's numbers in pieces, in the same memory."""
    return [nn.Parameter(piece) for piece in parameter.detach().view(-1).split(piece_size(parameter))]


def divisor(gradients: list[torch.Tensor], norm: float) -> torch.Tensor:
    """What fused Adam divides gradients by, so that their common norm is at most ``norm``: a scalar, 1 or more."""
    total = torch.nn.utils.get_total_norm(gradients, foreach=True)
    return ((total + 1e-6) / norm).clamp(min=1)


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
