"""What threads and devices change: the measurement, and how the page shows it."""

import pytest

from apg_repro.config import PROTOCOLS, Measurement
from apg_repro.experiments.threads import page
from apg_repro.experiments.threads.measure import measure
from apg_repro.experiments.threads.plan import configure
from tests.checkout import needs_synthetic
from tests.measured import measured_evidence, on_both

AUC = {"one_epoch": {"1": 0.70, "2": 0.70}, "early_stopping": {"1": 0.71, "2": 0.7095}}
AGAIN = {"one_epoch": 0.70, "early_stopping": 0.71}


@needs_synthetic
def test_one_thread_gives_the_same_twice_and_two_nearly_the_same():
    measurement = Measurement(name="threads", dataset="synthetic", profile="quick", case="WDL")
    found = measure(measurement)
    assert configure("quick", "synthetic", "WDL").rows == 10_000
    for protocol in PROTOCOLS:
        one, two = found["auc"][protocol]["1"], found["auc"][protocol]["2"]
        assert found["again"][protocol] == one
        assert two == pytest.approx(one, abs=0.01)


def test_the_page_names_the_model_that_moves_most_and_what_differs_with_one_thread():
    calm = {"auc": {protocol: {"1": 0.7, "2": 0.7} for protocol in PROTOCOLS}, "again": dict.fromkeys(PROTOCOLS, 0.7)}
    evidence = measured_evidence("threads", {"WDL": {"auc": AUC, "again": AGAIN | {"one_epoch": 0.6}}, "PNN": calm})
    first, second = page.main_points([evidence])
    assert "of WDL by 0.050 points, and of no other model by more than 0.000" in first
    assert "1 of 2 models" in second
    table = page.changes_table(evidence).data
    assert list(table["Δ, early stopping"]) == ["−0.050", "+0.000"]
    assert list(table["One thread, twice"]) == ["differs", "the same"]


def test_a_gpu_is_compared_with_one_thread_of_a_cpu():
    on_gpu = {
        "auc": {protocol: {"1": 0.7004} for protocol in PROTOCOLS},
        "again": {"one_epoch": 0.7004, "early_stopping": 0.7},
    }
    cpu, gpu = (measured_evidence("threads", {"WDL": {"auc": AUC, "again": AGAIN} | values}) for values in ({}, on_gpu))
    both = on_both(cpu, gpu)
    table = page.changes_table(both.on("cuda")).data
    assert list(table["Δ, one epoch"]) == ["+0.040"]
    assert list(table["Δ, early stopping"]) == ["−0.960"]
    assert list(table["GPU, twice"]) == ["differs"]
    assert list(page.changes_table(both.on("cpu")).data["Δ, early stopping"]) == ["−0.050"]
    *_, moves, again = page.main_points([both])
    assert "training on a GPU (a GPU) moves the test AUC of WDL by 0.960 points." in moves
    assert again == "On the GPU twice, 0 of 1 models give the same AUC to the last digit."
