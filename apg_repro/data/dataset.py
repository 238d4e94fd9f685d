"""Prepared data sets as whole tensors, and their split. What may enter: ``gate.py``.

The parts of a split hold numbers of rows, not copies: twelve million rows lie in memory once.

Shapes: R rows, n of them in a part, F fields, C number columns.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from apg_repro.data.gate import MIN_ROWS, PARTS, enter
from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.paths import DATA
from apg_repro.seeds import generator

__all__ = ["Dataset", "Part", "Rows", "load", "random_parts", "split"]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Rows on one device.

    Attributes:
        fields: ids from 0 within each field.
        numbers: numeric columns, multi-hot indicators among them.
        labels: 0 or 1.
        checksum: sha256 of the prepared columns of which these are rows, see ``checksums.checksum``.
        parts: the part of every row where its makers have split them (``gate.PARTS``); None elsewhere.
    """

    name: str
    schema: Schema
    fields: Int[torch.Tensor, "R F"]
    numbers: Float[torch.Tensor, "R C"]
    labels: Float[torch.Tensor, " R"]
    checksum: str
    parts: Int[torch.Tensor, " R"] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.labels.device

    def column(self, field: str) -> Int[torch.Tensor, " R"]:
        """The ids of a field."""
        return self.fields[:, self.schema.column(field)]

    def batches(self, size: int) -> Iterator["Dataset"]:
        """All rows in their order, so many at a time."""
        for start in range(0, len(self), size):
            yield self._map(lambda tensor, start=start: tensor[start : start + size])

    def take(self, rows: Int[torch.Tensor, " n"]) -> "Dataset":
        """A copy of these rows, in this order."""
        return self._map(lambda tensor: tensor.index_select(0, rows))

    def to(self, device: torch.device) -> "Dataset":
        """The same rows on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Dataset":
        return Dataset(
            name=self.name, schema=self.schema, checksum=self.checksum,
            fields=change(self.fields), numbers=change(self.numbers), labels=change(self.labels),
            parts=None if self.parts is None else change(self.parts),
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some rows of a data set, which are not copied before they are asked for.

    Attributes:
        whole: all rows.
        rows: the numbers of these, in order.
    """

    whole: Dataset
    rows: Int[torch.Tensor, " n"]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def name(self) -> str:
        """The data set's."""
        return self.whole.name

    @property
    def schema(self) -> Schema:
        """The data set's."""
        return self.whole.schema

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.rows.device

    @cached_property
    def labels(self) -> Float[torch.Tensor, " n"]:
        """0 or 1."""
        return self.whole.labels.index_select(0, self.rows)

    def column(self, field: str) -> Int[torch.Tensor, " n"]:
        """The ids of a field."""
        return self.whole.column(field).index_select(0, self.rows)

    def take(self, places: Int[torch.Tensor, " m"]) -> Dataset:
        """A copy of the rows at these places, in this order."""
        return self.whole.take(self.rows.index_select(0, places))

    def batches(self, size: int) -> Iterator[Dataset]:
        """Copies of all rows in their order, so many at a time."""
        return map(self.whole.take, self.rows.split(size))

    def copy(self) -> Dataset:
        """A copy of all rows."""
        return self.whole.take(self.rows)


Rows = Dataset | Part


def load(name: str, *, features: str = "default", rows: int | None = None, root: Path = DATA) -> Dataset:
    """Reads a prepared data set into memory.

    Args:
        name: folder under ``root``.
        features: a key of the manifest's ``features``: which columns the model sees.
        rows: size of a random sample (always the same rows); None for all.
        root: where prepared data sets lie.

    Raises:
        UserError: not prepared, damaged, or no such feature set.
    """
    if rows is not None and rows < 1:
        raise UserError(f"rows must be at least 1, not {rows}")
    found = enter(name, features=features, root=root)
    data = Dataset(
        name=name, schema=found.schema, checksum=found.checksum, fields=torch.from_numpy(found.fields),
        numbers=torch.from_numpy(found.numbers), labels=torch.from_numpy(found.labels),
        parts=None if found.parts is None else torch.from_numpy(found.parts),
    )  # fmt: skip
    if rows is None or rows >= len(data):
        return data
    # RandomState's streams are frozen: the same sample with every version of numpy.
    return data.take(torch.from_numpy(np.random.RandomState(0).choice(len(data), rows, replace=False)))


def split(data: Dataset, seed: int) -> tuple[Part, Part, Part]:
    """A random split into 80 % training, 10 % validation and 10 % test rows (Appendix B.3), fixed by the seed.

    A data set with parts of its own is split by these, whatever the seed.

    Raises:
        UserError: there are fewer than ``MIN_ROWS`` rows, or all labels of a part are equal.
    """
    if len(data) < MIN_ROWS:
        raise UserError(f"{data.name}: {len(data)} rows cannot be split, take at least {MIN_ROWS}")
    if data.parts is None:
        numbers = [rows.to(data.device) for rows in random_parts(len(data), seed)]
    else:
        numbers = [(data.parts == part).nonzero().squeeze(1) for part in range(len(PARTS))]
    parts = [Part(whole=data, rows=rows) for rows in numbers]
    for name, part in zip(PARTS, parts, strict=True):
        positive = int(part.labels.sum())
        if not 0 < positive < len(part):
            raise UserError(
                f"{data.name}, seed {seed}: {positive:,} of the {len(part):,} {name} rows are positive, and an AUC "
                f"needs both classes: take more than {len(data):,} rows"
            )
    train, valid, test = parts
    return train, valid, test


def random_parts(n: int, seed: int) -> tuple[Int[torch.Tensor, " _"], Int[torch.Tensor, " _"], Int[torch.Tensor, " _"]]:
    """The numbers of the training, validation and test rows among n rows; fixed by the seed."""
    tenth = n // 10
    train, valid, test = torch.randperm(n, generator=generator(seed, "split")).split([n - 2 * tenth, tenth, tenth])
    return train, valid, test
