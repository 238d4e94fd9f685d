"""Domains: their numbers, and that a step touches only those in the batch, at a bounded cost."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.models import DOMAIN_MODELS
from apg_repro.nn.dense import initialise
from apg_repro.nn.domains import DomainDense, Domains, StarDense, Tiles
from tests.conftest import random_rows
from tests.weights import randomised

B, M, N, MANY = 256, 5, 3, 5000

BATCHES = {
    "one domain": torch.zeros(B, dtype=torch.long),
    "one domain per row": torch.randperm(MANY)[:B],
    "equal domains": torch.arange(B) % 7,
    "one large, the rest of one row": torch.cat([torch.full((B // 2,), 9), 10 + torch.arange(B // 2)]),
    "random": torch.randint(MANY, (B,), generator=torch.Generator().manual_seed(0)) // 40,
}
EVERY_BATCH = pytest.mark.parametrize("domain", BATCHES.values(), ids=BATCHES)


def test_a_domain_is_an_id_or_a_combination_of_ids(schema, batch):
    _, item, group = batch.fields.long().unbind(1)
    torch.testing.assert_close(Domains(schema, "item")(batch.fields), item)
    module = Domains(schema, "item + group")
    torch.testing.assert_close(module(batch.fields), item * 3 + group)
    assert module.n == 15
    with pytest.raises(UserError, match="no field 'ages'"):
        Domains(schema, "item+ages")


def test_more_domains_than_memory_holds_raise_a_user_error_with_their_number():
    schema = Schema(fields={"user": 6000, "item": 4000}, inputs=("user", "item"))
    with pytest.raises(UserError, match="24,000,000 domains; at most 1,000,000"):
        Domains(schema, "user+item")


@EVERY_BATCH
def test_tiles_hold_rows_of_one_domain_and_give_them_back_in_order(domain):
    tiles = Tiles(domain)
    rows = torch.stack([domain + 1, torch.arange(B)], dim=1).float()
    table = tiles.gather(rows)
    for own, tile in zip(tiles.domain, table, strict=True):
        held = tile[tile[:, 0] > 0]
        assert (held[:, 0] == own + 1).all()
        assert len(held)
    torch.testing.assert_close(tiles.scatter(table), rows)


@EVERY_BATCH
def test_however_skewed_a_batch_its_tiles_are_few_and_mostly_full(domain):
    tiles, present = Tiles(domain), len(domain.unique())
    assert len(tiles.domain) <= 2 * present
    assert len(tiles.domain) * tiles.n_rows < 2 * B


@EVERY_BATCH
@pytest.mark.parametrize("kind", [DomainDense, StarDense])
def test_a_layer_gives_every_row_what_its_domains_weights_give(kind, domain):
    layer = randomised(kind(M, N, MANY))
    x = torch.randn(B, M, dtype=torch.double)
    if kind is StarDense:
        weights, biases = layer.domain_weight.view(MANY, N, M) * layer.weight, layer.domain_bias + layer.bias
    else:
        weights, biases = layer.weight.view(MANY, N, M), layer.bias
    expected = torch.stack([weights[p] @ row + biases[p] for p, row in zip(domain, x, strict=True)])
    torch.testing.assert_close(layer(x, Tiles(domain)), expected)


def test_every_domain_starts_alike():
    for kind in (DomainDense, StarDense):
        layer = kind(M, N, MANY)
        initialise(layer, lambda name: 0)
        x = torch.randn(1, M)
        outputs = layer(x.expand(B, M), Tiles(BATCHES["random"]))
        torch.testing.assert_close(outputs, outputs[:1].expand(B, N))
        assert outputs.any()


class Ledger(TorchDispatchMode):
    """Counts operations, and keeps the size of the largest tensor that one of them makes."""

    def __init__(self) -> None:
        super().__init__()
        self.n_operations = self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        is_view = func._schema.returns and func._schema.returns[0].alias_info is not None
        if isinstance(result, torch.Tensor) and not is_view:
            self.largest = max(self.largest, result.numel())
        self.n_operations += 1
        return result


def of_many_domains(n: int):
    """A batch of four domains, of n that there are."""
    schema = Schema(fields={"user": 7, "item": n}, inputs=("user", "item"))
    rows = random_rows(schema, 64)
    rows.fields[:, 1] %= 4
    return schema, rows


@pytest.mark.parametrize("backbone", DOMAIN_MODELS)
def test_a_forward_pass_costs_the_same_however_many_domains_there_are(backbone):
    costs = []
    for n in (4, MANY):
        schema, rows = of_many_domains(n)
        model = DOMAIN_MODELS[backbone](schema, 4, (6, 5), "item")
        initialise(model, lambda name: 0)
        with Ledger() as ledger:
            model(rows.fields, rows.numbers)
        costs.append((ledger.n_operations, ledger.largest))
    assert costs[0] == costs[1]


@pytest.mark.parametrize("backbone", DOMAIN_MODELS)
def test_a_step_gives_gradients_to_the_domains_in_the_batch_only(backbone):
    schema, rows = of_many_domains(MANY)
    model = randomised(DOMAIN_MODELS[backbone](schema, 4, (6, 5), "item"))
    model(rows.fields, rows.numbers.double()).square().sum().backward()
    tables = [p for p in model.parameters() if p.shape[:1] == (MANY,)]
    assert len(tables) == {"MMoE": 4, "Star": 9}[backbone]
    for table in tables:
        assert table.grad.abs().sum(1).nonzero().flatten().tolist() == [0, 1, 2, 3]
