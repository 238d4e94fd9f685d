"""What each column of a user's file is: inferred, shown before anything runs, overridden, saved and given back.

Shapes: R rows, U different values of a column.
"""

import json
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.metrics import roc_auc_score

from apg_repro.errors import UserError, first_line
from apg_repro.paths import write_whole
from apg_repro.yours.read import pc

LEAK_AUC = 0.95  # of a column by itself: no honest column of a click log tells so much
ROW_ID_SHARE = 0.98  # different values per row, from which on an id says nothing but which row it is
EXACT_SHARE = 0.9  # different values of a number that stay different in single precision: with fewer it is an id
MAX_CATEGORIES = 32  # different whole numbers, up to which they are taken for categories
PROSE_LENGTH = 60  # characters: longer values on average are prose
SAMPLE_SIZE = 100_000  # rows on which columns are tried by themselves
LISTS = ("fields", "numbers", "drop")  # the entries of a schema that name columns of one use
LABELS_LACKING = 0.05  # share of rows without a label, above which something is wrong with it
USER = re.compile(r"user|member|visitor|customer|reader|uid|cookie|device_?id", re.IGNORECASE)
ITEM = re.compile(
    r"item|product|article|movie|merchant|ad_?id|\bad\b|creative|goods|sku|video|song|app\b", re.IGNORECASE
)
ID = re.compile(
    r"(^|_|\b)(id|ids|code|key|hash|zip|group|segment|cluster|category|brand|shop|seller|city|region|country|page|site|domain|campaign|publisher|advertiser|placement|channel)(_|\b|$)|id$",
    re.IGNORECASE,
)
TIME = re.compile(r"time|date|timestamp|\bts\b|_at$", re.IGNORECASE)
DATE = re.compile(r"\d{4}-\d\d?-\d\d?([ T]\d\d?:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?")
INFINITE = 1e37  # numbers from here on count as infinite, and so as missing
POSITIVE = {"1", "true", "yes", "t", "y", "1.0"}
NEGATIVE = {"0", "-1", "false", "no", "f", "n", "0.0", "-1.0"}


@dataclass(frozen=True, kw_only=True)
class Column:
    """What was found of a column.

    Attributes:
        kind: "id", "category", "number", "time", or why it is left out: "constant", "row id", "prose", "leak suspect".
        n: different values. missing: share of rows, 0 to 1. alone: AUC of this column by itself, 0.5 to 1.
        examples: some values.
    """

    name: str
    kind: str
    n: int
    missing: float
    alone: float
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns are used, and as what: what is saved as ``schema.json``.

    Attributes:
        label: the column to predict. positive: the value that counts as 1; "" for the usual 0 and 1, yes and no.
        fields: ids and categories. numbers: quantities. drop: what is left out.
        user, item: of the fields; "" for none: gains are shown by how often each occurs.
        time: what a split by time is ordered by; "" for none. It is a feature only if fields or numbers name it.
        split: "random", "time" or "column:NAME", whose values are train, valid and test.
        min_count: an id that fewer training rows have shares one id with those that none has.
    """

    label: str
    positive: str = ""
    fields: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    user: str = ""
    item: str = ""
    time: str = ""
    split: str = "random"
    min_count: int = 2

    def save(self, path: Path) -> None:
        """Writes it as JSON."""
        write_whole(path, json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Columns":
        """From a file of JSON, or of TOML if its name ends so.

        Raises:
            UserError: there is no such file, or it is none of these.
        """
        try:
            text = path.read_text(encoding="utf-8-sig")  # some editors put a byte-order mark before it
            values: Any = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
            if not isinstance(values, dict):
                raise ValueError("it is not an object")
            known = {one.name: one.default for one in fields(cls)}
            for name, value in values.items():
                if name not in known:
                    raise ValueError(f"it has no entry {name!r}; there are {', '.join(known)}")
                items: Any = value if name in LISTS else [value]
                wanted = int if name == "min_count" else str
                if not isinstance(items, list) or not all(type(item) is wanted for item in items):  # True is an int
                    raise ValueError(f"{name} is {json.dumps(value)[:40]}")
            if "label" not in values:
                raise ValueError("it has no entry 'label'")
        except OSError as error:
            raise UserError(
                f"schema {path} cannot be read ({error.strerror}): give one that `apg try` saved, schema.json"
            ) from error
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"schema {path} cannot be used ({first_line(error)}): compare it with one that was saved"
            ) from error
        options: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
        return cls(**options)


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the user says of columns; empty where nothing was said."""

    positive: str = ""
    fields: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    user: str = ""
    item: str = ""
    time: str = ""
    split: str = ""
    min_count: int | None = None


