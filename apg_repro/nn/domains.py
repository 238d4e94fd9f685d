"""Which domain an instance belongs to, and dense layers with weights per domain (Table 6's baselines).

Only the weights of the domains in the batch are fetched, each with one look-up in a table that has one row per domain.
So a step costs what the domains of its batch cost, however many there are in all, if the tables move row by row (see
``training.optimizer``).

Shapes: B batch, F categorical columns, I inputs, O outputs, N domains, T tiles of R rows.
"""

from math import ceil, prod

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.nn.embedding import Table, fetch

MAX_DOMAINS = 1_000_000


class Domains(nn.Module):
    """The domain of every instance: an id field, or a combination such as "gender+age", numbered row by row.

    Raises:
        UserError: no such field, or more than a million combinations.
    """

    def __init__(self, schema: Schema, name: str) -> None:
        super().__init__()
        fields = [field.strip() for field in name.split("+")]
        self.columns = [schema.column(field) for field in fields]
        self.sizes = [schema.fields[field] for field in fields]
        self.n = prod(self.sizes)
        if self.n > MAX_DOMAINS:
            raise UserError(f"{name} makes {self.n:,} domains; at most {MAX_DOMAINS:,} are supported")

    def forward(self, fields: Int[torch.Tensor, "B F"]) -> Int[torch.Tensor, " B"]:
        domain = torch.zeros_like(fields[:, 0], dtype=torch.long)
        for column, size in zip(self.columns, self.sizes, strict=True):
            domain = domain * size + fields[:, column]
        return domain


class Tiles:
    """A batch put in order by domain and cut into T tiles of R rows of one domain each, the last of a domain padded.

    R is the mean number of rows of a domain in the batch, rounded up. However unequal the domains are, there are
    then at most twice as many tiles as domains in the batch, and fewer than 2 B rows with the padding.

    Attributes:
        domain: of each tile, (T).
        n_rows: R.
    """

    def __init__(self, domain: Int[torch.Tensor, " B"]) -> None:
        order = domain.argsort(stable=True)
        present, group, counts = domain[order].unique_consecutive(return_inverse=True, return_counts=True)
        self.n_rows = ceil(len(domain) / len(present))
        n_tiles = (counts + self.n_rows - 1) // self.n_rows  # of each domain
        first_row, first_tile = counts.cumsum(0) - counts, n_tiles.cumsum(0) - n_tiles
        shift = first_tile * self.n_rows - first_row
        self.slot = torch.empty_like(order)  # of each row in the T x R table, (B)
        self.slot[order] = torch.arange(len(order), device=order.device) + shift[group]
        self.domain = present.repeat_interleave(n_tiles)

    def gather(self, x: Float[torch.Tensor, "B I"]) -> Float[torch.Tensor, "T R I"]:
        """The rows tile by tile, zeros where a tile is not full."""
        table = x.new_zeros(len(self.domain) * self.n_rows, x.shape[1])
        return table.index_copy(0, self.slot, x).view(-1, self.n_rows, x.shape[1])

    def scatter(self, y: Float[torch.Tensor, "T R O"]) -> Float[torch.Tensor, "B O"]:
        """The inverse of ``gather``."""
        return y.flatten(0, 1)[self.slot]

    def dense(
        self, x: Float[torch.Tensor, "B I"], weight: Float[torch.Tensor, "T O I"], bias: Float[torch.Tensor, "T O"]
    ) -> Float[torch.Tensor, "B O"]:
        """W_p x + b_p, the weights given tile by tile."""
        return self.scatter(torch.baddbmm(bias.unsqueeze(1), self.gather(x), weight.transpose(1, 2)))


class DomainDense(nn.Module):
    """y = W_p x + b_p for an instance of domain p. W_p starts Glorot-uniform and equal for all domains, b_p at 0."""

    def __init__(self, d_in: int, d_out: int, n_domains: int) -> None:
        super().__init__()
        self.shape = (d_out, d_in)
        self.weight = Table(torch.empty(n_domains, d_out * d_in))
        self.bias = Table(torch.empty(n_domains, d_out))

    def reset_parameters(self) -> None:
        with torch.no_grad():
            self.weight.copy_(nn.init.xavier_uniform_(torch.empty(self.shape)).flatten())
        nn.init.zeros_(self.bias)

    def forward(self, x: Float[torch.Tensor, "B I"], tiles: Tiles) -> Float[torch.Tensor, "B O"]:
        own = fetch(self.weight, tiles.domain).view(-1, *self.shape)  # (T, O, I)
        return tiles.dense(x, own, fetch(self.bias, tiles.domain))


class StarDense(nn.Module):
    """y = (W_p ⊙ W) x + b_p + b for an instance of domain p    (Sheng et al., CIKM 2021, star topology FCN).

    W and b start as a static layer's do, W_p at 1 and b_p at 0, so every domain starts with the shared weights.
    """

    def __init__(self, d_in: int, d_out: int, n_domains: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_out, d_in))
        self.bias = nn.Parameter(torch.empty(d_out))
        self.domain_weight = Table(torch.empty(n_domains, d_out * d_in))
        self.domain_bias = Table(torch.empty(n_domains, d_out))

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)
        nn.init.ones_(self.domain_weight)
        nn.init.zeros_(self.domain_bias)

    def forward(self, x: Float[torch.Tensor, "B I"], tiles: Tiles) -> Float[torch.Tensor, "B O"]:
        own = fetch(self.domain_weight, tiles.domain).view(-1, *self.weight.shape)  # (T, O, I)
        return tiles.dense(x, own * self.weight, fetch(self.domain_bias, tiles.domain) + self.bias)
