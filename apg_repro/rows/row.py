"""What a line of ``results/`` holds: a run of training and its scores, or a measurement. Imports no torch.

Lines are flat, so that ``pandas.read_json(path, lines=True)`` reads them and git shows a run as a line.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apg_repro.config import DIVERGED_ABOVE, PROTOCOLS, Measurement, Protocol, RunConfig, Status, check_types


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a row comes from.

    Attributes:
        commit: of the code, the first twelve hex digits; None outside of git.
        dirty: whether the code differed from it.
        torch, python: versions.
        device: the name of the CPU or GPU.
        threads: that torch used.
        cores: that the process could use; None: not recorded.
        memory_gb: of the machine; None: not recorded.
        finished: date and time, UTC.
        data: the first twelve hex digits of the checksum of the prepared columns (``Dataset.checksum``).
    """

    commit: str | None
    dirty: bool | None
    torch: str
    python: str
    device: str
    threads: int
    cores: int | None = None
    memory_gb: float | None = None
    finished: str
    data: str

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Origin":
        """The origin in the values of a line."""
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls) if field.name in values})


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a run scored under a protocol: AUC from 0 to 1, logloss in nats; NaN where a logit was not finite."""

    epoch: int
    valid_auc: float
    test_auc: float
    test_logloss: float


@dataclass(frozen=True, kw_only=True)
class TrainedRow:
    """A run of training and what came out.

    Attributes:
        status: "diverged" if the loss of any batch was not finite or above ``DIVERGED_ABOVE`` nats, or a logit of the
            rows that are scored was not finite.
        scores: by protocol; lacks those that a run with a non-finite loss did not reach.
        history: one entry per epoch: train_loss, worst_batch_loss, valid_auc, valid_logloss, seconds.
        observed: by protocol, what ``config.observe`` asks for.
        n_parameters: of the whole model.
        n_hidden: of its hidden layers, in training.
        n_served: of its hidden layers as served, v5 folded.
        train_rows: rows in an epoch.
        seconds: of the whole run, evaluation included.
        numerics: the version of its case when it was trained (``rows/numerics.py``).
    """

    config: RunConfig
    status: Status
    scores: Mapping[Protocol, Score]
    history: Sequence[Mapping[str, Any]]
    observed: Mapping[Protocol, Any] = field(default_factory=dict)
    n_parameters: int
    n_hidden: int
    n_served: int
    train_rows: int
    seconds: float
    numerics: int
    origin: Origin

    @property
    def id(self) -> str:
        """Of its configuration."""
        return self.config.id

    @property
    def dataset(self) -> str:
        return self.config.dataset

    def test_auc(self, protocol: Protocol) -> float:
        """In percent; NaN if the run did not get there."""
        score = self.scores.get(protocol)
        return 100 * score.test_auc if score else math.nan

    def valid_auc(self, protocol: Protocol) -> float:
        """In percent; NaN if the run did not get there."""
        score = self.scores.get(protocol)
        return 100 * score.valid_auc if score else math.nan

    def epoch(self, protocol: Protocol) -> int | None:
        """The epoch whose weights were scored."""
        score = self.scores.get(protocol)
        return score.epoch if score else None

    def worst_batch_loss(self, epoch: int) -> float:
        """The greatest loss of a batch in an epoch (from 1), in nats; infinite where one was not finite."""
        worst = self.history[epoch - 1]["worst_batch_loss"]
        return math.inf if worst is None or math.isnan(worst) else worst

    def diverged(self, protocol: Protocol) -> bool:
        """Whether the run diverged, under "one_epoch" in its first epoch."""
        if self.status != "diverged" or protocol != "one_epoch":
            return self.status == "diverged"
        lost = math.isnan(self.valid_auc(protocol)) or math.isnan(self.test_auc(protocol))
        return lost or self.worst_batch_loss(1) > DIVERGED_ABOVE

    def as_json(self) -> dict[str, Any]:
        """The values of its line."""
        values: dict[str, Any] = {"kind": "trained", "id": self.id, **self.config.as_dict(), "status": self.status}
        for protocol in PROTOCOLS:
            score = self.scores.get(protocol)
            for name in (part.name for part in dataclasses.fields(Score)):
                value = getattr(score, name) if score else None
                values[f"{protocol}_{name}"] = round(value, 6) if isinstance(value, float) else value
        if self.observed:
            values["observed"] = dict(self.observed)
        values["history"] = [
            {name: round(value, 6) if isinstance(value, float) else value for name, value in entry.items()}
            for entry in self.history
        ]
        for name in ("n_parameters", "n_hidden", "n_served", "train_rows", "seconds", "numerics"):
            values[name] = getattr(self, name)
        return finite(values | dataclasses.asdict(self.origin))

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "TrainedRow":
        """The row in a line.

        Raises:
            UserError, KeyError, TypeError, ValueError: it is none of this version.
        """
        scores: dict[Protocol, Score] = {
            protocol: Score(
                epoch=values[f"{protocol}_epoch"],
                **{
                    name: math.nan if values[f"{protocol}_{name}"] is None else values[f"{protocol}_{name}"]
                    for name in ("valid_auc", "test_auc", "test_logloss")
                },
            )
            for protocol in PROTOCOLS
            if values[f"{protocol}_epoch"] is not None
        }
        names = ("status", "history", "n_parameters", "n_hidden", "n_served", "train_rows", "seconds", "numerics")
        row = cls(
            config=RunConfig.of(values), scores=scores, observed=values.get("observed", {}), origin=Origin.of(values),
            **{name: values[name] for name in names},
        )  # fmt: skip
        for part in (row, row.origin, *scores.values()):
            check_types(part)
        if not all(isinstance(entry, Mapping) for entry in row.history):
            raise TypeError("history has an entry that is not an object")
        for score in scores.values():
            if score.epoch not in range(1, len(row.history) + 1):
                raise ValueError(f"it has no epoch {score.epoch}")
            for auc in (score.valid_auc, score.test_auc):
                if auc < 0 or auc > 1:  # neither, if it is NaN
                    raise ValueError(f"an AUC is {auc}, not from 0 to 1")
        return row


@dataclass(frozen=True, kw_only=True)
class MeasuredRow:
    """A measurement and what came out.

    Attributes:
        values: what was measured; each artefact knows its own.
        timing: the version of the way of timing; None for what is counted.
    """

    measurement: Measurement
    values: Mapping[str, Any]
    timing: int | None
    origin: Origin

    @property
    def id(self) -> str:
        """Of its measurement."""
        return self.measurement.id

    @property
    def dataset(self) -> str:
        return self.measurement.dataset

    def as_json(self) -> dict[str, Any]:
        """The values of its line."""
        what = {"kind": "measured", "id": self.id, **self.measurement.as_dict(), "timing": self.timing}
        return finite(what | {"values": dict(self.values)} | dataclasses.asdict(self.origin))

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "MeasuredRow":
        """The row in a line.

        Raises:
            UserError, KeyError, TypeError, ValueError: it is none of this version.
        """
        row = cls(
            measurement=Measurement.of(values), values=values["values"], timing=values["timing"],
            origin=Origin.of(values),
        )  # fmt: skip
        for part in (row, row.origin):
            check_types(part)
        return row


Row = TrainedRow | MeasuredRow
KINDS: dict[str, type[TrainedRow] | type[MeasuredRow]] = {"trained": TrainedRow, "measured": MeasuredRow}


def finite(value: Any) -> Any:
    """The value with NaN and infinities as None, which JSON has no words for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(inner) for inner in value]
    return value
