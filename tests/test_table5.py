"""Table 5: what is counted agrees with what runs."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from apg_repro.config import Measurement
from apg_repro.data import Dataset, Schema
from apg_repro.measure import table5
from apg_repro.measure.timing import Effort
from apg_repro.pages.cost import multiplications
from apg_repro.suites import COST_CASES, COST_LIMIT, COST_RANK, COST_WIDTHS, CostCase
from apg_repro.train import count

LEAST = CostCase(width="64-32-16", condition="user", part="step")
SELF = CostCase(width="64-32-16", condition="self", part="step")


@pytest.mark.parametrize("case", [LEAST, SELF], ids=["group-wise", "self-wise"])
@pytest.mark.parametrize("version", ["base", "v1", "v2", "v3", "v4"])
def test_table_1_counts_the_multiplications_that_a_layer_makes(version, case):
    deep = table5.hidden_layers(table5.configure(case, version, "iaac_twin"))
    z = None if case is SELF else torch.randn(3, 32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        deep(torch.randn(3, 393), z)
    core = COST_RANK**2 * len(deep.layers) if version in ("v3", "v4") else 0  # S_i h_i, which torch does not count
    assert counter.get_total_flops() / 2 / 3 + core == multiplications(version, case.width, case.condition)


def test_12_bytes_a_parameter_are_the_papers_memory():
    """Table 5 at [1024, 512, 256]: base 12.91 and v4 0.44, with a constant of about 0.2 in each."""
    case = CostCase(width="1024-512-256", condition="user", part="step")
    for version, printed in {"base": 12.91, "v1": 419.11, "v4": 0.44}.items():
        shape = table5.hidden_shape(table5.configure(case, version, "iaac_twin"))
        assert 0.1 < printed - 12 * count(shape) / 1e6 < 0.3


def test_only_a_self_wise_v1_of_the_widest_model_is_too_big_to_run():
    too_big = {
        (case.width, case.condition, version)
        for case in COST_CASES.values()
        for version in ("base", "v1", "v2", "v3", "v4", "v5")
        if table5.bytes_needed(table5.hidden_shape(table5.configure(case, version, "iaac_twin"))) > COST_LIMIT
    }
    assert too_big == {("1024-512-256", "self", "v1")}


def test_the_estimate_of_memory_is_near_the_measured_peak():
    for version in ("v1", "v2"):
        config = table5.configure(LEAST, version, "iaac_twin")
        shape = table5.hidden_shape(config)
        beyond_what_is_kept = table5.bytes_needed(shape) - 12 * count(shape)
        assert 0.5 < table5.peak_bytes(table5.hidden_step(config)) / beyond_what_is_kept < 1.5


def test_a_peak_is_what_is_held_at_once():
    def work():
        torch.empty(1000)
        held = torch.empty(2000)
        return held, torch.empty(3000)

    assert table5.peak_bytes(work) == 4 * 5000


def test_a_peak_is_the_same_every_time():
    work = table5.hidden_step(table5.configure(LEAST, "v5", "iaac_twin"))
    assert len({table5.peak_bytes(work) for _ in range(4)}) == 1


def test_forward_and_backward_multiply_three_times_as_much_as_forward_alone():
    """So the gradient of the input is made too, which the embeddings below would need."""
    work = table5.hidden_step(table5.configure(LEAST, "base", "iaac_twin"))
    with FlopCounterMode(display=False) as counter:
        work()
    assert counter.get_total_flops() == 3 * 2 * 1024 * multiplications("base", LEAST.width, "user")


@pytest.fixture
def twin(monkeypatch):
    """A small set of the twin's shape, and few rounds."""
    names = ("user", *map(str, range(11)))
    schema = Schema(fields=dict.fromkeys(names, 5), inputs=names, numbers=tuple("abcdefghi"))
    rows = Dataset(
        name="twin", schema=schema, checksum="0" * 64, fields=torch.randint(5, (32, 12), dtype=torch.int32),
        numbers=torch.randn(32, 9), labels=torch.ones(32),
    )  # fmt: skip
    monkeypatch.setattr(table5, "load", lambda *args, **options: rows)
    monkeypatch.setattr(table5, "BATCH", 8)
    monkeypatch.setattr(table5, "TURNS", {names: {"quick": Effort(rounds=2)} for names in table5.TURNS})


@pytest.mark.parametrize("part", ["step", "hidden"])
def test_a_row_has_every_version_beside_base(twin, part):
    case = CostCase(width="64-32-16", condition="user", part=part)
    row = table5.measure(Measurement(suite="table5", dataset="iaac_twin", profile="quick", case=case.name))
    assert list(row["versions"]) == ["base", "v1", "v2", "v3", "v4", "v5"]
    assert row["versions"]["base"]["ratio"]["base"] == {"p10": 1, "p50": 1, "p90": 1}
    assert "base" in row["versions"]["v4"]["ratio"]
    assert all(entry["seconds"]["p50"] > 0 for entry in row["versions"].values())
    assert all(("peak_bytes" in entry) == (part == "hidden") for entry in row["versions"].values())


def test_what_does_not_fit_is_named_and_the_others_run(twin, monkeypatch):
    monkeypatch.setattr(table5, "COST_LIMIT", 4 * 12 * 80_000)
    case = CostCase(width="64-32-16", condition="user", part="hidden")
    row = table5.measure(Measurement(suite="table5", dataset="iaac_twin", profile="quick", case=case.name))
    assert row["versions"]["v1"]["not_run"] == "needs about 0 GB of memory"
    assert "seconds" not in row["versions"]["v1"]
    assert "seconds" in row["versions"]["v4"]


def test_the_widths_are_the_papers():
    assert list(COST_WIDTHS.values()) == [
        (64, 32, 16), (128, 64, 32), (256, 128, 64), (512, 256, 128), (1024, 512, 256)
    ]  # fmt: skip
