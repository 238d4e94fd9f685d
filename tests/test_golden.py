"""Golden runs: they give the recorded numbers, see what matters, and do not see what does not."""

import functools
import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from apg_repro.config import RunConfig
from apg_repro.data import dataset as data_module
from apg_repro.errors import UserError
from apg_repro.experiments import declared
from apg_repro.nn import apg, comparators, embedding
from apg_repro.rows import numerics
from apg_repro.rows.numerics import case_of, record, why_stale
from apg_repro.run import golden
from apg_repro.run.golden import TOLERANCE, cases_of, compare_cases, distance, golden_config, golden_run, record_cases
from apg_repro.training import observe, scoring, train
from tests.conftest import trained_row

CASES = cases_of(declared())
V5 = RunConfig(dataset="d", seed=1, version="v5", rank=8, over=32)
GATE = RunConfig(dataset="d", seed=1, version="gate", condition="user")
ADAPTER = replace(GATE, version="adapter", rank=4)
USER = replace(V5, condition="user", damping=False)
MIXED = replace(V5, condition="output_attention(a,b)", weight_decay=1e-4)
GROUPS = RunConfig(dataset="d", seed=1, observe="user_groups")
MMOE = RunConfig(dataset="d", seed=1, backbone="MMoE", domain="genres", optimizer="row_adam")


@functools.cache
def unmutated(config: RunConfig) -> dict[str, list[float]]:
    """A golden run of the code as it is."""
    return golden_run(config)


def moved(config: RunConfig) -> float:
    """How far a golden run is from that of the code as it is."""
    return distance(golden_run(config), unmutated(config))


def test_golden_runs_give_the_recorded_numbers():
    """A change that moves numbers fails here; CONTRIBUTING.md says what to do then."""
    report = compare_cases(CASES)
    assert report.is_same, report.text


def test_every_case_of_every_suite_is_recorded_and_no_other():
    assert list(record()) == list(CASES)


def test_a_golden_run_is_of_the_case_that_it_guards():
    for name, config in CASES.items():
        assert case_of(golden_config(config)) == name


def test_early_stopping_ends_golden_runs():
    """Or patience could change unseen."""
    for name, case in record().items():
        if "observes truth" not in name:
            best = case["values"]["early_stopping"][0]
            assert best < golden.SMALL["max_epochs"], name


def wrap(module, name: str, change):
    """A mutation: the function of that name, with what it returns changed."""
    whole = getattr(module, name)
    return module, name, lambda *args, **options: change(whole(*args, **options))


def other_config(**options):
    """A mutation: training takes another configuration."""
    whole = train.train
    return golden, "train", lambda config, *rest: whole(replace(config, **options), *rest)


def scoring_in_training_mode():
    """A mutation: the model is scored as it is trained."""
    return torch.nn.Module, "eval", torch.nn.Module.train


MUTATIONS = {
    "learning rate × 1.001": (V5, lambda: other_config(learning_rate=0.02 * 1.001)),
    "patience": (V5, lambda: other_config(patience=1)),
    "another seed": (V5, lambda: other_config(seed=2)),
    "one row more in the training part": (
        V5, lambda: (data_module, "PART", 11) if hasattr(data_module, "PART") else other_config(batch_size=63),
    ),
    "the standard deviation of embeddings": (
        V5, lambda: wrap(embedding.nn.init, "normal_", scaled),
    ),
    "Glorot's bound": (V5, lambda: wrap(apg.nn.init, "xavier_uniform_", scaled)),
    "the norm at which gradients are clipped": (V5, lambda: other_config(clip_norm=0.0501)),
    "no damping": (V5, lambda: other_config(damping=False)),
    "a damping term": (
        V5, lambda: (apg.Generator, "terms", lambda self: {self.last.weight: self.last.in_features + 1}),
    ),
    "weight decay": (MIXED, lambda: other_config(weight_decay=1.001e-3)),
    "v4 for v5": (V5, lambda: other_config(version="v4")),
    "one label": (
        V5, lambda: wrap(golden, "made_rows", lambda rows: replace(rows, labels=flipped(rows.labels))),
    ),
    "user groups by another frequency": (
        GROUPS, lambda: wrap(observe, "predict", lambda logits: logits.roll(1)),
    ),
    "the mean of two conditions for attention": (
        MIXED, lambda: other_config(condition="output_mean(user,item,category)"),
    ),
    "input for output aggregation": (MIXED, lambda: other_config(condition="input_attention(user,item,category)")),
    "a condition of another field": (USER, lambda: other_config(condition="item")),
    "rows that are moved for rows that are not": (MMOE, lambda: other_config(optimizer="adam")),
    "a domain": (MMOE, lambda: other_config(domain="kind")),
    "scores of the reversed logit": (V5, lambda: wrap(scoring, "predict", lambda logits: logits * 1.001)),
    "a gate": (GATE, lambda: wrap(comparators.GatedDense, "transform", lambda y: y * (1 + 1e-7))),
    "a damping term of the adapter": (
        ADAPTER, lambda: wrap(comparators.AdapterDense, "damped_parameters", more_terms),
    ),
    "S h": (V5, lambda: wrap(apg, "apply_per_instance", lambda h: h * (1 + 1e-7))),
}  # fmt: skip


