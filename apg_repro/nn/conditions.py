"""Where the condition z comes from, if not from the layer's own input (Section 3.1.1, Appendix A).

A model gives its condition the ids, its table, and what it has fetched from that for itself (``Features``).

Shapes: B batch, F categorical columns, J embedded features, E embedding size, D size of a condition, k conditions,
n size of what is joined.
"""

from collections.abc import Sequence
from math import sqrt
from typing import get_args

import torch
from jaxtyping import Float, Int
from torch import nn

from apg_repro.config import Aggregation, parse_mix
from apg_repro.data.schema import Schema
from apg_repro.nn.checks import require_choice
from apg_repro.nn.embedding import FieldEmbedding, register_index


class SelfWise(nn.Module):
    """Self-wise: no condition of the model's own; every layer takes its input as z."""

    def forward(
        self, fields: Int[torch.Tensor, "B F"], embedding: FieldEmbedding,
        embedded: Float[torch.Tensor, "B J E"] | None = None,
    ) -> None:  # fmt: skip
        return None


class NoCondition(nn.Module):
    """z is 0 for every instance, so that G gives its bias alone: one S for all, a control of what conditions bring."""

    def forward(
        self, fields: Int[torch.Tensor, "B F"], embedding: FieldEmbedding,
        embedded: Float[torch.Tensor, "B J E"] | None = None,
    ) -> Float[torch.Tensor, "B 1"]:  # fmt: skip
        return embedding.weight.new_zeros(len(fields), 1)


class OfFields(nn.Module):
    """Embeddings of some fields. Those of inputs are taken from what the model has fetched: a table is read once.

    Args:
        schema: of the data set.
        fields: names.
    """

    columns: torch.Tensor
    places: torch.Tensor

    def __init__(self, schema: Schema, fields: Sequence[str]) -> None:
        super().__init__()
        register_index(self, "columns", [schema.column(field) for field in fields])
        self.are_inputs = set(fields) <= set(schema.inputs)
        register_index(self, "places", [schema.inputs.index(field) for field in fields] if self.are_inputs else [])

    def forward(
        self, fields: Int[torch.Tensor, "B F"], embedding: FieldEmbedding,
        embedded: Float[torch.Tensor, "B J E"] | None,
    ) -> Float[torch.Tensor, "B k E"]:  # fmt: skip
        if embedded is None or not self.are_inputs:
            return embedding(fields, self.columns)
        return embedded.index_select(1, self.places)


class GroupWise(nn.Module):
    """Group-wise: z is the embedding of the group that the instance belongs to, an id field.

    The embedding is the model's own of that field, not a second table: "given the embedding of a user …
    directly set z_i" to it (Appendix A.1). It is therefore trained through both paths.
    """

    def __init__(self, schema: Schema, field: str) -> None:
        super().__init__()
        self.column = schema.column(field)
        self.of_field = OfFields(schema, [field])

    def forward(
        self, fields: Int[torch.Tensor, "B F"], embedding: FieldEmbedding,
        embedded: Float[torch.Tensor, "B J E"] | None = None,
    ) -> Float[torch.Tensor, "B D"]:  # fmt: skip
        return self.of_field(fields, embedding, embedded).squeeze(1)


class Join(nn.Module):
    """Joins k vectors, one per condition, into one.

    - "mean": their mean. "concat": side by side.
    - "attention": their sum with the weights softmax_j(<q, z^j> / sqrt(D)), q learned and 0 at the start, so that it
      starts as the mean.

    The paper names the three (Section 3.1.1) and gives no formulae.

    Args:
        how: "mean", "concat" or "attention".
        d_condition: D.

    Raises:
        ValueError: ``how`` is none of the three.
    """

    def __init__(self, how: Aggregation, d_condition: int) -> None:
        require_choice("aggregation", how, get_args(Aggregation))
        super().__init__()
        self.how = how
        self.query = nn.Parameter(torch.empty(d_condition)) if how == "attention" else None

    def reset_parameters(self) -> None:
        if self.query is not None:
            nn.init.zeros_(self.query)

    def forward(
        self, parts: Sequence[Float[torch.Tensor, "B _"]], conditions: Float[torch.Tensor, "B k D"]
    ) -> Float[torch.Tensor, "B n"]:
        """Joins ``parts``, of which the j-th belongs to the j-th condition."""
        if self.how == "concat":
            return torch.cat(list(parts), dim=1)
        stacked = torch.stack(list(parts), dim=1)  # (B, k, n)
        if self.query is None:
            return stacked.mean(1)
        weights = (conditions @ self.query / sqrt(len(self.query))).softmax(1)  # (B, k)
        return torch.einsum("bk,bkn->bn", weights, stacked)


class InputMix(nn.Module):
    """Mix-wise, input aggregation: z joins the embeddings of several fields before G (Section 3.1.1).

    The embeddings are the model's own, as for ``GroupWise``.
    """

    def __init__(self, schema: Schema, fields: tuple[str, ...], how: Aggregation, d_embedding: int) -> None:
        super().__init__()
        self.of_fields = OfFields(schema, fields)
        self.join = Join(how, d_embedding)

    def forward(
        self, fields: Int[torch.Tensor, "B F"], embedding: FieldEmbedding,
        embedded: Float[torch.Tensor, "B J E"] | None = None,
    ) -> Float[torch.Tensor, "B D"]:  # fmt: skip
        conditions = self.of_fields(fields, embedding, embedded)
        return self.join(conditions.unbind(1), conditions)


def make_condition(name: str, schema: Schema, d_embedding: int) -> tuple[nn.Module, int | None]:
    """The condition module of that name, and the size of its z (None: self-wise, each layer's own input size).

    Args:
        name: "self", the name of a categorical field, a mix such as "input_mean(user,movie)" (see ``parse_mix``), or
            "none".
        schema: of the data set.
        d_embedding: size of the embeddings.

    Raises:
        UserError: no such field, or not a mix.
    """
    if name == "self":
        return SelfWise(), None
    if name == "none":
        return NoCondition(), 1
    mix = parse_mix(name)
    if mix is None:
        return GroupWise(schema, name), d_embedding
    how = "concat" if mix.where == "output" else mix.how  # side by side, of which every G takes its own: ``nn.mix``
    d_condition = len(mix.fields) * d_embedding if how == "concat" else d_embedding
    return InputMix(schema, mix.fields, how, d_embedding), d_condition
