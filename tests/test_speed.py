"""How fast is it: what is held against what."""

import sys

import pytest
import torch

from apg_repro.config import Measurement, UserError
from apg_repro.measure import speed
from apg_repro.measure.timing import Effort

QUICK = Measurement(suite="speed", dataset="movielens", profile="quick", case="one thread")
FULL = Measurement(suite="speed", dataset="movielens", case="one thread")


@pytest.fixture
def few_rounds(monkeypatch):
    for efforts in ("ROUNDS", "STEPS"):
        monkeypatch.setattr(speed, efforts, {"quick": Effort(rounds=2), "full": Effort(rounds=2)})
    monkeypatch.setattr(speed, "N_IDS", {"quick": (100, 200)})


def test_the_roofline_is_the_fastest_product_by_three_times_the_weights(small, few_rounds, monkeypatch):
    """Two fields of 32: 64 × 256 + 256 × 128 + 128 × 64 + 64 weights; two operations each, three times."""
    speeds = {"1024 × 1024 × 1024": 2.0, "1024 × 64 × 256": 1.0, "1024 × 256 × 128": 3.0, "1024 × 128 × 64": 4.0}
    monkeypatch.setattr(speed, "product", lambda m, k, n: lambda: speeds[f"{m} × {k} × {n}"] * 1e-12)
    monkeypatch.setattr(speed, "epoch", lambda rows, config: lambda: 1e-6 if config.version == "base" else 5e-7)
    found = speed.rows_a_second(small, QUICK)
    operations = 6 * (64 * 256 + 256 * 128 + 128 * 64 + 64)
    assert found["operations_a_row"] == operations
    assert found["roofline"]["p50"] == pytest.approx(1e12 / operations, rel=1e-3)
    assert found["models"]["base"]["rows_a_second"]["p50"] == 1e6
    assert found["models"]["base"]["of_roofline"]["p50"] == pytest.approx(operations * 1e-6, rel=1e-3)
    assert found["models"]["v5"]["of_roofline"]["p50"] == pytest.approx(2 * operations * 1e-6, rel=1e-3)


def test_the_peer_takes_turns_where_its_environment_is(small, few_rounds, monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "product", lambda m, k, n: lambda: 1e-11)
    monkeypatch.setattr(speed, "peer", lambda rows: lambda: 3e-6)
    monkeypatch.setattr(speed, "epoch", lambda rows, config: lambda: 1e-6)
    assert "make bench makes it" in peer_entry(small, monkeypatch, tmp_path / "none")["not_run"]
    assert peer_entry(small, monkeypatch, tmp_path)["rows_a_second"]["p50"] == pytest.approx(1 / 3e-6, rel=1e-3)
    assert speed.rows_a_second(small, FULL)["models"]["base"]["to_peer"]["p50"] == pytest.approx(3)
    assert "the quick profile" in speed.rows_a_second(small, QUICK)["models"]["peer"]["not_run"]


def test_a_peer_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(speed, "PEER_PYTHON", sys.executable)
    monkeypatch.setattr(speed, "PEER_SPEED", "no_such_program.py")
    with pytest.raises(UserError, match=r"the peer failed: .*no_such_program\.py"):
        speed.peer(10)()


def peer_entry(rows, monkeypatch, python):
    monkeypatch.setattr(speed, "PEER_PYTHON", python)
    return speed.rows_a_second(rows, FULL)["models"]["peer"]


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
