"""Fair timing: contenders take turns in one process, so that whatever else goes on in the machine affects all alike.

Comparisons are made round by round: a ratio is that of two contenders in the same round.
"""

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

Name = TypeVar("Name", bound=Hashable)
Clock = Callable[[], float]  # lets its contender run once; returns how long that took, in seconds


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long contenders take turns.

    Attributes:
        rounds: how many times each runs.
        at_least: how many times each runs even if ``seconds`` have passed.
        seconds: after which no further round begins.
        warmup: earlier rounds that do not count.
    """

    rounds: int
    at_least: int = 3
    seconds: float = 30.0
    warmup: int = 1


def clock(work: Callable[[], object], times: int = 1, device: str = "cpu") -> Clock:
    """The clock of some work: the mean seconds of doing it ``times`` times.

    A GPU does its work later than it is asked to, so the clock waits for it before it starts and before it stops.
    """

    def seconds() -> float:
        wait_for(device)
        start = time.perf_counter()
        for _ in range(times):
            work()
        wait_for(device)
        return (time.perf_counter() - start) / times

    return seconds


def wait_for(device: str) -> None:
    """Waits until a device has done all that it was asked to; a CPU always has."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def take_turns(clocks: Mapping[Name, Clock], effort: Effort) -> dict[Name, list[float]]:
    """Lets the contenders run in turn, A B C A B C; how long each took, round by round."""
    for _ in range(effort.warmup):
        for run in clocks.values():
            run()
    costs: dict[Name, list[float]] = {name: [] for name in clocks}
    end = time.perf_counter() + effort.seconds
    for done in range(effort.rounds):
        if done >= effort.at_least and time.perf_counter() > end:
            break
        for name, run in clocks.items():
            costs[name].append(run())
    return costs


def spread(values: Sequence[float], percentiles: Sequence[int] = (10, 50, 90)) -> dict[str, float]:
    """Percentiles of some values, to four digits: {"p10", "p50", "p90"}."""
    found = np.percentile(values, percentiles)
    return {f"p{percent}": float(f"{value:.4g}") for percent, value in zip(percentiles, found, strict=True)}


def ratios(costs: Sequence[float], to: Sequence[float]) -> list[float]:
    """One contender's cost relative to another's, round by round."""
    return [cost / other for cost, other in zip(costs, to, strict=True)]


@contextmanager
def threads(n: int) -> Iterator[int]:
    """Lets torch use n threads until the context ends."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield n
    finally:
        torch.set_num_threads(before)
