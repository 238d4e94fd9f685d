"""How many parameters a model has, by a closed formula in the terms of Table 1.

C ids in all, J embedded features (fields and bags), E embedding size, X inputs of the deep part, H the last hidden
layer, D size of the condition, N outputs, M inputs of a layer.
"""

from itertools import pairwise
from math import ceil

import pytest

from apg_repro.config import RunConfig
from apg_repro.models import BACKBONES, DOMAIN_MODELS, FLOORS
from apg_repro.nn.comparators import LAYERS
from apg_repro.training.build import build
from apg_repro.versions import VERSIONS

E, HIDDEN, K, P = 4, (6, 5), 2, 3
H = HIDDEN[-1]
IDS, MEMBERS, NUMBERS, PLAIN, J, GROUPS = 7 + 5 + 3, 3, 4, 1, 3, 3  # of the schema in conftest
X = J * E + PLAIN
PAIRS = J * (J - 1) // 2

EMBEDDINGS = (IDS + MEMBERS) * E
WIDE = IDS + NUMBERS + 1


def dense(version: str, m: int, n: int, d: int) -> int:
    """A layer: SPG, what generates the specific part (D + 1 with G's bias), SPS, the shared part, and the bias."""
    spg, sps = {
        "base": (0, n * m),
        "v1": ((d + 1) * n * m, 0),
        "v2": ((d + 1) * (n * K + K * K + K * m), 0),
        "v3": ((d + 1) * (n * K + K * K + K * m), 0),
        "v4": ((d + 1) * K * K, n * K + K * m),
        "v5": ((d + 1) * K * K, n * P + P * K + K * P + P * m),
        "gate": ((d + 1) * n, n * m),
        "film": ((d + 1) * 2 * n, n * m),
        "adapter": ((d + 1) * (n * K + K * m), n * m),
    }[version]
    return spg + sps + n


def deep(version: str, x: int, d: int | None) -> int:
    """The hidden layers; d None: self-wise, the condition of each is its input."""
    return sum(dense(version, m, n, m if d is None else d) for m, n in pairwise((x, *HIDDEN)))


def attention(version: str, m: int, n: int, d: int | None) -> int:
    """Query, key, value and residual."""
    return 4 * dense(version, m, n, m if d is None else d)


def formula(backbone: str, version: str, d: int | None, projections: str = "base") -> int:
    """All parameters of a model."""
    match backbone:
        case "WDL" | "DeepFM":
            return EMBEDDINGS + WIDE + deep(version, X, d) + H + 1
        case "PNN":
            return EMBEDDINGS + deep(version, X + J * (J + 1) // 2, d) + H + 1
        case "FiBiNET":
            senet, bilinear = 2 * J * ceil(J / 3), 2 * PAIRS * E * E
            return EMBEDDINGS + WIDE + senet + bilinear + deep(version, 2 * PAIRS * E + PLAIN, d) + H + 1
        case "DIFM":
            linear = IDS + MEMBERS + PLAIN + 1
            factors = (J * E * J + J) + (H * J + J)
            return EMBEDDINGS + linear + attention(projections, E, E, d) + deep(version, X, d) + factors
        case "DCN":
            return EMBEDDINGS + 6 * 2 * X + deep(version, X, d) + X + H + 1
        case "DCNv2":
            return EMBEDDINGS + 2 * (X * X + X) + deep(version, X, d) + X + H + 1
        case "AutoInt":
            heads = 2 * 32
            interacting = attention(projections, E, heads, d) + 2 * attention(projections, heads, heads, d)
            return EMBEDDINGS + interacting + deep(version, X, d) + J * heads + H + 1
        case "LR":
            return WIDE
        case "FM":
            return EMBEDDINGS + WIDE
        case "MMoE":
            return EMBEDDINGS + WIDE + 8 * deep("base", X, None) + GROUPS * (8 * X + 8 + H + 1)
        case "Star":
            norm = (GROUPS + 1) * 2 * X
            main = (GROUPS + 1) * (deep("base", X, None) + H + 1)
            auxiliary = GROUPS * E + (X + E) * H + H + H + 1
            return EMBEDDINGS + WIDE + norm + main + auxiliary
        case _:
            raise ValueError(f"no formula for {backbone}: add it")


def count(schema, **options) -> int:
    config = RunConfig(dataset="random", seed=0, d_embedding=E, hidden=HIDDEN, rank=K, over=P, **options)
    return sum(parameter.numel() for parameter in build(config, schema).parameters())


@pytest.mark.parametrize(("condition", "d"), [("self", None), ("group", E), ("input_concat(user,item)", 2 * E)])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_backbone_has_as_many_parameters_as_the_formula_says(backbone, version, condition, d, schema):
    assert count(schema, backbone=backbone, version=version, condition=condition) == formula(backbone, version, d)


@pytest.mark.parametrize("version", LAYERS)
@pytest.mark.parametrize("backbone", ["DIFM", "AutoInt"])
def test_generated_projections_count_as_any_generated_layer(backbone, version, schema):
    ours = count(schema, backbone=backbone, version=version, condition="group", projections=True)
    assert ours == formula(backbone, version, E, projections=version)


@pytest.mark.parametrize("backbone", DOMAIN_MODELS)
def test_domains_cost_a_gate_and_a_tower_in_mmoe_and_a_whole_deep_part_in_star(backbone, schema):
    assert count(schema, backbone=backbone, domain="group") == formula(backbone, "base", None)


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_has_weights_of_ids_and_numbers_and_embeddings_for_pairs(floor, schema):
    assert count(schema, backbone=floor) == formula(floor, "base", None)


@pytest.mark.parametrize("how", ["mean", "concat", "attention"])
def test_an_output_mix_pays_for_one_generator_per_condition_unless_it_concatenates(how, schema):
    """WDL, v4: the k G of a concatenation make one share each, so they have the weights of one."""
    one = count(schema, version="v4", condition="group")
    mixed = count(schema, version="v4", condition=f"output_{how}(user,group)")
    generator, query = (E + 1) * K * K, E
    more = {"mean": generator, "concat": 0, "attention": generator + query}[how]
    assert mixed == one + len(HIDDEN) * more
