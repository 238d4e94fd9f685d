"""Prepared data sets as whole tensors, and their seeded random split. What may enter: ``gate.py``.

Shapes: R rows, F fields, C number columns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int

from apg_repro.data.gate import MIN_ROWS, enter, load_manifest
from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.paths import DATA
from apg_repro.seeds import generator

__all__ = ["Dataset", "load", "load_manifest", "random_parts", "split"]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Rows on one device.

    Attributes:
        fields: ids from 0 within each field.
        numbers: numeric columns, multi-hot indicators among them.
        labels: 0 or 1.
        checksum: sha256 of the prepared columns of which these are rows, see ``checksums.checksum``.
    """

    name: str
    schema: Schema
    fields: Int[torch.Tensor, "R F"]
    numbers: Float[torch.Tensor, "R C"]
    labels: Float[torch.Tensor, " R"]
    checksum: str

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Int[torch.Tensor, " n"]) -> "Dataset":
        """These rows, in this order."""
        return self._map(lambda tensor: tensor.index_select(0, rows))

    def to(self, device: torch.device) -> "Dataset":
        """The same rows on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def _map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Dataset":
        return Dataset(
            name=self.name, schema=self.schema, checksum=self.checksum,
            fields=change(self.fields), numbers=change(self.numbers), labels=change(self.labels),
        )  # fmt: skip


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
    )  # fmt: skip
    if rows is None or rows >= len(data):
        return data
    # RandomState's streams are frozen: the same sample with every version of numpy.
    return data.take(torch.from_numpy(np.random.RandomState(0).choice(len(data), rows, replace=False)))


def split(data: Dataset, seed: int) -> tuple[Dataset, Dataset, Dataset]:
    """A random split into 80 % training, 10 % validation and 10 % test rows (Appendix B.3), fixed by the seed.

    Raises:
        UserError: there are fewer than ``MIN_ROWS`` rows, or all labels of a part are equal.
    """
    if len(data) < MIN_ROWS:
        raise UserError(f"{data.name}: {len(data)} rows cannot be split, take at least {MIN_ROWS}")
    parts = [data.take(rows.to(data.labels.device)) for rows in random_parts(len(data), seed)]
    for name, part in zip(("training", "validation", "test"), parts, strict=True):
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
