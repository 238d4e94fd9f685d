"""Table 10: engines agree, and the simulation of page views behaves as a queue does."""

import numpy as np
import pytest
import torch

from apg_repro.config import Measurement
from apg_repro.measure import table10
from apg_repro.measure.timing import Effort
from apg_repro.suites import SERVING_LOAD

QUICK = Measurement(suite="table10", dataset="small", profile="quick", case="1 candidate")


@pytest.fixture
def narrow(small, monkeypatch):
    """Narrow models on a small set, few requests, and no compiler."""
    monkeypatch.setattr(table10, "load", lambda *args, **options: small.take(torch.arange(400)))
    monkeypatch.setattr(table10, "COST_WIDTHS", {table10.SERVING_WIDTH: (8, 4)})
    monkeypatch.setattr(table10, "TURNS", {names: {"quick": Effort(rounds=3)} for names in table10.TURNS})
    monkeypatch.setattr(table10.shutil, "which", lambda name: None)
    return small


def test_base_apg_and_v1_answer_and_engines_that_cannot_be_had_are_named(narrow, monkeypatch):
    monkeypatch.setattr(table10, "find_spec", lambda name: None)
    found = table10.measure(QUICK)
    eager = found["engines"]["eager"]
    assert list(eager) == ["base", "apg", "v1"]
    assert eager["base"]["ratio"]["p50"] == 1
    assert all(entry["differs_by"] == 0 and entry["ms"]["p50"] > 0 for entry in eager.values())
    assert "C++ compiler" in found["engines"]["compiled"]["not_run"]
    assert "make bench" in found["engines"]["onnx"]["not_run"]


def test_v5_is_served_folded_with_weights_that_depend_on_the_instance(narrow):
    model = table10.served("apg", narrow, QUICK)
    assert [type(layer).__name__ for layer in model.deep.layers] == ["ApgV4", "ApgV4"]
    assert model.deep.layers[0].generator.last.weight.abs().max() > 0
    assert not model.training


def test_requests_are_asked_in_turn():
    asked = []
    ask = table10.answering(lambda fields, numbers: asked.append(fields), [(1, None), (2, None)])
    for _ in range(3):
        ask()
    assert asked == [1, 2, 1]


def test_a_server_as_fast_as_base_answers_nearly_all():
    assert table10.share_answered([1.0], [1.0]) > 0.99


def test_a_server_too_slow_for_the_load_answers_what_its_speed_allows():
    """Four times as slow as base, there is twice as much to do as time; most that is answered has waited too long."""
    assert 0 < table10.share_answered([4.0], [1.0]) <= 1 / (4 * SERVING_LOAD)


def test_a_request_that_takes_longer_than_the_time_out_has_no_page():
    assert table10.share_answered([5.1], [1.0]) == 0.0
    half = table10.share_answered([0.001, 5.1], [1.0], n=20_000)
    assert half < 0.5


def test_faster_servers_answer_more():
    base = np.random.default_rng(0).lognormal(0, 1, 500).tolist()
    shares = [table10.share_answered([factor * s for s in base], base) for factor in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert shares == sorted(shares, reverse=True)
