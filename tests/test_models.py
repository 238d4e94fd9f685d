"""What holds of every model of the package, whatever its equations (for those see test_backbones_reference)."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from apg_repro.catalogue import is_prepared
from apg_repro.config import RunConfig
from apg_repro.errors import UserError
from apg_repro.experiments import SUITES
from apg_repro.models import BACKBONES, DOMAIN_MODELS, FLOORS
from apg_repro.nn.apg import ApgV4
from apg_repro.nn.comparators import LAYERS
from apg_repro.nn.dense import DeepPart, StaticDense, initialise
from apg_repro.nn.embedding import Features
from apg_repro.suite import Plan, candidate
from apg_repro.training.build import build
from apg_repro.training.memory import schema_for
from apg_repro.training.scoring import evaluate
from apg_repro.training.train import make_step
from apg_repro.versions import VERSIONS
from tests.weights import randomised, sizes_of

E, HIDDEN, K, P = 4, (6, 5), 2, 3
MIXES = [
    f"{where}_{how}(user,group)" for where in ("input", "output") for how in ("mean", "concat", "attention")
]  # fmt: skip
CONDITIONS = ["self", "group", *MIXES]
# Every backbone with every version and condition, the models that have domains, by field or combination, and floors.
EVERY = [
    *((backbone, {"version": "base"}) for backbone in BACKBONES),
    *((backbone, {"version": version, "condition": condition})
      for backbone in BACKBONES for version in LAYERS for condition in CONDITIONS),
    *((backbone, {"domain": domain}) for backbone in DOMAIN_MODELS for domain in ("item", "item+group")),
    *((floor, {"version": "base"}) for floor in FLOORS),
]  # fmt: skip


def config(backbone="WDL", version="base", seed=0, **options) -> RunConfig:
    sizes = {"d_embedding": E, "hidden": HIDDEN} | sizes_of(version, rank=K, over=P)
    return RunConfig(dataset="random", seed=seed, backbone=backbone, version=version, **(sizes | options))


def name_of(case) -> str:
    return "-".join([case[0], *map(str, case[1].values())])


@pytest.fixture(scope="module", params=EVERY, ids=name_of)
def task(request) -> RunConfig:
    backbone, options = request.param
    return config(backbone, **options)


@pytest.fixture(scope="module")
def model(task, schema) -> nn.Module:
    """Its model with random weights, of a seed with which no ReLU of so small a model is 0 for the whole batch."""
    return randomised(build(task, schema), seed=4 if task.backbone == "DCNv2" else 3).eval()


def test_every_parameter_gets_a_gradient(model, batch):
    model.zero_grad()
    model(batch.fields, batch.numbers.double()).sum().backward()
    sizes = {name: 0.0 if p.grad is None else float(p.grad.abs().max()) for name, p in model.named_parameters()}
    idle = [name for name, size in sizes.items() if size < 1e-12 * max(sizes.values())]
    # a softmax cancels what its keys have in common (see nn.attention)
    assert [name for name in idle if not name.endswith("key.bias")] == []


def test_permuting_a_batch_permutes_the_logits(model, batch):
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
    shuffled = batch.take(order)
    logits = model(batch.fields, batch.numbers.double())
    torch.testing.assert_close(model(shuffled.fields, shuffled.numbers.double()), logits[order])


def test_every_parameter_has_a_start_and_survives_saving(task, model, schema, batch, tmp_path):
    torch.save(model.state_dict(), tmp_path / "model.pt")
    other = build(task, schema).double().eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.fill_(torch.nan)
    initialise(other, lambda name: 0)
    assert [name for name, p in other.named_parameters() if p.isnan().any()] == []
    other.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    numbers = batch.numbers.double()
    assert torch.equal(other(batch.fields, numbers), model(batch.fields, numbers))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_static_model_is_the_same_whatever_the_condition(condition, schema):
    models = build(config(condition=condition), schema), build(config(), schema)
    first, second = (model.state_dict() for model in models)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_an_empty_batch_has_no_logits(backbone, schema, batch):
    for version, condition in (("base", "self"), ("v3", "group"), ("v5", "output_attention(user,group)")):
        model = build(config(backbone, version, condition=condition), schema)
        none = batch.take(torch.arange(0))
        assert model(none.fields, none.numbers).shape == (0,)


class MadeFromPython(TorchDispatchMode):
    """Counts the tensors that are made of Python's numbers, as those of a list that indexes a tensor are."""

    n = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.n += func is torch.ops.aten.lift_fresh.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_step_makes_no_tensor_of_python_numbers_which_a_cuda_graph_could_not_copy(backbone, schema, batch):
    for version, condition in (("base", "self"), ("v3", "group"), *(("v5", mix) for mix in MIXES)):
        task = config(backbone, version, condition=condition)
        step = make_step(build(task, schema), batch, task)
        step(torch.arange(64))  # the first one sets the optimiser up
        chosen = torch.arange(64)
        with MadeFromPython() as made:
            step(chosen)
        assert made.n == 0, (version, condition)


