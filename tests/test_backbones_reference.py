"""Every model against an independent literal reference: copied weights, the same logits and gradients, in float64."""

import pytest
import torch

from apg_repro.config import RunConfig
from apg_repro.data.dataset import Dataset
from apg_repro.models import BACKBONES, DOMAIN_MODELS, FLOORS
from apg_repro.models.fibinet import Bilinear
from apg_repro.nn.conditions import make_condition
from apg_repro.training.build import make_dense
from tests.reference.autoint import autoint
from tests.reference.common import flat, pairwise_products
from tests.reference.dcn import dcn
from tests.reference.dcnv2 import dcnv2
from tests.reference.deepfm import deepfm
from tests.reference.difm import difm
from tests.reference.fibinet import fibinet
from tests.reference.mmoe import mmoe
from tests.reference.pnn import pnn
from tests.reference.star import Star, moments, star
from tests.reference.wdl import wdl
from tests.weights import Instance, dense, projections, randomised, unit

E, HIDDEN, K, P, ROWS = 4, (6, 5), 2, 3, 10
MIXED = "output_attention(user,item,group)"
# static, every version, and every kind of condition
LAYERS = [
    ("base", "self"), ("v1", "group"), ("v2", "input_mean(user,group)"), ("v3", "self"), ("v4", MIXED), ("v5", "self"),
    ("gate", "group"), ("film", "self"), ("adapter", "input_mean(user,group)"),
]  # fmt: skip
EVERY = pytest.mark.parametrize(("version", "condition"), LAYERS, ids=[version for version, _ in LAYERS])


@pytest.fixture
def rows(batch) -> Dataset:
    return batch.take(torch.arange(ROWS))


def make(backbone, schema, version="base", condition="self", generated_projections=False, **options):
    """A backbone with random weights."""
    config = RunConfig(dataset="random", seed=0, version=version, condition=condition, rank=K, over=P)
    module, d_condition = make_condition(condition, schema, E)
    layer = make_dense(config, d_condition)
    options |= {"make_projection": layer} if generated_projections else {}
    return randomised(BACKBONES[backbone](schema, E, HIDDEN, layer, module, **options))


def hold(model, rows, reference):
    """The model's logits and all their gradients are those of ``reference(instance)``."""
    numbers = rows.numbers.double()
    ours = model(rows.fields, numbers)
    instances = [Instance(rows.schema, *row) for row in zip(rows.fields, numbers, strict=True)]
    theirs = torch.stack([reference(instance) for instance in instances])
    torch.testing.assert_close(ours, theirs)
    weights = torch.linspace(-1, 2, len(rows), dtype=torch.double)
    named = dict(model.named_parameters())
    ours, theirs = (
        torch.autograd.grad((logits * weights).sum(), list(named.values()), allow_unused=True)
        for logits in (ours, theirs)
    )
    for name, a, b in zip(named, ours, theirs, strict=True):
        torch.testing.assert_close(a, b, msg=lambda text, name=name: f"{name}: {text}")


def deep(model, z):
    return [dense(layer, z) for layer in model.deep.layers]


@EVERY
def test_wdl_is_wide_plus_deep(version, condition, schema, rows):
    model = make("WDL", schema, version, condition)

    def reference(row):
        layers = deep(model, row.condition(condition, model))
        return wdl(row.wide(model.wide), row.embedded(model.features), row.plain, layers, unit(model.output))

    hold(model, rows, reference)


@EVERY
@pytest.mark.parametrize("product", ["inner", "outer"])
def test_pnn_adds_products_to_the_input_of_its_deep_part(product, version, condition, schema, rows):
    model = make("PNN", schema, version, condition, product=product)

    def reference(row):
        layers = deep(model, row.condition(condition, model))
        return pnn(row.embedded(model.features), row.plain, product, layers, unit(model.output))

    hold(model, rows, reference)


@EVERY
@pytest.mark.parametrize("kind", Bilinear.__args__)
def test_fibinet_feeds_bilinear_interactions_with_and_without_senet(kind, version, condition, schema, rows):
    model = make("FiBiNET", schema, version, condition, bilinear=kind)

    def reference(row):
        return fibinet(
            row.wide(model.wide), row.embedded(model.features), row.plain, model.senet.squeeze, model.senet.excite,
            kind, model.plain_pairs.weight, model.senet_pairs.weight,
            deep(model, row.condition(condition, model)), unit(model.output),
        )  # fmt: skip

    hold(model, rows, reference)


@EVERY
def test_deepfm_adds_a_factorisation_machine_on_the_same_embeddings(version, condition, schema, rows):
    model = make("DeepFM", schema, version, condition)

    def reference(row):
        layers = deep(model, row.condition(condition, model))
        return deepfm(row.wide(model.wide), row.embedded(model.features), row.plain, layers, unit(model.output))

    hold(model, rows, reference)


@EVERY
def test_dcn_runs_its_cross_network_in_parallel_with_the_deep_part(version, condition, schema, rows):
    model = make("DCN", schema, version, condition)

    def reference(row):
        cross = [(layer.weight, layer.bias) for layer in model.cross]
        layers = deep(model, row.condition(condition, model))
        return dcn(row.embedded(model.features), row.plain, cross, layers, unit(model.output))

    hold(model, rows, reference)


