"""Rows that many tests use. Shapes in annotations are checked while the tests run: see pytest's options."""

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jaxtyping
import matplotlib
import numpy as np
import pandas as pd
import pytest

from apg_repro.catalogue import check_prepared
from apg_repro.config import Measurement, Protocol, RunConfig
from apg_repro.data.prepare import write_dataset
from apg_repro.data.schema import Schema
from apg_repro.errors import UserError
from apg_repro.experiments import get_suite
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.numerics import version_of
from apg_repro.rows.provenance import TIMING
from apg_repro.rows.row import MeasuredRow, Origin, Score, TrainedRow
from apg_repro.suite import Plan
from tests.checkout import ENOUGH, Checkout
from tests.faults.record import pytest_addoption, pytest_configure  # noqa: F401 (pytest takes them from here)
from tests.tiny import table
from tests.tiny import write as write_tiny

if TYPE_CHECKING:
    from apg_repro.data.dataset import Dataset

sys.path.insert(0, str(Path(__file__).parent.parent))  # data_scripts are no package of the installation
matplotlib.use("agg")
with suppress(ModuleNotFoundError):  # of torch, see second_python.py, or of Triton, which is for Linux alone
    import torch

    torch.set_num_threads(1)
    # Without a GPU, Triton's interpreter runs the kernels. Triton decides that when it is first imported, and parts of
    # torch import it too: a file of tests would be too late.
    with pytest.MonkeyPatch.context() as patch:
        if not torch.cuda.is_available():
            patch.setenv("TRITON_INTERPRET", "1")
        import triton.language  # noqa: F401


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """What a test draws does not depend on the tests before it."""
    if "torch" in sys.modules:
        torch.manual_seed(1)


@pytest.fixture
def unchecked(monkeypatch):
    """Without the checks of types that the tests add: torch cannot trace them, and they hide errors of our own."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="session")
def schema() -> Schema:
    """Three fields, one of them no input, a plain number and a bag of three."""
    return Schema(
        fields={"user": 7, "item": 5, "group": 3}, inputs=("user", "item"), numbers=("price", "a", "b", "c"),
        bags={"abc": ("a", "b", "c")},
    )  # fmt: skip


@pytest.fixture(scope="session")
def batch(schema: Schema) -> "Dataset":
    """64 random rows of that schema."""
    return random_rows(schema, 64)


def random_rows(schema: Schema, n: int, seed: int = 0) -> "Dataset":
    """So many random rows of a schema."""
    import torch

    from apg_repro.data.dataset import Dataset

    random = np.random.default_rng(seed)
    fields = np.stack([random.integers(size, size=n) for size in schema.fields.values()], axis=1)
    numbers = random.normal(size=(n, len(schema.numbers)))
    for bag in (schema.bags or {}).values():
        columns = [schema.numbers.index(name) for name in bag]
        numbers[:, columns] = random.integers(2, size=(n, len(columns)))
    return Dataset(
        name="random", schema=schema, checksum="0" * 64,
        fields=torch.tensor(fields, dtype=torch.int32), numbers=torch.tensor(numbers, dtype=torch.float32),
        labels=torch.tensor(random.integers(2, size=n), dtype=torch.float32),
    )  # fmt: skip


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> "Dataset":
    """A prepared data set of 3,000 rows whose label depends on user and item, and which a model can learn."""
    from apg_repro.data.dataset import load

    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(1)
    user, item = random.integers(20, size=3000), random.integers(10, size=3000)
    taste = random.normal(size=(20, 10))
    label = (taste[user, item] + 0.3 * random.normal(size=3000) > 0).astype("int8")
    table = pd.DataFrame({"user": user.astype("int32"), "item": item.astype("int32"), "label": label})
    write_dataset(
        "small", table, fields=["user", "item"],
        features={"default": {"inputs": ["user", "item"], "numbers": [], "bags": {}}},
        source={"file": "none", "sha256": "1" * 64, "official": True}, counts={"users": 20, "items": 10}, root=root,
    )  # fmt: skip
    return load("small", root=root)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A folder with a prepared data set of its own, "tiny"."""
    write_tiny(tmp_path, table())
    return tmp_path


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A small checkout; what still runs there at the end, of a test that has failed, is killed."""
    made = Checkout(tmp_path / "checkout")
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """The rows of that checkout's suite, trained one by one by a command that nobody interrupts."""
    made = Checkout(tmp_path_factory.mktemp("whole") / "checkout")
    assert made.run("--jobs", "1").wait(ENOUGH) == 0, made.words()
    assert len(made.lines()) == 8
    return made.lines()


