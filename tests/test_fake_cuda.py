"""Everything trains on a GPU, as a pretended one shows that keeps its tensors apart (``pretend_cuda.py``)."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from apg_repro.config import RunConfig
from apg_repro.data import dataset as data_module
from apg_repro.models import BACKBONES, DOMAIN_MODELS, FLOORS
from apg_repro.nn import embedding
from apg_repro.nn.comparators import LAYERS
from apg_repro.run.golden import distance, golden_config, made_rows, placed, values_of
from apg_repro.training import train as training
from apg_repro.training.graphs import EAGER_STEPS
from tests.pretend_cuda import PretendedCuda, WrongDeviceError, without_gpu

MIXES = [f"{where}_{how}(a,b)" for where, how in product(("input", "output"), ("mean", "concat", "attention"))]
CONDITIONS = ["self", "user", *MIXES]
ROWS = 700  # of which 560 are trained on: five full batches and a smaller one


def config_of(**options) -> RunConfig:
    """A small run with these choices."""
    sizes = {"rank": 2, "over": 3} if options.get("version", "base") != "base" else {}
    small = golden_config(RunConfig(dataset="d", seed=1, **sizes, **options))
    return replace(small, max_epochs=2)


def rows_on(device: str):
    """Made rows in single precision."""
    return placed(made_rows(), device, torch.float32).take(torch.arange(ROWS).to(device))


def on_pretended_gpu(config: RunConfig, monkeypatch) -> training.Result:
    """A whole training there."""
    with PretendedCuda() as cuda:
        monkeypatch.setattr(training, "Graphed", without_gpu(cuda))
        return training.train(config, rows_on("cuda"))


# Every version with every kind of condition in one backbone; every backbone with base, v5 and a condition. Sparse
# gradients are not among them, as their memory cannot be followed: `apg selfcheck` runs them on a real GPU.
CHOICES = [
    *({"version": version, "condition": name} for version, name in product(LAYERS, CONDITIONS)),
    *({"backbone": backbone, "version": version} for backbone, version in product(BACKBONES, ("base", "v5"))),
    *({"backbone": backbone, "version": "v4", "condition": "user"} for backbone in BACKBONES),
    *({"backbone": floor} for floor in FLOORS),
    *({"backbone": backbone, "version": "v5", "projections": True} for backbone in ("DIFM", "AutoInt")),
    *({"backbone": "FiBiNET", "backbone_options": {"bilinear": kind}} for kind in ("each", "interaction")),
    {"version": "v3", "generator_layers": 2}, {"version": "v4", "generator_layers": 2},
    {"version": "v5", "init": "glorot", "damping": False}, {"version": "v5", "clip_norm": None},
    {"version": "v4", "weight_decay": 1e-3}, {"optimizer": "row_adam"}, {"optimizer": "row_adam", "version": "v5"},
    *({"backbone": name, "domain": domain} for name, domain in product(DOMAIN_MODELS, ("genres", "gender+age"))),
    {"observe": "user_groups"}, {"version": "v4", "observe": "states"},
    {"version": "v4", "condition": "user", "observe": "states"},
]  # fmt: skip


@pytest.mark.parametrize("choices", CHOICES, ids=lambda choices: ", ".join(map(str, choices.values())))
def test_a_run_trains_is_scored_and_observed_on_a_gpu_as_on_a_cpu(choices, monkeypatch, unchecked):
    """Data, weights, batches, gradients, optimiser, scores and what is observed: all of it stays on the GPU."""
    config = config_of(**choices)
    found = on_pretended_gpu(config, monkeypatch)
    monkeypatch.undo()
    expected = training.train(config, rows_on("cpu"))
    assert distance(values_of(found), values_of(expected)) < 1e-4


def test_steps_are_recorded_where_shapes_allow_it(monkeypatch):
    with PretendedCuda() as cuda:
        monkeypatch.setattr(training, "Graphed", without_gpu(cuda))
        rows = rows_on("cuda")
        for options, as_graph in (
            ({}, True), ({"optimizer": "row_adam"}, True), ({"backbone": "Star", "domain": "genres"}, False),
        ):  # fmt: skip
            config = config_of(**options)
            steps = training.make_step(training.build(config, rows.schema).to(torch.device("cuda")), rows, config)
            assert list(steps.epoch(torch.arange(ROWS, device="cuda"))) == [100] * 7
            assert (getattr(steps, "replay", None) is not None) == as_graph
            assert EAGER_STEPS < 7


FAULTS = {
    "a split by a permutation on the CPU": (
        data_module.Dataset, "take", lambda rows, which: rows._map(lambda tensor: tensor.index_select(0, which.cpu())),
    ),
    "columns chosen by a Python list": (
        embedding.FieldEmbedding, "forward",
        lambda self, fields, columns: embedding.fetch(
            self.weight, fields[:, columns.tolist()] + self.offsets.index_select(0, columns)
        ),
    ),
    "a column number made in every step": (
        embedding.FieldEmbedding, "forward",
        lambda self, fields, columns: embedding.fetch(
            self.weight, fields.index_select(1, columns) + self.offsets.index_select(0, columns.clone().cpu())
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_only_a_gpu_would_show_is_seen(fault, monkeypatch, unchecked):
    monkeypatch.setattr(*FAULTS[fault])
    with pytest.raises(WrongDeviceError):
        on_pretended_gpu(config_of(version="v5"), monkeypatch)


def test_a_result_that_is_read_in_a_recorded_step_is_seen(monkeypatch, unchecked):
    whole = training.Optimizer.step
    monkeypatch.setattr(training.Optimizer, "step", lambda self: (float(self.parameters[0].grad.sum()), whole(self))[1])
    with pytest.raises(WrongDeviceError, match="waits for the GPU while a graph is recorded"):
        on_pretended_gpu(config_of(), monkeypatch)
