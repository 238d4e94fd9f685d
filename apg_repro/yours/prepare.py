"""A user's rows → the project's prepared format, through its gate; and from there, for a split, → what a model sees.

What is prepared knows no split: a field has a code per value. Which values have an id of their own is for the training
rows of a split to say, as are the mean and the scale of numbers (``Encoding``).

Shapes: R rows, F fields, C numbers, V of which lack values somewhere.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from jaxtyping import Float32, Int64

from apg_repro.catalogue import YOURS
from apg_repro.data.dataset import Dataset, random_parts
from apg_repro.data.gate import Rows, enter
from apg_repro.data.prepare import write_dataset
from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.yours.columns import Columns, coded, labels_of, quantities
from apg_repro.yours.read import Source, stored

MISSING, RARE = 0, 1  # ids that every field has: no value; a rare value, or one that no training row has
MAX_DEVIATIONS = 10.0  # standard deviations, beyond which a number is cut off
VALUES = "values.json"
MISSING_SUFFIX = " is missing"  # ends the name of the indicator that belongs to a number
SPLIT_COLUMN = "place"  # the column that a split by time or by a column needs
PARTS = {
    "train": 0, "training": 0, "valid": 1, "validation": 1, "val": 1, "dev": 1, "test": 2, "testing": 2,
}  # fmt: skip
Parts = tuple[np.ndarray, np.ndarray, np.ndarray]  # row numbers of the training, validation and test rows


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A user's rows, as they have passed the gate.

    Attributes:
        rows: codes of fields (0: missing), numbers (0 where missing, followed by V indicators), labels.
        values: of each field, by code − 1.
        names: of the fields and numbers in the user's file, by what they are called here.
        place: what orders or splits the rows, (R,): see ``parts``; None for a random split.
    """

    columns: Columns
    rows: Rows
    values: dict[str, list[str]]
    names: dict[str, str]
    place: np.ndarray | None

    @property
    def n_numbers(self) -> int:
        """C."""
        return len(self.columns.numbers)

    @property
    def lacking(self) -> list[int]:
        """The V numbers that lack values somewhere, by their place among the C."""
        names = list(self.rows.schema.numbers)
        return [names.index(name.removesuffix(MISSING_SUFFIX)) for name in names[self.n_numbers :]]

    def field(self, name: str) -> str:
        """What a column of the user's file is called here."""
        return next((ours for ours, theirs in self.names.items() if theirs == name), "")


def prepare(source: Source, columns: Columns, folder: Path) -> None:
    """Writes the prepared rows, and the values of their fields.

    Raises:
        UserError: the label or the split cannot be used; the folder cannot be written.
    """
    labels = labels_of(source.table, columns.label, columns.positive)
    kept = labels >= 0
    rows = source.table.filter(pa.array(kept))
    safe = safe_names([*columns.fields, *columns.numbers])
    table: dict[str, np.ndarray] = {}
    values: dict[str, list[str]] = {}
    for name in columns.fields:
        codes, found = coded(rows.column(name))
        table[safe[name]], values[safe[name]] = codes + 1, found
    lacking: dict[str, np.ndarray] = {}
    for name in columns.numbers:
        codes, found = coded(rows.column(name))
        numbers = numbers_of(name, found)[codes + 1]
        missing = np.isnan(numbers)
        table[safe[name]] = np.where(missing, 0, numbers).astype(np.float32)
        if missing.any():
            lacking[safe[name] + MISSING_SUFFIX] = missing.astype(np.int8)
    table |= lacking
    view = {"inputs": list(values), "numbers": [safe[name] for name in columns.numbers] + list(lacking), "bags": {}}
    place = place_of(rows, columns)
    if place is not None:
        table[SPLIT_COLUMN] = place
    table["label"] = labels[kept]
    counts = {f"{who}s": len(values.get(safe.get(getattr(columns, who), ""), [])) for who in ("user", "item")}
    write_dataset(
        YOURS, pd.DataFrame(table), fields=list(values), features={"default": view},
        source={"file": source.path.name, "sha256": source.sha256, "official": False},
        counts=counts, root=folder, say=lambda text: None,
    )  # fmt: skip
    names = {ours: theirs for theirs, ours in safe.items()}
    text = json.dumps({"names": names, "values": values}, ensure_ascii=False)
    (folder / YOURS / VALUES).write_text(text, encoding="utf-8")


