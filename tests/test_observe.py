"""What is recorded of a trained model besides its scores, against the same by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from apg_repro.config import RunConfig
from apg_repro.data.dataset import Dataset, split
from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.experiments import get_suite
from apg_repro.experiments.figure6 import page as figure6
from apg_repro.nn.comparators import LAYERS
from apg_repro.rows.evidence import Evidence
from apg_repro.training import observe
from apg_repro.training.build import build
from apg_repro.training.train import train_on
from tests.conftest import FULL, random_rows

RATED = Schema(
    fields={"user": 20, "item": 6, "category": 3}, inputs=("user", "item"), numbers=("genre_A", "genre_B", "score")
)


def rows_of(user, item=None, score=None, label=None) -> Dataset:
    """Rows of a schema with users, items and what a stub model will answer."""
    n = len(user)
    fields = torch.zeros(n, 3, dtype=torch.int32)
    fields[:, 0] = torch.tensor(user)
    fields[:, 1] = torch.tensor(item if item is not None else [0] * n)
    numbers = torch.zeros(n, 3)
    numbers[:, 2] = torch.tensor(score if score is not None else [0.0] * n)
    labels = torch.tensor(label if label is not None else [0.0] * n)
    return Dataset(name="rated", schema=RATED, checksum="0", fields=fields, numbers=numbers, labels=labels)


class Score(nn.Module):
    """Its logit is a number column."""

    def forward(self, fields, numbers):
        return numbers[:, 2]


def model_of(version="v4", condition="item", schema=RATED):
    sizes = {"rank": 2, "over": 4, "d_embedding": 4, "hidden": (6, 5)}
    config = RunConfig(dataset="d", seed=1, version=version, condition=condition, **sizes)
    model = build(config, schema)
    for parameter in model.parameters():  # away from the static start, where S is the same for all
        nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(parameter.numel()))
    return model


def test_users_fall_into_ten_groups_of_equal_size_by_their_training_rows():
    """User u has u training rows and two test rows; the model ranks those of the rarer half rightly, others wrongly."""
    train = rows_of([u for u in range(20) for _ in range(u)])
    user = [u for u in range(20) for _ in (0, 1)]
    label = [0.0, 1.0] * 20
    score = [float(kind if u < 10 else 1 - kind) for u in range(20) for kind in (0, 1)]
    found = observe.user_groups(Score(), train, rows_of(user, score=score, label=label))
    assert found["users"] == [2] * 10
    assert found["rows"] == [4] * 10
    assert found["train_rows"] == [2 * g + 0.5 for g in range(10)]
    assert found["auc"] == [1.0] * 5 + [0.0] * 5
    assert found["top_rate"] == [1.0] * 5 + [0.0] * 5


def test_fewer_users_than_groups_are_refused():
    rows = rows_of(range(5))
    with pytest.raises(UserError, match="10 groups need as many users, and the test rows have 5"):
        observe.user_groups(Score(), rows, rows)


@pytest.mark.parametrize(
    ("observe", "why"),
    [
        ("nope", "nothing is observed under 'nope'; choose one of user_groups, states"),
        ("user_groups", "10 groups need as many users, and the test rows have 6"),
        ("states", "only v4 and v5 generate S alone"),
    ],
)
def test_what_cannot_be_observed_is_refused_before_training(observe, why):
    rows = rows_of([number % 6 for number in range(400)], label=[float(number % 7 < 3) for number in range(400)])
    heard, parts = [], split(rows, 1)
    with pytest.raises(UserError, match=why):
        train_on(RunConfig(dataset="rated", seed=1, observe=observe), parts, heard.append)
    assert heard == []


def test_a_point_is_a_row_for_each_value_of_the_condition_or_for_each_item():
    rows = random_rows(RATED, 200)
    for condition, column, n in (("category", 2, 3), ("item", 1, 6), ("self", 1, 6)):
        chosen = observe.one_each(model_of(condition=condition), rows)
        assert sorted(rows.fields[chosen, column].tolist()) == list(range(n))


def test_the_kind_of_an_item_is_its_first_genre_or_else_its_category(schema):
    rows = replace(random_rows(RATED, 3), name="movielens")
    rows.numbers[:, :2] = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    names, group = observe.groups_of_items(rows)
    assert (names, group.tolist()) == (["A", "B"], [0, 1, 0])
    plain = Schema(fields={"item": 6, "category": 3}, inputs=("item",))
    rows = random_rows(plain, 50)
    names, group = observe.groups_of_items(rows)
    assert names == ["0", "1", "2"]
    assert group.tolist() == rows.fields[:, 1].tolist()


@pytest.mark.parametrize("version", [version for version, layer in LAYERS.items() if layer.generates_only_s])
def test_the_recorded_states_are_what_g_makes_of_each_layers_condition(version):
    rows = random_rows(RATED, 10)
    model = model_of(version)
    z = model.condition(rows.fields, model.features.embedding)
    found = observe.generated_states(model, rows)
    for s, layer in zip(found, model.deep.layers, strict=True):
        torch.testing.assert_close(s, layer.generator(z).double())
    model = model_of(version, "self")
    x = model.features.flatten(*model.features(rows.fields, rows.numbers))
    torch.testing.assert_close(observe.generated_states(model, rows)[0], model.deep.layers[0].generator(x).double())


def test_what_does_not_generate_s_alone_has_no_states():
    for version in ("base", "v3"):
        with pytest.raises(UserError, match="only v4 and v5 generate S alone"):
            observe.generated_states(model_of(version), random_rows(RATED, 5))


def test_the_plane_keeps_the_distances_of_points_that_lie_in_one():
    random = torch.Generator().manual_seed(1)
    flat = torch.randn(30, 2, generator=random, dtype=torch.double)
    points, share = observe.plane(flat @ torch.randn(2, 9, generator=random, dtype=torch.double) + 3)
    turned, _ = observe.plane(-(flat @ torch.eye(2, dtype=torch.double)))
    assert sum(share) == pytest.approx(1)
    assert share[0] >= share[1]
    torch.testing.assert_close(torch.cdist(turned, turned), torch.cdist(flat, flat))
    assert points.std(0)[0] > points.std(0)[1]


def test_observers_take_the_fields_that_the_catalogue_names():
    """Tmall's item is its merchant, and its kind how many users the merchant reaches."""
    schema = Schema(fields={"user": 5, "merchant": 4, "reach": 2}, inputs=("user", "merchant"))
    rows = replace(random_rows(schema, 60), name="tmall")
    names, group = observe.groups_of_items(rows)
    assert (names, group.tolist()) == (["0", "1"], rows.column("reach").tolist())
    chosen = observe.one_each(model_of(condition="self", schema=schema), rows)
    assert sorted(rows.column("merchant")[chosen].tolist()) == [0, 1, 2, 3]


