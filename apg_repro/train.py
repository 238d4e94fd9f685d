"""One run: a pure function from a configuration and its data to metrics.

One training serves both protocols. ``one_epoch`` is its state after the first epoch. ``early_stopping`` goes on
until the validation AUC has not risen for ``patience`` epochs and keeps the best epoch's weights. The test rows
are read once for each.

Shapes: R rows, F fields, C number columns.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import nn

from apg_repro.build import build
from apg_repro.config import RunConfig
from apg_repro.data import Dataset, generator, split
from apg_repro.graphs import Graphed, Step
from apg_repro.metrics import auc, logloss
from apg_repro.observe import observer, predict
from apg_repro.optimizer import Optimizer

EXPLODED = 10.0  # nats; always predicting the base rate costs at most log 2 ≈ 0.69


@dataclass(kw_only=True)
class Result:
    """What a run measured.

    Attributes:
        status: "ok", or "diverged" if the loss of any batch was not finite or above ``EXPLODED`` nats.
        history: one entry an epoch: train_loss, valid_auc, valid_logloss, worst_batch_loss, seconds.
        test: protocol → {"auc", "logloss", "epoch"}; lacks the protocols that a run with a
            non-finite loss did not reach.
        observed: protocol → what ``config.observe`` asks for, of the same weights.
        n_parameters: of the whole model. n_hidden: of its hidden layers, the paper's count.
        train_rows: rows in an epoch. seconds: of the whole run, evaluation included.
    """

    status: str = "ok"
    history: list[dict[str, float]] = field(default_factory=list)
    test: dict[str, dict[str, float]] = field(default_factory=dict)
    observed: dict[str, dict[str, Any]] = field(default_factory=dict)
    n_parameters: int = 0
    n_hidden: int = 0
    seconds: float = 0.0
    train_rows: int = 0


Progress = Callable[[dict[str, Any]], None]


def train(config: RunConfig, data: Dataset, device: torch.device, on_progress: Progress = lambda _: None) -> Result:
    """Trains one model.

    Args:
        config: the run.
        data: all its rows, on the device.
        device: where to train.
        on_progress: called every second or so with {"epoch", "done", "rows_per_second"}, ``done`` from 0 to 1,
            and after each epoch with its history entry.
    """
    start = time.perf_counter()
    train_rows, valid, test = split(data, config.seed)
    model = build(config, data.schema).to(device)
    step = make_step(model, train_rows, config)
    shuffle = generator(config.seed, "batches")
    result = Result(n_parameters=count(model), n_hidden=count(model.deep), train_rows=len(train_rows))  # pyright: ignore[reportArgumentType]
    best_auc, best_epoch, best_state = 0.0, 0, model.state_dict()

    def read_test(protocol: str, epoch: int) -> None:
        result.test[protocol] = {"epoch": epoch, **evaluate(model, test)}
        if config.observe:
            result.observed[protocol] = observer(config.observe)(model, train_rows, test)

    for epoch in range(1, config.max_epochs + 1):
        epoch_start = time.perf_counter()
        losses = train_epoch(
            model,
            step,
            train_rows,
            config.batch_size,
            shuffle,
            lambda entry, epoch=epoch: on_progress({"epoch": epoch} | entry),
        )
        seconds = round(time.perf_counter() - epoch_start, 3)
        entry = {"epoch": epoch, **losses, **evaluate(model, valid, "valid_"), "seconds": seconds}
        result.history.append(entry)
        on_progress(entry | {"rows_per_second": len(train_rows) / seconds})
        if not entry["worst_batch_loss"] <= EXPLODED:  # also when it is NaN
            result.status = "diverged"
        if epoch == 1:
            read_test("one_epoch", 1)
        if entry["valid_auc"] > best_auc:  # never when it is NaN
            best_auc, best_epoch, best_state = entry["valid_auc"], epoch, copy.deepcopy(model.state_dict())
        elif epoch - best_epoch >= config.patience:
            break
    if best_epoch:
        model.load_state_dict(best_state)
        read_test("early_stopping", best_epoch)
    result.seconds = round(time.perf_counter() - start, 3)
    return result


def make_step(model: nn.Module, rows: Dataset, config: RunConfig) -> Step:
    """What trains on one batch: numbers of rows, (n,) → their loss before the step, in nats."""
    # Domains are told apart, and sparse gradients put together, in shapes that the data decide: no graph holds those.
    as_graph = rows.labels.is_cuda and config.optimizer == "adam" and config.domain is None
    optimizer = Optimizer(model, config, capturable=as_graph)

    def step(chosen: Int[torch.Tensor, " n"]) -> Float[torch.Tensor, ""]:
        batch = rows.take(chosen)
        loss = F.binary_cross_entropy_with_logits(model(batch.fields, batch.numbers), batch.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Graphed(step, config.batch_size) if as_graph else step


def train_epoch(
    model: nn.Module, step: Step, rows: Dataset, batch_size: int, shuffle: torch.Generator,
    on_progress: Progress = lambda _: None,
) -> dict[str, float]:  # fmt: skip
    """One pass over the training rows in a new random order; returns the mean and the worst batch loss, in nats."""
    model.train()
    total = torch.zeros((), device=rows.labels.device)
    worst = torch.zeros((), device=rows.labels.device)
    seen, start, told = 0, time.perf_counter(), 0.0
    order = torch.randperm(len(rows), generator=shuffle).to(rows.labels.device)
    for chosen in order.split(batch_size):
        loss = step(chosen)
        total += loss * len(chosen)
        worst = torch.maximum(worst, loss)  # keeps a NaN
        seen += len(chosen)
        elapsed = time.perf_counter() - start
        if elapsed - told > 1:
            told = elapsed
            on_progress({"done": seen / len(rows), "rows_per_second": seen / elapsed})
    return {"train_loss": float(total) / len(rows), "worst_batch_loss": float(worst)}


def evaluate(model: nn.Module, rows: Dataset, prefix: str = "") -> dict[str, float]:
    """AUC (0 to 1) and logloss (nats) on these rows."""
    logits = predict(model, rows)
    return {f"{prefix}auc": auc(logits, rows.labels), f"{prefix}logloss": logloss(logits, rows.labels)}


def count(module: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