def load(columns: Columns, folder: Path) -> Prepared:
    """What ``prepare`` has written, through the gate.

    Raises:
        UserError: it is not there, or damaged.
    """
    rows = enter(YOURS, extra=[SPLIT_COLUMN] if columns.split != "random" else [], root=folder)
    found = stored(folder / YOURS / VALUES, "names", "values")
    return Prepared(
        columns=columns, rows=rows, values=found["values"], names=found["names"], place=rows.extra.get(SPLIT_COLUMN)
    )


def safe_names(names: Sequence[str]) -> dict[str, str]:
    """What columns are called here: a condition is named by a field, and these names and signs mean something there."""
    found: dict[str, str] = {}
    for name in names:
        safe = re.sub(r"[(),+]", "_", name)
        while safe in ("self", "none", "label", SPLIT_COLUMN, *found.values()) or safe.endswith(MISSING_SUFFIX):
            safe += "_"
        found[name] = safe
    return found


def numbers_of(name: str, values: list[str]) -> np.ndarray:
    """NaN, then the values as numbers; raises a UserError if one is none."""
    numbers = quantities(values)
    if numbers is None:
        wrong = next(value for value in values if quantities([value]) is None)
        raise UserError(
            f"column {name!r} has {wrong!r}, which is not a number: correct it, or name the column in --fields"
        )
    return np.concatenate([[np.nan], numbers])


def place_of(rows: pa.Table, columns: Columns) -> np.ndarray | None:
    """What a split by time or by a column needs of every row: when it was, or 0, 1, 2 for its part; (R,)."""
    if columns.split == "random":
        return None
    name = columns.time if columns.split == "time" else columns.split.removeprefix("column:")
    codes, values = coded(rows.column(name))
    if lacking := int((codes < 0).sum()):
        raise UserError(
            f"column {name!r} lacks a value in {lacking:,} rows with a label, and --split {columns.split} needs all of "
            "them"
        )
    if columns.split == "time":
        when = quantities(values)
        if when is None:
            dates = pd.to_datetime(pd.Series(values), errors="coerce", utc=True, format="ISO8601")
            if dates.isna().any():
                raise UserError(
                    f"column {name!r} has {values[int(np.argmax(dates.isna()))]!r}, which is not a time that can be "
                    "read in one way only: write dates as 2026-01-31, and times as 2026-01-31 23:59:59 or as seconds"
                )
            when = dates.astype("int64").to_numpy().astype(np.float64)
        if np.isnan(when).any():
            raise UserError(
                f"column {name!r} has {values[int(np.argmax(np.isnan(when)))]!r}, which is not a time: correct it"
            )
        if when.min() == when.max():
            raise UserError(f"column {name!r} has one time only, {values[0]!r}: split in another way (--split)")
        return when[codes]
    unknown = [value for value in values if value.lower() not in PARTS]
    if unknown:
        raise UserError(f"column {name!r} has {unknown[0]!r}: write train, valid or test in every row")
    return np.array([PARTS[value.lower()] for value in values], np.int8)[codes]


