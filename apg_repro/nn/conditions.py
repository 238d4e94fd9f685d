"""Where the condition z comes from, if not from the layer's own input (Section 3.1.1, Appendix A).

Shapes: B batch, F categorical columns, D size of the condition.
"""

from math import sqrt

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.config import parse_mix
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


class InputMix(nn.Module):
    """Mix-wise, input aggregation: z is made of the embeddings of several fields before G (Section 3.1.1).

    - "mean" of the k embeddings, or "concat", k times as long.
    - "attention": their sum with the weights softmax_j(<q, z^j> / sqrt(D)), q learned and 0 at the start, so that it
      starts as the mean. The paper names attention and gives no formula.
    """

    def __init__(self, schema: Schema, fields: tuple[str, ...], how: str, d_embedding: int) -> None:
        super().__init__()
        self.columns = [schema.column(field) for field in fields]
        self.how = how
        self.query = nn.Parameter(torch.empty(d_embedding)) if how == "attention" else None

    def reset_parameters(self) -> None:
        if self.query is not None:
            nn.init.zeros_(self.query)

    def forward(self, fields: Int[torch.Tensor, "B F"], embedding: FieldEmbedding) -> Float[torch.Tensor, "B D"]:
        embedded = embedding(fields, self.columns)  # (B, k, E)
        if self.how == "concat":
            return embedded.flatten(1)
        if self.query is None:
            return embedded.mean(1)
        return (attention_weights(embedded, self.query).unsqueeze(2) * embedded).sum(1)


class SideBySide(nn.Module):
    """Mix-wise, output aggregation: the embeddings side by side; every generator takes its own (see ``nn.mix``)."""

    def __init__(self, schema: Schema, fields: tuple[str, ...]) -> None:
        super().__init__()
        self.columns = [schema.column(field) for field in fields]

    def forward(self, fields: Int[torch.Tensor, "B F"], embedding: FieldEmbedding) -> Float[torch.Tensor, "B D"]:
        return embedding(fields, self.columns).flatten(1)


def attention_weights(
    values: Float[torch.Tensor, "B k D"], query: Float[torch.Tensor, " D"]
) -> Float[torch.Tensor, "B k"]:
    """softmax_j(<query, value_j> / sqrt(D))."""
    return (values @ query / sqrt(len(query))).softmax(1)


def make_condition(name: str, schema: Schema, d_embedding: int) -> tuple[nn.Module, int | None]:
    """The condition module of that name, and the size of its z (None: self-wise, each layer's own input size).

    Args:
        name: "self", the name of a categorical field, or a mix such as "input_mean(user,movie)" (see ``parse_mix``).
        schema: of the data set.
        d_embedding: size of the embeddings.

    Raises:
        UserError: no such field, or not a mix.
    """
    if name == "self":
        return SelfWise(), None
    mix = parse_mix(name)
    if mix is None:
        return GroupWise(schema, name), d_embedding
    if mix.where == "output":
        return SideBySide(schema, mix.fields), len(mix.fields) * d_embedding
    d_condition = len(mix.fields) * d_embedding if mix.how == "concat" else d_embedding
    return InputMix(schema, mix.fields, mix.how, d_embedding), d_condition
