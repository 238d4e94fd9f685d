"""All categorical fields in one table.

Shapes: B batch, F categorical columns, C number columns, E embedding size, J embedded features, N rows of a table.
"""

from collections.abc import Sequence
from itertools import accumulate

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import nn

from apg_repro.data.schema import Schema


class Table(nn.Parameter):
    """A parameter whose rows are fetched by id, so that a batch touches few of them.

    Attributes:
        by_row: gradients hold the fetched rows only (a sparse tensor); set by an optimiser that wants them so.
        fetched: whether each row has been fetched for training since an optimiser cleared this; None: nobody asks.
    """

    by_row = False
    fetched: Bool[torch.Tensor, " N"] | None = None


def fetch(table: nn.Parameter, ids: Int[torch.Tensor, "..."]) -> Float[torch.Tensor, "... E"]:
    """The rows of these ids."""
    if isinstance(table, Table):
        if table.fetched is not None and torch.is_grad_enabled():
            table.fetched.index_fill_(0, ids.flatten(), True)
        if table.by_row:
            return F.embedding(ids, table, sparse=True)
    # The same as F.embedding, whose backward is several times as slow on a CPU.
    return table.index_select(0, ids.flatten()).view(*ids.shape, table.shape[1])


def register_index(module: nn.Module, name: str, columns: Sequence[int]) -> None:
    """Gives a module column numbers as a buffer, which moves to its device and is not saved with its weights.

    Indexing with a Python list instead would copy it to the device in every step, which no CUDA graph can hold.
    """
    module.register_buffer(name, torch.tensor(columns, dtype=torch.long), persistent=False)


class FieldEmbedding(nn.Module):
    """One embedding table over the ids of all fields, each field at an offset of its own.

    Rows start normal with standard deviation ``std`` (the paper is silent; 0.01 here).
    """

    offsets: torch.Tensor

    def __init__(self, schema: Schema, d_embedding: int, std: float = 0.01) -> None:
        super().__init__()
        *offsets, n_ids = accumulate(schema.fields.values(), initial=0)
        self.std = std
        self.d_embedding = d_embedding
        self.weight = Table(torch.empty(n_ids, d_embedding))
        register_index(self, "offsets", offsets)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.std)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], columns: Int[torch.Tensor, " J"]
    ) -> Float[torch.Tensor, "B J E"]:
        """The embeddings of these columns, in this order."""
        return fetch(self.weight, fields.index_select(1, columns) + self.offsets.index_select(0, columns))


class Features(nn.Module):
    """What a backbone is fed: the embedded fields (and bags) and the plain numbers.

    A bag (multi-hot field) is embedded as the sum of its members' embeddings.
    """

    inputs: torch.Tensor
    bag_columns: torch.Tensor
    plain_columns: torch.Tensor

    def __init__(self, schema: Schema, d_embedding: int) -> None:
        super().__init__()
        self.embedding = FieldEmbedding(schema, d_embedding)
        bags = list((schema.bags or {}).values())
        members = [name for bag in bags for name in bag]
        register_index(self, "inputs", [schema.column(name) for name in schema.inputs])
        register_index(self, "bag_columns", [schema.numbers.index(name) for name in members])
        register_index(self, "plain_columns", [i for i, name in enumerate(schema.numbers) if name not in members])
        self.bag_sizes = [len(bag) for bag in bags]
        self.bags = nn.ModuleList(BagEmbedding(size, d_embedding) for size in self.bag_sizes)
        self.n_embedded = len(self.inputs) + len(self.bags)
        self.n_plain = len(self.plain_columns)
        self.d_embedding = d_embedding
        self.d_flat = self.n_embedded * d_embedding + self.n_plain

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> tuple[Float[torch.Tensor, "B J E"], Float[torch.Tensor, "B n"]]:
        embedded = self.embedding(fields, self.inputs)
        if self.bag_sizes:
            indicators = numbers.index_select(1, self.bag_columns).split(self.bag_sizes, dim=1)
            bags = [bag(present) for bag, present in zip(self.bags, indicators, strict=True)]
            embedded = torch.cat([embedded, torch.stack(bags, dim=1)], dim=1)
        plain = numbers if self.n_plain == numbers.shape[1] else numbers.index_select(1, self.plain_columns)
        return embedded, plain

    @staticmethod
    def flatten(
        embedded: Float[torch.Tensor, "B J E"], plain: Float[torch.Tensor, "B n"]
    ) -> Float[torch.Tensor, "B I"]:
        """Embeddings and numbers side by side: the input of a deep part."""
        return torch.cat([embedded.flatten(1), plain], dim=1) if plain.shape[1] else embedded.flatten(1)


class BagEmbedding(nn.Module):
    """Sum of the embeddings of the members that are present: indicators (B, n) → (B, E)."""

    def __init__(self, n_members: int, d_embedding: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_members, d_embedding))

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.01)

    def forward(self, indicators: Float[torch.Tensor, "B n"]) -> Float[torch.Tensor, "B E"]:
        return indicators @ self.weight


class Wide(nn.Module):
    """The linear part of WDL and other models: a weight for every id and every number, summed, plus a bias.

    All start at 0. Bag members are numbers here: each present member adds its weight.
    """

    inputs: torch.Tensor

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        register_index(self, "inputs", [schema.column(name) for name in schema.inputs])
        self.ids = FieldEmbedding(schema, 1, std=0.0)
        self.numbers = nn.Parameter(torch.empty(len(schema.numbers)))
        self.bias = nn.Parameter(torch.empty(()))

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.numbers)
        nn.init.zeros_(self.bias)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> Float[torch.Tensor, " B"]:
        return self.ids(fields, self.inputs).sum((1, 2)) + numbers @ self.numbers + self.bias
