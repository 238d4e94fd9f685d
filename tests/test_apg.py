"""The layer against the paper's equations, and what must hold of it."""

import copy
import subprocess
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from apg_repro.config import RunConfig
from apg_repro.experiments.table1 import measure as table1
from apg_repro.nn.apg import ApgLayer, ApgV2, ApgV3, ApgV4, ApgV5, Generator, count_served, fold
from apg_repro.nn.checks import require_choice, require_sizes
from apg_repro.nn.comparators import LAYERS
from apg_repro.nn.dense import StaticDense, initialise
from apg_repro.nn.mix import OutputMix
from apg_repro.paper.complexity import evaluate, total
from apg_repro.training.build import build
from apg_repro.versions import COMPARATORS
from apg_repro.versions import VERSIONS as TABLE
from tests.weights import dense, randomised, sizes_of

M, N, D, K, P, B = 6, 5, 4, 3, 7, 8
VERSIONS = list(LAYERS)
LARGE = {"rank": 20, "over": 21}  # a K with which v4 and v5 generate U S in the place of S
SELF_OR_GROUP = pytest.mark.parametrize("d_condition", [None, D], ids=["self", "group"])


def make(version: str, d_condition: int | None = D, layers: int = 1, m: int = M, n: int = N, **sizes) -> ApgLayer:
    """A layer; ``sizes`` may give another rank and over than K and P, of which a version takes those that it has."""
    options = sizes_of(version, **({"rank": K, "over": P} | sizes))
    return LAYERS[version](m, n, d_condition=d_condition, layers=layers, **options)


