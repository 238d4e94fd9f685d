"""What the best of each side costs: weights, training, and the latency of the folded model.

Shapes: n candidates.
"""

from collections.abc import Mapping
from itertools import cycle
from statistics import median
from typing import Any

import torch
from torch import nn

from apg_repro.data.dataset import Dataset
from apg_repro.rows.row import TrainedRow
from apg_repro.training.timing import Effort, clock, ratios, spread, take_turns, threads
from apg_repro.yours.search import Side

CANDIDATES = (1, 100, 1000)
EFFORT = Effort(rounds=500, at_least=20, seconds=2.0, warmup=5)
REQUESTS = 16  # different ones, asked in turn


def costs(rows: Mapping[tuple[Side, int], TrainedRow]) -> dict[Side, dict[str, Any]]:
    """By side: weights of the model, of its hidden layers in training and as served; seconds per epoch, epochs."""
    found: dict[Side, dict[str, Any]] = {}
    for side in dict.fromkeys(side for side, _ in rows):
        own = [row for (other, _), row in rows.items() if other == side]
        found[side] = {
            "n_parameters": own[0].n_parameters, "n_hidden": own[0].n_hidden, "n_served": own[0].n_served,
            "epoch_seconds": median(entry["seconds"] for row in own for entry in row.history),
            "epochs": median(len(row.history) for row in own), "train_rows": own[0].train_rows,
        }  # fmt: skip
    return found


def latency(models: Mapping[Side, nn.Module], rows: Dataset) -> dict[int, dict[Side, dict[str, Any]]]:
    """Milliseconds of a request for n candidates, by n and side, and APG's as a ratio to base's; one thread of the CPU.

    Args:
        models: folded, on the CPU.
        rows: whose ids and numbers are asked for.
    """
    found: dict[int, dict[Side, dict[str, Any]]] = {}
    with threads(1), torch.inference_mode():
        for n in CANDIDATES:
            chosen = torch.arange(REQUESTS * n) % len(rows)
            some = rows.take(chosen)
            requests = list(zip(some.fields.split(n), some.numbers.split(n), strict=True))
            clocks = {}
            for side, model in models.items():
                following = cycle(requests)
                clocks[side] = clock(lambda model=model, following=following: model(*next(following)))
            seconds = take_turns(clocks, EFFORT)
            found[n] = {
                side: {
                    "ms": spread([1000 * one for one in own], (50, 90, 99)),
                    "ratio": spread(ratios(own, seconds["base"])),
                }
                for side, own in seconds.items()
            }
    return found
