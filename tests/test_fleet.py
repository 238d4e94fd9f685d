"""Runs in threads of one process: their rows are those of runs one by one, and a run that fails fails alone."""

import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from apg_repro.config import RunConfig
from apg_repro.errors import UserError, out_of_memory
from apg_repro.experiments.table5.measure import peak_bytes
from apg_repro.rows.store import Store
from apg_repro.run import driver, fleet, task
from apg_repro.run.driver import drive
from apg_repro.run.executors import RunFailed
from apg_repro.run.fleet import Fleet
from apg_repro.run.golden import made_rows, placed
from apg_repro.run.task import train_row
from apg_repro.training import memory
from apg_repro.training.build import build
from apg_repro.training.graphs import STREAMS
from apg_repro.training.scoring import EVALUATION_BATCH, predict
from apg_repro.training.train import make_step

SIZE = {"dataset": "small", "d_embedding": 4, "hidden": (8,), "max_epochs": 2}
RUNS = [
    RunConfig(seed=seed, **SIZE, **options)
    for seed in (1, 2)
    for options in ({}, {"version": "v4", "rank": 2}, {"version": "v5", "rank": 2, "over": 3, "backbone": "DCN"})
]


@pytest.fixture
def store(tmp_path, small, monkeypatch):
    for module in (task, fleet):
        monkeypatch.setattr(module, "loaded", lambda *which: small)
    return Store(tmp_path)


def driven(store, executor, configs=RUNS):
    """Trains these runs through the driver; their rows by id."""
    try:
        for _ in drive(configs, store, "quick", executor, lambda word: None):
            pass
    finally:
        executor.close(now=True)
    return store.runs("quick", "small")


def test_runs_side_by_side_have_the_rows_of_runs_one_by_one(store, tmp_path):
    """Each in a thread: starts, batches and scores do not mix."""
    together = driven(store, Fleet(["cpu"], 1, 4))
    alone = {config.id: train_row(config, "cpu") for config in RUNS}
    assert together.keys() == alone.keys()
    for key, row in alone.items():
        for one, other in zip(row.history, together[key].history, strict=True):
            assert other["valid_auc"] == pytest.approx(one["valid_auc"], abs=1e-6)
            assert other["train_loss"] == pytest.approx(one["train_loss"], abs=1e-6)
        assert together[key].origin.threads == 1


@pytest.mark.fault("one of several runs in threads fails", "the others arrive; it is named")
def test_a_run_that_fails_fails_alone_and_is_named_at_the_end(store, capsys):
    fails = RunConfig(seed=1, **SIZE, condition="nobody", version="v4", rank=2)
    with pytest.raises(UserError, match=f"1 of 7 runs failed, the others are in the store: {fails.id}"):
        driven(store, Fleet(["cpu"], 1, 3), [RUNS[0], fails, *RUNS[1:]])
    assert store.runs("quick", "small").keys() == {config.id for config in RUNS}
    assert f"run {fails.id} failed: UserError" in capsys.readouterr().out


@pytest.mark.fault("a GPU cannot be used", "the runs that wait for it fail with that sentence")
def test_runs_for_a_device_that_cannot_be_used_fail_at_once(store, capsys):
    with pytest.raises(UserError, match="6 of 6 runs failed"):
        driven(store, Fleet(["cuda:99"], 1, 2))
    assert "cuda:99 cannot be used" in capsys.readouterr().out


@pytest.mark.fault("a GPU's memory is too small for so many runs", "fewer run at once, and all arrive")
def test_where_memory_does_not_suffice_fewer_run_at_once_and_all_arrive(store):
    failed_once = threading.Event()

    def train(config, device, on_progress):
        if not failed_once.is_set():
            failed_once.set()
            while config.id not in executor.shared:
                time.sleep(0.001)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train_row(config, device, on_progress)

    executor = Fleet(["cpu"], 1, 3, train)
    assert driven(store, executor).keys() == {config.id for config in RUNS}
    assert executor.most["cpu"] < 3


def test_a_run_that_is_too_large_alone_fails_and_the_others_arrive(store):
    large = RUNS[2]

    def train(config, device, on_progress):
        if config.id == large.id:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train_row(config, device, on_progress)

    with pytest.raises(UserError, match=f"1 of 6 runs failed.*{large.id}"):
        driven(store, Fleet(["cpu"], 1, 2, train))
    assert store.runs("quick", "small").keys() == {config.id for config in RUNS} - {large.id}


def test_an_error_of_memory_is_seen_behind_the_error_that_it_led_to():
    error = RuntimeError("operation failed due to a previous error during capture")
    error.__context__ = torch.OutOfMemoryError("CUDA out of memory")
    assert out_of_memory(error)
    assert not out_of_memory(RuntimeError("no"))


@pytest.mark.parametrize(
    "words",
    ["CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
     "Triton Error [CUDA]: out of memory"],
)  # fmt: skip
def test_cublas_the_driver_and_triton_have_their_own_words_for_it(words):
    assert out_of_memory(RuntimeError(words))


