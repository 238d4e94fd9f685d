"""How fast is it: what is compared with what, and how the page shows it."""

import sys

import pytest
import torch

from apg_repro.config import Measurement
from apg_repro.errors import UserError
from apg_repro.experiments.speed import measure as speed
from apg_repro.experiments.speed import page
from apg_repro.experiments.speed.plan import ALL_CORES, IDS, ONE_GPU, ONE_THREAD, PEER_DATASET
from apg_repro.training.timing import Effort
from tests.measured import line_of, measured_evidence, on_both

QUICK = Measurement(name="speed", dataset=PEER_DATASET, profile="quick", case=ONE_THREAD)
FULL = Measurement(name="speed", dataset=PEER_DATASET, case=ONE_THREAD)


@pytest.fixture
def few_rounds(monkeypatch):
    for efforts in ("ROUNDS", "STEPS"):
        monkeypatch.setattr(speed, efforts, {"quick": Effort(rounds=2), "full": Effort(rounds=2)})
    monkeypatch.setattr(speed, "N_IDS", {"quick": (100, 200)})


def test_the_roofline_is_the_fastest_product_over_three_times_the_weights(small, few_rounds, monkeypatch):
    """All clocks are replaced, so this is about what is computed from them.

    Two fields of 32: 64 × 256 + 256 × 128 + 128 × 64 + 64 weights; two operations each, three times.
    """
    speeds = {"1024 × 1024 × 1024": 2.0, "1024 × 64 × 256": 1.0, "1024 × 256 × 128": 3.0, "1024 × 128 × 64": 4.0}
    monkeypatch.setattr(speed, "product", lambda m, k, n, device: lambda: speeds[f"{m} × {k} × {n}"] * 1e-12)
    monkeypatch.setattr(speed, "epoch", lambda rows, config: lambda: 1e-6 if config.version == "base" else 5e-7)
    found = speed.rows_per_second(small, QUICK)
    operations = 6 * (64 * 256 + 256 * 128 + 128 * 64 + 64)
    assert found["operations_a_row"] == operations
    assert found["roofline"]["p50"] == pytest.approx(1e12 / operations, rel=1e-3)
    assert found["models"]["base"]["rows_a_second"]["p50"] == 1e6
    assert found["models"]["base"]["of_roofline"]["p50"] == pytest.approx(operations * 1e-6, rel=1e-3)
    assert found["models"]["v5"]["of_roofline"]["p50"] == pytest.approx(2 * operations * 1e-6, rel=1e-3)


def test_the_peer_takes_turns_where_its_environment_is(small, few_rounds, monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "product", lambda m, k, n, device: lambda: 1e-11)
    monkeypatch.setattr(speed, "peer", lambda rows: lambda: 3e-6)
    monkeypatch.setattr(speed, "epoch", lambda rows, config: lambda: 1e-6)
    assert "make bench makes it" in peer_entry(small, monkeypatch, tmp_path / "none")["not_run"]
    assert peer_entry(small, monkeypatch, tmp_path)["rows_a_second"]["p50"] == pytest.approx(1 / 3e-6, rel=1e-3)
    assert speed.rows_per_second(small, FULL)["models"]["base"]["to_peer"]["p50"] == pytest.approx(3)
    assert "the quick profile" in speed.rows_per_second(small, QUICK)["models"]["peer"]["not_run"]
    other = Measurement(name="speed", dataset="synthetic", case=ONE_THREAD)
    assert "MovieLens-1M only" in speed.rows_per_second(small, other)["models"]["peer"]["not_run"]


def test_a_peer_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(speed, "PEER_PYTHON", sys.executable)
    monkeypatch.setattr(speed, "PEER_SPEED", "no_such_program.py")
    with pytest.raises(UserError, match=r"the peer failed: .*no_such_program\.py"):
        speed.peer(10)()


def peer_entry(rows, monkeypatch, python):
    monkeypatch.setattr(speed, "PEER_PYTHON", python)
    return speed.rows_per_second(rows, FULL)["models"]["peer"]


def test_more_users_leave_everything_else_as_it_is(small):
    more = speed.with_users(small, 1000)
    column = small.schema.column("user")
    assert more.schema.fields == small.schema.fields | {"user": 1000}
    assert 900 < len(more.fields[:, column].unique()) <= 1000
    others = [i for i in range(small.fields.shape[1]) if i != column]
    assert torch.equal(more.fields[:, others], small.fields[:, others])
    assert small.fields[:, column].max() < 20


