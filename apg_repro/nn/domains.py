"""Which domain an instance belongs to, and dense layers with weights a domain (Table 6's baselines).

Shapes: B batch, F categorical columns, I inputs, O outputs, G domains in the batch, R rows of the largest of them.
"""

from math import prod

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import nn

from apg_repro.config import UserError
from apg_repro.data import Schema

MOST_DOMAINS = 1_000_000


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
        if self.n > MOST_DOMAINS:
            raise UserError(f"{name} makes {self.n:,} domains; at most {MOST_DOMAINS:,} are supported")

    def forward(self, fields: Int[torch.Tensor, "B F"]) -> Int[torch.Tensor, " B"]:
        domain = torch.zeros_like(fields[:, 0], dtype=torch.long)
        for column, size in zip(self.columns, self.sizes, strict=True):
            domain = domain * size + fields[:, column]
        return domain


class Groups:
    """A batch put in order by domain, so that each domain's weights are fetched once, not once a row.

    Attributes:
        present: the domains in the batch, ascending, (G).
    """

    def __init__(self, domain: Int[torch.Tensor, " B"]) -> None:
        self.present, group, counts = domain.unique(return_inverse=True, return_counts=True)
        order = group.argsort(stable=True)
        starts = counts.cumsum(0) - counts
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device) - starts[group[order]]
        self.slot = group * int(counts.max()) + place  # (B), into the G x R table of rows
        self.shape = (len(counts), int(counts.max()))

    def gather(self, x: Float[torch.Tensor, "B I"]) -> Float[torch.Tensor, "G R I"]:
        """The rows domain by domain, zeros where a domain has fewer than R."""
        table = x.new_zeros(self.shape[0] * self.shape[1], x.shape[1])
        return table.index_copy(0, self.slot, x).view(*self.shape, -1)

    def scatter(self, y: Float[torch.Tensor, "G R O"]) -> Float[torch.Tensor, "B O"]:
        """The inverse of ``gather``."""
        return y.flatten(0, 1)[self.slot]


class StarDense(nn.Module):
    """y = (W_p ⊙ W) x + b_p + b for an instance of domain p    (Sheng et al., CIKM 2021, star topology FCN).

    W and b start as a static layer's do, W_p at 1 and b_p at 0, so every domain starts with the shared weights.
    """

    def __init__(self, d_in: int, d_out: int, n_domains: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(d_out, d_in))
        self.bias = nn.Parameter(torch.empty(d_out))
        self.domain_weight = nn.Parameter(torch.empty(n_domains, d_out * d_in))
        self.domain_bias = nn.Parameter(torch.empty(n_domains, d_out))

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)
        nn.init.ones_(self.domain_weight)
        nn.init.zeros_(self.domain_bias)

    def forward(self, x: Float[torch.Tensor, "B I"], groups: Groups) -> Float[torch.Tensor, "B O"]:
        own = F.embedding(groups.present, self.domain_weight).view(-1, *self.weight.shape)  # (G, O, I)
        y = groups.gather(x) @ (own * self.weight).transpose(1, 2)  # (G, R, O)
        y = y + F.embedding(groups.present, self.domain_bias).unsqueeze(1)
        return groups.scatter(y) + self.bias
