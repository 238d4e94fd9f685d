"""One run: protocols, seeds, pairing, divergence, the safeguard."""

import copy
import dataclasses
import math

import pytest
import torch

from apg_repro.config import DIVERGED_ABOVE, RunConfig
from apg_repro.data.dataset import Part, split
from apg_repro.errors import UserError
from apg_repro.nn import fold
from apg_repro.training.build import build
from apg_repro.training.optimizer import parameter_groups
from apg_repro.training.train import count, make_step, train
from apg_repro.versions import VERSIONS
from tests.weights import sizes_of


def config(version="base", seed=1, **options) -> RunConfig:
    sizes = {"d_embedding": 8, "hidden": (32, 16), "batch_size": 64, "max_epochs": 4, "learning_rate": 0.01}
    sizes |= sizes_of(version, rank=4, over=8)
    return RunConfig(dataset="small", version=version, seed=seed, **(sizes | options))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_model_learns_what_is_there(version, small):
    """From a static start: from Glorot's, generated weights are products of small numbers, slow to grow on few rows."""
    result = train(config(version, init="static_start", max_epochs=12, patience=6), small)
    assert result.status == "ok"
    assert result.test["early_stopping"]["auc"] > 0.85


def test_the_same_seed_gives_the_same_run(small):
    one, other = train(config("v4"), small), train(config("v4"), small)
    without_time = [{k: v for k, v in e.items() if k != "seconds"} for e in one.history]
    assert without_time == [{k: v for k, v in e.items() if k != "seconds"} for e in other.history]
    assert one.test == other.test
    assert train(config("v4", seed=2), small).test != one.test


def test_one_epoch_is_the_first_epoch_of_the_longer_training(small):
    short = train(config("v4", max_epochs=1), small)
    long = train(config("v4"), small)
    assert long.test["one_epoch"] == short.test["one_epoch"]
    assert short.test["early_stopping"] == short.test["one_epoch"]


def test_early_stopping_keeps_the_best_epoch_and_stops_when_the_next_is_no_better(small):
    result = train(config(max_epochs=30, learning_rate=0.05), small)
    scores = [entry["valid_auc"] for entry in result.history]
    best = scores.index(max(scores)) + 1
    assert result.test["early_stopping"]["epoch"] == best
    assert len(scores) == best + 1 < 30, "patience 1"


@pytest.mark.fault("training or early stopping sees a test row", "other test labels change no epoch, only test scores")
def test_training_and_early_stopping_see_no_test_row(small, monkeypatch):
    """Then with a leak, test rows in place of validation rows, which must be seen."""

    def history(parts):
        monkeypatch.setattr("apg_repro.training.train.split", lambda data, seed: parts)
        result = train(config(max_epochs=30, learning_rate=0.05), small)
        return result.test, [{k: v for k, v in entry.items() if k != "seconds"} for entry in result.history]

    training, valid, test = split(small, 1)
    labels = small.labels.clone()
    labels[test.rows] = 1 - labels[test.rows]
    turned = Part(whole=dataclasses.replace(small, labels=labels), rows=test.rows)
    scores, expected = history((training, valid, test))
    others, found = history((training, valid, turned))
    assert found == expected
    assert others["early_stopping"]["epoch"] == scores["early_stopping"]["epoch"]
    assert others["early_stopping"]["auc"] != scores["early_stopping"]["auc"]
    assert history((training, test, test))[1] != expected


def test_base_and_apg_see_the_same_batches(small, monkeypatch):
    seen: dict[str, list[torch.Tensor]] = {"base": [], "v4": []}

    def watched(model, rows, config):
        steps = make_step(model, rows, config)
        step = steps.step
        steps.step = lambda chosen: (seen[config.version].append(chosen), step(chosen))[1]
        return steps

    monkeypatch.setattr("apg_repro.training.train.make_step", watched)
    for version in seen:
        train(config(version, max_epochs=1), small)
    assert all(torch.equal(a, b) for a, b in zip(seen["base"], seen["v4"], strict=True))
    n = len(split(small, 1)[0])
    assert torch.equal(torch.cat(seen["base"]).sort().values, torch.arange(n)), "every row once"


def test_a_diverged_run_is_recorded_not_dropped(small):
    result = train(config(learning_rate=1e4, clip_norm=None), small)
    assert result.status == "diverged"
    assert DIVERGED_ABOVE < result.history[0]["worst_batch_loss"] < math.inf
    assert set(result.test) == {"one_epoch", "early_stopping"}


def test_a_run_whose_loss_is_not_finite_stops_as_diverged_without_an_auc(small):
    result = train(config("v3", learning_rate=1e12, clip_norm=None, damping=False), small)
    assert result.status == "diverged"
    assert len(result.history) == 1
    assert not math.isfinite(result.history[0]["worst_batch_loss"])
    assert list(result.test) == ["one_epoch"]
    assert math.isnan(result.test["one_epoch"]["auc"])


def test_a_run_whose_weights_explode_after_the_last_loss_has_diverged(small):
    """One step, whose loss is that of the start."""
    result = train(config("v3", learning_rate=1e30, clip_norm=None, batch_size=len(small), max_epochs=1), small)
    assert result.history[0]["worst_batch_loss"] < 1
    assert math.isnan(result.history[0]["valid_auc"])
    assert result.status == "diverged"


def test_a_run_on_labels_of_one_class_does_not_diverge_but_raises_a_user_error(small):
    one_class = dataclasses.replace(small, labels=torch.ones(len(small)))
    with pytest.raises(UserError, match=r"the .* training rows are positive, and an AUC needs both classes"):
        train(config(), one_class)


@pytest.mark.parametrize(
    "options",
    [
        *({"version": version} for version in VERSIONS),
        {"version": "v5", "generator_layers": 2, "condition": "output_attention(user,item)"},
        {"backbone": "Star", "domain": "item"},
    ],
    ids=lambda options: "-".join(map(str, options.values())),
)
def test_the_hidden_parameters_are_counted_as_trained_and_as_served(options, small):
    run = config(**options, max_epochs=1)
    result, model = train(run, small), build(run, small.schema)
    assert result.n_parameters == count(model)
    assert result.n_hidden == count(model.deep)
    assert result.n_served == count(fold(copy.deepcopy(model.deep)))
    assert (result.n_served != result.n_hidden) == bool(VERSIONS[run.version].served_as)


def test_damping_divides_the_learning_rate_by_the_root_of_the_terms(small):
    model = build(config("v5"), small.schema)
    rate_of = {p: g["lr"] for g in parameter_groups(model, 0.01) for p in g["params"]}
    layer = model.deep.layers[0]
    assert rate_of[layer.generator.last.weight] == pytest.approx(0.01 / 16**0.5)
    assert rate_of[layer.u_left] == pytest.approx(0.01 / 8**0.5)
    assert rate_of[layer.generator.last.bias] == rate_of[model.output.weight] == 0.01
    assert set(rate_of) == set(model.parameters())


def test_damping_can_be_switched_off_and_does_not_touch_base(small):
    for chosen in (config("v5", damping=False), config("base")):
        groups = parameter_groups(build(chosen, small.schema), chosen.learning_rate, chosen.damping)
        assert [group["lr"] for group in groups] == [0.01]


def test_progress_reports_rows_per_second_and_the_validation_auc(small):
    entries = []
    train(config(max_epochs=2), small, entries.append)
    done = [entry for entry in entries if "valid_auc" in entry]
    assert [entry["epoch"] for entry in done] == [1, 2]
    assert all(entry["rows_per_second"] > 0 for entry in entries)