OVERFIT = [
    *((backbone, {"version": version}) for backbone in BACKBONES for version in ("base", "v4")),
    *(("WDL", {"version": version}) for version in ("v1", "v3", "v5")),
    *(("WDL", {"version": "v4", "condition": condition})
      for condition in ("item", "input_attention(user,item)", "output_attention(user,item)")),
    ("DIFM", {"version": "v4", "projections": True}),
    *((backbone, {"domain": "user"}) for backbone in DOMAIN_MODELS),
]  # fmt: skip


@pytest.mark.parametrize(("backbone", "options"), OVERFIT, ids=map(name_of, OVERFIT))
def test_every_model_overfits_256_rows(backbone, options, small):
    assert auc_after(150, config(backbone, **options, **FITTED), small) > 0.99


# From a static start: Glorot's, of v2 and v3, is near a saddle that few steps on rows without numbers do not leave.
FITTED = {"init": "static_start", "d_embedding": 8, "hidden": (16, 8), "rank": 4, "over": 8, "learning_rate": 0.03}


def auc_after(steps: int, task: RunConfig, data) -> float:
    """AUC on 256 rows after some steps, each on all of them."""
    rows = data.take(torch.arange(256))
    model = build(task, rows.schema)
    step = make_step(model, rows, task)
    for _ in range(steps):
        step(torch.arange(256))
    return evaluate(model, rows)["auc"]


@pytest.mark.parametrize("version", VERSIONS)
def test_base_and_apg_share_the_start_of_what_they_share(version, schema):
    base, apg = build(config(), schema), build(config(version=version), schema)
    shared = dict(base.named_parameters())
    same = [name for name, p in apg.named_parameters() if name in shared and p.shape == shared[name].shape]
    assert {"features.embedding.weight", "output.weight"} <= set(same)
    for name in same:
        assert torch.equal(dict(apg.named_parameters())[name], shared[name]), name


def test_another_seed_is_another_start(schema):
    assert not torch.equal(build(config(seed=0), schema).output.weight, build(config(seed=1), schema).output.weight)


@pytest.mark.parametrize("backbone", ["DIFM", "AutoInt"])
def test_projections_are_static_unless_they_are_switched_on_by_name(backbone, schema):
    def kinds(**options):
        model = build(config(backbone, **options), schema)
        layers = model.attention if backbone == "AutoInt" else [model.attention]
        return {type(part) for layer in layers for part in (layer.query, layer.key, layer.value, layer.residual)}

    assert kinds(version="v4") == {StaticDense}
    assert kinds(version="v4", projections=True) == {ApgV4}


def test_an_option_of_a_backbone_reaches_it(schema):
    assert len(build(config("DCN", backbone_options={"n_cross": 2}), schema).cross) == 2
    assert build(config("PNN", backbone_options={"product": "outer"}), schema).product == "outer"
    mixture = build(config("MMoE", domain="item", backbone_options={"n_experts": 3}), schema)
    assert len(mixture.deep.experts) == 3


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_built_raises_a_user_error_that_names_the_remedy(schema):
    for message, options in {
        "backbone 'WDN' is unknown; choose one of WDL, .*, MMoE, Star, LR, FM": {"backbone": "WDN"},
        "no field 'ages' in this data set; it has user, item, group": {"version": "v4", "condition": "ages"},
        "WDL has no projections to generate; only DIFM and AutoInt have": {"version": "v4", "projections": True},
        "projections are generated by v1, v2, v3, v4, v5, gate, film, adapter; version": {
            "backbone": "DIFM",
            "projections": True,
        },
        "WDL takes no domain; only MMoE and Star do": {"domain": "item"},
        "Star needs version .base. and a domain, such as": {"backbone": "Star"},
        "MMoE needs version .base. and a domain": {"backbone": "MMoE", "version": "v4", "domain": "item"},
        'LR has no hidden layers: it needs version "base", and no domain, ': {"backbone": "LR", "version": "v4"},
        "FM has no hidden layers": {"backbone": "FM", "base_damping": True},
        "FM has no option 'order'; it has none of its own": {"backbone": "FM", "backbone_options": {"order": 3}},
        "DIFM must be a multiple of its 4 heads; 6 is not": {"backbone": "DIFM", "d_embedding": 6},
        "DCN has no option 'crosses'; it has n_cross$": {"backbone": "DCN", "backbone_options": {"crosses": 2}},
        "AutoInt has no option 'make_projection'; it has n_layers, n_heads, d_head$": {
            "backbone": "AutoInt",
            "backbone_options": {"make_projection": 2},
        },
        "WDL has no option 'hidden'; it has none of its own": {"backbone_options": {"hidden": 2}},
        "n_cross of DCN must be a whole number of at least 1, not -1": {
            "backbone": "DCN",
            "backbone_options": {"n_cross": -1},
        },
        "n_heads of AutoInt must be a whole number of at least 1, not 'two'": {
            "backbone": "AutoInt",
            "backbone_options": {"n_heads": "two"},
        },
        "MMoE has no option 'experts'; it has n_experts": {
            "backbone": "MMoE",
            "domain": "item",
            "backbone_options": {"experts": 3},
        },
        "product must be one of inner, outer, not 'sum'": {"backbone": "PNN", "backbone_options": {"product": "sum"}},
        "bilinear must be one of all, each, interaction, not 'one'": {
            "backbone": "FiBiNET",
            "backbone_options": {"bilinear": "one"},
        },
    }.items():
        with pytest.raises(UserError, match=message):
            build(config(**options), schema)


