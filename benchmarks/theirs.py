"""DeepCTR-Torch, without its look at the network, and our data as it takes them."""

import sys
from types import ModuleType

import numpy as np

from apg_repro.data.dataset import Dataset
from apg_repro.data.schema import Schema

# Importing it starts a thread that asks the network for a newer version: nothing that a benchmark should wait for.
silent = ModuleType("deepctr_torch.utils")
silent.check_version = lambda version: None
sys.modules["deepctr_torch.utils"] = silent

from deepctr_torch import callbacks, inputs, models  # noqa: E402

__all__ = ["arrays", "callbacks", "columns", "models"]


def columns(schema: Schema, d_embedding: int) -> list:
    """Its feature columns, in our order: fields, bags (the sum of their members' embeddings), plain numbers."""
    bags = schema.bags or {}
    fields = [inputs.SparseFeat(name, schema.fields[name], d_embedding) for name in schema.inputs]
    sums = [
        inputs.VarLenSparseFeat(inputs.SparseFeat(name, len(bag) + 1, d_embedding), maxlen=len(bag), combiner="sum")
        for name, bag in bags.items()
    ]
    return fields + sums + [inputs.DenseFeat(name) for name in plain_numbers(schema)]


def arrays(data: Dataset) -> dict[str, np.ndarray]:
    """Its input. A bag is a list of ids: i + 1 for a member i that is present, 0 (its padding) for one that is not."""
    schema = data.schema
    values = {name: data.fields[:, schema.column(name)].numpy() for name in schema.inputs}
    for name, bag in (schema.bags or {}).items():
        present = data.numbers[:, [schema.numbers.index(member) for member in bag]].numpy()
        values[name] = (present * np.arange(1, len(bag) + 1)).astype(np.int32)
    return values | {name: data.numbers[:, schema.numbers.index(name)].numpy() for name in plain_numbers(schema)}


def plain_numbers(schema: Schema) -> list[str]:
    """The number columns that are no members of bags."""
    members = {name for bag in (schema.bags or {}).values() for name in bag}
    return [name for name in schema.numbers if name not in members]
