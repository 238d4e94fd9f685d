"""What a layer costs: counted on the layer, against sums by hand and the paper's formulas."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from apg_repro.complexity import (
    BESIDE,
    BIASES,
    COMPUTATION,
    MEMORY,
    evaluate,
    is_lower_order,
    total,
)
from apg_repro.measure import table1
from apg_repro.nn.embedding import Features

M, N, D, K = 11, 7, 5, 3
# v5 in training has, beside v4's multiplications, those of its factors, once a batch; and factors in place of U and V.
OVER_MULTIPLICATIONS = "NPK + KPM"
OVER_WEIGHTS = "KKD + NP + PK + KP + PM"


@pytest.fixture(scope="module")
def layers():
    return table1.versions("square", "group", M, N, table1.RANKS)


@pytest.fixture(scope="module")
def counted(layers):
    return [(layer, table1.count(layer)) for layer in layers]


def test_a_small_v4_layer_costs_what_one_counts_by_hand():
    """From 3 inputs to 5 outputs, D = 32, K = 4: V x, S h, U s, and G(z) with its 16 outputs."""
    layer = next(layer for layer in table1.versions("square", "group", 3, 5, (4,)) if layer.version == "v4")
    found = table1.count(layer)
    assert found["multiplications"] == 4 * 3 + 4 * 4 + 5 * 4 + 16 * 32
    assert found["parameters"] == 5 * 4 + 4 * 3 + 16 * 32 + 16 + 5
    assert (found["biases"], found["generated"], found["a_batch"]) == (16 + 5, 16, 0)


def test_every_version_multiplies_as_often_as_table_1_says(counted):
    for layer, found in counted:
        if layer.version in COMPUTATION:
            formula, beside = total(COMPUTATION, layer.version), BESIDE.get(layer.version, "")
            assert found["multiplications"] == evaluate(formula, layer.sizes) + evaluate(beside, layer.sizes)
            assert is_lower_order(beside, formula)
            assert found["a_batch"] == 0


def test_every_version_stores_what_table_1_says_and_biases(counted):
    for layer, found in counted:
        if layer.version in MEMORY:
            assert found["parameters"] - found["biases"] == evaluate(total(MEMORY, layer.version), layer.sizes)
            assert found["biases"] == evaluate(BIASES[layer.version], layer.sizes)


def test_forward_and_backward_pass_together_take_three_times_the_forward_pass(counted):
    assert all(found["training"] == 3 * found["multiplications"] for _, found in counted)


def test_v5_multiplies_its_factors_once_a_batch_and_folds_into_v4(counted):
    (v4,) = [found for layer, found in counted if (layer.version, layer.sizes.get("K")) == ("v4", table1.RANK)]
    costs = ("multiplications", "a_batch", "parameters", "biases")
    for layer, found in counted:
        if layer.version == "v5":
            assert found["multiplications"] == v4["multiplications"]
            assert found["a_batch"] == evaluate(OVER_MULTIPLICATIONS, layer.sizes)
            assert found["parameters"] - found["biases"] == evaluate(OVER_WEIGHTS, layer.sizes)
        if layer.version == "v5 folded":
            assert [found[cost] for cost in costs] == [v4[cost] for cost in costs]


def test_torchs_own_counter_misses_the_broadcast_product_alone(layers):
    layer = next(layer for layer in layers if layer.version == "v4")
    x = torch.zeros(2, M, device="meta")
    with FlopCounterMode(display=False) as counter:
        layer.module(x, torch.zeros(2, table1.D_CONDITION, device="meta"))
    forward, _ = table1.multiplications(layer, 2)
    assert forward - counter.get_total_flops() // 2 == 2 * layer.sizes["K"] ** 2


def test_the_first_layer_has_as_many_inputs_as_the_model_makes(schema):
    view = {"inputs": list(schema.inputs), "numbers": list(schema.numbers), "bags": schema.bags}
    assert table1.d_input({"features": {"default": view}}) == Features(schema, 32).d_flat


def test_a_self_wise_layer_has_a_condition_as_wide_as_its_input():
    sizes = [layer.sizes for layer in table1.versions("WDL", "self", 6, 4, (2,))]
    assert all(size["D"] == size["M"] == 6 for size in sizes)