@EVERY
def test_dcnv2_crosses_by_matrices_in_parallel_with_the_deep_part(version, condition, schema, rows):
    model = make("DCNv2", schema, version, condition)

    def reference(row):
        layers = deep(model, row.condition(condition, model))
        cross = [unit(layer) for layer in model.cross]
        return dcnv2(row.embedded(model.features), row.plain, cross, layers, unit(model.output))

    hold(model, rows, reference)


def test_logistic_regression_is_the_linear_part_alone(schema, rows):
    model = randomised(FLOORS["LR"](schema, E))
    hold(model, rows, lambda row: row.wide(model.wide))


def test_a_factorisation_machine_adds_the_products_of_all_pairs(schema, rows):
    model = randomised(FLOORS["FM"](schema, E))
    hold(model, rows, lambda row: row.wide(model.wide) + pairwise_products(row.embedded(model.features)))


@EVERY
@pytest.mark.parametrize("generated", [False, True], ids=["static projections", "generated projections"])
def test_difm_reweights_its_factorisation_machine_by_vector_and_by_bit(generated, version, condition, schema, rows):
    model = make("DIFM", schema, version, condition, generated, n_heads=2)

    def reference(row):
        z = row.condition(condition, model)
        return difm(
            row.embedded(model.features), row.plain, [e[0] for e in row.embedded(model.weights)], model.numbers,
            model.bias, projections(model.attention, z), model.attention.n_heads, unit(model.vector_factors),
            deep(model, z), unit(model.bit_factors),
        )  # fmt: skip

    hold(model, rows, reference)


@EVERY
@pytest.mark.parametrize("generated", [False, True], ids=["static projections", "generated projections"])
def test_autoint_runs_attention_among_fields_in_parallel_with_the_deep_part(
    generated, version, condition, schema, rows
):
    model = make("AutoInt", schema, version, condition, generated, n_layers=2, n_heads=2, d_head=3)

    def reference(row):
        z = row.condition(condition, model)
        attention = [projections(layer, z) for layer in model.attention]
        return autoint(row.embedded(model.features), row.plain, attention, 2, deep(model, z), unit(model.output))

    hold(model, rows, reference)


def number_of(row, domain: str) -> int:
    """The domain of an instance: a field, or two, the first changing slowest."""
    first, *second = domain.split("+")
    return row.ids[first] * row.schema.fields[second[0]] + row.ids[second[0]] if second else row.ids[first]


@pytest.mark.parametrize("domain", ["item", "item+group"])
def test_mmoe_mixes_experts_by_a_gate_and_ends_in_a_tower_of_the_domains_own(domain, schema, rows):
    model = randomised(DOMAIN_MODELS["MMoE"](schema, E, HIDDEN, domain, n_experts=3))
    gates, towers = model.deep.gates, model.deep.towers

    def reference(row):
        p = number_of(row, domain)
        gate, tower = ((part.weight[p].view(part.shape), part.bias[p]) for part in (gates, towers))
        experts = [[dense(layer) for layer in expert.layers] for expert in model.deep.experts]
        return mmoe(row.wide(model.wide), row.embedded(model.features), row.plain, experts, gate, tower)

    hold(model, rows, reference)


def star_reference(model, domain, mean, variance):
    def layer(part, p):
        weight = Star(part.weight, part.domain_weight[p].view(part.weight.shape))
        return weight, Star(part.bias, part.domain_bias[p])

    def reference(row):
        p, norm = number_of(row, domain), model.norm
        return star(
            row.wide(model.wide), flat(row.embedded(model.features), row.plain), mean, variance,
            Star(norm.scale, norm.domain_scale[p]), Star(norm.bias, norm.domain_bias[p]),
            [layer(part, p) for part in [*model.deep, model.output]], model.domain_embedding.weight[p],
            [dense(part) for part in model.auxiliary.layers], unit(model.auxiliary_output),
        )  # fmt: skip

    return reference


@pytest.mark.parametrize("domain", ["item", "item+group"])
def test_star_in_training_normalises_by_the_batch_and_multiplies_its_weights_by_the_domains(domain, schema, rows):
    model = randomised(DOMAIN_MODELS["Star"](schema, E, HIDDEN, domain))
    instances = [Instance(schema, *row) for row in zip(rows.fields, rows.numbers.double(), strict=True)]
    mean, variance = moments([flat(row.embedded(model.features), row.plain) for row in instances])
    hold(model, rows, star_reference(model, domain, mean, variance))
    # and keeps running averages, that of the variance unbiased as is usual
    torch.testing.assert_close(model.norm.mean, 0.1 * mean)
    torch.testing.assert_close(model.norm.variance, 0.9 + 0.1 * variance * ROWS / (ROWS - 1))


def test_star_at_test_time_normalises_by_the_running_averages(schema, rows):
    model = randomised(DOMAIN_MODELS["Star"](schema, E, HIDDEN, "item"))
    model(rows.fields, rows.numbers.double())
    model.eval()
    hold(model, rows, star_reference(model, "item", model.norm.mean.clone(), model.norm.variance.clone()))


def test_star_trains_on_a_batch_of_one_row_which_has_no_variance(schema, rows):
    model = randomised(DOMAIN_MODELS["Star"](schema, E, HIDDEN, "item"))
    hold(model, rows.take(torch.tensor([3])), star_reference(model, "item", model.norm.mean, model.norm.variance))