def by_the_book(layer: ApgLayer, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """The reference on every instance, with the layer's own weights."""
    return torch.stack([dense(layer, zi)(xi) for xi, zi in zip(x, z, strict=True)])


def rows(d: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(B, d, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def test_every_version_but_base_has_a_layer():
    assert list(LAYERS) == [version for version in TABLE if version != "base"]


@pytest.mark.parametrize("generator_layers", [1, 2, 3, 4])
@SELF_OR_GROUP
@pytest.mark.parametrize(
    ("version", "sizes"), [*((version, {}) for version in VERSIONS), ("v4", LARGE), ("v5", LARGE)],
    ids=[*VERSIONS, "v4, large K", "v5, large K"],
)  # fmt: skip
def test_outputs_and_gradients_are_those_of_the_equations(version, sizes, d_condition, generator_layers):
    layer = randomised(make(version, d_condition, generator_layers, **sizes))
    x = rows(M).requires_grad_()
    z = x if d_condition is None else rows(D, 2).requires_grad_()
    ours = layer(x, None if d_condition is None else z)
    theirs = by_the_book(layer, x, z)
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(B, N, dtype=torch.double)
    inputs = [x, *layer.parameters()] if d_condition is None else [x, z, *layer.parameters()]
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
    assert most_held(make("v3", m=50, n=60), rows(50)) == max(50, K * (D + 1))


def most_held(layer: ApgLayer, x: torch.Tensor) -> int:
    """How many numbers the largest tensor has that is held of an instance for the backward pass."""
    shapes = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: shapes.append(tensor.shape) or tensor, lambda t: t):
        randomised(layer)(x, rows(D, 2)[: len(x)])
    return max(shape.numel() // len(x) for shape in shapes if shape[0] == len(x))


@pytest.mark.parametrize("version", ["v4", "v5"])
def test_a_rank_above_the_outputs_makes_no_matrix_of_k_by_k_for_an_instance_where_that_saves_work(version):
    """N (B + K) < B K: with N = 5 and K = 20 for batches of 7 rows and more."""
    assert most_held(make(version, **LARGE), rows(M)[:7]) == N * 20
    assert most_held(make(version, **LARGE), rows(M)[:6]) == 20 * 20
    assert most_held(make(version, **LARGE, layers=2), rows(M)[:7]) == 20 * 20
    assert most_held(make(version), rows(M)) < N * 20


@SELF_OR_GROUP
def test_a_folded_v5_is_a_v4_with_the_same_outputs(d_condition):
    layer = randomised(make("v5", d_condition, layers=2))
    folded = layer.fold()
    z = None if d_condition is None else rows(D, 2)
    assert type(folded) is ApgV4
    assert folded.bias.dtype == torch.double
    torch.testing.assert_close(layer(rows(M), z), folded(rows(M), z))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_layer_folds_into_the_version_that_it_is_served_as(version):
    assert type(fold(make(version))) is LAYERS[TABLE[version].served_as or version]


def test_folding_keeps_the_mode_and_what_is_frozen_and_draws_no_random_number():
    layer = make("v5").eval().requires_grad_(False)
    before = torch.get_rng_state()
    folded = layer.fold()
    assert torch.equal(torch.get_rng_state(), before)
    assert not folded.training
    assert not any(parameter.requires_grad for parameter in folded.parameters())


def test_a_layer_with_an_equation_of_its_own_refuses_to_fold():
    class Doubled(ApgV5):
        def transform(self, x, z):
            return 2 * super().transform(x, z)

    with pytest.raises(ValueError, match="Doubled overrides transform, so it cannot be folded: override fold too"):
        fold(nn.Sequential(Doubled(M, N, rank=K, over=P)))


def test_a_layer_with_a_hook_refuses_to_fold():
    layer = make("v5")
    layer.register_forward_hook(lambda layer, inputs, output: 2 * output)
    with pytest.raises(ValueError, match="ApgV5 has forward hooks, which folding would lose: remove them first"):
        fold(nn.Sequential(layer))


def test_a_layer_that_is_compiled_by_itself_refuses_to_fold():
    compiled = nn.Sequential(torch.compile(make("v5"), backend="eager"))
    with pytest.raises(ValueError, match="a compiled ApgV5 cannot be folded: fold the model first, then compile it"):
        fold(compiled)


class Adapted(nn.Module):
    """A linear layer with an adapter around it, which shows the weights of that layer as its own."""

    def __init__(self, linear):
        super().__init__()
        self.linear, self.adapter = linear, nn.Linear(linear.in_features, linear.out_features, dtype=torch.double)
        self.weight, self.bias, self.in_features = linear.weight, linear.bias, linear.in_features

    def forward(self, z):
        return self.linear(z) + self.adapter(z)


class Unknown(Generator):
    """A G of a class of its own, which every layer calls."""


CHANGES = {
    "an adapter": lambda g: setattr(g, "last", Adapted(g.last)),
    "no bias": lambda g: setattr(g.last, "bias", None),
    "a hook": lambda g: g.last.register_forward_hook(lambda layer, inputs, output: 2 * output) and None,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("version", ["v3", "v4", "v5"])
def test_a_generator_that_a_user_has_changed_is_called(version, change):
    """Where K is above O, v4 and v5 compute with the weights of a G of one linear layer, as v3 does."""
    layer = randomised(make(version, None, **LARGE))
    CHANGES[change](layer.generator)
    y = layer(rows(M))
    layer.generator.__class__ = Unknown
    torch.testing.assert_close(y, layer(rows(M)))


@pytest.mark.parametrize("how", [None, "mean", "concat", "attention"])
@pytest.mark.parametrize("layers", [1, 3])
def test_the_served_parameters_are_those_of_the_folded_model(layers, how):
    mix = {} if how is None else {"d_condition": 3 * D, "make_generator": partial(OutputMix, k=3, how=how)}
    shared = ApgV5(M, M, rank=K, over=P, layers=layers, **mix)
    model = nn.ModuleList([shared, shared, ApgV5(M, N, rank=K, over=4, layers=layers, **mix), nn.Linear(N, 1)])
    served = count_served(model)
    assert served == sum(parameter.numel() for parameter in fold(model).parameters())
    assert count_served(model) == served


def test_a_layer_that_is_used_twice_is_folded_once():
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


@pytest.mark.parametrize("version", COMPARATORS)
@pytest.mark.parametrize("condition", ["self", "group"])
def test_a_comparator_with_a_static_start_is_base(version, condition, schema, batch):
    """The same model, number by number: with W as base's, whatever the condition is."""
    task = RunConfig(
        dataset="random", seed=3, d_embedding=D, hidden=(6, 5), version=version, rank=K, condition=condition,
        init="static_start",
    )  # fmt: skip
    ours, base = build(task, schema), build(replace(task, version="base"), schema)
    assert torch.equal(ours.deep.layers[0].weight, base.deep.layers[0].weight)
    torch.testing.assert_close(ours(batch.fields, batch.numbers), base(batch.fields, batch.numbers), rtol=0, atol=0)


@pytest.mark.parametrize("version", COMPARATORS)
def test_a_comparator_costs_what_its_entry_says(version):
    """Multiplications, weights, biases and what is generated, counted as Table 1's are."""
    entry, layer = TABLE[version], make(version)
    sizes = {"N": N, "M": M, "D": D, "K": K}
    with torch.device("meta"):
        shape = make(version)
    found = table1.count(
        table1.Layer(part="square", condition="group", version=version, sizes=sizes, generated=0, module=shape)
    )
    computation = (total(entry.computation), entry.extra_multiplications)
    assert found["multiplications"] == sum(evaluate(formula, sizes) for formula in computation)
    assert found["a_batch"] == 0
    assert found["parameters"] - found["biases"] == evaluate(total(entry.memory), sizes)
    assert found["biases"] == evaluate(entry.biases, sizes)
    assert layer.generated(rows(M).float(), rows(D, 2).float()).shape == (B, evaluate(entry.generated, sizes))


def test_an_adapter_of_rank_k_adds_a_matrix_of_rank_k():
    layer = randomised(make("adapter"))
    z = rows(D, 2)[:1].expand(M, D)
    eye = torch.eye(M, dtype=torch.double)
    added = layer(eye, z) - layer.shared(eye)
    assert torch.linalg.matrix_rank(added) == K


def test_damping_names_the_weights_that_make_weights_and_their_terms():
    v1, v3, v4, v5 = (make(version) for version in ("v1", "v3", "v4", "v5"))
    assert v1.damped_parameters() == {v1.generator.last.weight: D}
    assert v3.damped_parameters() == {v3.generator.last.weight: 3 * D * K**2}
    assert v4.damped_parameters() == {v4.generator.last.weight: D}
    gate, film, adapter = (make(version) for version in ("gate", "film", "adapter"))
    assert gate.damped_parameters() == {gate.generator.last.weight: D}
    assert film.damped_parameters() == {film.generator.last.weight: D}
    assert adapter.damped_parameters() == {adapter.generator.last.weight: 2 * D * K}
    factors = dict.fromkeys([v5.u_left, v5.u_right, v5.v_left, v5.v_right], P)
    assert v5.damped_parameters() == {v5.generator.last.weight: D} | factors


X, Z = (B, M), (B, D)
FLATTEN = "flatten all leading dimensions into one first"
ROWS = r"pass one row of z per row of x; z.expand\(len\(x\), -1\) shares a single z"


@pytest.mark.parametrize(("d_condition", "x", "z", "message"), [
    (D, (M,), Z, rf"x must be \(B, 6\), not \(6,\): {FLATTEN}"),
    (D, (B, 3, M), Z, rf"x must be \(B, 6\), not \(8, 3, 6\): {FLATTEN}"),
    (None, (B, 1, M), None, rf"x must be \(B, 6\), not \(8, 1, 6\): {FLATTEN}"),
    (D, (B, 7), Z, r"x must be \(B, 6\), not \(8, 7\): build the layer with d_in=7"),
    (D, X, (D,), rf"z must be \(B, 4\), not \(4,\): {FLATTEN}"),
    (D, X, (B, 1, D), rf"z must be \(B, 4\), not \(8, 1, 4\): {FLATTEN}"),
    (D, X, (B, 3), r"z must be \(B, 4\), not \(8, 3\): build the layer with d_condition=3"),
    (D, X, (1, D), f"z has 1 rows, but x has 8: {ROWS}"),
    (D, (1, M), Z, f"z has 8 rows, but x has 1: {ROWS}"),
    (D, X, None, "this layer needs a z: pass it, or build the layer without d_condition to be self-wise"),
    (None, X, Z, "a self-wise layer takes no z: to give it one, build it with d_condition, the size of z"),
    (None, X, X, "a self-wise layer takes no z"),
])  # fmt: skip
@pytest.mark.parametrize("version", VERSIONS)
def test_inputs_that_do_not_fit_are_refused_with_the_remedy(version, d_condition, x, z, message):
    layer = make(version, d_condition)
    inputs = {"x": torch.randn(x)} | ({} if z is None else {"z": torch.randn(z)})
    for call in (layer, layer.generated):
        with pytest.raises(ValueError, match=message):
            call(**inputs)


@pytest.mark.parametrize("version", VERSIONS)
def test_whole_numbers_are_refused_with_the_remedy(version):
    with pytest.raises(ValueError, match=r"x must be floating point, not torch.int64: pass x.float\(\)"):
        make(version)(torch.ones(X, dtype=torch.long), torch.randn(Z))
    with pytest.raises(ValueError, match=r"z must be floating point, not torch.int64: pass z.float\(\)"):
        make(version)(torch.randn(X), torch.ones(Z, dtype=torch.long))


@pytest.mark.parametrize(("options", "message"), [
    ({"rank": 0, "over": 8}, "rank must be a whole number of at least 1, not 0"),
    ({"rank": 2, "over": 0}, "over must be a whole number of at least 1, not 0"),
    ({"rank": 2, "over": 8, "layers": 0}, "layers must be a whole number of at least 1, not 0"),
    ({"rank": 2, "over": 8, "d_condition": 0}, "d_condition must be a whole number of at least 1, not 0"),
])  # fmt: skip
def test_sizes_that_do_not_exist_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ApgV5(6, 8, **options)


@pytest.mark.parametrize("size", [2.5, "4", None])
def test_a_size_that_is_no_whole_number_is_refused(size):
    with pytest.raises(ValueError, match=f"rank must be a whole number of at least 1, not {size!r}"):
        require_sizes(rank=size)


def test_a_p_below_k_is_refused_unless_it_is_asked_for():
    with pytest.raises(
        ValueError, match=r"over \(P = 2\) is below rank \(K = 8\).*: choose an over of at least rank, or"
    ):
        ApgV5(6, 8, rank=8, over=2)
    assert ApgV5(6, 8, rank=8, over=2, allow_narrow=True).over == 2
    assert ApgV5(6, 8, rank=8, over=8).over == 8


def test_a_start_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="init 'static-start' is unknown; choose one of static_bias, static_start"):
        require_choice("init", "static-start", ["static_bias", "static_start"])


def test_a_layer_shows_its_sizes():
    assert repr(ApgV5(185, 256, rank=4, over=32)) == "ApgV5(185 → 256, K=4, P=32, self-wise)"
    assert repr(ApgV4(185, 256, rank=4, d_condition=32)) == "ApgV4(185 → 256, K=4, D=32)"
    assert repr(make("v1", layers=2)) == "ApgV1(6 → 5, layers=2, D=4)"
    assert repr(make("v3", None)) == "ApgV3(6 → 5, K=3, self-wise)"
    assert repr(make("gate")) == "GatedDense(6 → 5, D=4)"
    assert repr(make("adapter", None)) == "AdapterDense(6 → 5, K=3, self-wise)"


# Every version and way of computing: one linear layer as G or more, a rank above the outputs, several G.
KINDS = {
    **{version: partial(make, version) for version in VERSIONS},
    **{f"{version}, G of two layers": partial(make, version, layers=2) for version in VERSIONS},
    **{f"{version}, large K": partial(make, version, **LARGE) for version in ("v4", "v5")},
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


@EVERY_KIND
@SELF_OR_GROUP
def test_an_empty_batch_has_an_empty_output(kind, d_condition):
    layer, x = randomised(KINDS[kind](d_condition)), rows(M)[:0].requires_grad_()
    y = layer(x) if d_condition is None else layer(x, rows(D)[:0])
    assert y.shape == (0, N)
    y.sum().backward()
    assert not any(parameter.grad.any() for parameter in layer.parameters())


@EVERY_KIND
@SELF_OR_GROUP
@pytest.mark.usefixtures("unchecked")
def test_an_exported_layer_takes_a_batch_of_any_size(kind, d_condition):
    layer = randomised(KINDS[kind](d_condition)).eval()
    inputs = (rows(M),) if d_condition is None else (rows(M), rows(D, 2))
    batch = torch.export.Dim("batch")
    program = torch.export.export(layer, inputs, dynamic_shapes=({0: batch},) * len(inputs)).module()
    agree_on_batches(layer, program, inputs)


@EVERY_KIND
@SELF_OR_GROUP
@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_traced_layer_takes_a_batch_of_any_size(kind, d_condition):
    layer = randomised(KINDS[kind](d_condition)).eval()
    inputs = (rows(M),) if d_condition is None else (rows(M), rows(D, 2))
    agree_on_batches(layer, torch.jit.trace(layer, inputs), inputs)


def agree_on_batches(layer, program, inputs) -> None:
    for n in (2, 5, 40):  # 40: a batch for which a large K has the shorter way
        batch = [values.repeat(5, 1)[:n] for values in inputs]
        torch.testing.assert_close(program(*batch), layer(*batch))


@EVERY_KIND
@pytest.mark.usefixtures("unchecked")
def test_a_compiled_layer_has_no_graph_breaks(kind):
    layer = randomised(KINDS[kind](D))
    torch.compiler.reset()  # other kinds have compiled the same forward
    compiled = torch.compile(layer, fullgraph=True, backend="eager")
    for n in (B, 5):
        torch.testing.assert_close(compiled(rows(M)[:n], rows(D, 2)[:n]), layer(rows(M)[:n], rows(D, 2)[:n]))


@EVERY_KIND
def test_autocast_gives_what_a_static_layer_gives_there(kind):
    layer = randomised(KINDS[kind](D)).float()
    x, z = rows(M).float(), rows(D, 2).float()
    with torch.no_grad():
        exact = layer(x, z)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = layer(x, z)
    assert y.dtype == torch.bfloat16
    assert float((y - exact).abs().max()) < 0.05 * float(exact.abs().max())


@EVERY_KIND
def test_transforms_of_torch_func_give_the_gradients_of_every_instance(kind):
    layer = randomised(KINDS[kind](D))
    x, z = rows(M), rows(D, 2)
    weights = dict(layer.named_parameters())

    def loss(weights, x, z):
        return functional_call(layer, weights, (x.unsqueeze(0), z.unsqueeze(0))).square().sum()

    found = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, z)
    layer(x, z).square().sum().backward()
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(found[name].sum(0), parameter.grad)


def test_the_layers_need_torch_and_jaxtyping_alone():
    code = (
        "import sys\n"
        "for name in ('pandas', 'pyarrow', 'sklearn', 'scipy', 'tqdm', 'matplotlib', 'IPython'):\n"
        "    sys.modules[name] = None\n"
        "import torch\n"
        "from apg_repro.nn import ApgV1, ApgV2, ApgV3, ApgV4, ApgV5, fold\n"
        "from apg_repro.nn import attention, conditions, dense, domains, embedding, mix\n"
        "print(tuple(fold(ApgV5(6, 5, rank=3, over=7))(torch.randn(2, 6)).shape))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("(2, 5)", "")


@pytest.mark.parametrize("version", VERSIONS)
def test_weights_survive_saving_and_loading(version, tmp_path):
    layer = randomised(make(version))
    torch.save(layer.state_dict(), tmp_path / "layer.pt")
    other = copy.deepcopy(make(version)).double()
    other.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
    torch.testing.assert_close(layer(rows(M), rows(D, 2)), other(rows(M), rows(D, 2)))
