"""Prepared data sets as whole tensors, and their seeded random split.

A prepared data set is a folder ``data/NAME/`` with ``rows.parquet`` (one int column a field, ids from 0; one
float column a number; ``label`` 0 or 1) and ``manifest.json``. The scripts in ``data_scripts/`` write both.

Shapes: R rows, F fields, C number columns.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from apg_repro.config import UserError
from apg_repro.paths import DATA


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Which columns there are, and which of them a model sees.

    Attributes:
        fields: every categorical column and its cardinality, in column order.
        inputs: the categorical columns that are features; the others can serve as conditions or domains.
        numbers: names of the number columns, all of them features.
        bags: a multi-hot field → its 0/1 indicator columns, a run of ``numbers``. Models embed a bag as the
            sum of its members' embeddings; number columns outside bags enter as they are.
    """

    fields: dict[str, int]
    inputs: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    bags: dict[str, tuple[str, ...]] | None = None

    def column(self, field: str) -> int:
        """The column of a categorical field.

        Raises:
            UserError: there is no such field.
        """
        if field not in self.fields:
            raise UserError(f"no field {field!r} in this data set; it has {', '.join(self.fields)}")
        return list(self.fields).index(field)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Rows on one device.

    Attributes:
        fields: ids from 0 within each field.
        numbers: numeric columns, multi-hot indicators among them.
        labels: 0 or 1.
        checksum: sha256 of the source archive, or of the generator's parameters for synthetic data.
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

    def _map(self, change) -> "Dataset":
        return Dataset(
            name=self.name, schema=self.schema, checksum=self.checksum,
            fields=change(self.fields), numbers=change(self.numbers), labels=change(self.labels),
        )  # fmt: skip


def load_manifest(name: str, root: Path = DATA) -> dict[str, Any]:
    """The manifest of a prepared data set: rows, cardinalities, source checksum, feature sets.

    Raises:
        UserError: the data set has not been prepared, or its manifest cannot be read.
    """
    path = root / name / "manifest.json"
    if not path.exists():
        raise UserError(f"data set {name!r} is not prepared: run `python data_scripts/{name}.py` (see --help)")
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is damaged ({error}): run `python data_scripts/{name}.py` again") from error


def load(name: str, *, features: str = "default", rows: int | None = None, root: Path = DATA) -> Dataset:
    """Reads a prepared data set into memory.

    Args:
        name: folder under ``root``.
        features: a key of the manifest's ``features``: which columns the model sees.
        rows: a random sample of so many rows (always the same ones); None for all.
        root: where the prepared data sets lie.

    Raises:
        UserError: not prepared, damaged, or no such feature set.
    """
    manifest = load_manifest(name, root)
    if features not in manifest["features"]:
        raise UserError(f"{name} has no feature set {features!r}; it has {', '.join(manifest['features'])}")
    view = manifest["features"][features]
    schema = Schema(
        fields=manifest["fields"],
        inputs=tuple(view["inputs"]),
        numbers=tuple(view["numbers"]),
        bags={bag: tuple(members) for bag, members in view["bags"].items()},
    )
    path = root / name / "rows.parquet"
    try:
        table = pd.read_parquet(path, columns=[*schema.fields, *schema.numbers, "label"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} cannot be read: run `python data_scripts/{name}.py` again") from error
    if len(table) != manifest["rows"]:
        raise UserError(f"{path} has {len(table):,} rows, its manifest {manifest['rows']:,}: prepare {name} again")
    if rows is not None and rows < len(table):
        table = table.sample(n=rows, random_state=0)
    return Dataset(
        name=name,
        schema=schema,
        fields=torch.tensor(table[list(schema.fields)].to_numpy(np.int32)),
        numbers=torch.tensor(table[list(schema.numbers)].to_numpy(np.float32)),
        labels=torch.tensor(table["label"].to_numpy(np.float32)),
        checksum=manifest["source"]["sha256"],
    )


def split(data: Dataset, seed: int) -> tuple[Dataset, Dataset, Dataset]:
    """A random split into 80 % training, 10 % validation and 10 % test rows (Appendix B.3), fixed by the seed."""
    order = torch.randperm(len(data), generator=generator(seed, "split"))
    train, valid, test = order.split([len(data) - 2 * (len(data) // 10), len(data) // 10, len(data) // 10])
    return data.take(train), data.take(valid), data.take(test)


def derive_seed(seed: int, *purpose: object) -> int:
    """A seed of its own for each purpose, so that no use of randomness shifts another."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def generator(seed: int, *purpose: object) -> torch.Generator:
    """A CPU random generator seeded by ``derive_seed``."""
    return torch.Generator().manual_seed(derive_seed(seed, *purpose))
