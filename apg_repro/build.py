"""RunConfig → model: the one place where backbones and APG layers meet."""

from functools import partial
from typing import Any

from torch import nn

from apg_repro.config import RunConfig, UserError, parse_mix
from apg_repro.data import Schema, derive_seed
from apg_repro.models import BACKBONES, DOMAIN_MODELS
from apg_repro.nn.apg import ApgV1, ApgV2, ApgV3, ApgV4, ApgV5
from apg_repro.nn.conditions import make_condition
from apg_repro.nn.dense import MakeDense, StaticDense, initialise
from apg_repro.nn.mix import mix_outputs

WITH_PROJECTIONS = ("DIFM", "AutoInt")


def make_dense(config: RunConfig, d_condition: int | None) -> MakeDense:
    """What makes the hidden layers that ``config.version`` names."""
    common: dict[str, Any] = {"d_condition": d_condition, "layers": config.generator_layers, "init": config.init}
    match config.version:
        case "base":
            return StaticDense
        case "v1":
            make = partial(ApgV1, **common)
        case "v2":
            make = partial(ApgV2, rank=config.rank, **common)
        case "v3":
            make = partial(ApgV3, rank=config.rank, **common)
        case "v4":
            make = partial(ApgV4, rank=config.rank, **common)
        case "v5":
            make = partial(ApgV5, rank=config.rank, over=config.over, **common)
    mix = parse_mix(config.condition)
    if mix and mix.where == "output":
        return lambda d_in, d_out: mix_outputs(make(d_in, d_out), config.d_embedding, len(mix.fields), mix.how)
    return make


def build(config: RunConfig, schema: Schema) -> nn.Module:
    """The model of a run, initialised from the run's seed.

    Raises:
        UserError: the backbone, the condition's field or the domain's does not exist; the backbone has no
            projections to generate, or needs a domain.
    """
    condition, d_condition = make_condition(config.condition, schema, config.d_embedding)
    dense = make_dense(config, d_condition)
    common = (schema, config.d_embedding, config.hidden, dense, condition)
    if config.backbone in DOMAIN_MODELS:
        if config.domain is None or config.version != "base":
            raise UserError(f'{config.backbone} needs a domain, such as "genres" or "gender+age", and version "base"')
        model = DOMAIN_MODELS[config.backbone](*common, domain=config.domain)
    elif config.backbone not in BACKBONES:
        raise UserError(f"backbone {config.backbone!r} is unknown; choose one of {', '.join(BACKBONES)}")
    elif config.projections:
        if config.backbone not in WITH_PROJECTIONS:
            raise UserError(f"{config.backbone} has no projections; only {' and '.join(WITH_PROJECTIONS)} have")
        model = BACKBONES[config.backbone](*common, make_projection=dense)
    else:
        model = BACKBONES[config.backbone](*common)
    initialise(model, lambda name: derive_seed(config.seed, "init", name))
    return model