def test_a_group_explains_all_that_it_determines_and_nothing_where_means_are_equal():
    group = torch.tensor([0, 0, 1, 1])
    means = torch.tensor([[1.0, 2.0], [3.0, 5.0]], dtype=torch.double)
    assert observe.explained(means[group], group) == pytest.approx(1)
    opposed = torch.tensor([[1.0], [-1.0], [1.0], [-1.0]], dtype=torch.double)
    assert observe.explained(opposed, group) == pytest.approx(0)
    mixed = torch.tensor([[0.0], [2.0], [4.0], [6.0]], dtype=torch.double)
    assert observe.explained(mixed, group) == pytest.approx(16 / 20)


def test_states_of_a_condition_that_is_the_group_are_explained_beyond_chance():
    schema = Schema(fields={"user": 9, "item": 60, "category": 4}, inputs=("user", "item"))
    rows = random_rows(schema, 600)
    of_item = torch.arange(60) % 4
    rows.fields[:, 2] = of_item[rows.fields[:, 1].long()].to(torch.int32)
    model = model_of(condition="item", schema=schema)
    table = model.features.embedding
    before = observe.states(model, rows, rows)
    with torch.no_grad():  # items of a category get one embedding, and a little of their own
        for parameter in table.parameters():
            items = slice(9, 69)
            own = parameter[items].clone()
            parameter[items] = own[of_item] + 0.1 * own
    after = observe.states(model, rows, rows)
    assert after["groups"] == ["0", "1", "2", "3"]
    assert len(after["group"]) == 60
    for chance, found in zip(before["layers"], after["layers"], strict=True):
        assert found["explained"] > 0.9 > 0.5 > chance["explained"]
        assert found["p"] == pytest.approx(1 / 201, abs=1e-4)
        assert chance["p"] > 0.01
        assert np.array(found["points"]).shape == (60, 2)


def test_figure_6_counts_the_permutations_that_are_made():
    caption = figure6.explained_table(Evidence(suite=get_suite("figure6"), plan=FULL)).caption
    assert f"{observe.N_PERMUTATIONS + 1} orders" in caption
    assert f"{observe.N_PERMUTATIONS} permutations" in caption
