"""Layers: the APG layer and what a backbone is made of. No backbone, data set or optimiser here.

The folder needs torch and jaxtyping alone, so that ``from apg_repro.nn import ApgV5`` works in any model.
"""

from apg_repro.nn.apg import ApgV1, ApgV2, ApgV3, ApgV4, ApgV5, fold

__all__ = ["ApgV1", "ApgV2", "ApgV3", "ApgV4", "ApgV5", "fold"]