def labels_of(table: pa.Table, label: str, positive: str) -> np.ndarray:
    """The label of every row: 0, 1, or −1 where it is missing; (R,).

    Raises:
        UserError: there is no such column, it is not binary, has one class, or lacks too many values.
    """
    if label not in table.column_names:
        raise UserError(f"there is no column {label!r} for --label; the file has {', '.join(table.column_names)}")
    codes, values = coded(table.column(label))
    counts = np.bincount(codes + 1, minlength=len(values) + 1)
    if counts[0] > LABELS_LACKING * len(codes):
        raise UserError(f"{counts[0]:,} of {len(codes):,} rows lack the label {label!r}: leave them out, or fill them")
    if positive:
        if positive not in values:
            raise UserError(f"no row has {label} = {positive!r}, which --positive names: it has {some(values)}")
        truth = [int(value == positive) for value in values]
    else:
        lower = [value.lower() for value in values]
        one_sided = len(values) > 1 and (set(lower) <= NEGATIVE or set(lower) <= POSITIVE)
        if len(set(lower)) > 2 or one_sided or not set(lower) <= POSITIVE | NEGATIVE:
            likely_ones = [value for value in values if value.lower() in POSITIVE]
            likely_ones = likely_ones or [value for value in values if value.lower() not in NEGATIVE]
            raise UserError(
                f"label {label!r} is not binary, it has {some(values)}: say which value counts as 1, "
                f"--positive {likely_ones[0] if len(likely_ones) == 1 else 'VALUE'}"
            )
        truth = [int(value in POSITIVE) for value in lower]
    labels = np.array([-1, *truth], np.int8)[codes + 1]
    n_positive = int((labels == 1).sum())
    n = int((labels >= 0).sum())
    if n_positive in (0, n):
        raise UserError(f"all labels are {int(n_positive > 0)}, and models need both: is {label!r} the right column?")
    if min(n_positive, n - n_positive) < 20:
        raise UserError(
            f"only {min(n_positive, n - n_positive)} rows are of the rarer class of {label!r}, too few to rank: give "
            "rows with at least 20"
        )
    return labels


