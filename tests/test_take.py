"""Rows of a GPU beside those of a CPU: nothing trains a suite on both, and nothing takes over what would mix them."""

import dataclasses
import json
import shutil

import pytest

from apg_repro.errors import UserError
from apg_repro.experiments import get_suite
from apg_repro.paths import RESULTS
from apg_repro.rows import record
from apg_repro.rows.evidence import gather
from apg_repro.rows.store import Store
from apg_repro.run import suite as run
from apg_repro.suite import Plan
from benchmarks import take

GPU = "NVIDIA H200"
DATASET = "frappe"  # a small one, of which several suites are committed


def on_gpu(row):
    return dataclasses.replace(row, origin=dataclasses.replace(row.origin, device=GPU))


@pytest.fixture
def ours(tmp_path):
    """The committed runs of a data set, and the measurements of a suite."""
    store = Store(tmp_path / "ours")
    for path in (store.runs_path("full", DATASET), store.measured_path("full", "table5")):
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(RESULTS / path.relative_to(store.root), path)
    return store


def theirs_of(tmp_path, rows):
    store = Store(tmp_path / "theirs")
    path = store.runs_path("full", DATASET)
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(on_gpu(row).as_json()) + "\n" for row in rows))
    return store


def test_runs_are_taken_over_where_no_difference_is_of_two_machines_then(ours, tmp_path):
    theirs = theirs_of(tmp_path, ours.runs("full", DATASET).values())
    n = len(theirs.runs("full", DATASET))
    altered = ours.measured_path("full", "table5")
    record.record(ours, path := tmp_path / "rows.json")
    known = record.read(path)
    altered.write_text(altered.read_text().replace('"AMD EPYC"', '"Another CPU"'))
    assert take.take(theirs, ours, path) == [f"{DATASET}: {n} runs"]
    now = record.read(path)  # the rows taken are recorded, and one that was altered by hand is still found
    assert now[f"runs/{DATASET}.jsonl"].keys() == known[f"runs/{DATASET}.jsonl"].keys()
    assert now[f"runs/{DATASET}.jsonl"] != known[f"runs/{DATASET}.jsonl"]
    assert now["measured/table5.jsonl"] == known["measured/table5.jsonl"]
    assert any("was altered" in line for line in record.differences(Store(ours.root), path))
    assert {row.origin.device for row in Store(ours.root).runs("full", DATASET).values()} == {GPU}


def test_runs_whose_base_or_whose_rivals_stay_behind_are_not_taken(ours, tmp_path):
    before = ours.runs_path("full", DATASET).read_bytes()
    of_wdl = [row for row in ours.runs("full", DATASET).values() if row.config.backbone == "WDL"]
    theirs = theirs_of(tmp_path, [row for row in of_wdl if row.config.version == "base"])
    (said,) = take.take(theirs, ours, tmp_path / "rows.json")
    assert said.startswith(f"{DATASET}: none of ")
    assert "table2" in said
    assert "table8" in said
    assert said.endswith("train these suites there too, with the same seeds")
    assert ours.runs_path("full", DATASET).read_bytes() == before


def test_measurements_of_another_kind_of_device_are_added_once(ours, tmp_path):
    theirs = Store(tmp_path / "theirs")
    row = next(row for row in ours.read(ours.measured_path("full", "table5")) if row.measurement.device_kind == "cpu")
    theirs.append("full", on_gpu(dataclasses.replace(
        row, measurement=dataclasses.replace(row.measurement, device_kind="cuda")
    )))  # fmt: skip
    assert take.take(theirs, ours, tmp_path / "rows.json") == ["table5.jsonl: 1 new measurements"]
    assert take.take(theirs, ours, tmp_path / "rows.json") == ["table5.jsonl: 0 new measurements"]


@pytest.mark.fault("a suite that has runs of a CPU is trained on a GPU, or the other way round", "one sentence, before")
def test_no_suite_is_trained_on_a_cpu_and_on_a_gpu(ours, tmp_path):
    suite, plan = get_suite("table2"), Plan(profile="full", dataset=DATASET)
    with pytest.raises(UserError, match=r"has runs of table2 from .*, and a difference must not be of a CPU and a GPU"):
        run.check_kind(gather(suite, plan, ours), ours, "cuda:1")
    run.check_kind(gather(suite, plan, ours), ours, "cpu")
    theirs = theirs_of(tmp_path, ours.runs("full", DATASET).values())
    with pytest.raises(UserError, match=f"from {GPU}, .* into a folder of its own, such as --results results/cpu"):
        run.run_suite(suite, plan, jobs=1, store=theirs)
    run.check_kind(gather(suite, plan, theirs), theirs, "cuda")