def more_terms(terms: dict[torch.Tensor, int]) -> dict[torch.Tensor, int]:
    """Weights with one term more."""
    return {weight: n + 1 for weight, n in terms.items()}


def scaled(weight: torch.Tensor) -> torch.Tensor:
    """A weight whose start is a little larger."""
    return weight.data.mul_(1.0001)


def flipped(labels: torch.Tensor) -> torch.Tensor:
    """The labels with the first one changed."""
    return torch.cat([1 - labels[:1], labels[1:]])


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.fault("the code of training changes what it computes", "a golden run moves, and its rows are stale")
def test_golden_runs_see_what_matters(name, monkeypatch):
    config, mutation = MUTATIONS[name]
    unmutated(config)
    monkeypatch.setattr(*mutation())
    assert moved(config) > TOLERANCE


def test_golden_runs_see_that_a_model_is_scored_as_it_is_trained(monkeypatch):
    """Star has a batch normalisation, which differs in training and in use."""
    star = RunConfig(dataset="d", seed=1, backbone="Star", domain="genres", optimizer="row_adam")
    unmutated(star)
    monkeypatch.setattr(torch.nn.Module, "eval", lambda self: self.train())
    assert moved(star) > TOLERANCE


def test_rounding_moves_no_golden_run(monkeypatch):
    """Two threads, look-ups by another kernel, a product put together in another order."""
    for config in (V5, MIXED, USER):
        unmutated(config)
    monkeypatch.setattr(embedding, "fetch", lambda table, ids: F.embedding(ids, table))
    monkeypatch.setattr(apg, "apply_per_instance", lambda s, h: torch.bmm(s, h.unsqueeze(2)).squeeze(2))
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for config in (V5, MIXED, USER):
            assert moved(config) <= TOLERANCE
    finally:
        torch.set_num_threads(before)


def test_recording_raises_the_versions_of_the_cases_that_moved_and_of_no_others(tmp_path, monkeypatch):
    path = tmp_path / "numerics.json"
    cases = cases_of([V5, GROUPS])
    assert record_cases(cases, path) == dict.fromkeys(cases, "new")
    assert record_cases(cases, path) == {}
    values = json.loads(path.read_text())["cases"]
    moved_case = case_of(V5)
    values[moved_case]["values"]["valid_logloss"][0] *= 1 + 1e-8
    path.write_text(json.dumps({"cases": values}))
    record.cache_clear()
    news = record_cases(cases, path)
    assert list(news) == [moved_case]
    assert news[moved_case].startswith("version 2, moved by 1.0e-08")
    assert record_cases(cases_of([GROUPS]), path) == {moved_case: "dropped: no suite asks for it"}
    record.cache_clear()


def test_a_row_is_stale_when_its_case_or_its_data_have_changed(monkeypatch):
    row = trained_row(RunConfig(dataset="movielens", seed=1))
    monkeypatch.setattr(numerics, "recorded", lambda name, features: "0" * 64)
    assert why_stale(row) == ""
    assert "code that determines its numbers" in why_stale(replace(row, numerics=row.numerics + 1))
    monkeypatch.setattr(numerics, "recorded", lambda name, features: "1" * 64)
    assert why_stale(row) == "its data have changed since"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")
def test_golden_runs_on_a_gpu_are_near_the_record():
    for config in (V5, MIXED):
        values = record()[case_of(config)]["values"]
        assert distance(golden_run(config, device="cuda"), values) < 1e-6


@pytest.mark.parametrize("text", ['{"cases": []}', "{}", "{"])
def test_a_damaged_record_is_one_sentence(text, tmp_path):
    path = tmp_path / "numerics.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"numerics.json cannot be read \(.*\): get it back with"):
        numerics.record(path)
