"""What a layer costs: counted on the layer, against sums by hand and the paper's formulas."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from apg_repro.experiments.table1 import measure as table1
from apg_repro.experiments.table1 import page
from apg_repro.experiments.table1.plan import D_CONDITION, RANK, RANKS, folded
from apg_repro.nn.embedding import Features
from apg_repro.paper.complexity import evaluate, total
from apg_repro.versions import PAPER_VERSIONS
from tests.measured import measured_evidence

M, N = 11, 7
# v5 in training: the multiplications of its factors, once per batch, and factors in place of U and V.
OVER_MULTIPLICATIONS = "NPK + KPM"
OVER_WEIGHTS = "KKD + NP + PK + KP + PM"


@pytest.fixture(scope="module")
def layers():
    return table1.versions("square", "group", M, N, RANKS)


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


def test_every_version_is_counted_and_folded_where_it_is_served_as_another(layers):
    served = {folded(version) for version, entry in PAPER_VERSIONS.items() if entry.served_as}
    assert {layer.version for layer in layers} == {*PAPER_VERSIONS, *served}
    assert {layer.sizes["K"] for layer in layers if layer.version == "v2"} == set(RANKS)


def test_every_version_multiplies_as_often_as_table_1_says(counted):
    for layer, found in counted:
        if layer.version in page.IN_TABLE_1:
            entry = PAPER_VERSIONS[layer.version]
            formulas = total(entry.computation), entry.extra_multiplications
            assert found["multiplications"] == sum(evaluate(formula, layer.sizes) for formula in formulas)
            assert found["a_batch"] == 0


def test_every_version_stores_what_table_1_says_and_biases(counted):
    for layer, found in counted:
        if layer.version in page.IN_TABLE_1:
            entry = PAPER_VERSIONS[layer.version]
            assert found["parameters"] - found["biases"] == evaluate(total(entry.memory), layer.sizes)
            assert found["biases"] == evaluate(entry.biases, layer.sizes)


def test_what_is_generated_is_what_g_makes_and_in_v2_the_product_as_well(counted):
    for layer, found in counted:
        if layer.version in ("v1", "v2", "v4", "v5"):
            product = layer.sizes["N"] * layer.sizes["M"] if layer.version == "v2" else 0
            assert found["generated"] == layer.module.generator.last.out_features + product


def test_forward_and_backward_pass_together_take_three_times_the_forward_pass(counted):
    assert all(found["training"] == 3 * found["multiplications"] for _, found in counted)


def test_v5_multiplies_its_factors_once_per_batch_and_folds_into_v4(counted):
    (v4,) = [found for layer, found in counted if (layer.version, layer.sizes.get("K")) == ("v4", RANK)]
    costs = ("multiplications", "a_batch", "parameters", "biases", "generated")
    for layer, found in counted:
        if layer.version == "v5":
            assert found["multiplications"] == v4["multiplications"]
            assert found["a_batch"] == evaluate(OVER_MULTIPLICATIONS, layer.sizes)
            assert found["parameters"] - found["biases"] == evaluate(OVER_WEIGHTS, layer.sizes)
        if layer.version == folded("v5"):
            assert [found[cost] for cost in costs] == [v4[cost] for cost in costs]


def test_torchs_own_counter_misses_the_broadcast_product_alone(layers):
    layer = next(layer for layer in layers if layer.version == "v4")
    x = torch.zeros(2, M, device="meta")
    with FlopCounterMode(display=False) as counter:
        layer.module(x, torch.zeros(2, D_CONDITION, device="meta"))
    forward, _ = table1.multiplications(layer, 2)
    assert forward - counter.get_total_flops() // 2 == 2 * layer.sizes["K"] ** 2


def test_the_first_layer_has_as_many_inputs_as_the_model_makes(schema):
    assert table1.n_inputs(schema) == Features(schema, D_CONDITION).d_flat == 3 * D_CONDITION + 1


def test_a_self_wise_layer_has_a_condition_as_wide_as_its_input():
    sizes = [layer.sizes for layer in table1.versions("WDL", "self", 6, 4, (2,))]
    assert all(size["D"] == size["M"] == 6 for size in sizes)


@pytest.mark.parametrize(
    ("counted", "is_lower_order", "answer"),
    [
        ([6, 20], False, "holds exactly"),
        ([8, 23], True, "holds up to lower-order terms"),
        ([8, 23], False, "does not hold"),
        ([8, 24], True, "does not hold"),
        ([6, 23], True, "does not hold"),
    ],
)
def test_the_verdict_on_a_formula(counted, is_lower_order, answer):
    assert page.formula_verdict([6, 20], [2, 3], counted, is_lower_order=is_lower_order) == answer


def layer_of(version, n=4, part="WDL", **more):
    """N = M = n, D = 2."""
    return {
        "part": part, "condition": "group", "version": version, "N": n, "M": n, "D": 2, "multiplications": 16,
        "training": 48, "a_batch": 0, "parameters": 20, "biases": 4, "generated": 0,
    } | more  # fmt: skip


def evidence_of(*counted):
    own = [layer | {"condition": "self"} for layer in counted]
    return measured_evidence("table1", {"": {"layers": [*counted, *own]}})


def test_a_formula_is_judged_on_every_layer():
    good = evidence_of(layer_of("base"))
    bad = evidence_of(layer_of("base"), layer_of("base", multiplications=17, parameters=21))
    answers = {"multiplications": "holds exactly", "weights": "holds up to lower-order terms"}
    for cost, answer in answers.items():
        assert page.formula_verdicts(good, cost) == {"base": answer} | dict.fromkeys(
            ("v1", "v2", "v3", "v4"), "not run"
        )
        assert page.formulas_table(bad, cost).data["Verdict"].iloc[0] == "does not hold"


def test_costs_of_wdl_are_sums_over_its_layers_relative_to_base():
    counted = [layer_of("base"), layer_of("base", 2, multiplications=4), layer_of("v1", multiplications=50)]
    counted += [layer_of(version, K=2.0, multiplications=5) for version in ("v2", "v3", "v4") for _ in range(2)]
    table = page.relative_costs_table(evidence_of(*counted), "multiplications").data
    assert table["any K"].tolist() == ["2.50", "", "", ""] * 2
    assert table["K = 2"].tolist() == ["", "0.50", "0.50", "0.50"] * 2


def test_the_share_of_base_is_that_of_one_embedding_and_the_k_of_table_5():
    counted = [layer_of("base", multiplications=20), layer_of("v4", K=4, multiplications=5), layer_of("v4", K=8)]
    assert page.share_of_base(evidence_of(*counted), "v4", "multiplications") == 0.25


def test_a_folded_v5_that_costs_more_than_v4_is_noticed():
    square = {"part": "square", "K": 4}
    counted = [
        layer_of("base", part="square"), layer_of("v4", **square), layer_of("v5", P=32, parameters=84, **square)
    ]  # fmt: skip
    for parameters, answer in ((20, "holds exactly"), (21, "does not hold")):
        served = layer_of(folded("v5"), P=32, parameters=parameters, **square)
        evidence = measured_evidence("table1", {"": {"layers": [*counted, served]}})
        (line,) = page.over_parameterised_table(evidence).data.to_dict("records")
        assert line["Folded = v4: verdict"] == answer
        assert (line["Weights"], line["÷ v4"], line["÷ base"]) == ("80", "5", "5.00")


def test_a_version_added_since_the_layers_were_counted_is_not_run(monkeypatch):
    monkeypatch.setattr(page, "IN_TABLE_1", (*page.IN_TABLE_1, "v6"))
    monkeypatch.setitem(page.PAPER_VERSIONS, "v6", PAPER_VERSIONS["v4"])
    evidence = evidence_of(layer_of("base"), *(layer_of(version, K=2.0) for version in ("v1", "v2", "v3", "v4")))
    assert page.formula_verdicts(evidence, "weights")["v6"] == "not run"
    assert "v6" not in set(page.relative_costs_table(evidence, "weights").data["Version"])