def coded(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """The code of every row, −1 where missing, (R,), and the values in the order of their first row."""
    found = column.combine_chunks().dictionary_encode()
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    codes = pc.fill_null(found.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, found.dictionary.to_pylist()


def quantities(values: Sequence[str]) -> np.ndarray | None:
    """Values as numbers, NaN where they are ``INFINITE``, (U,); None if one is not a number."""
    try:
        found = pc.cast(pa.array(values, pa.string()), pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        return None
    return np.where(np.abs(found) < INFINITE, found, np.nan)


def inspect(table: pa.Table, label: str, labels: np.ndarray) -> list[Column]:
    """What every column but the label is."""
    return [inspect_column(name, table.column(name), labels) for name in table.column_names if name != label]


def inspect_column(name: str, column: pa.ChunkedArray, labels: np.ndarray) -> Column:
    """What one column is."""
    codes, values = coded(column)
    numbers = quantities(values)
    kind = kind_of_column(name, values, numbers, len(codes))
    alone = 0.5
    if kind not in ("constant", "row id", "prose"):
        alone = alone_auc(codes, numbers if kind in ("number", "time") else None, labels)
        if alone >= LEAK_AUC:
            kind = "leak suspect"
    return Column(
        name=name, kind=kind, n=len(values), missing=float((codes < 0).mean()), alone=alone,
        examples=tuple(value[:24] for value in values[:3]),
    )  # fmt: skip


def kind_of_column(name: str, values: list[str], numbers: np.ndarray | None, n_rows: int) -> str:
    """The kind of a column, from its name and its different values."""
    n = len(values)
    if n <= 1:
        return "constant"
    is_id = bool(ID.search(name) or USER.search(name) or ITEM.search(name))
    if all(DATE.fullmatch(value) for value in values[:200]):
        return "time"
    if numbers is None:
        if n > ROW_ID_SHARE * n_rows:
            return "row id"
        if np.mean([len(v) for v in values[:1000]]) > PROSE_LENGTH:
            return "prose"
        return "id" if is_id or n > MAX_CATEGORIES else "category"
    if np.isnan(numbers).all():
        return "constant"  # infinities alone, say: no value can be used
    whole = bool(np.nanmax(np.abs(numbers - np.round(numbers))) == 0)
    if not whole:
        return "number"
    seconds = float(np.nanmedian(numbers))
    is_since_1970 = any(5e8 < seconds / unit < 4e9 for unit in (1, 1e3, 1e6, 1e9))  # s, ms, µs or ns
    if TIME.search(name) and (is_since_1970 or 19e6 < seconds < 21e6):
        return "time"
    if n > ROW_ID_SHARE * n_rows and (is_id or np.array_equal(np.sort(numbers), np.arange(n) + np.nanmin(numbers))):
        return "row id"
    if is_id or len(np.unique(numbers.astype(np.float32))) < EXACT_SHARE * n:
        return "id"
    return "category" if n <= MAX_CATEGORIES else "number"


def alone_auc(codes: np.ndarray, numbers: np.ndarray | None, labels: np.ndarray) -> float:
    """The AUC of a column by itself on one half of the rows, 0.5 to 1.

    A number ranks by itself. A category or an id ranks by the mean label of its value on the other half, drawn towards
    that of all; so a value that is seen once does not tell its own label.
    """
    chosen = np.random.RandomState(0).permutation(np.flatnonzero(labels >= 0))[:SAMPLE_SIZE]
    half = len(chosen) // 2
    learn, judge = chosen[:half], chosen[half:]
    mean, n = labels[learn].mean(), int(codes.max()) + 2
    seen = np.bincount(codes[learn] + 1, minlength=n)
    clicked = np.bincount(codes[learn] + 1, weights=labels[learn], minlength=n)
    by_value = (clicked + mean) / (seen + 1)
    if numbers is not None and len(numbers) > MAX_CATEGORIES:
        by_value = np.concatenate([[np.nanmedian(numbers)], np.nan_to_num(numbers, nan=float(np.nanmedian(numbers)))])
    truth = labels[judge]
    if truth.min() == truth.max():
        return 0.5
    auc = float(roc_auc_score(truth, by_value[codes[judge] + 1]))
    return max(auc, 1 - auc) if numbers is not None else max(auc, 0.5)


def choose(found: Sequence[Column], label: str, wishes: Wishes) -> Columns:
    """The columns to use: as inferred, but for what the user says.

    Raises:
        UserError: a wish names no column or one in two places, or there is no id or category.
    """
    names = {column.name: column for column in found}
    said: dict[str, str] = {}
    for option in LISTS:
        for name in getattr(wishes, option):
            known(name, names, f"--{option}")
            if said.setdefault(name, option) != option:
                raise UserError(f"column {name!r} is named in --{said[name]} and in --{option}: leave one out")
    for option in ("user", "item"):
        if name := getattr(wishes, option):
            known(name, names, f"--{option}")
            said.setdefault(name, "fields")
    if wishes.time:
        known(wishes.time, names, "--time")
        said.setdefault(wishes.time, "drop")
    if wishes.split.startswith("column:"):
        name = wishes.split.removeprefix("column:")
        known(name, names, "--split column:")
        said.setdefault(name, "drop")  # ``check`` refuses any other use
    role = {"id": "fields", "category": "fields", "number": "numbers"}
    roles = {name: said.get(name) or role.get(column.kind, "drop") for name, column in names.items()}
    picked: dict[str, tuple[str, ...]] = {
        part: tuple(name for name, role in roles.items() if role == part) for part in LISTS
    }
    if not picked["fields"]:
        kinds = ", ".join(f"{column.name} ({column.kind})" for column in found)
        raise UserError(
            "no column is taken for an id or a category, and embeddings need one: name some in --fields; there are "
            f"{kinds}"
        )
    times = [column.name for column in found if column.kind == "time" and roles[column.name] == "drop"]
    chosen = Columns(
        label=label, positive=wishes.positive, **picked,
        user=wishes.user or likely(USER, found, picked["fields"]),
        item=wishes.item or likely(ITEM, found, picked["fields"]),
        time=wishes.time or (times[0] if times else ""), split=wishes.split or "random",
        min_count=2 if wishes.min_count is None else wishes.min_count,
    )  # fmt: skip
    return check(chosen, list(names))


def likely(pattern: re.Pattern[str], found: Sequence[Column], among: Sequence[str]) -> str:
    """The field whose name says that it is the user or the item, the one with most values; "" for none."""
    named = [column for column in found if column.name in among and pattern.search(column.name)]
    return max(named, key=lambda column: column.n).name if named else ""


def known(name: str, names: Sequence[str] | dict[str, Any], option: str) -> None:
    """Raises a UserError if there is no such column."""
    if name not in names:
        raise UserError(f"there is no column {name!r} for {option}; the file has {', '.join(names)}")


def check(columns: Columns, names: Sequence[str]) -> Columns:
    """The same columns; raises a UserError if they do not fit a file with these names (its label left out)."""
    used = dict[str, str]()
    for option in LISTS:
        for name in getattr(columns, option):
            if name == columns.label:
                raise UserError(f"column {name!r} is the label, and {option} names it: leave it out there")
            known(name, names, option)
            if name in used:
                twice = f"twice in {option}" if used[name] == option else f"in {used[name]} and in {option}"
                raise UserError(f"column {name!r} is named {twice}: leave one out")
            used[name] = option
    if not columns.fields:
        raise UserError("the schema has no fields, and embeddings need one: name ids or categories in fields")
    for option in ("user", "item"):
        name = getattr(columns, option)
        if name and name not in columns.fields:
            raise UserError(f"--{option} {name!r} is not a field: name it in --fields too, or name another")
    if columns.min_count < 1:
        raise UserError(f"--min-count must be at least 1, not {columns.min_count}")
    if columns.time:
        known(columns.time, names, "--time")
    if columns.split == "time" and not columns.time:
        raise UserError("a split by time needs a column of times: name it in --time")
    if columns.split.startswith("column:"):
        name = columns.split.removeprefix("column:")
        known(name, names, "--split column:")
        if used.get(name, "drop") != "drop":
            raise UserError(f"column {name!r} splits the rows, and {used[name]} names it: leave it out there")
    elif columns.split not in ("random", "time"):
        raise UserError(f"--split must be random, time or column:NAME, not {columns.split!r}")
    return columns


def some(values: Sequence[str]) -> str:
    """Some values, in words."""
    shown = ", ".join(map(repr, values[:5]))
    return f"{len(values):,} values, such as {shown}" if len(values) > 5 else shown or "no value"


def in_words(found: Sequence[Column], columns: Columns) -> str:
    """The table of columns that is shown before anything runs."""
    lines = [f"{'column':24} {'taken for':14} {'used as':14} {'values':>9} {'missing':>8} {'alone':>6}  examples"]
    for column in found:
        used = "field" if column.name in columns.fields else "number" if column.name in columns.numbers else "–"
        marks = {"user": columns.user, "item": columns.item, "time": columns.time}
        used += "".join(f", {mark}" for mark, name in marks.items() if name == column.name)
        what = f"{column.name[:24]:24} {column.kind:14} {used:14} {column.n:9,}"
        lines.append(f"{what} {column.missing:8.1%} {column.alone:6.3f}  {', '.join(column.examples)}")
    for column in found:
        if column.kind == "leak suspect" and column.name in columns.drop:
            lines.append(
                f"{column.name} ranks the label by itself with an AUC of {column.alone:.3f}, so it is left out; if it "
                f"is known before the label is, give it back with --fields {column.name} or --numbers {column.name}"
            )
    return "\n".join(lines)
