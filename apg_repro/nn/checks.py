"""What layers refuse, each in one sentence that names the remedy."""

from collections.abc import Sequence
from numbers import Integral

import torch


def require_sizes(**sizes: object) -> None:
    """Raises a ValueError for a size that no layer can have."""
    for name, size in sizes.items():
        if not isinstance(size, Integral) or size < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, not {size!r}")


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Raises a ValueError for a value that is none of the choices."""
    if value not in choices:
        raise ValueError(f"{name} {value!r} is unknown; choose one of {', '.join(choices)}")


def is_traced() -> bool:
    """Whether ``torch.jit.trace`` records this call: what Python reads from shapes is then a constant of the record."""
    return torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage] (documented, but not in its __all__)


def require_width(name: str, value: torch.Tensor, width: int, option: str) -> None:
    """Raises a ValueError for a batch that is not (B, width), the width given as ``option``, or holds whole numbers."""
    if not value.is_floating_point():
        raise ValueError(f"{name} must be floating point, not {value.dtype}: pass {name}.float()")
    if value.dim() != 2:
        raise ValueError(
            f"{name} must be (B, {width}), not {tuple(value.shape)}: flatten all leading dimensions into one first"
        )
    if value.shape[1] != width:
        raise ValueError(
            f"{name} must be (B, {width}), not {tuple(value.shape)}: build the layer with {option}={value.shape[1]}"
        )
