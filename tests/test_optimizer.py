"""Adam row by row: what it moves, what it leaves, and that clipping sees the same gradient."""

import math

import pytest
import torch

from apg_repro.config import RunConfig
from apg_repro.errors import UserError
from apg_repro.nn.dense import DeepPart
from apg_repro.nn.embedding import Table, fetch
from apg_repro.training import optimizer as optimizers
from apg_repro.training.build import build
from apg_repro.training.optimizer import Optimizer, clip
from apg_repro.training.train import make_step, train
from tests.weights import randomised

TINY = {"dataset": "d", "seed": 1, "d_embedding": 4, "hidden": (6, 5)}


def tables(model):
    return {name: p.detach().clone() for name, p in model.named_parameters() if isinstance(p, Table)}


def step_of(schema, rows, **options):
    """A model, and what trains it on a batch."""
    config = RunConfig(**TINY, **options)
    model = build(config, schema)
    return model, make_step(model, rows, config)


def test_the_first_step_by_row_is_adams(schema, batch):
    """Both start without momentum, so only rows in the batch move, and they move alike.

    That is by the learning rate, unless a gradient is as small as Adam's ε, which SparseAdam adds to uncorrected
    moments.
    """
    found = {}
    for optimizer in ("adam", "row_adam"):
        config = RunConfig(**TINY, optimizer=optimizer, clip_norm=None)
        model = randomised(build(config, schema)).float()
        make_step(model, batch, config)(torch.arange(32))
        found[optimizer] = model.state_dict()
    for name, values in found["adam"].items():
        torch.testing.assert_close(found["row_adam"][name], values, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "features.embedding.weight"),
        ({"backbone": "Star", "domain": "user"}, "deep.0.domain_weight"),
        ({"backbone": "MMoE", "domain": "user"}, "deep.gates.weight"),
    ],
)
def test_rows_that_are_not_in_the_batch_stay_as_they_are(options, name, schema, batch):
    """Users 0 to 2 are in the second batch; all are in the first, so that their rows have momentum."""
    few = (batch.fields[:, 0] < 3).nonzero().squeeze(1)
    still = {}
    for optimizer in ("adam", "row_adam"):
        model, step = step_of(schema, batch, optimizer=optimizer, **options)
        step(torch.arange(64))
        before = tables(model)[name]
        step(few)
        moved = (tables(model)[name] != before).any(1)[: schema.fields["user"]]
        assert moved[:3].all()
        still[optimizer] = not moved[3:].any()
    assert still == {"adam": False, "row_adam": True}


def test_gradients_by_row_hold_the_rows_of_the_batch_only():
    table = Table(torch.randn(1000, 4))
    table.by_row = True
    fetch(table, torch.tensor([[3, 3], [7, 3]])).sum().backward()
    gradient = table.grad.coalesce()
    assert gradient.indices().tolist() == [[3, 7]]
    assert gradient.values().tolist() == [[3.0] * 4, [1.0] * 4]


@pytest.mark.parametrize("norm", [0.5, 1e6])
def test_clipping_is_torchs_for_either_kind_of_gradient(norm, schema, batch):
    gradients = {}
    for kind in ("torch", "adam", "row_adam"):
        model = build(RunConfig(**TINY), schema)
        if kind == "row_adam":
            Optimizer(model, RunConfig(**TINY, optimizer="row_adam"))
        model(batch.fields, batch.numbers).square().sum().backward()
        if kind == "torch":
            torch.nn.utils.clip_grad_norm_(model.parameters(), norm)
        else:
            clip(list(model.parameters()), norm)
        gradients[kind] = [p.grad.to_dense() if p.grad.is_sparse else p.grad for p in model.parameters()]
    for other in ("adam", "row_adam"):
        for a, b in zip(gradients["torch"], gradients[other], strict=True):
            torch.testing.assert_close(a, b)


def test_clipping_leaves_a_small_gradient_as_it_is_and_passes_on_one_that_is_not_finite():
    weight = torch.nn.Parameter(torch.zeros(2))
    for gradient, clipped in (([0.3, 0.4], [0.3, 0.4]), ([3.0, 4.0], [0.6, 0.8]), ([math.nan, 1.0], [math.nan] * 2)):
        weight.grad = torch.tensor(gradient)
        clip([weight], 1.0)
        torch.testing.assert_close(weight.grad, torch.tensor(clipped), equal_nan=True)


CLOSE = {torch.float32: {"rtol": 1e-5, "atol": 1e-7}, torch.float64: {"rtol": 1e-12, "atol": 1e-14}}


