"""Every backbone, against an independent literal reference and as part of the house."""

import pytest
import torch

from apg_repro.build import build
from apg_repro.config import RunConfig, UserError
from apg_repro.models import BACKBONES
from tests.reference.wdl import wdl

E, HIDDEN, K, P = 4, (6, 5), 2, 3
VERSIONS = ["base", "v1", "v2", "v3", "v4", "v5"]


def config(backbone="WDL", version="base", condition="self", **options) -> RunConfig:
    rank, over = (None if version in ("base", "v1") else K), (P if version == "v5" else None)
    return RunConfig(
        suite="test", dataset="random", variant=version, seed=0, backbone=backbone, version=version,
        condition=condition, rank=rank, over=over, d_embedding=E, hidden=HIDDEN, **options,
    )  # fmt: skip


def randomised(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=generator))
    return model


def tables(embedding, schema):
    """A fused table cut into the tables of its fields."""
    return dict(zip(schema.fields, embedding.weight.split(list(schema.fields.values())), strict=True))


def test_wdl_is_wide_plus_deep(schema, batch):
    model = randomised(build(config(), schema))
    own, wide = tables(model.features.embedding, schema), tables(model.wide.ids, schema)
    ours = model(batch.fields, batch.numbers)
    theirs = torch.stack(
        [
            wdl(
                [int(fields[schema.column(name)]) for name in schema.inputs],
                numbers.tolist(),
                [own[name] for name in schema.inputs],
                [([1, 2, 3], model.features.bags[0].weight)],
                [0],
                [wide[name][:, 0] for name in schema.inputs],
                model.wide.numbers,
                model.wide.bias,
                [lambda x, layer=layer: layer.weight @ x + layer.bias for layer in model.deep.layers],
                (model.output.weight, model.output.bias),
            )
            for fields, numbers in zip(batch.fields, batch.numbers, strict=True)
        ]
    )
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(
        torch.autograd.grad(ours.square().sum(), list(model.parameters())),
        torch.autograd.grad(theirs.square().sum(), list(model.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("condition", ["self", "user", "group"])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_every_backbone_trains_with_every_version_and_survives_saving(
    backbone, version, condition, schema, batch, tmp_path
):
    model = randomised(build(config(backbone, version, condition), schema))
    logits = model(batch.fields, batch.numbers)
    assert logits.shape == (len(batch),)
    logits.square().sum().backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == [], "parameters without a gradient"
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = build(config(backbone, version, condition), schema)
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    torch.testing.assert_close(other(batch.fields, batch.numbers), logits)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("backbone", sorted(BACKBONES))
def test_permuting_a_batch_permutes_the_logits(backbone, version, schema, batch):
    model, order = randomised(build(config(backbone, version), schema)), torch.randperm(len(batch))
    shuffled = batch.take(order)
    torch.testing.assert_close(
        model(shuffled.fields, shuffled.numbers), model(batch.fields, batch.numbers)[order], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_base_and_apg_share_the_start_of_what_they_share(version, schema):
    base, apg = build(config(), schema), build(config(version=version), schema)
    shared = dict(base.named_parameters())
    same = [name for name, p in apg.named_parameters() if name in shared and p.shape == shared[name].shape]
    assert {"features.embedding.weight", "output.weight"} <= set(same)
    for name in same:
        assert torch.equal(dict(apg.named_parameters())[name], shared[name]), name


def test_another_seed_is_another_start(schema):
    one = build(config(), schema)
    other = build(RunConfig(suite="t", dataset="d", variant="base", seed=1, d_embedding=E, hidden=HIDDEN), schema)
    assert not torch.equal(one.output.weight, other.output.weight)


def test_a_group_wise_condition_is_the_embedding_of_its_field(schema, batch):
    model = build(config(version="v4", condition="group"), schema)
    z = model.condition(batch.fields, model.features.embedding)
    table = tables(model.features.embedding, schema)["group"]
    torch.testing.assert_close(z, table[batch.fields[:, schema.column("group")].long()])


def test_unknown_names_are_told(schema):
    with pytest.raises(UserError, match="backbone 'WDN' is unknown"):
        build(config(backbone="WDN"), schema)
    with pytest.raises(UserError, match="no field 'ages'"):
        build(config(version="v4", condition="ages"), schema)


def test_12_bytes_a_weight_explain_the_memory_that_the_paper_prints_for_movielens(movielens):
    """Float32 and Adam's two moments, in 10^6 bytes, plus the constant that all of Table 5's cells share."""
    model = build(RunConfig(suite="t", dataset="movielens", variant="base", seed=0), movielens.schema)
    weights = sum(p.numel() for p in [*model.deep.parameters(), *model.output.parameters()])
    assert model.features.d_flat == 185
    assert abs(12e-6 * weights + 0.23 - 1.29) < 0.01
