"""All categorical fields in one table.

Shapes: B batch, F categorical columns, C number columns, E embedding size, J embedded features.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data import Schema


class Table(nn.Parameter):
    """A parameter whose rows are fetched by id, so that a batch touches few of them.

    Attributes:
        by_row: gradients hold the fetched rows only (a sparse tensor); set by an optimiser that wants them so.
    """

    by_row = False


def fetch(table: nn.Parameter, ids: Int[torch.Tensor, "..."]) -> Float[torch.Tensor, "... E"]:
    """The rows of these ids."""
    if isinstance(table, Table) and table.by_row:
        return F.embedding(ids, table, sparse=True)
    # The same as F.embedding, whose backward is several times as slow on a CPU.
    return table.index_select(0, ids.flatten()).view(*ids.shape, -1)


class FieldEmbedding(nn.Module):
    """One embedding table over the ids of all fields, each field at an offset of its own.

    Rows start normal with standard deviation ``std`` (the paper is silent; 0.01 here).
    """

    def __init__(self, schema: Schema, d_embedding: int, std: float = 0.01) -> None:
        super().__init__()
        cardinalities = torch.tensor(list(schema.fields.values()))
        self.std = std
        self.d_embedding = d_embedding
        self.weight = Table(torch.empty(int(cardinalities.sum()), d_embedding))
        offsets = torch.cat([torch.zeros(1, dtype=torch.long), cardinalities.cumsum(0)[:-1]])
        self.register_buffer("offsets", offsets, persistent=False)

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.std)

    def forward(self, fields: Int[torch.Tensor, "B F"], columns: Sequence[int]) -> Float[torch.Tensor, "B J E"]:
        """The embeddings of these columns, in this order."""
        columns = list(columns)
        return fetch(self.weight, fields[:, columns] + self.offsets[columns])  # pyright: ignore[reportIndexIssue]


class Features(nn.Module):
    """What a backbone is fed: the embedded fields (and bags) and the plain numbers.

    A bag (multi-hot field) is embedded as the sum of its members' embeddings.
    """

    def __init__(self, schema: Schema, d_embedding: int) -> None:
        super().__init__()
        self.embedding = FieldEmbedding(schema, d_embedding)
        self.inputs = [schema.column(name) for name in schema.inputs]
        bags = schema.bags or {}
        members = [name for bag in bags.values() for name in bag]
        self.bag_columns = [[schema.numbers.index(name) for name in bag] for bag in bags.values()]
        self.plain_columns = [i for i, name in enumerate(schema.numbers) if name not in members]
        self.bags = nn.ModuleList(BagEmbedding(len(bag), d_embedding) for bag in self.bag_columns)
        self.n_embedded = len(self.inputs) + len(self.bags)
        self.n_plain = len(self.plain_columns)
        self.d_embedding = d_embedding
        self.d_flat = self.n_embedded * d_embedding + self.n_plain

    def forward(
        self, fields: Int[torch.Tensor, "B F"], numbers: Float[torch.Tensor, "B C"]
    ) -> tuple[Float[torch.Tensor, "B J E"], Float[torch.Tensor, "B n"]]:
        embedded = self.embedding(fields, self.inputs)
        if self.bag_columns:
            bags = [bag(numbers[:, columns]) for bag, columns in zip(self.bags, self.bag_columns, strict=True)]
            embedded = torch.cat([embedded, torch.stack(bags, dim=1)], dim=1)
        plain = numbers if self.n_plain == numbers.shape[1] else numbers[:, self.plain_columns]
        return embedded, plain

    @staticmethod
    def flatten(
        embedded: Float[torch.Tensor, "B J E"], plain: Float[torch.Tensor, "B n"]
    ) -> Float[torch.Tensor, "B I"]:
        """Embeddings and numbers side by side: the input of a deep part."""
        return torch.cat([embedded.flatten(1), plain], dim=1) if plain.shape[1] else embedded.flatten(1)


class BagEmbedding(nn.Module):
    """Sum of the embeddings of the members that are present: indicators (B, n) → (B, E)."""

    def __init__(self, n_members: int, d_embedding: int, std: float = 0.01) -> None:
        super().__init__()
        self.std = std
        self.weight = nn.Parameter(torch.empty(n_members, d_embedding))

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=self.std)

    def forward(self, indicators: Float[torch.Tensor, "B n"]) -> Float[torch.Tensor, "B E"]:
        return indicators @ self.weight


class Wide(nn.Module):
    """The linear part of WDL and its kin: a weight for every id and every number, summed, plus a bias.

    All start at 0. Bag members are numbers here: each present member adds its weight.
    """

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.inputs = [schema.column(name) for name in schema.inputs]
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
