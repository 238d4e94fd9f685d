"""Where z comes from: a field's embedding, or several joined."""

import pytest
import torch

from apg_repro.errors import UserError
from apg_repro.nn.conditions import Join, make_condition
from apg_repro.nn.dense import initialise
from apg_repro.nn.embedding import FieldEmbedding
from tests.reference.mix import input_mix
from tests.weights import randomised, tables

E, FIELDS = 4, ("user", "item", "group")
HOWS = ["mean", "concat", "attention"]


@pytest.fixture
def embedding(schema) -> FieldEmbedding:
    return randomised(FieldEmbedding(schema, E))


def conditions_of(batch, schema, embedding, fields=FIELDS):
    """Per instance the embeddings of these fields."""
    own = tables(embedding, schema)
    return [[own[name][row[schema.column(name)]] for name in fields] for row in batch.fields.long()]


def test_a_group_wise_condition_is_the_models_own_embedding_of_its_field(schema, batch, embedding):
    module, size = make_condition("group", schema, E)
    expected = torch.stack([z for (z,) in conditions_of(batch, schema, embedding, ["group"])])
    assert size == E
    torch.testing.assert_close(module(batch.fields, embedding), expected)
    assert list(module.parameters()) == []


def test_a_self_wise_model_has_no_condition_of_its_own(schema, batch, embedding):
    module, size = make_condition("self", schema, E)
    assert (module(batch.fields, embedding), size) == (None, None)


def test_without_a_condition_all_instances_have_one_z(schema, batch, embedding):
    module, size = make_condition("none", schema, E)
    found = module(batch.fields, embedding)
    assert found.shape == (len(batch), size) == (len(batch), 1)
    assert not found.any()


@pytest.mark.parametrize("how", HOWS)
def test_an_input_mix_joins_the_embeddings_before_g(how, schema, batch, embedding):
    module, size = make_condition(f"input_{how}({','.join(FIELDS)})", schema, E)
    randomised(module)
    ours = module(batch.fields, embedding)
    assert ours.shape == (len(batch), size)
    theirs = torch.stack([input_mix(how, z, module.join.query) for z in conditions_of(batch, schema, embedding)])
    torch.testing.assert_close(ours, theirs)
    weights = list(embedding.parameters()) + list(module.parameters())
    for a, b in zip(
        torch.autograd.grad(ours.pow(3).sum(), weights), torch.autograd.grad(theirs.pow(3).sum(), weights), strict=True
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("how", HOWS)
def test_an_output_mix_gets_its_embeddings_side_by_side(how, schema, batch, embedding):
    module, size = make_condition(f"output_{how}(user, item, group)", schema, E)
    expected = torch.stack([torch.cat(z) for z in conditions_of(batch, schema, embedding)])
    assert size == 3 * E
    torch.testing.assert_close(module(batch.fields, embedding), expected)


def test_attention_starts_as_the_mean():
    parts = torch.randn(3, 8, 5)
    conditions = torch.randn(8, 3, E)
    joins = Join("mean", E), Join("attention", E)
    for join in joins:
        initialise(join, lambda name: 0)
    torch.testing.assert_close(*(join(parts.unbind(), conditions) for join in joins))


def test_attention_prefers_what_its_query_resembles():
    join = Join("attention", E)
    conditions = torch.eye(E)[:2].unsqueeze(0)
    with torch.no_grad():
        join.query.copy_(100 * torch.eye(E)[1])
    torch.testing.assert_close(join(conditions.unbind(1), conditions), conditions[:, 1])


def test_a_field_that_does_not_exist_raises_a_user_error_that_names_those_that_do(schema):
    for name in ("ages", "input_mean(user,ages)", "output_concat(user,ages)"):
        with pytest.raises(UserError, match="no field 'ages' in this data set; it has user, item, group"):
            make_condition(name, schema, E)


@pytest.mark.parametrize(
    "name", ["input_max(user,item)", "input_mean(user)", "mean(user,item)", "input_mean(user,item"]
)
def test_a_condition_that_only_looks_like_a_mix_raises_a_user_error_that_shows_one(name, schema):
    with pytest.raises(UserError, match="is not a mix: write input or output"):
        make_condition(name, schema, E)


@pytest.mark.parametrize("name", ["user", "group", "input_mean(user,item)", "output_concat(item,user)"])
def test_fields_that_a_model_has_fetched_are_not_fetched_again(name, schema, batch, embedding):
    """Where all are inputs; the group is none. Output and gradient of the table are the same."""
    module, _ = make_condition(name, schema, E)
    randomised(module)
    fetched = embedding(batch.fields, torch.tensor([schema.column(field) for field in schema.inputs]))
    alone, shared = module(batch.fields, embedding), module(batch.fields, embedding, fetched)
    torch.testing.assert_close(alone, shared)
    (a,), (b,) = (torch.autograd.grad(z.pow(3).sum(), embedding.weight) for z in (alone, shared))
    torch.testing.assert_close(a, b)
    if name != "group":
        with torch.no_grad():
            embedding.weight.zero_()
        torch.testing.assert_close(module(batch.fields, embedding, fetched), alone)