def test_a_gpu_is_named_with_its_number_where_torch_wants_one(monkeypatch):
    """``torch.cuda.set_device`` refuses "cuda", which is what users and ``apg selfcheck`` say."""
    asked, stream = [], SimpleNamespace(synchronize=lambda: asked.append("done"))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch._C, "_cuda_setDevice", asked.append, raising=False)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda used: nullcontext())
    for device in ("cuda", "cuda:0"):
        with fleet.own_stream(device):
            pass
    assert asked == [1, "done", 0, "done"]


def test_a_device_that_answers_nothing_any_more_ends_its_runs_and_the_command(store):
    class Broken(Fleet):
        def attempt(self, config, device, future):
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with pytest.raises(UserError, match="6 of 6 runs failed"):
        driven(store, Broken(["cpu"], 1, 2))


def test_closing_at_once_stops_what_runs(store, monkeypatch):
    monkeypatch.setattr("apg_repro.training.train.REPORT_EVERY", 0.0)
    executor = Fleet(["cpu"], 1, 2)
    futures = [
        executor.submit(RunConfig(seed=seed, **{**SIZE, "max_epochs": 500, "patience": 500})) for seed in (1, 2, 3)
    ]
    while not executor.progress():
        pass
    assert "side by side; WDL base" in executor.progress()
    executor.close(now=True)
    assert all(future.done() for future in futures)
    assert sum(future.cancelled() for future in futures) == 1
    with pytest.raises(RunFailed, match="stopped"):
        futures[0].result()


def test_a_gpu_gets_a_fleet(store, small, monkeypatch, capsys):
    """Which executor is chosen; that it trains there is for a GPU to show."""
    asked = []
    monkeypatch.setattr(driver, "check_prepared", lambda name: None)
    monkeypatch.setattr(driver, "devices_of", lambda device: asked.append(device) or ["cpu"])
    monkeypatch.setattr(memory, "schema_for", lambda config: small.schema)
    options = {"jobs": 2, "threads": 1, "title": "t"}
    rows = list(driver.train_all(RUNS[:2], store, "quick", device="cuda", **options))
    assert asked == ["cuda"]
    assert "2 runs side by side on cpu: at most about" in capsys.readouterr().out
    assert {row.id for row in rows} == {config.id for config in RUNS[:2]}


def test_only_as_many_run_side_by_side_as_fit(small, monkeypatch):
    monkeypatch.setattr(memory, "schema_for", lambda config: small.schema)
    needed = memory.predicted_by_run(RUNS)
    assert needed == sorted(needed, reverse=True)
    for n, devices in ((1, ["cuda:0"]), (3, ["cuda:0"]), (2, ["cuda:0", "cuda:1"])):
        monkeypatch.setattr(fleet, "free_bytes", lambda device, n=n: sum(needed[:n]) / fleet.MEMORY_SHARE + 1)
        width, words = fleet.fitting(RUNS, devices, 6)
        assert width == n * len(devices)
        assert words.startswith(f"{width} runs side by side on {', '.join(devices)}: at most about ")
    monkeypatch.setattr(fleet, "free_bytes", lambda device: 0.0)
    assert fleet.fitting(RUNS, ["cuda:0"], 6)[0] == 1
    monkeypatch.setattr(fleet, "free_bytes", lambda device: float("inf"))
    assert fleet.fitting(RUNS * 20, ["cuda:0", "cuda:1"], 100)[0] == 2 * STREAMS


@pytest.mark.parametrize(
    "options",
    [{}, {"version": "v3", "rank": 3}, {"version": "v5", "rank": 4, "over": 16, "condition": "user"},
     {"backbone": "FiBiNET"}, {"backbone": "MMoE", "domain": "group"}],
)  # fmt: skip
def test_the_memory_of_a_run_is_predicted_within_a_third_of_what_a_step_holds_and_covers_an_evaluation(options):
    rows = placed(made_rows(), "cpu", torch.float32)
    config = RunConfig(dataset="golden", seed=1, batch_size=512, hidden=(64, 32), **options)
    model = build(config, rows.schema)
    steps, batch = make_step(model, rows, config), torch.arange(512)
    steps(batch)  # makes the moments
    held = 4 * sum(weight.nbytes for weight in model.parameters())  # weights, two moments, the best epoch's weights
    many = rows.take(torch.arange(EVALUATION_BATCH) % len(rows))
    measured = held + peak_bytes(lambda: steps(batch))
    assert 0.67 < memory.predicted_bytes(config, rows.schema, evaluated=0) / measured < 1.5
    measured += peak_bytes(lambda: predict(model, many))
    assert 0.9 < memory.predicted_bytes(config, rows.schema) / measured < 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_runs_side_by_side_on_a_gpu_score_as_one_by_one_and_are_resumed(store, small, monkeypatch):
    for module in (task, fleet):
        monkeypatch.setattr(module, "loaded", lambda name, features, rows, device: small.to(torch.device(device)))
    driven(store, Fleet(["cuda:0"], 1, 4), RUNS[:2])
    together = driven(store, Fleet(["cuda:0"], 1, 4))  # the first two are there
    for config in RUNS:
        alone = train_row(config, "cuda:0")
        assert together[config.id].test_auc("one_epoch") == pytest.approx(alone.test_auc("one_epoch"), abs=0.1)