def test_a_steps_cost_is_measured_for_both_optimisers_at_every_number_of_ids(small, few_rounds):
    found = speed.step_by_ids(small, QUICK)["ids"]
    assert list(found) == ["100", "200"]
    assert all(step["adam"]["ratio"]["p50"] == 1 and step["row_adam"]["seconds"]["p50"] > 0 for step in found.values())


def test_a_measurement_names_its_threads_and_its_data(small, few_rounds, monkeypatch):
    monkeypatch.setattr(speed, "load", lambda name: small)
    found = speed.measure(Measurement(name="speed", dataset="small", profile="quick", case=IDS))
    assert (found["threads"], found["data"], list(found["ids"])) == (1, small.checksum, ["100", "200"])


def around(middle):
    return {"p10": 0.9 * middle, "p50": middle, "p90": 1.1 * middle}


def evidence_of(peer):
    model = {"rows_a_second": around(1000), "of_roofline": around(0.5), "to_peer": around(2)}
    values = {"models": {"base": model, "peer": peer}, "roofline": around(2000), "sgemm": {"2 × 2 × 2": around(50)}}
    ids = {"1000": {name: {"seconds": around(0.002), "ratio": around(2)} for name in ("adam", "row_adam")}}
    return measured_evidence("speed", {ONE_THREAD: values, ALL_CORES: values, IDS: {"ids": ids}})


def test_rows_per_second_are_shown_under_their_roofline():
    table = page.rows_table(evidence_of({"not_run": "not there"}))
    base = line_of(table, Model="base", **{"Measured with": "one thread"})
    assert base["Rows per second"] == "1,000 (900–1,100)"
    assert (base["Of the roofline"], base["× DeepCTR-Torch"]) == ("0.50 (0.45–0.55)", "2.00 (1.80–2.20)")
    assert line_of(table, Model="DeepCTR-Torch", **{"Measured with": "one thread"})["Rows per second"] == "not there"
    assert (
        line_of(table, Model="roofline of base", **{"Measured with": "all cores (1)"})["Rows per second"]
        == "2,000 (1,800–2,200)"
    )


def test_a_step_is_shown_in_milliseconds():
    (found,) = page.ids_table(evidence_of({"not_run": "not there"})).data.to_dict("records")
    assert (found["Ids"], found["Adam, ms"]) == ("1,000", "2.00 (1.80–2.20)")


def test_bars_are_drawn_for_what_ran():
    left, right = page.speed_figure(evidence_of({"not_run": "not there"})).axes
    assert len(left.patches) == 2
    assert len(page.speed_figure(evidence_of({"rows_a_second": around(500)})).axes[0].patches) == 4
    assert len(right.lines) == 2


def test_the_machine_is_named():
    assert page.machine(evidence_of({})) == "a CPU, 2 cores, torch 2"
    assert page.machine(measured_evidence("speed", {})) == "not measured"


def test_a_gpu_stands_beside_the_cpu_and_is_never_drawn_with_it():
    model = {"rows_a_second": around(50_000), "of_roofline": around(0.1)}
    values = {
        "models": {"base": model, "v5, fused": model},
        "roofline": around(500_000),
        "sgemm": {"2 × 2 × 2": around(9)},
    }
    both = on_both(evidence_of({"not_run": "not there"}), measured_evidence("speed", {ONE_GPU: values}))
    table = page.rows_table(both)
    assert line_of(table, Model="base", **{"Measured with": "one thread"})["Rows per second"] == "1,000 (900–1,100)"
    gpu = line_of(table, Model="v5, fused", **{"Measured with": ONE_GPU})
    assert (gpu["Rows per second"], gpu["× DeepCTR-Torch"]) == ("50,000 (45,000–55,000)", "–")
    assert set(page.products_table(both).data["Measured with"]) == {"one thread", "all cores (1)", ONE_GPU}
    assert page.machine(both) == "a CPU, 2 cores, torch 2; a GPU, 2 cores, torch 2"
    assert [len(page.speed_figure(both.on(kind)).axes[0].patches) for kind in ("cpu", "cuda")] == [2, 2]
    assert "GPU" in page.ids_table(both.on("cuda")).caption


def test_the_peer_is_compared_on_a_cpu_only():
    task = Measurement(name="speed", dataset=PEER_DATASET, case=ONE_GPU, device_kind="cuda")
    assert speed.why_no_peer(task) == "it is compared on a CPU only"
