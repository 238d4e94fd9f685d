"""The weights of modules in the terms of the references, so that both compute with the very same tensors."""

from functools import partial
from inspect import signature

import torch
from torch import Tensor, nn

from apg_repro.config import parse_mix
from apg_repro.data.schema import Schema
from apg_repro.nn.attention import FieldAttention
from apg_repro.nn.comparators import LAYERS
from apg_repro.nn.dense import StaticDense
from apg_repro.nn.embedding import Features, FieldEmbedding
from apg_repro.nn.mix import OutputMix
from apg_repro.versions import VERSIONS
from tests.reference import apg
from tests.reference.common import Dense, Unit, affine, embed
from tests.reference.common import wide as wide_part
from tests.reference.mix import input_mix, output_mix


def randomised(module: nn.Module, seed: int = 0, scale: float = 0.5) -> nn.Module:
    """The module in float64, with random weights everywhere."""
    generator = torch.Generator().manual_seed(seed)
    module.double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator, dtype=torch.double))
    return module


def sizes_of(version: str, **sizes: int) -> dict[str, int]:
    """Those of these sizes that a version has."""
    return {name: sizes[name] for name in VERSIONS[version].options}


def unit(layer: StaticDense) -> Unit:
    """Weight and bias."""
    return layer.weight, layer.bias


def mlp(generator) -> apg.Mlp:
    """The layers of a G."""
    return [(layer.weight, layer.bias) for layer in [*generator.hidden, generator.last]]


def generate(generator) -> apg.Generate:
    """A G as a function from z; that of an output mix takes the conditions side by side."""
    if not isinstance(generator, OutputMix):
        return partial(apg.generate, layers=mlp(generator))
    mixed = partial(
        output_mix, generator.join.how, generators=[mlp(part) for part in generator.parts], query=generator.join.query
    )
    return lambda z: mixed(conditions=list(z.split(len(z) // generator.k)))


def dense(layer: nn.Module, z: Tensor | None = None) -> Dense:
    """A dense layer as a function of x, for an instance of condition z (None: self-wise, it is x)."""
    if isinstance(layer, StaticDense):
        return partial(affine, unit=unit(layer))
    equation = getattr(apg, next(name for name, kind in LAYERS.items() if type(layer) is kind))
    own = {name: getattr(layer, name) for name in signature(equation).parameters if name not in ("x", "z", "g")}
    g = generate(layer.generator)
    return lambda x: equation(x=x, z=x if z is None else z, g=g, **own)


def projections(attention: FieldAttention, z: Tensor | None) -> tuple[Dense, Dense, Dense, Dense]:
    """Q, K, V and residual."""
    parts = (attention.query, attention.key, attention.value, attention.residual)
    return tuple(dense(part, z) for part in parts)


def tables(embedding: FieldEmbedding, schema: Schema) -> dict[str, Tensor]:
    """A fused table cut into the tables of its fields."""
    return dict(zip(schema.fields, embedding.weight.split(list(schema.fields.values())), strict=True))


class Instance:
    """One row of a batch: its ids by field, and what a model makes of its features.

    Attributes:
        ids: field → id. numbers: all number columns. plain: those outside bags.
    """

    def __init__(self, schema: Schema, fields: Tensor, numbers: Tensor) -> None:
        bags = schema.bags or {}
        members = [name for bag in bags.values() for name in bag]
        self.schema, self.numbers = schema, numbers
        self.ids = {name: int(value) for name, value in zip(schema.fields, fields, strict=True)}
        self.inputs = [self.ids[name] for name in schema.inputs]
        self.bag_columns = [[schema.numbers.index(name) for name in bag] for bag in bags.values()]
        self.plain = numbers[[i for i, name in enumerate(schema.numbers) if name not in members]]

    def embedded(self, features: Features) -> list[Tensor]:
        """e_1 … e_J."""
        own = tables(features.embedding, self.schema)
        bags = [(columns, bag.weight) for columns, bag in zip(self.bag_columns, features.bags, strict=True)]
        return embed(self.inputs, self.numbers, [own[name] for name in self.schema.inputs], bags)

    def wide(self, part) -> Tensor:
        """The linear part."""
        own = tables(part.ids, self.schema)
        fields = [own[name][:, 0] for name in self.schema.inputs]
        return wide_part(self.inputs, self.numbers, fields, part.numbers, part.bias)

    def condition(self, name: str, model: nn.Module) -> Tensor | None:
        """z, from the name of the condition and the model's embeddings; those of an output mix side by side."""
        if name == "self":
            return None
        own = tables(model.features.embedding, self.schema)
        mix = parse_mix(name)
        if mix is None:
            return own[name][self.ids[name]]
        conditions = [own[field][self.ids[field]] for field in mix.fields]
        if mix.where == "output":
            return torch.cat(conditions)
        return input_mix(mix.how, conditions, model.condition.join.query)
