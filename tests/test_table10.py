"""Table 10: engines agree, the simulation of page views behaves as a queue does, and the page judges by its rules."""

import numpy as np
import pytest
import torch

from apg_repro.config import Measurement
from apg_repro.experiments.table10 import measure as table10
from apg_repro.experiments.table10 import page
from apg_repro.experiments.table10.plan import LOAD, V1_CANDIDATES, WIDTH
from apg_repro.training.timing import Effort
from tests.measured import line_of, measured_evidence, on_both

QUICK = Measurement(name="table10", dataset="small", profile="quick", case="1 candidate")


@pytest.fixture
def narrow(small, monkeypatch):
    """Narrow models on a small set, few requests, and no compiler."""
    monkeypatch.setattr(table10, "load", lambda *args, **options: small.take(torch.arange(400)))
    monkeypatch.setattr(table10, "WIDTHS", {WIDTH: (8, 4)})
    monkeypatch.setattr(table10, "TURNS", {names: {"quick": Effort(rounds=3)} for names in table10.TURNS})
    monkeypatch.setattr(table10.shutil, "which", lambda name: None)
    return small


def test_base_apg_and_v1_answer_and_missing_engines_are_named(narrow, monkeypatch):
    monkeypatch.setattr(table10, "find_spec", lambda name: None)
    found = table10.measure(QUICK)
    eager = found["engines"]["eager"]
    assert list(eager) == ["base", "apg", "v1"]
    assert eager["base"]["ratio"]["p50"] == 1
    assert all(entry["differs_by"] == 0 and entry["ms"]["p50"] > 0 for entry in eager.values())
    assert "C++ compiler" in found["engines"]["compiled"]["not_run"]
    assert "make bench" in found["engines"]["onnx"]["not_run"]


def test_v1_is_left_out_where_its_weights_would_not_fit(narrow, monkeypatch):
    monkeypatch.setattr(table10, "find_spec", lambda name: None)
    monkeypatch.setattr(table10, "CANDIDATES", {"1 candidate": V1_CANDIDATES + 1})
    assert list(table10.measure(QUICK)["models"]) == ["base", "apg"]


def test_v5_is_served_folded_with_weights_that_depend_on_the_instance(narrow):
    model = table10.serve("apg", narrow)
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
    assert 0 < table10.share_answered([4.0], [1.0]) <= 1 / (4 * LOAD)


def test_a_request_that_takes_longer_than_the_time_out_has_no_page():
    assert table10.share_answered([5.1], [1.0]) == 0.0
    half = table10.share_answered([0.001, 5.1], [1.0], n=20_000)
    assert half < 0.5


def test_faster_servers_answer_more():
    base = np.random.default_rng(0).lognormal(0, 1, 500).tolist()
    shares = [table10.share_answered([factor * s for s in base], base) for factor in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert shares == sorted(shares, reverse=True)


def around(middle, share=0.01):
    return {"p10": middle * (1 - share), "p50": middle, "p90": middle * (1 + share)}


def evidence_of(apg, v1, profile="full"):
    """One candidate, answered by torch: response times of APG and v1 as multiples of base."""

    def entry(ratio, answered):
        return {"ms": {"p50": ratio, "p90": 2 * ratio, "p99": 3 * ratio}, "ratio": around(ratio),
                "answered": answered, "differs_by": 1e-7}  # fmt: skip

    engines = {
        "eager": {"base": entry(1.0, 0.9), "apg": entry(apg, 0.9), "v1": entry(v1, 0.45)},
        "onnx": {"not_run": "not there"},
    }
    weights = (("base", 1000), ("apg", 100), ("v1", 33000))
    models = {name: {"n_hidden": n, "n_parameters": 10 * n} for name, n in weights}
    return measured_evidence("table10", {"1 candidate": {"engines": engines, "models": models}}, profile=profile)


@pytest.mark.parametrize(("apg", "verdict"), [(0.5, "reproduced"), (1.005, "reproduced"), (1.1, "contradicted")])
def test_apg_may_take_as_long_as_the_papers_ratio(apg, verdict):
    evidence = evidence_of(apg, 5.0)
    assert line_of(page.response_table(evidence), Model="v5, folded")["Verdict"] == verdict
    assert page.response_times(evidence, "apg") == [(apg, verdict)]


@pytest.mark.parametrize(("v1", "verdict"), [(5.0, "reproduced"), (2.0, "direction only"), (0.9, "contradicted")])
def test_v1_must_be_slower(v1, verdict):
    assert line_of(page.response_table(evidence_of(1.0, v1)), Model="v1")["Verdict"] == verdict


def test_quick_numbers_get_no_verdict():
    evidence = evidence_of(0.5, 5.0, profile="quick")
    assert (
        set(page.response_table(evidence).data["Verdict"]) == set(page.memory_table(evidence).data["Verdict"]) == {""}
    )


def test_page_views_are_compared_with_base_in_the_same_engine():
    found = line_of(page.views_table(evidence_of(1.0, 5.0)), Engine="torch")
    assert (found["base answers"], found["v5, folded"], found["v1"]) == ("90.00 %", "+0.00 %", "−50.00 %")


def test_an_engine_that_is_missing_says_so():
    assert line_of(page.response_table(evidence_of(1.0, 5.0)), Engine="ONNX Runtime")["Model"] == "not there"


def test_served_memory_is_compared_as_a_ratio():
    found = line_of(page.memory_table(evidence_of(1.0, 5.0)), Model="v5, folded")
    assert (found["Paper ÷ base"], found["Ours ÷ base"], found["Verdict"]) == ("0.12", "0.10", "reproduced")


def test_a_gpu_is_judged_by_its_own_rows():
    both = on_both(evidence_of(0.5, 5.0), evidence_of(1.5, 5.0))
    found = {kind: line_of(page.response_table(both.on(kind)), Model="v5, folded") for kind in ("cpu", "cuda")}
    assert {kind: line["Verdict"] for kind, line in found.items()} == {"cpu": "reproduced", "cuda": "contradicted"}
    assert page.response_table(both.on("cuda")).caption.startswith("GPU. ")
    assert page.response_figure(both.on("cuda")).axes[0].get_ylabel() == "GPU"
    assert page.response_times(both, "apg") == [(0.5, "reproduced")]


def test_an_engine_that_fails_is_left_out_with_its_reason(monkeypatch, tmp_path):
    def compiled(model):
        def engine(*request):
            raise RuntimeError("Python.h: No such file or directory\nmore")

        return engine

    monkeypatch.setattr(torch, "compile", compiled)
    example = torch.zeros(1, 1), torch.zeros(1, 1)
    found, failed = table10.other_engines(
        {"base": torch.nn.Identity()}, example, tmp_path, {"onnx"}, torch.device("cpu")
    )
    assert found == {}
    assert failed == {"compiled": "torch.compile fails here: RuntimeError: Python.h: No such file or directory"}


def test_engines_that_a_gpu_lacks_are_named(monkeypatch):
    monkeypatch.setattr(table10, "find_spec", lambda name: None)
    assert "Triton" in table10.missing_engines("cuda")["compiled"]
    assert table10.missing_engines("cuda")["onnx"] == "ONNX Runtime is measured on a CPU only"