def parts(prepared: Prepared, seed: int, n: int) -> Parts:
    """The numbers of the training, validation and test rows.

    A random split has 80, 10 and 10 % of the rows and is another one for every seed. A split by time has about
    the same shares, the last rows for the test, and no time in two parts; it is the same for every seed, as is one by
    a column.

    Args:
        n: of a random sample of so many rows; the same sample for every seed.

    Raises:
        UserError: a part has no rows, or one class only.
    """
    total = len(prepared.rows.labels)
    # RandomState's streams are frozen: the same sample with every version of numpy.
    chosen = np.arange(total) if n >= total else np.sort(np.random.RandomState(0).choice(total, n, replace=False))
    if prepared.place is None:
        first, second, third = (chosen[part.numpy()] for part in random_parts(len(chosen), seed))
    elif prepared.columns.split == "time":
        order = chosen[np.argsort(prepared.place[chosen], kind="stable")]
        changes = np.flatnonzero(np.diff(prepared.place[order])) + 1  # where another time begins
        changes = changes if len(changes) else np.array([len(order)])  # a sample of one time: no row is left to test
        tenth = len(order) // 10
        cuts = [changes[np.abs(changes - cut).argmin()] for cut in (len(order) - 2 * tenth, len(order) - tenth)]
        first, second, third = np.split(order, cuts)
    else:
        first, second, third = (chosen[prepared.place[chosen] == part] for part in range(3))
    for name, part in zip(("training", "validation", "test"), (first, second, third), strict=True):
        positive = int(prepared.rows.labels[part].sum())
        if not 0 < positive < len(part):
            raise UserError(
                f"{positive:,} of the {len(part):,} {name} rows are positive, and an AUC needs both classes: give more "
                "rows, or split in another way (--split)"
            )
    return first, second, third


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """What the training rows of a split say of values.

    Attributes:
        ids: of each field, the id of each code.
        sizes: ids of each field.
        mean, scale: of the C numbers, over the values that are there.
    """

    prepared: Prepared
    ids: dict[str, Int64[np.ndarray, " _"]]
    sizes: dict[str, int]
    mean: Float32[np.ndarray, " C"]
    scale: Float32[np.ndarray, " C"]

    def dataset(self, chosen: np.ndarray, device: torch.device) -> Dataset:
        """Some rows as a model sees them, on a device."""
        rows, c = self.prepared.rows, self.prepared.n_numbers
        fields = np.stack(
            [self.ids[name][rows.fields[chosen, place]] for place, name in enumerate(self.ids)], axis=1
        ).astype(np.int32)
        raw, missing = rows.numbers[chosen, :c].copy(), rows.numbers[chosen, c:] > 0.5
        for v, place in enumerate(self.prepared.lacking):
            raw[missing[:, v], place] = np.nan
        numbers = standardised(torch.from_numpy(raw), torch.from_numpy(self.mean), torch.from_numpy(self.scale))
        numbers = torch.cat([numbers, torch.from_numpy(missing).float()], dim=1)
        return Dataset(
            name=YOURS, schema=self.schema, fields=torch.from_numpy(fields).to(device), numbers=numbers.to(device),
            labels=torch.from_numpy(rows.labels[chosen]).to(device), checksum=rows.checksum,
        )  # fmt: skip

    @property
    def schema(self) -> Schema:
        """Which columns a model sees."""
        return Schema(fields=self.sizes, inputs=tuple(self.sizes), numbers=self.prepared.rows.schema.numbers)


def standardised(
    raw: Float32[torch.Tensor, "R C"], mean: Float32[torch.Tensor, " C"], scale: Float32[torch.Tensor, " C"]
) -> Float32[torch.Tensor, "R C"]:
    """Numbers with mean 0 and variance 1 over the training rows, at most ``MAX_DEVIATIONS`` away; 0 for NaN."""
    return torch.where(raw.isnan(), 0.0, (raw - mean) / scale).clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)


def encode(prepared: Prepared, train: np.ndarray) -> Encoding:
    """Ids for the values that enough of the training rows have, the most frequent first; mean and scale of numbers."""
    rows, c = prepared.rows, prepared.n_numbers
    ids: dict[str, np.ndarray] = {}
    sizes: dict[str, int] = {}
    for place, (name, n_codes) in enumerate(rows.schema.fields.items()):
        count = np.bincount(rows.fields[train, place], minlength=max(n_codes, len(prepared.values[name]) + 1))
        order = np.argsort(-count[1:], kind="stable") + 1
        known = order[count[order] >= prepared.columns.min_count]
        ids[name] = np.full(len(count), RARE, np.int64)
        ids[name][0] = MISSING
        ids[name][known] = np.arange(len(known)) + 2
        sizes[name] = len(known) + 2
    raw = rows.numbers[train, :c].astype(np.float64)
    for v, place in enumerate(prepared.lacking):
        raw[rows.numbers[train, c + v] > 0.5, place] = np.nan
    there = ~np.isnan(raw)
    n = np.maximum(there.sum(0), 1)
    mean = np.where(there, raw, 0).sum(0) / n
    scale = np.sqrt(np.where(there, (raw - mean) ** 2, 0).sum(0) / n)
    return Encoding(
        prepared=prepared, ids=ids, sizes=sizes, mean=mean.astype(np.float32),
        scale=np.where(scale > 0, scale, 1).astype(np.float32),
    )  # fmt: skip


def datasets(
    prepared: Prepared, seed: int, n: int, device: torch.device
) -> tuple[Encoding, Parts, tuple[Dataset, Dataset, Dataset]]:
    """The encoding of a seed's split, its row numbers, and its parts on a device."""
    split = parts(prepared, seed, n)
    encoding = encode(prepared, split[0])
    first, second, third = (encoding.dataset(part, device) for part in split)
    return encoding, split, (first, second, third)
