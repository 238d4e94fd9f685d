"""One run: a pure function from a configuration and its data to metrics.

One training serves both protocols. ``one_epoch`` is its state after the first epoch. ``early_stopping`` goes on
until the validation AUC has not risen for ``patience`` epochs and keeps the best epoch's weights. The test rows
are read once for each.

Shapes: R rows, F fields, C number columns.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import nn

from apg_repro.config import DIVERGED_ABOVE, Protocol, RunConfig, Status
from apg_repro.data.dataset import Dataset, Rows, split
from apg_repro.nn.apg import count_served
from apg_repro.seeds import generator
from apg_repro.training.build import build
from apg_repro.training.graphs import Eager, Graphed
from apg_repro.training.observe import observer
from apg_repro.training.optimizer import Optimizer, has_fixed_shapes
from apg_repro.training.scoring import evaluate

REPORT_EVERY = 1.0  # seconds


@dataclass(kw_only=True)
class Result:
    """What a run measured.

    Attributes:
        status: "ok", or "diverged" if the loss of any batch was above ``DIVERGED_ABOVE`` nats or not finite, or the
            weights were so large afterwards that logits were not finite.
        history: one entry per epoch: train_loss, valid_auc, valid_logloss, worst_batch_loss, seconds.
        test: protocol → {"auc", "logloss", "epoch"}; without early_stopping if no epoch had finite logits.
        observed: protocol → what ``config.observe`` asks for, of the same weights.
        n_parameters: of the whole model.
        n_hidden: of its hidden layers, the paper's count.
        n_served: of its hidden layers as they are served, v5 folded.
        train_rows: rows in an epoch.
        seconds: of the whole run, evaluation included.
    """

    status: Status = "ok"
    history: list[dict[str, float]] = field(default_factory=list)
    test: dict[Protocol, dict[str, float]] = field(default_factory=dict)
    observed: dict[Protocol, dict[str, Any]] = field(default_factory=dict)
    n_parameters: int = 0
    n_hidden: int = 0
    n_served: int = 0
    seconds: float = 0.0
    train_rows: int = 0


Progress = Callable[[dict[str, Any]], None]


def train(config: RunConfig, data: Dataset, on_progress: Progress = lambda _: None) -> Result:
    """Trains one model on a random split of the data that the run's seed fixes.

    Args:
        config: the run.
        data: all its rows, on the device that trains.
        on_progress: called every second or so with {"epoch", "done", "rows_per_second"}, ``done`` from 0 to 1,
            and after each epoch with its history entry.

    Raises:
        UserError: see ``build``; or a part of the split allows no AUC, whatever the model (see ``split``).
    """
    return train_on(config, split(data, config.seed), on_progress)[0]


def train_on(
    config: RunConfig, parts: tuple[Rows, Rows, Rows], on_progress: Progress = lambda _: None
) -> tuple[Result, nn.Module]:
    """Trains one model on parts that are given: training, validation and test rows. Otherwise as ``train``.

    Returns:
        What was measured; and the model, with the weights of its best epoch.
    """
    start = time.perf_counter()
    train_rows, valid, test = parts
    model = build(config, train_rows.schema).to(train_rows.device)
    observe = observer(config.observe, model, test) if config.observe else None  # refused before anything is trained
    steps = make_step(model, train_rows, config)
    shuffle = generator(config.own_start_seed, "batches")
    hidden = model.get_submodule("deep")
    result = Result(
        n_parameters=count(model), n_hidden=count(hidden), n_served=count_served(hidden), train_rows=len(train_rows)
    )

    def read_test(protocol: Protocol, epoch: int) -> None:
        result.test[protocol] = {"epoch": epoch, **evaluate(model, test)}
        if observe:
            result.observed[protocol] = observe(model, train_rows, test)

    best_auc, best_epoch, best_state = 0.0, 0, dict[str, torch.Tensor]()
    for epoch in range(1, config.max_epochs + 1):
        epoch_start = time.perf_counter()
        report = in_epoch(epoch, on_progress)
        losses = train_epoch(model, steps, len(train_rows), shuffle, report)
        seconds = time.perf_counter() - epoch_start
        entry = {"epoch": epoch, **losses, **evaluate(model, valid, "valid_"), "seconds": round(seconds, 3)}
        result.history.append(entry)
        on_progress(entry | {"rows_per_second": len(train_rows) / seconds})
        if epoch == 1:
            read_test("one_epoch", epoch)
        if entry["valid_auc"] > best_auc:  # never when it is NaN
            best_auc, best_epoch = entry["valid_auc"], epoch
            keep(model, best_state)
        elif epoch - best_epoch >= config.patience:
            break
    if best_epoch:
        model.load_state_dict(best_state)
        read_test("early_stopping", best_epoch)
    if has_diverged(result):
        result.status = "diverged"
    result.seconds = round(time.perf_counter() - start, 3)
    return result, model


@torch.no_grad()
def keep(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Copies a model's weights and statistics into a state, in place: there is never a second copy."""
    for name, value in model.state_dict().items():
        state.setdefault(name, torch.empty_like(value)).copy_(value)


def in_epoch(epoch: int, on_progress: Progress) -> Progress:
    """Reports progress within an epoch as progress of the run."""
    return lambda entry: on_progress({"epoch": epoch} | entry)


def has_diverged(result: Result) -> bool:
    """Whether any batch loss was too high or not finite, or an AUC could not be computed from the logits."""
    bounded = all(entry["worst_batch_loss"] <= DIVERGED_ABOVE for entry in result.history)  # false for NaN
    aucs = [entry["valid_auc"] for entry in result.history] + [scores["auc"] for scores in result.test.values()]
    return not bounded or any(map(math.isnan, aucs))


def make_step(model: nn.Module, rows: Rows, config: RunConfig) -> Eager:
    """What trains on these rows: epoch by epoch, each in a random order."""
    as_graph = rows.device.type == "cuda" and has_fixed_shapes(model, config)
    optimizer = Optimizer(model, config, graphed=as_graph)

    def step(chosen: Int[torch.Tensor, " n"]) -> Float[torch.Tensor, ""]:
        batch = rows.take(chosen)
        loss = F.binary_cross_entropy_with_logits(model(batch.fields, batch.numbers), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return (Graphed if as_graph else Eager)(step, config.batch_size, rows.device)


def train_epoch(
    model: nn.Module, steps: Eager, n_rows: int, shuffle: torch.Generator, on_progress: Progress = lambda _: None
) -> dict[str, float]:
    """One pass over the training rows in a new random order; returns the mean and the worst batch loss, in nats."""
    model.train()
    n_seen, start, last_report = 0, time.perf_counter(), 0.0
    order = torch.randperm(n_rows, generator=shuffle).to(steps.device)
    for n in steps.epoch(order):
        n_seen += n
        elapsed = time.perf_counter() - start
        if elapsed - last_report > REPORT_EVERY:
            last_report = elapsed
            on_progress({"done": n_seen / n_rows, "rows_per_second": n_seen / elapsed})
    return {"train_loss": float(steps.losses.total) / n_rows, "worst_batch_loss": float(steps.losses.worst)}


def count(module: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
