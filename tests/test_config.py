"""A configuration says what is computed, and refuses what cannot be."""

import numpy as np
import pytest

from apg_repro.config import Measurement, RunConfig, kind_of
from apg_repro.errors import UserError
from apg_repro.suite import SEEDS, Plan


def test_an_id_names_what_differs_from_the_defaults():
    config = RunConfig(dataset="d", seed=1)
    assert RunConfig.of(config.as_dict()) == config
    assert config.id == RunConfig(dataset="d", seed=1, batch_size=1024).id
    assert config.id != RunConfig(dataset="d", seed=1, batch_size=512).id
    assert config.id != RunConfig(dataset="d", seed=2).id


def test_a_number_has_one_id_whatever_its_type():
    plain = RunConfig(dataset="d", seed=1, version="v4", rank=4, learning_rate=1.0, hidden=(8,))
    other = RunConfig(
        dataset="d", seed=np.int64(1), version="v4", rank=np.int64(4), learning_rate=1, hidden=[np.int64(8)]
    )
    options = [RunConfig(dataset="d", seed=1, backbone_options={"n_cross": kind(2)}) for kind in (int, np.int64)]
    assert options[0].id == options[1].id
    assert (other.id, other.as_dict()) == (plain.id, plain.as_dict())
    assert type(other.rank) is int


def test_what_base_does_not_have_is_no_part_of_its_id():
    def config(version, **options):
        return RunConfig(dataset="d", seed=1, version=version, **options)

    assert config("base").id == config("base", init="glorot", damping=False).id
    assert config("v1").id != config("v1", init="glorot").id
    assert config("v1").id != config("v1", damping=False).id


def test_a_measurement_is_named_by_what_it_measures():
    task = Measurement(name="table5", dataset="iaac_twin", case="a")
    assert Measurement.of(task.as_dict()) == task
    assert task.id != Measurement(name="table5", dataset="iaac_twin", case="b").id
    assert task.id != Measurement(name="table5", dataset="iaac_twin", case="a", device_kind="cuda").id
    assert task.id != Measurement(name="table5", dataset="iaac_twin", case="a", profile="quick").id


def test_measurements_on_a_cpu_have_the_ids_that_they_had_before_there_were_gpus():
    """Of rows in ``results/full/measured/``."""
    assert Measurement(name="table10", dataset="iaac_twin", case="1 candidate").id == "291da662e8c1"


def test_a_device_has_a_kind():
    assert [kind_of(device) for device in ("cpu", "cuda", "cuda:1")] == ["cpu", "cuda", "cuda"]
    for device in ("meta", "gpu", "cuda:x", "cuda:", "cpu,cuda", ""):
        with pytest.raises(UserError, match=f"device '{device}' is none of cpu, cuda"):
            kind_of(device)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"version": ["v4"]}, "version ['v4'] is unknown; choose one of base, v1"),
        ({"backbone_options": {"n_cross": [2]}}, "backbone_options must be numbers or text by name, not 'n_cross'"),
        ({"backbone_options": {1: 2}}, "backbone_options must be numbers or text by name, not 1: 2"),
        ({"version": "v6"}, "version 'v6' is unknown; choose one of base, v1"),
        ({"version": "v4"}, "v4 needs a rank K"),
        ({"version": "v5", "rank": 4}, "v5 needs a width P"),
        ({"init": "zeros"}, "init 'zeros' is unknown"),
        ({"max_epochs": 0}, "max_epochs must be at least 1, not 0"),
        ({"optimizer": "sgd"}, "optimizer 'sgd' is unknown; choose one of adam, row_adam"),
        ({"optimizer": "row_adam", "weight_decay": 0.1}, "row_adam knows no weight decay"),
        ({"condition": "input_sum(a,b)"}, "is not a mix: write input or output"),
        ({"condition": "input_mean(a)"}, "is not a mix: write input or output"),
        ({"condition": None}, "condition is None, which is of another type"),
        ({"seed": "1"}, "seed is '1', which is of another type"),
        ({"seed": 1.5}, "seed is 1.5, which is of another type"),
        ({"damping": "no"}, "damping is 'no', which is of another type"),
        ({"batch_size": 10.5}, "batch_size is 10.5, which is of another type"),
        ({"hidden": "256"}, "hidden must be whole numbers from 1 on"),
        ({"hidden": 64}, "hidden must be whole numbers from 1 on"),
        ({"hidden": ()}, "hidden must be whole numbers from 1 on"),
        ({"hidden": (64, 0)}, "hidden must be whole numbers from 1 on"),
        ({"rows": 0}, "rows must be at least 1, not 0"),
        ({"learning_rate": -1}, "learning_rate is -1.0, which is of another type than that option, or below 0"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0, not 0"),
        ({"clip_norm": 0.0}, "above 0 (None switches it off), not 0"),
        ({"weight_decay": float("nan")}, "weight_decay must be a number above 0, not nan"),
    ],
)
def test_a_bad_configuration_raises_a_user_error_that_names_the_remedy(options, message):
    with pytest.raises(UserError) as raised:
        RunConfig(**{"dataset": "d", "seed": 1} | options)
    assert message in str(raised.value)


def test_a_mix_is_read_once_and_names_its_fields():
    mix = RunConfig(dataset="d", seed=1, condition="output_concat(user, movie,genres)").mix
    assert (mix.where, mix.how, mix.fields) == ("output", "concat", ("user", "movie", "genres"))
    assert RunConfig(dataset="d", seed=1, condition="user").mix is None


def test_a_plan_without_seeds_has_those_of_its_profile():
    assert Plan(profile="quick", dataset="d").seeds == SEEDS["quick"]


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"seeds": (0, 1)}, "above 0, which chooses K and P"),
        ({"seeds": (1, 1)}, "must be different"),
        ({"profile": "fast"}, "choose quick or full"),
    ],
)
def test_a_bad_plan_raises_a_user_error_that_names_the_remedy(plan, message):
    with pytest.raises(UserError, match=message):
        Plan(**({"profile": "full", "dataset": "movielens", "seeds": (1,)} | plan))
