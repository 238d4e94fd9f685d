"""Where the condition z comes from, if not from the layer's own input (Section 3.1.1, Appendix A).

Shapes: B batch, F categorical columns, D size of the condition.
"""

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.data import Schema
from apg_repro.nn.embedding import FieldEmbedding


class SelfWise(nn.Module):
    """Self-wise: no condition of the model's own; every layer takes its input as z."""

    def forward(self, fields: Int[torch.Tensor, "B F"], embedding: FieldEmbedding) -> None:
        return None


class GroupWise(nn.Module):
    """Group-wise: z is the embedding of the group that the instance belongs to, an id field.

    The embedding is the model's own of that field, not a second table: "given the embedding of a user …
    directly set z_i" to it (Appendix A.1). It is therefore trained through both paths.
    """

    def __init__(self, schema: Schema, field: str) -> None:
        super().__init__()
        self.column = schema.column(field)

    def forward(self, fields: Int[torch.Tensor, "B F"], embedding: FieldEmbedding) -> Float[torch.Tensor, "B D"]:
        return embedding(fields, [self.column]).squeeze(1)


def make_condition(name: str, schema: Schema, d_embedding: int) -> tuple[nn.Module, int | None]:
    """The condition module of that name, and the size of its z (None: self-wise, each layer's own input size).

    Args:
        name: "self" or the name of a categorical field.
        schema: of the data set.
        d_embedding: size of the embeddings.

    Raises:
        UserError: no such field.
    """
    if name == "self":
        return SelfWise(), None
    return GroupWise(schema, name), d_embedding
