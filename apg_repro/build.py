"""RunConfig → model: the one place where backbones and APG layers meet."""

from functools import partial

from torch import nn

from apg_repro.config import RunConfig, UserError
from apg_repro.data import Schema, derive_seed
from apg_repro.models import BACKBONES
from apg_repro.nn.apg import ApgV1, ApgV2, ApgV3, ApgV4, ApgV5
from apg_repro.nn.conditions import make_condition
from apg_repro.nn.dense import MakeDense, StaticDense, initialise


def make_dense(config: RunConfig, d_condition: int | None) -> MakeDense:
    """What makes the hidden layers that ``config.version`` names."""
    common = {"d_condition": d_condition, "layers": config.generator_layers, "init": config.init}
    match config.version:
        case "base":
            return StaticDense
        case "v1":
            return partial(ApgV1, **common)
        case "v2":
            return partial(ApgV2, rank=config.rank, **common)
        case "v3":
            return partial(ApgV3, rank=config.rank, **common)
        case "v4":
            return partial(ApgV4, rank=config.rank, **common)
        case "v5":
            return partial(ApgV5, rank=config.rank, over=config.over, **common)


def build(config: RunConfig, schema: Schema) -> nn.Module:
    """The model of a run, initialised from the run's seed.

    Raises:
        UserError: the backbone or the condition's field does not exist.
    """
    if config.backbone not in BACKBONES:
        raise UserError(f"backbone {config.backbone!r} is unknown; choose one of {', '.join(BACKBONES)}")
    condition, d_condition = make_condition(config.condition, schema, config.d_embedding)
    model = BACKBONES[config.backbone](
        schema, config.d_embedding, config.hidden, make_dense(config, d_condition), condition
    )
    initialise(model, lambda name: derive_seed(config.seed, "init", name))
    return model
