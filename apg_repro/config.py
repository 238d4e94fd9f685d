"""What one run is: every choice that can change its numbers, and nothing else. Imports no torch.

Which table shows a run, and under which name, is the table's business (``suite.py``).
"""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from numbers import Integral
from typing import Any, Literal, get_args, get_origin, get_type_hints

from apg_repro.errors import UserError
from apg_repro.versions import VERSIONS

Init = Literal["static_bias", "static_start", "glorot"]
OptimizerName = Literal["adam", "row_adam"]
Profile = Literal["quick", "full"]
Protocol = Literal["one_epoch", "early_stopping"]
Status = Literal["ok", "diverged"]  # of a run
Aggregation = Literal["mean", "concat", "attention"]  # how k conditions are joined
DeviceKind = Literal["cpu", "cuda"]

PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
DEVICE_KINDS: tuple[DeviceKind, ...] = get_args(DeviceKind)
DIVERGED_ABOVE = 10.0  # nats of a batch; always predicting the base rate costs at most log 2 ≈ 0.69
IDLE_IN_BASE = ("init", "damping")  # base has no generated weights to start or to damp


@dataclass(frozen=True, kw_only=True)
class Mix:
    """A mix-wise condition (Section 3.1.1): which fields, joined before G or after it, and how."""

    where: Literal["input", "output"]
    how: Aggregation
    fields: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One training run. Frozen and keyword-only, so that a typing error fails at once.

    The defaults are the paper's (Appendix B.3) where it states one. The paper's v2 is run as v3, the same function at
    a fraction of the cost (Section 3.2, Eq. 4).

    Raises:
        UserError: an option is unknown, of another type, out of range, or lacks another one that it needs.
    """

    dataset: str
    seed: int
    features: str = "default"  # which columns the model sees: a key of the data set's manifest
    rows: int | None = None  # a random sample of so many rows; None: all
    backbone: str = "WDL"
    backbone_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of the backbone's own, "n_cross"
    version: str = "base"  # a key of ``versions.VERSIONS``
    # "self", a field (group-wise), a mix: "input_attention(user,movie)", see ``mix``; or "none": what G makes is the
    # same for all instances.
    condition: str = "self"
    rank: int | None = None  # K
    over: int | None = None  # P, v5 only
    generator_layers: int = 1
    domain: str | None = None  # MMoE and Star: a field, or fields joined by "+"
    projections: bool = False  # generate the attention's projections too (DIFM, AutoInt)
    init: Init = "static_bias"
    d_embedding: int = 32
    hidden: tuple[int, ...] = (256, 128, 64)
    optimizer: OptimizerName = "adam"  # see ``training/optimizer.py``
    learning_rate: float = 0.005
    batch_size: int = 1024
    damping: bool = True  # smaller steps for weights that make weights: see ``nn/apg.py``
    base_damping: bool = False  # the same for base: its hidden weights learn at 1/sqrt(inputs) of the learning rate
    weight_decay: float = 0.0  # Adam's L2 penalty, on every weight
    clip_norm: float | None = 1.0  # of the whole gradient; None switches it off
    max_epochs: int = 20
    patience: int = 1
    start_seed: int | None = None  # starts the weights and orders the batches; None: ``seed``, which splits the rows
    observe: str = ""  # what is recorded of the trained model besides its scores: see ``training/observe.py``

    def __post_init__(self) -> None:
        for name, kind in hints(RunConfig).items():
            value = getattr(self, name)
            if type(value) is not kind:  # most are, and a page makes thousands of these
                object.__setattr__(self, name, plain_number(value, kind))
        if isinstance(self.hidden, Sequence) and not isinstance(self.hidden, str):
            object.__setattr__(self, "hidden", tuple(plain_number(width, int) for width in self.hidden))
        if not is_widths(self.hidden):
            raise UserError(f"hidden must be whole numbers from 1 on, as in (256, 128, 64), not {self.hidden!r}")
        for name, known in (
            ("version", tuple(VERSIONS)), ("init", get_args(Init)), ("optimizer", get_args(OptimizerName)),
        ):  # fmt: skip
            if getattr(self, name) not in known:
                raise UserError(f"{name} {getattr(self, name)!r} is unknown; choose one of {', '.join(known)}")
        try:
            check_types(self)
        except TypeError as error:
            raise UserError(f"{error}, which is of another type than that option, or below 0") from None
        options = {name: plain_number(value, int) for name, value in self.backbone_options.items()}
        object.__setattr__(self, "backbone_options", options)
        for name, value in options.items():
            if not (isinstance(name, str) and isinstance(value, str | int | float)):
                raise UserError(f"backbone_options must be numbers or text by name, not {name!r}: {value!r}"[:200])
        if self.base_damping and (self.version != "base" or self.domain is not None):
            raise UserError('base_damping is for version "base" without a domain; other versions have damping')
        if self.optimizer == "row_adam" and self.weight_decay:
            raise UserError("row_adam knows no weight decay: it would have to touch every row")
        for name, letter in (("rank", "rank K"), ("over", "width P (over)")):
            if name in VERSIONS[self.version].options and getattr(self, name) is None:
                raise UserError(f"version {self.version} needs a {letter}")
        whole = ("rows", "rank", "over", "generator_layers", "max_epochs", "patience", "batch_size", "d_embedding")
        for name in whole:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, not {value}")
        for name in ("learning_rate", "weight_decay", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and (value or name == "weight_decay")):
                off = " (None switches it off)" if name == "clip_norm" else ""
                raise UserError(f"{name} must be a number above 0{off}, not {value}")
        if self.start_seed == self.seed:  # the same run has one id
            object.__setattr__(self, "start_seed", None)
        self.mix  # noqa: B018 (raises if the condition looks like a mix and is none)

    def __hash__(self) -> int:
        return hash(self.id)

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON-ready values, in declaration order."""
        return dataclasses.asdict(self) | {"hidden": list(self.hidden)}

    @cached_property
    def id(self) -> str:
        """Twelve hex digits that name what is computed: the store holds each at most once.

        Values equal to their default do not count, so a new field with a default leaves every id as it is.
        """
        idle = IDLE_IN_BASE if self.version == "base" else ()
        return digest({name: value for name, value in changed(self).items() if name not in idle})

    @property
    def own_start_seed(self) -> int:
        """The seed of the weights' start and of the order of batches."""
        return self.seed if self.start_seed is None else self.start_seed

    @cached_property
    def mix(self) -> Mix | None:
        """The condition, if it is a mix of several fields."""
        return parse_mix(self.condition)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "RunConfig":
        """The configuration in some values, such as those of a row; what they do not mention has its default."""
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls) if field.name in values})


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a row answers that no training run does: a count, a distribution, a timing."""

    name: str  # of the artefact, "table5"
    dataset: str
    profile: Profile = "full"  # how much effort
    case: str = ""  # which of the artefact's cases, if it has several
    device_kind: DeviceKind = "cpu"  # of what is timed; which model it was, the row's origin says

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return dataclasses.asdict(self)

    @cached_property
    def id(self) -> str:
        """Twelve hex digits that name this measurement."""
        return digest(changed(self))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Measurement":
        """The measurement that these values of a row answer."""
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls) if field.name in values})


Task = RunConfig | Measurement


def kind_of(device: str) -> DeviceKind:
    """The kind of a device such as "cuda:1".

    Raises:
        UserError: it is neither a CPU nor a CUDA device.
    """
    for kind in DEVICE_KINDS:
        if re.fullmatch(rf"{kind}(:\d+)?", device, re.ASCII):
            return kind
    raise UserError(f"device {device!r} is none of cpu, cuda, cuda:0, cuda:1 and so on")


def parse_mix(name: str) -> Mix | None:
    """A mix-wise condition from its name, such as "output_concat(user,movie,genres)"; None if it is not one.

    Raises:
        UserError: it looks like one, but names no known aggregation or fewer than two fields.
    """
    if "(" not in name:
        return None
    found = re.fullmatch(r"(input|output)_(mean|concat|attention)\(([^()]+)\)", name)
    fields = tuple(field.strip() for field in found[3].split(",")) if found else ()
    if not found or len(fields) < 2:
        raise UserError(
            f"condition {name!r} is not a mix: write input or output, _mean, _concat or _attention, and two or more "
            'fields, as in "input_attention(user,movie)"'
        )
    return Mix(where=found[1], how=found[2], fields=fields)  # pyright: ignore[reportArgumentType]


OUTER = (Mapping, Sequence, tuple)
hints = cache(get_type_hints)


def check_types(part: Any) -> None:
    """Raises a TypeError that names the first field of a dataclass whose value is not of its type, or is below 0.

    Of ``Mapping[str, Any]`` and the like, only ``Mapping`` is looked at. Whatever is a number counts or measures.
    """
    for name, kind in hints(type(part)).items():
        value = getattr(part, name)
        if not (type(value) is kind or is_of(value, kind)) or (isinstance(value, (int, float)) and value < 0):
            raise TypeError(f"{name} is {value!r}"[:100])


def is_of(value: Any, kind: Any) -> bool:
    """Whether a value is of a type in an annotation."""
    if isinstance(value, bool):  # which Python takes for a number
        return bool in (kind, *get_args(kind))
    outer = get_origin(kind)
    return value in get_args(kind) if outer is Literal else isinstance(value, outer if outer in OUTER else kind)


def plain_number(value: Any, kind: Any) -> Any:
    """A whole number as Python's int, as numpy has its own, and as a float where that is the type: 1 is 1.0."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        return value
    number = int(value)
    return float(number) if float in (kind, *get_args(kind)) else number


def is_widths(value: Any) -> bool:
    """Whether this is the widths of layers: one or more whole numbers from 1 on."""
    return isinstance(value, tuple) and bool(value) and all(type(width) is int and width >= 1 for width in value)


def changed(task: Task) -> dict[str, Any]:
    """The fields of a task that differ from their defaults."""
    return {
        field.name: getattr(task, field.name)
        for field in dataclasses.fields(task)
        if getattr(task, field.name)
        != (field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default)
    }


def digest(values: Mapping[str, Any]) -> str:
    """Twelve hex digits that name these values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
