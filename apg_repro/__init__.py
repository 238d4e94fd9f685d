"""A replication of APG: Adaptive Parameter Generation Network for Click-Through Rate Prediction (NeurIPS 2022).

``from apg_repro import ApgV5`` is the layer, and needs torch and jaxtyping alone. Importing this package, or anything
that only reads results, imports no torch. CONTRIBUTING.md says what is in which package.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apg_repro.nn.apg import ApgV1, ApgV2, ApgV3, ApgV4, ApgV5, fold

__all__ = ["ApgV1", "ApgV2", "ApgV3", "ApgV4", "ApgV5", "fold"]
__version__ = "0.1.0"  # the one place where the version is set; pyproject.toml reads it from here


def __getattr__(name: str) -> Any:
    """The layer, imported at its first use, since torch comes with it."""
    if name in __all__:
        return getattr(import_module("apg_repro.nn.apg"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
