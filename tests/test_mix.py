"""Mix-wise conditions with output aggregation: what several generators make, joined."""

from functools import partial

import pytest
import torch

from apg_repro.nn.apg import ApgV1, ApgV4
from apg_repro.nn.comparators import LAYERS
from apg_repro.nn.dense import initialise
from apg_repro.nn.mix import OutputMix
from tests.weights import dense, generate, randomised, sizes_of

B, D, N, M, K, P, CONDITIONS = 6, 4, 5, 7, 2, 3, 3  # N M is not divisible by 3: shares of a concatenation differ
HOWS = ["mean", "concat", "attention"]
VERSIONS = {version: partial(layer, **sizes_of(version, rank=K, over=P)) for version, layer in LAYERS.items()}


def make(version: str, how: str, layers: int = 1):
    mix = partial(OutputMix, k=CONDITIONS, how=how)
    return VERSIONS[version](M, N, d_condition=CONDITIONS * D, layers=layers, make_generator=mix)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("how", HOWS)
def test_the_generated_parameters_and_their_gradients_are_those_of_the_reference(how, layers):
    mix = randomised(OutputMix(CONDITIONS * D, 10, layers, k=CONDITIONS, how=how))
    z = random(B, CONDITIONS * D).requires_grad_()
    ours, theirs = mix(z), torch.stack([generate(mix)(row) for row in z])
    torch.testing.assert_close(ours, theirs)
    weights = [z, *mix.parameters()]
    for a, b in zip(
        torch.autograd.grad(ours.pow(3).sum(), weights), torch.autograd.grad(theirs.pow(3).sum(), weights), strict=True
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_layer_uses_the_joined_parameters_as_any_others(version, how):
    layer = randomised(make(version, how, layers=2))
    x, z = random(B, M), random(B, CONDITIONS * D, seed=1)
    expected = torch.stack([dense(layer, zi)(xi) for xi, zi in zip(x, z, strict=True)])
    torch.testing.assert_close(layer(x, z), expected)


def test_the_mean_of_weights_gives_the_mean_of_what_each_condition_alone_would_give():
    layer = randomised(make("v1", "mean"))
    x, z = random(B, M), random(B, CONDITIONS * D, seed=1)
    alone = []
    for part, condition in zip(layer.generator.parts, z.split(D, dim=1), strict=True):
        single = ApgV1(M, N, d_condition=D).double()
        single.generator, single.bias = part, layer.bias
        alone.append(single(x, condition))
    torch.testing.assert_close(layer(x, z), torch.stack(alone).mean(0))


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_mix_starts_statically_as_the_layer_of_one_condition_does(version, how):
    mixed, single = make(version, how), VERSIONS[version](M, N, d_condition=D)
    for layer in (mixed, single):
        torch.manual_seed(3)
        layer.init = "static_start"
        layer.reset_parameters()
    x = torch.randn(B, M)
    torch.testing.assert_close(mixed(x, torch.randn(B, CONDITIONS * D)), single(x, torch.randn(B, D)))


@pytest.mark.parametrize("how", HOWS)
def test_every_generator_of_a_mix_is_damped_as_the_only_one_of_a_layer(how):
    for version, terms in (("v1", D), ("v3", 3 * D * K**2), ("v4", D)):
        layer = make(version, how)
        assert layer.damped_parameters() == {part.last.weight: terms for part in layer.generator.parts}
    layer = make("v5", how, layers=2)
    factors = dict.fromkeys([layer.u_left, layer.u_right, layer.v_left, layer.v_right], P)
    assert layer.damped_parameters() == {part.last.weight: 32 for part in layer.generator.parts} | factors


def test_a_concatenation_shares_the_parameters_out_among_the_conditions():
    mix = OutputMix(CONDITIONS * D, N * M, 1, k=CONDITIONS, how="concat")
    assert [part.last.out_features for part in mix.parts] == [12, 12, 11]


@pytest.mark.parametrize("how", HOWS)
def test_a_mixed_v5_folds(how):
    layer = randomised(make("v5", how, layers=2))
    x, z = random(B, M), random(B, CONDITIONS * D, seed=1)
    torch.testing.assert_close(layer.fold()(x, z), layer(x, z))


def test_an_empty_batch_has_no_rows():
    for how in HOWS:
        assert make("v5", how)(torch.empty(0, M), torch.empty(0, CONDITIONS * D)).shape == (0, N)


@pytest.mark.parametrize(("options", "message"), [
    ({"k": 5, "how": "mean"}, "d_condition must be a multiple of the 5 conditions, not 12"),
    ({"k": 0, "how": "mean"}, "k must be a whole number of at least 1, not 0"),
    ({"k": 12, "how": "concat"}, "12 conditions cannot share 10 generated parameters: choose another aggregation"),
])  # fmt: skip
def test_a_mix_that_cannot_be_made_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        OutputMix(CONDITIONS * D, 10, 1, **options)


def test_glorot_gives_every_generator_a_start_of_its_own():
    mix = OutputMix(CONDITIONS * D, 10, 1, k=CONDITIONS, how="mean")
    layer = ApgV4(M, N, rank=K, d_condition=CONDITIONS * D, init="glorot", make_generator=lambda d, n, layers: mix)
    initialise(layer, lambda name: 0)
    first, second, _ = mix.parts
    assert first.last.weight.any()
    assert not torch.equal(first.last.weight, second.last.weight)
