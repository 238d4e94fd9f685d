"""Contenders take turns; what is compared is taken round by round."""

import torch

from apg_repro.training import timing
from apg_repro.training.timing import Effort, clock, ratios, spread, take_turns, threads


def scripted(name, cost, log):
    def run():
        log.append(name)
        return cost

    return run


def test_contenders_take_turns_and_the_warm_up_does_not_count():
    log = []
    costs = take_turns({name: scripted(name, float(ord(name)), log) for name in "ab"}, Effort(rounds=3, warmup=2))
    assert "".join(log) == "ab" * 5
    assert costs == {"a": [97] * 3, "b": [98] * 3}


def test_after_the_time_is_up_there_are_as_few_rounds_as_are_needed():
    assert len(take_turns({"a": lambda: 1.0}, Effort(rounds=50, at_least=4, seconds=0.0))["a"]) == 4


def test_a_clock_gives_the_seconds_of_one_go(monkeypatch):
    ticks = iter([10.0, 16.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(ticks))
    done = []
    assert clock(lambda: done.append(1), times=3)() == 2.0
    assert len(done) == 3


def test_a_ratio_is_taken_within_a_round():
    """A machine twice as slow in the second round changes no ratio."""
    assert ratios([1.0, 2.0], to=[4.0, 8.0]) == [0.25, 0.25]


def test_a_spread_is_the_median_between_the_10th_and_the_90th_percentile():
    assert spread([float(value) for value in range(101)]) == {"p10": 10, "p50": 50, "p90": 90}
    assert spread([1.0], (50, 99)) == {"p50": 1, "p99": 1}


def test_the_number_of_threads_is_as_before_afterwards():
    before = torch.get_num_threads()
    with threads(before + 1) as n:
        assert torch.get_num_threads() == n == before + 1
    assert torch.get_num_threads() == before


def test_a_gpu_is_waited_for_before_the_clock_starts_and_before_it_stops(monkeypatch):
    log = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: log.append(device))
    clock(lambda: log.append("work"), times=2, device="cuda")()
    assert log == ["cuda", "work", "work", "cuda"]
    log.clear()
    clock(lambda: log.append("work"), times=2)()
    assert log == ["work", "work"]