@pytest.mark.parametrize("dtype", CLOSE)  # golden runs are in double precision
@pytest.mark.parametrize("norm", [0.05, 1e6, None])
def test_what_a_graph_holds_moves_weights_as_any_step_does(norm, dtype, monkeypatch, schema, batch):
    """Adam that clips by itself and moves a table in pieces, against clipping before Adam on whole tables."""
    monkeypatch.setattr(optimizers, "PIECE_SIZE", 16)
    config = RunConfig(**TINY, clip_norm=norm, learning_rate=0.01, weight_decay=0.01, version="v5", rank=2, over=4)
    moved = []
    for graphed in (False, True):
        model = build(config, schema).to(dtype)
        steps = Optimizer(model, config, graphed=graphed)
        for _ in range(4):
            steps.zero_grad()
            model(batch.fields, batch.numbers.to(dtype)).square().sum().backward()
            steps.step()
        moved.append(list(model.parameters()))
    assert 1 < len(steps.pieces) < len(moved[1])
    for whole, in_pieces in zip(*moved, strict=True):
        torch.testing.assert_close(whole, in_pieces, **CLOSE[dtype])


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("norm", [0.05, 1e6, None])
def test_a_graph_holds_what_sparse_adam_does(norm, dtype, schema, batch):
    """Rows that a batch does not hold stay as they are, with momentum too: every batch has other users."""
    config = RunConfig(**TINY, clip_norm=norm, learning_rate=0.01, optimizer="row_adam")
    users, moved = batch.fields[:, schema.column("user")], []
    for graphed in (False, True):
        model = build(config, schema).to(dtype)
        steps = Optimizer(model, config, graphed=graphed)
        for turn in range(6):
            rows = (users % 3 == turn % 3).nonzero().squeeze(1)
            steps.zero_grad()
            model(batch.fields[rows], batch.numbers[rows].to(dtype)).square().sum().backward()
            steps.step()
        moved.append(list(model.parameters()))
    for sparse, whole in zip(*moved, strict=True):
        close = {"rtol": 1e-4, "atol": 1e-6} if dtype == torch.float32 else CLOSE[dtype]
        torch.testing.assert_close(whole, sparse, **close)


def test_gradients_of_big_tables_stay_sparse_under_row_adam(monkeypatch, schema):
    def is_fixed(**options):
        config = RunConfig(**TINY, **options)
        return optimizers.has_fixed_shapes(build(config, schema), config)

    n_numbers = sum(schema.fields.values()) * (TINY["d_embedding"] + 1)
    for limit, is_small in ((n_numbers, True), (n_numbers - 1, False)):
        monkeypatch.setattr(optimizers, "SMALL_TABLES", limit)
        assert is_fixed(optimizer="row_adam") == is_small
        assert is_fixed()
        assert not is_fixed(backbone="MMoE", domain="user")


@pytest.mark.parametrize("size", [2 * optimizers.PIECE_SIZE, 5_000_001, 300_000_000])
def test_a_table_has_no_more_pieces_than_one_kernel_takes(size):
    pieces = -(-size // optimizers.piece_size(torch.empty(size, device="meta")))
    assert 1 < pieces <= optimizers.MAX_PIECES


@pytest.mark.parametrize("optimizer", ["adam", "row_adam"])
def test_a_gradient_that_is_not_finite_reaches_the_weights_of_a_graphed_step(optimizer, schema, batch):
    """So that a run that diverges is seen to, whichever way it is trained."""
    config = RunConfig(**TINY, optimizer=optimizer)
    model = build(config, schema)
    steps = Optimizer(model, config, graphed=True)
    (model(batch.fields, batch.numbers).sum() * math.nan).backward()
    steps.step()
    assert model(batch.fields, batch.numbers).isnan().all()


def test_looking_up_is_the_embedding_of_torch(batch):
    table = Table(torch.randn(7, 4, dtype=torch.double))
    ids, weight = batch.fields[:, :2].clamp(max=4), torch.randn(64, 2, 4, dtype=torch.double)
    ours, theirs = fetch(table, ids), torch.nn.functional.embedding(ids, table)
    torch.testing.assert_close(ours, theirs)
    (gradient,), (expected,) = (torch.autograd.grad((found * weight).sum(), table) for found in (ours, theirs))
    torch.testing.assert_close(gradient, expected)


def test_weight_decay_shrinks_what_nothing_else_moves(schema, batch):
    """The last field is no input: its rows feel the penalty only."""
    model, step = step_of(schema, batch, weight_decay=0.1)
    unseen = schema.fields["user"] + schema.fields["item"]
    start = model.features.embedding.weight[unseen:].detach().abs().sum()
    step(torch.arange(64))
    assert model.features.embedding.weight[unseen:].detach().abs().sum() < start


def test_row_adam_learns_what_adam_learns(small):
    sizes = {"d_embedding": 8, "hidden": (16,), "max_epochs": 8, "patience": 8, "batch_size": 64, "learning_rate": 0.01}
    scores = {
        optimizer: train(RunConfig(dataset="small", seed=1, optimizer=optimizer, **sizes), small).test[
            "early_stopping"
        ]["auc"]
        for optimizer in ("adam", "row_adam")
    }
    assert min(scores.values()) > 0.85
    assert abs(scores["adam"] - scores["row_adam"]) < 0.03


def test_damped_base_learns_at_one_over_the_root_of_its_inputs_and_nothing_else_does(schema):
    """Hidden weight matrices move by 1/sqrt(inputs) of the learning rate; all else moves by the whole of it."""
    config = RunConfig(**TINY, base_damping=True)
    model = build(config, schema)
    (part,) = [module for module in model.modules() if isinstance(module, DeepPart)]
    rates = {
        parameter: group["lr"]
        for group in Optimizer(model, config).parts[0].param_groups
        for parameter in group["params"]
    }
    damped = {layer.weight: config.learning_rate / math.sqrt(layer.weight.shape[1]) for layer in part.layers}
    assert rates == dict.fromkeys(model.parameters(), config.learning_rate) | damped
    plain = RunConfig(**TINY)
    assert {group["lr"] for group in Optimizer(build(plain, schema), plain).parts[0].param_groups} == {
        plain.learning_rate
    }


def test_damped_base_is_for_base_alone():
    with pytest.raises(UserError, match="base_damping"):
        RunConfig(**TINY, version="v4", rank=2, base_damping=True)
    assert RunConfig(**TINY, base_damping=False).id == RunConfig(**TINY).id != RunConfig(**TINY, base_damping=True).id
