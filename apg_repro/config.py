"""What one run is: every choice that can change its numbers, and nothing else."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Version = Literal["base", "v1", "v2", "v3", "v4", "v5"]
Init = Literal["static_bias", "static_start", "glorot"]
OptimizerName = Literal["adam", "row_adam"]
Profile = Literal["quick", "full"]
How = Literal["mean", "concat", "attention"]  # how k conditions are joined
LARGE_RANK = 128  # from this K on, v5 is computed by nn.apg.ApgV5LargeRank


class UserError(Exception):
    """A mistake that the user can mend; its text says how. Command line and notebooks print it without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"error: {self}"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One training run. Frozen and keyword-only, so that a typing error fails at once.

    The defaults are the paper's (Appendix B.3) where it states one. ``variant`` names the cell that the
    run answers, by the paper's row or a name of ours (``suites.Cell``); ``version`` is what is computed. The paper's v2
    is run as v3, the same function at a fraction of the cost (Section 3.2, Eq. 4).
    """

    suite: str  # the table or figure, "table4"
    dataset: str
    variant: str  # the paper's row, "v2"
    seed: int
    profile: Profile = "full"
    features: str = "default"  # which columns the model sees: a key of the data set's manifest
    rows: int | None = None  # a random sample of so many rows; None: all
    backbone: str = "WDL"
    version: Version = "base"
    condition: str = "self"  # "self", a field (group-wise), or a mix: "input_attention(user,movie)", see parse_mix
    rank: int | None = None  # K
    over: int | None = None  # P, v5 only
    generator_layers: int = 1
    domain: str | None = None  # MMoE and Star: a field, or fields joined by "+"
    projections: bool = False  # generate the attention's projections too (DIFM, AutoInt)
    init: Init = "static_bias"
    d_embedding: int = 32
    hidden: tuple[int, ...] = (256, 128, 64)
    optimizer: OptimizerName = "adam"  # see optimizer.py
    learning_rate: float = 0.005
    batch_size: int = 1024
    damping: bool = True  # smaller steps for weights that make weights: see nn.apg
    weight_decay: float = 0.0  # Adam's L2 penalty, on every weight
    clip_norm: float | None = 1.0  # of the whole gradient; None switches it off
    max_epochs: int = 20
    patience: int = 1
    observe: str = ""  # what is recorded of the trained model besides its scores: see observe.py

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))
        if self.version not in get_args(Version):
            raise UserError(f"version {self.version!r} is unknown; choose one of {', '.join(get_args(Version))}")
        if self.init not in get_args(Init):
            raise UserError(f"init {self.init!r} is unknown; choose one of {', '.join(get_args(Init))}")
        if self.optimizer not in get_args(OptimizerName):
            raise UserError(f"optimizer {self.optimizer!r} is unknown; choose {' or '.join(get_args(OptimizerName))}")
        if self.optimizer == "row_adam" and self.weight_decay:
            raise UserError("row_adam knows no weight decay: it would have to touch every row")
        if self.version in ("v2", "v3", "v4", "v5") and self.rank is None:
            raise UserError(f"version {self.version} needs a rank K")
        if self.version == "v5" and self.over is None:
            raise UserError("version v5 needs a width P (over)")
        for name in ("rank", "over", "generator_layers", "max_epochs", "patience", "batch_size", "d_embedding"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} must be at least 1, not {value}")

    def as_dict(self) -> dict[str, Any]:
        """The configuration as JSON-ready values, in declaration order."""
        return dataclasses.asdict(self) | {"hidden": list(self.hidden)}

    @property
    def id(self) -> str:
        """Twelve hex digits that name this configuration: the store holds each at most once.

        Values equal to their default do not count, so a new field with a default leaves every id as it is.
        """
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return digest({name: value for name, value in vars(self).items() if value != defaults[name]})

    @property
    def key(self) -> str:
        """Twelve hex digits that name what is computed: as ``id``, whichever table and row of it asks for the run."""
        return dataclasses.replace(self.effective, suite="", variant="").id

    @property
    def effective(self) -> "RunConfig":
        """The same run, idle options at their defaults: base has no generated weights to start or to damp."""
        if self.version != "base":
            return self
        return dataclasses.replace(self, init=RunConfig.init, damping=RunConfig.damping)

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "RunConfig":
        """The configuration of a row of the store; what the row does not mention has its default."""
        return cls(**{field.name: row[field.name] for field in dataclasses.fields(cls) if field.name in row})


@dataclass(frozen=True, kw_only=True)
class Mix:
    """A mix-wise condition (Section 3.1.1): which fields, joined before G or after it, and how."""

    where: Literal["input", "output"]
    how: How
    fields: tuple[str, ...]


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
            f"condition {name!r} is no mix: write input or output, _mean, _concat or _attention, and two or more "
            'fields, as in "input_attention(user,movie)"'
        )
    return Mix(where=found[1], how=found[2], fields=fields)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What a row answers that no training run does: a count, a distribution, a timing."""

    suite: str
    dataset: str
    profile: Profile = "full"
    case: str = ""  # which of the suite's cases, if it has several

    def as_dict(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value or name != "case"}

    @property
    def id(self) -> str:
        """Twelve hex digits that name this measurement."""
        return digest(self.as_dict())

    @property
    def key(self) -> str:
        """As ``id``: a measurement answers its own suite only."""
        return self.id

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Measurement":
        """The measurement that a row of the store answers."""
        return cls(**{field.name: row[field.name] for field in dataclasses.fields(cls) if field.name in row})


def digest(values: dict[str, Any]) -> str:
    """Twelve hex digits that name these values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