@pytest.fixture(scope="session")
def movielens() -> "Dataset":
    """MovieLens-1M, where it is prepared."""
    from apg_repro.data.dataset import load

    try:
        check_prepared("movielens")
    except UserError as error:
        pytest.skip(str(error))
    return load("movielens")


FULL = Plan(profile="full", dataset="movielens", seeds=(1, 2))
ORIGIN = Origin(
    commit="abc", dirty=False, torch="2", python="3", device="a CPU", threads=1, cores=2, memory_gb=4.0,
    finished="2026-11-24 00:00", data="0" * 12,
)  # fmt: skip


@pytest.fixture
def row() -> TrainedRow:
    """A row of a run of base in WDL, two epochs long."""
    return trained_row(RunConfig(dataset="movielens", seed=1))


def trained_row(config: RunConfig) -> TrainedRow:
    """A row of this run, two epochs long."""
    return TrainedRow(
        config=config, status="ok", scores=scores(0.79, 0.8),
        history=[
            {"epoch": 1, "valid_auc": 0.79, "worst_batch_loss": 0.7},
            {"epoch": 2, "valid_auc": 0.8, "worst_batch_loss": 0.7},
        ],
        n_parameters=1, n_hidden=1, n_served=1, train_rows=1, seconds=1.0, numerics=version_of(config), origin=ORIGIN,
    )  # fmt: skip


def scores(one_epoch: float, early_stopping: float) -> dict[Protocol, Score]:
    """Scores of a run by protocol: validation and test AUC are the same, from 0 to 1."""
    aucs: dict[Protocol, float] = {"one_epoch": one_epoch, "early_stopping": early_stopping}
    return {
        protocol: Score(epoch=epoch, valid_auc=auc, test_auc=auc, test_logloss=0.5)
        for epoch, (protocol, auc) in enumerate(aucs.items(), 1)
    }


def evidence_of(
    name: str,
    row: TrainedRow,
    auc: Callable[[RunConfig], float | None],
    extra: Callable[[RunConfig], Mapping[str, Any]] = lambda config: {},
    plan: Plan = FULL,
) -> Evidence:
    """A suite with all its runs trained: those of the search, then those that it makes the suite report.

    Args:
        name: of the suite.
        row: what all rows have in common.
        auc: of a run, from 0 to 1, on validation and test rows, under both protocols; None: the run is missing.
        extra: further fields of a run's row: ``{"scores": scores(0.8, 0.81)}``, ``{"status": "diverged"}``.
        plan: which profile, data set and seeds.
    """
    found = Evidence(suite=get_suite(name), plan=plan)
    for stage in (Evidence.search, Evidence.wanted):
        made = {config.id: (config, auc(config)) for config in stage(found)}
        rows = {
            key: replace(row, **{"config": config, "scores": scores(value, value)} | dict(extra(config)))
            for key, (config, value) in made.items()
            if value is not None
        }
        found = Evidence(suite=found.suite, plan=plan, runs={**found.runs, **rows})
    return found


def measured_of(name: str, cases: Mapping[str, Mapping[str, Any]], plan: Plan = FULL) -> Evidence:
    """A suite with these measurements: values by case, "" for a suite with a single one."""
    rows = {
        case: MeasuredRow(
            measurement=Measurement(name=name, dataset=plan.dataset, profile=plan.profile, case=case), values=values,
            timing=TIMING if get_suite(name).is_timed else None, origin=ORIGIN,
        )
        for case, values in cases.items()
    }  # fmt: skip
    return Evidence(suite=get_suite(name), plan=plan, measured=rows)