def test_fibinet_needs_two_fields(schema):
    with pytest.raises(UserError, match="FiBiNET pairs embedded fields, and there is one only: take another backbone"):
        build(config("FiBiNET"), replace(schema, inputs=("user",), bags=None))


class Tower(nn.Module):
    """logit = w · deep([embeddings, numbers]): a backbone as one would add it, in a file of its own."""

    def __init__(self, schema, d_embedding, hidden, make_dense, condition) -> None:
        super().__init__()
        self.features = Features(schema, d_embedding)
        self.condition = condition
        self.deep = DeepPart(self.features.d_flat, hidden, make_dense)
        self.output = StaticDense(hidden[-1], 1)

    def forward(self, fields, numbers):
        z = self.condition(fields, self.features.embedding)
        deep = self.deep(Features.flatten(*self.features(fields, numbers)), z)
        return self.output(deep, z).squeeze(1)


@pytest.mark.parametrize("condition", ["self", "output_attention(user,item)"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_backbone_needs_nothing_but_its_line_in_the_table_of_models(version, condition, small, monkeypatch):
    monkeypatch.setitem(BACKBONES, "Tower", Tower)
    assert auc_after(60, config("Tower", version, condition=condition, **FITTED), small) > 0.9


@pytest.mark.parametrize("name", [*BACKBONES, *DOMAIN_MODELS, *FLOORS])
def test_a_model_is_the_class_of_its_name_in_the_file_of_its_name(name):
    model = (BACKBONES | DOMAIN_MODELS | FLOORS)[name]
    assert (model.__name__, model.__module__) == (name, f"apg_repro.models.{name.lower()}")


def test_12_bytes_a_weight_explain_the_memory_that_the_paper_prints_for_movielens(movielens):
    """Float32 and Adam's two moments, in 10^6 bytes, plus the constant that all of Table 5's cells share."""
    model = build(RunConfig(dataset="movielens", seed=0), movielens.schema)
    weights = sum(p.numel() for p in [*model.deep.parameters(), *model.output.parameters()])
    assert model.features.d_flat == 185
    assert abs(12e-6 * weights + 0.23 - 1.29) < 0.01


@pytest.mark.parametrize("dataset", sorted({name for suite in SUITES.values() for name in suite.datasets}))
@pytest.mark.usefixtures("unchecked")
def test_every_declared_run_can_be_built(dataset):
    """Of each cell of every suite on that data set; without storage, so a model of any size is built at once."""
    if not is_prepared(dataset):
        pytest.skip(f"{dataset} is not at hand")
    known, schemas = set(), {}
    for suite in SUITES.values():
        if dataset not in suite.datasets:
            continue
        plan = Plan(profile="full", dataset=dataset, seeds=(1,))
        for cell in suite.cells(plan):
            for point in (*cell.grid[:1], *cell.grid[-1:]) or ({},):  # the least and the most
                config = replace(candidate(plan, cell, point), learning_rate=0.1, weight_decay=0.0)
                if config.id in known or config.domain is not None:  # domains' shapes depend on the rows
                    continue
                known.add(config.id)
                if config.features not in schemas:
                    schemas[config.features] = schema_for(config)
                with torch.random.fork_rng(devices=[]), torch.device("meta"):
                    build(config, schemas[config.features])
