"""The layer against the paper's equations, and what must hold of it."""

import copy

import pytest
import torch
from torch import nn

from apg_repro.nn.apg import ApgLayer, ApgV1, ApgV2, ApgV3, ApgV4, ApgV5, ApgV5LargeRank, check_sizes, fold
from apg_repro.nn.dense import StaticDense, initialise
from tests.weights import dense, randomised

M, N, D, K, P, B = 6, 5, 4, 3, 7, 8
VERSIONS = ["v1", "v2", "v3", "v4", "v5"]
LARGE = 20  # a rank with which ApgV5LargeRank generates U S in the place of S


def make(version: str, d_condition: int | None = D, layers: int = 1, m: int = M, n: int = N) -> ApgLayer:
    common = {"d_condition": d_condition, "layers": layers}
    match version:
        case "v1":
            return ApgV1(m, n, **common)
        case "v2":
            return ApgV2(m, n, rank=K, **common)
        case "v3":
            return ApgV3(m, n, rank=K, **common)
        case "v4":
            return ApgV4(m, n, rank=K, **common)
        case "v5":
            return ApgV5(m, n, rank=K, over=P, **common)
        case _:
            return ApgV5LargeRank(m, n, rank=LARGE, over=P, **common)


def by_the_book(layer: ApgLayer, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """The reference on every instance, with the layer's own weights."""
    return torch.stack([dense(layer, zi)(xi) for xi, zi in zip(x, z, strict=True)])


def rows(d: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(B, d, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("generator_layers", [1, 2, 3, 4])
@pytest.mark.parametrize("self_wise", [True, False], ids=["self", "group"])
@pytest.mark.parametrize("version", [*VERSIONS, "v5, large K"])
def test_outputs_and_gradients_are_those_of_the_equations(version, self_wise, generator_layers):
    layer = randomised(make(version, None if self_wise else D, generator_layers))
    x = rows(M).requires_grad_()
    z = x if self_wise else rows(D, 2).requires_grad_()
    ours = layer(x, None if self_wise else z)
    theirs = by_the_book(layer, x, z)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(B, N, dtype=torch.double)
    inputs = [x, *layer.parameters()] if self_wise else [x, z, *layer.parameters()]
    for a, b in zip(
        torch.autograd.grad((ours * weights).sum(), inputs),
        torch.autograd.grad((theirs * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("version", VERSIONS)
def test_gradients_agree_with_finite_differences(version):
    layer = randomised(make(version))
    assert torch.autograd.gradcheck(layer, (rows(M).requires_grad_(), rows(D, 2).requires_grad_()))


def test_v3_computes_the_same_function_as_v2():
    v2, v3 = randomised(make("v2")), randomised(make("v3"))
    v3.load_state_dict(v2.state_dict())
    torch.testing.assert_close(v2(rows(M), rows(D, 2)), v3(rows(M), rows(D, 2)))


def test_a_v3_of_one_generator_layer_makes_no_matrix_for_an_instance():
    """Besides its input, what is held of an instance for the backward pass grows with K (D + 1), not with I or O."""
    layer, held = randomised(make("v3", m=50, n=60)), []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: held.append(tensor.shape) or tensor, lambda t: t):
        layer(rows(50), rows(D, 2))
    assert max(shape.numel() for shape in held if shape[0] == B) == B * max(50, K * (D + 1))


def test_a_v5_of_large_rank_makes_no_matrix_of_k_by_k_for_an_instance():
    layer, held = randomised(make("v5, large K")), []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: held.append(tensor.shape) or tensor, lambda t: t):
        layer(rows(M), rows(D, 2))
    assert max(shape.numel() for shape in held if shape[0] == B) == B * N * LARGE


@pytest.mark.parametrize("self_wise", [True, False], ids=["self", "group"])
def test_a_folded_v5_is_a_v4_with_the_same_outputs(self_wise):
    layer = randomised(make("v5", None if self_wise else D, layers=2))
    folded = layer.fold()
    z = None if self_wise else rows(D, 2)
    assert type(folded) is ApgV4
    assert folded.bias.dtype == torch.double
    torch.testing.assert_close(layer(rows(M), z), folded(rows(M), z))


def test_a_layer_that_stands_in_two_places_is_folded_once():
    model = torch.nn.ModuleDict({"a": make("v5")})
    model["b"] = model["a"]
    fold(model)
    assert isinstance(model["b"], ApgV4)
    assert model["b"] is model["a"]


def test_fold_replaces_every_v5_layer_of_a_model():
    model = nn.Module()
    model.first, model.parts = make("v5"), nn.ModuleList([make("v5"), StaticDense(N, 1)])
    fold(model)
    assert [type(part) for part in (model.first, *model.parts)] == [ApgV4, ApgV4, StaticDense]


@pytest.mark.parametrize("version", VERSIONS)
def test_equal_conditions_give_equal_weights(version):
    """With one z for all, the layer is one linear map (plus bias) of x."""
    layer = randomised(make(version))
    z = rows(D, 2)[:1].expand(B, D)
    x, y = rows(M), rows(M, 3)
    zero = layer(torch.zeros_like(x), z)
    torch.testing.assert_close(layer(2 * x - 3 * y, z) - zero, 2 * (layer(x, z) - zero) - 3 * (layer(y, z) - zero))


@pytest.mark.parametrize("version", VERSIONS)
def test_different_conditions_give_different_weights(version):
    layer = randomised(make(version))
    x = rows(M)[:1].expand(B, M)
    assert (layer(x, rows(D, 2)).std(0) > 1e-3).all()


@pytest.mark.parametrize("version", VERSIONS)
def test_permuting_a_batch_permutes_the_outputs(version):
    layer, order = randomised(make(version)), torch.randperm(B)
    x, z = rows(M), rows(D, 2)
    torch.testing.assert_close(layer(x[order], z[order]), layer(x, z)[order])


@pytest.mark.parametrize("version", ["v2", "v3", "v4"])
def test_full_rank_and_a_constant_condition_can_equal_any_static_layer(version):
    """K = min(N, M): U S V of rank K reaches any W. Constructed weights: S = 1, U = 1 (N <= M), V = W."""
    static = randomised(StaticDense(M, K), seed=5)
    layer = {"v2": ApgV2, "v3": ApgV3, "v4": ApgV4}[version](M, K, rank=K, d_condition=D).double()
    eye = torch.eye(K, dtype=torch.double)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.bias.copy_(static.bias)
        if version == "v4":
            layer.u.copy_(eye)
            layer.v.copy_(static.weight)
            layer.generator.last.bias.copy_(eye.flatten())
        else:
            layer.generator.last.bias.copy_(torch.cat([eye.flatten(), eye.flatten(), static.weight.flatten()]))
    torch.testing.assert_close(layer(rows(M), rows(D, 2)), static(rows(M), None))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_static_start_is_a_static_layer_whatever_the_condition(version):
    layer = make(version)
    layer.init = "static_start"
    initialise(layer, lambda name: 3)
    x = rows(M).float()
    torch.testing.assert_close(layer(x, rows(D, 2).float()), layer(x, rows(D, 4).float()))
    assert layer(x, rows(D, 2).float()).std() > 0.1


def test_a_static_start_keeps_the_scale_of_its_input():
    for version in VERSIONS:
        layer = make(version, m=256, n=256)
        layer.init = "static_start"
        initialise(layer, lambda name: 3)
        assert 0.3 < layer(torch.randn(64, 256), torch.randn(64, D)).std() < 3


@pytest.mark.parametrize("version", VERSIONS)
def test_a_layer_starts_near_a_static_one_and_depends_on_its_condition(version):
    """By default. Without z, that is with 0, it is the static start."""
    layer, static = make(version), make(version)
    static.init = "static_start"
    for each in (layer, static):
        initialise(each, lambda name: 3)
    x = rows(M).float()
    zero = torch.zeros(B, D)
    torch.testing.assert_close(layer(x, zero), static(x, zero))
    assert not torch.allclose(layer(x, rows(D, 2).float()), layer(x, zero))


def test_glorot_gives_every_matrix_a_glorot_start():
    layer = ApgV4(M, N, rank=K, d_condition=D, init="glorot")
    initialise(layer, lambda name: 3)
    limit = (6 / (D + K * K)) ** 0.5
    assert 0.5 * limit < layer.generator.last.weight.abs().max() <= limit
    assert not layer.generator.last.bias.any()


@pytest.mark.parametrize(
    ("version", "count"),
    [
        ("v1", (D + 1) * N * M + N),
        ("v2", (D + 1) * (N * K + K * K + K * M) + N),
        ("v3", (D + 1) * (N * K + K * K + K * M) + N),
        ("v4", (D + 1) * K * K + N * K + K * M + N),
        ("v5", (D + 1) * K * K + N * P + P * K + K * P + P * M + N),
    ],
)
def test_parameter_counts_are_those_of_table_1(version, count):
    """SPG with D + 1 for the bias of G, plus SPS, plus the shared bias."""
    assert sum(parameter.numel() for parameter in make(version).parameters()) == count


def test_damping_names_the_weights_that_make_weights_and_their_terms():
    v1, v3, v4, v5 = (make(version) for version in ("v1", "v3", "v4", "v5"))
    assert v1.damped_parameters() == {v1.generator.last.weight: D}
    assert v3.damped_parameters() == {v3.generator.last.weight: 3 * D * K**2}
    assert v4.damped_parameters() == {v4.generator.last.weight: D}
    factors = dict.fromkeys([v5.u_left, v5.u_right, v5.v_left, v5.v_right], P)
    assert v5.damped_parameters() == {v5.generator.last.weight: D} | factors


@pytest.mark.parametrize("shape", [(M,), (K, K, M), (K, 1, M), (K, M + 1)])
@pytest.mark.parametrize("version", VERSIONS)
def test_an_x_of_another_shape_is_refused(version, shape):
    with pytest.raises(ValueError, match=rf"x must be \(B, {M}\), not"):
        make(version)(x=torch.randn(shape), z=torch.randn(K, D))


@pytest.mark.parametrize(("options", "message"), [
    ({"rank": 0, "over": 8}, "rank must be at least 1, not 0"),
    ({"rank": 2, "over": 0}, "over must be at least 1, not 0"),
    ({"rank": 2, "over": 8, "layers": 0}, "layers must be at least 1, not 0"),
])  # fmt: skip
def test_sizes_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ApgV5(6, 8, **options)


def test_a_start_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="init 'static-start' is unknown; choose one of static_bias, static_start"):
        check_sizes("static-start")


def test_a_group_wise_layer_called_without_a_condition_says_so():
    with pytest.raises(ValueError, match="built for a condition of size D"):
        make("v4")(rows(M).float(), None)


@pytest.mark.parametrize("version", VERSIONS)
def test_weights_survive_saving_and_loading(version, tmp_path):
    layer = randomised(make(version))
    torch.save(layer.state_dict(), tmp_path / "layer.pt")
    other = copy.deepcopy(make(version)).double()
    other.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
    torch.testing.assert_close(layer(rows(M), rows(D, 2)), other(rows(M), rows(D, 2)))
