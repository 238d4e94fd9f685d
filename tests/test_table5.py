"""Table 5: what is counted agrees with what runs, and the page with the rows."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from apg_repro.config import DEVICE_KINDS, Measurement
from apg_repro.data.dataset import Dataset
from apg_repro.data.schema import Schema
from apg_repro.experiments.table5 import measure as table5
from apg_repro.experiments.table5 import page
from apg_repro.experiments.table5.plan import (
    CASES,
    FUSED,
    MEMORY_LIMIT,
    RANK,
    STEPS_PER_EPOCH,
    SUITE,
    WIDTHS,
    Case,
    options,
    plain,
)
from apg_repro.report.devices import devices_note
from apg_repro.suite import Plan
from apg_repro.training.timing import Effort
from apg_repro.training.train import count
from apg_repro.versions import PAPER_VERSIONS
from tests.measured import line_of, measured_evidence, on_both

LEAST = Case(width="64-32-16", condition="user", part="step")
SELF = Case(width="64-32-16", condition="self", part="step")
WIDEST = "1024-512-256"


@pytest.mark.parametrize("case", [LEAST, SELF], ids=["group-wise", "self-wise"])
@pytest.mark.parametrize("version", [version for version, entry in PAPER_VERSIONS.items() if not entry.served_as])
def test_table_1_counts_the_multiplications_that_a_layer_makes(version, case):
    deep = table5.hidden_layers(table5.configure(case, version, "iaac_twin"))
    z = None if case is SELF else torch.randn(3, 32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        deep(torch.randn(3, 393), z)
    has_core = "KK" in PAPER_VERSIONS[version].computation[2]
    core = RANK**2 * len(deep.layers) if has_core else 0  # S_i h_i, which torch does not count
    assert counter.get_total_flops() / 2 / 3 + core == page.multiplications(version, case.width, case.condition)


def test_12_bytes_a_parameter_are_the_papers_memory():
    """Table 5 at [1024, 512, 256]: base 12.91 and v4 0.44, with a constant of about 0.2 in each."""
    case = Case(width=WIDEST, condition="user", part="step")
    for version, printed in {"base": 12.91, "v1": 419.11, "v4": 0.44}.items():
        shape = table5.hidden_shape(table5.configure(case, version, "iaac_twin"))
        assert 0.1 < printed - 12 * count(shape) / 1e6 < 0.3


def test_only_a_self_wise_v1_of_the_widest_model_is_too_big_to_run():
    too_big = {
        (case.width, case.condition, version)
        for case in CASES.values()
        for version in PAPER_VERSIONS
        if table5.bytes_needed(table5.configure(case, version, "iaac_twin")) > MEMORY_LIMIT
    }
    assert too_big == {(WIDEST, "self", "v1")}


def test_the_estimate_of_memory_is_near_the_measured_peak():
    for version in ("v1", "v2"):
        config = table5.configure(LEAST, version, "iaac_twin")
        beyond_what_is_kept = table5.bytes_needed(config) - 12 * count(table5.hidden_shape(config))
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
    assert counter.get_total_flops() == 3 * 2 * 1024 * page.multiplications("base", LEAST.width, "user")


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
    for efforts in ("EFFORT", "SLOW_EFFORT"):
        monkeypatch.setattr(table5, efforts, {"quick": Effort(rounds=2)})


@pytest.mark.parametrize("part", ["step", "hidden"])
def test_a_row_has_every_version_and_its_ratio_to_base(twin, part):
    case = Case(width="64-32-16", condition="user", part=part)
    row = table5.measure(Measurement(name="table5", dataset="iaac_twin", profile="quick", case=case.name))
    assert list(row["versions"]) == list(PAPER_VERSIONS)
    assert row["versions"]["base"]["ratio"]["base"] == {"p10": 1, "p50": 1, "p90": 1}
    assert all("base" in entry["ratio"] for entry in row["versions"].values())
    assert all(entry["seconds"]["p50"] > 0 for entry in row["versions"].values())
    assert all(("peak_bytes" in entry) == (part == "hidden") for entry in row["versions"].values())


def test_what_does_not_fit_is_named_and_the_others_run(twin, monkeypatch):
    monkeypatch.setattr(table5, "MEMORY_LIMIT", 4 * 12 * 80_000)
    case = Case(width="64-32-16", condition="user", part="hidden")
    row = table5.measure(Measurement(name="table5", dataset="iaac_twin", profile="quick", case=case.name))
    assert row["versions"]["v1"]["not_run"] == "needs about 0 GB of memory"
    assert "seconds" not in row["versions"]["v1"]
    assert "seconds" in row["versions"]["v4"]


def test_the_widths_are_the_papers():
    assert list(WIDTHS.values()) == [
        (64, 32, 16), (128, 64, 32), (256, 128, 64), (512, 256, 128), (1024, 512, 256)
    ]  # fmt: skip


def test_a_version_that_is_not_named_slow_takes_turns_with_the_fast_ones(twin, monkeypatch):
    turns = []

    def time_versions(case, versions, *rest):
        turns.append(versions)
        return {version: {} for version in versions}

    monkeypatch.setitem(table5.PAPER_VERSIONS, "v6", PAPER_VERSIONS["v4"])
    monkeypatch.setattr(table5, "time_versions", time_versions)
    table5.measure(Measurement(name="table5", dataset="iaac_twin", profile="quick", case=LEAST.name))
    assert turns == [["base", "v3", "v4", "v5", "v6"], ["base", "v1", "v2"]]


def test_a_version_has_the_k_and_p_that_it_needs():
    assert options("base") == {"version": "base"}
    assert options("v2") == {"version": "v2", "rank": 4}
    assert options("v5") == {"version": "v5", "rank": 4, "over": 32}


def around(middle, share=0.01):
    return {"p10": middle * (1 - share), "p50": middle, "p90": middle * (1 + share)}


def evidence_of(ratios, profile="full", **more):
    """Every width measured: these versions cost these multiples of base, v3 and v4 as much as base, which takes 0.01 s.

    ``more``: what is measured of a version, in place of that.
    """
    versions = {
        version: {"seconds": around(0.01 * ratio), "ratio": {"base": around(ratio)}, "n_hidden": 1000,
                  "peak_bytes": 500_000}
        for version, ratio in {"base": 1.0, "v3": 1.0, "v4": 1.0, **ratios}.items()
    }  # fmt: skip
    return measured_evidence("table5", {name: {"versions": versions | more} for name in CASES}, profile=profile)


def test_the_papers_seconds_and_ratio_are_in_the_same_line_as_ours():
    found = line_of(page.epochs_table(evidence_of({"v4": 0.5})), Layers=WIDEST, Version="v4")
    assert (found["Paper, s"], found["Paper ÷ base"]) == ("7.99", "0.61")
    assert found["CPU, s"] == f"{0.005 * STEPS_PER_EPOCH:.2f}"
    assert found["CPU ÷ base"] == "0.50 (0.49–0.51)"
    assert found["CPU verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (0.60, "reproduced"),
        (0.61, "direction only"),
        (0.9, "direction only"),
        (1.0, "undecided"),
        (1.02, "contradicted"),
    ],
)
def test_the_claim_on_time_is_judged_by_the_upper_end_of_the_ratio(ratio, verdict):
    table = page.abstract_table(evidence_of({"v4": ratio}))
    assert line_of(table, **{"Measured on": "CPU"})["Verdict"] == verdict


def test_memory_is_judged_by_count():
    claim = "v4 cuts memory by 96.6 %"
    assert line_of(page.abstract_table(evidence_of({})), Claim=claim)["Verdict"] == "contradicted"
    small = {"seconds": around(0.01), "ratio": {"base": around(1)}, "n_hidden": 30}
    found = line_of(page.abstract_table(evidence_of({}, v4=small)), Claim=claim)
    assert (found["Ours ÷ base"], found["Verdict"]) == ("0.030", "reproduced")


def test_memory_is_12_bytes_per_parameter_and_the_peak_is_above():
    found = line_of(page.memory_table(evidence_of({})), Layers=WIDEST, Version="base")
    assert (found["Paper, M"], found["Ours, M"], found["Peak, M"]) == ("12.91", "0.01", "0.5")
    assert found["Verdict"] == ""


def test_what_was_not_run_says_why():
    costs = evidence_of({}, v1={"n_hidden": 5000, "not_run": "needs about 99 GB of memory"})
    found = line_of(page.epochs_table(costs), Layers=WIDEST, Version="v1")
    assert (found["CPU ÷ base"], found["CPU verdict"]) == ("needs about 99 GB of memory", "not run")
    assert line_of(page.memory_table(costs), Layers=WIDEST, Version="v1")["Peak, M"] == "not run"
    assert line_of(page.multiplications_table(costs), Layers=WIDEST, Version="v1")["Time, group-wise"] == "not run"
    assert page.ratio_to(costs, "v1", WIDEST, "epoch_time") is None


def test_versions_that_did_not_take_turns_are_compared_through_base():
    costs = evidence_of({"v4": 0.5})
    assert page.ratio_to(costs, "v4", WIDEST, "epoch_time") == (around(0.5), pytest.approx(0.613, abs=1e-3))
    ours, theirs = around(0.5), around(2.0)
    through = {"p10": ours["p10"] / theirs["p90"], "p50": 0.25, "p90": ours["p90"] / theirs["p10"]}
    assert page.through_base(ours, theirs) == pytest.approx(through)
    assert page.through_base(ours, None) is page.through_base(None, theirs) is None


def test_a_version_added_since_the_measurement_is_left_out():
    tables = [make(evidence_of({})) for make in page.TABLES]  # v1, v2 and v5 were not measured
    assert all("v5" not in set(table.data["Version"]) for table in tables if "Version" in table.data)
    assert page.width_figure(evidence_of({})).axes


def test_quick_numbers_get_no_verdict():
    costs = evidence_of({"v4": 0.1}, profile="quick")
    for table in (page.abstract_table(costs), page.epochs_table(costs), page.memory_table(costs)):
        assert {value for name in table.data if "erdict" in name for value in table.data[name]} == {""}


def test_arithmetic_says_from_which_width_on_a_version_is_cheaper():
    """Group-wise: v3 has (NK + MK + KK)(D + 1) multiplications against NM, so it needs wide layers; v4 does not."""
    table = page.crossings_table(evidence_of({"v3": 0.5, "v4": 2.0}))
    v3 = line_of(table, Version="v3", Condition="group-wise")
    assert (v3["By arithmetic"], v3["Measured, whole step"]) == ("512-256-128", "64-32-16")
    v4 = line_of(table, Version="v4", Condition="group-wise")
    assert (v4["By arithmetic"], v4["Measured, whole step"]) == ("64-32-16", "nowhere")
    assert line_of(table, Version="v3", Condition="self-wise")["By arithmetic"] == "nowhere"


def test_crossings_are_shown_for_versions_that_are_cheaper_somewhere():
    assert set(page.crossings_table(evidence_of({})).data["Version"]) >= {"v3", "v4"}


def test_table_1_by_hand():
    """v4, group-wise, [64, 32, 16], K = 4: K K D + N K + M K + K K for 393 → 64 → 32 → 16."""
    by_hand = 3 * (16 * 32 + 16) + 4 * (393 + 64 + 64 + 32 + 32 + 16)
    assert page.multiplications("v4", "64-32-16", "user") == by_hand
    assert page.multiplications("base", "64-32-16", "user") == 393 * 64 + 64 * 32 + 32 * 16


def test_cheaper_from_means_cheaper_from_there_on():
    assert page.cheaper_from({"a": True, "b": False, "c": True}) == "c"
    assert page.cheaper_from({"a": False}) == "nowhere"
    assert page.cheaper_from({}) == "–"


def on_a_gpu(ratios, **more):
    """The made rows of a CPU, v4 at 0.37, and of a GPU with these ratios."""
    return on_both(evidence_of({"v4": 0.37}), evidence_of(ratios, **more))


def test_the_same_cases_are_measured_on_each_kind_of_device_under_ids_of_their_own():
    plan = Plan(profile="full", dataset="iaac_twin", seeds=(1,))
    found = [SUITE.measurements(plan.on(device)) for device in ("cpu", "cuda:1")]
    assert [task.case for task in found[0]] == [task.case for task in found[1]]
    assert [{task.device_kind for task in tasks} for tasks in found] == [{"cpu"}, {"cuda"}]
    assert not {task.id for task in found[0]} & {task.id for task in found[1]}


def test_where_nothing_ran_on_a_gpu_the_page_says_so_and_how_to_do_it():
    costs = evidence_of({"v4": 0.37})
    for where in ("GPU, plain", "GPU, fused"):
        found = line_of(page.abstract_table(costs), **{"Measured on": where})
        assert (found["Ours ÷ base"], found["Verdict"]) == ("not measured yet", "not run")
    text = " ".join(page.main_points([costs]))
    assert "The paper measured −38.7 % on a V100S." in text
    assert "On a CPU (a CPU): v4 takes 0.37 (0.37–0.37) times base's time, −63.0 %, so the saving is at" in text
    assert "On a GPU, plain layers: not measured yet. On a GPU, fused layers: not measured yet." in text
    how = "python -m apg_repro run table5 --profile full --datasets iaac_twin --device cuda"
    assert how in devices_note(costs).html
    assert not [name for name in page.epochs_table(costs).data if "GPU" in name]


@pytest.mark.parametrize(
    ("ratio", "verdict", "words"),
    [
        (1.11, "contradicted", "+11.0 %, so there is no saving"),
        (1.0, "undecided", "so the rounds do not tell whether there is a saving"),
        (0.9, "direction only", "−10.0 %, so there is a saving, but not the paper's"),
        (0.5, "reproduced", "−50.0 %, so the saving is at least the paper's"),
    ],
)
def test_a_gpu_has_a_verdict_of_its_own_beside_that_of_the_cpu(ratio, verdict, words):
    costs = on_a_gpu({"v4": ratio})
    table = page.abstract_table(costs)
    assert line_of(table, **{"Measured on": "CPU"})["Ours ÷ base"].startswith("0.37 ")
    assert line_of(table, **{"Measured on": "GPU, plain"})["Verdict"] == verdict
    assert line_of(table, **{"Measured on": "GPU, fused"})["Ours ÷ base"] == "no fused kernels there"
    text = " ".join(page.main_points([costs]))
    assert f"On a GPU (a GPU), plain layers: v4 takes {ratio:.2f}" in text
    assert words in text
    line = line_of(page.epochs_table(costs), Layers=WIDEST, Version="v4")
    assert (line["CPU verdict"], line["GPU verdict"]) == ("reproduced", verdict)
    assert (line["CPU, s"], line["GPU, s"]) == (
        f"{0.0037 * STEPS_PER_EPOCH:.2f}", f"{0.01 * ratio * STEPS_PER_EPOCH:.2f}"
    )  # fmt: skip


def test_fused_layers_are_compared_with_the_papers_plain_ones_and_stand_beside_these():
    fast = {"seconds": around(0.003), "ratio": {"base": around(0.3)}, "n_hidden": 30, "peak_bytes": 1000}
    costs = on_a_gpu({"v4": 1.1}, **{"v4, fused": fast})
    assert line_of(page.abstract_table(costs), **{"Measured on": "GPU, fused"})["Verdict"] == "reproduced"
    line = line_of(page.epochs_table(costs), Layers=WIDEST, Version="v4, fused")
    assert (line["Paper ÷ base"], line["GPU verdict"], line["CPU ÷ base"]) == ("0.61", "reproduced", "")
    gpu = costs.on("cuda")
    for make in page.TABLES:
        assert make(gpu).data.shape[0] > 0
    assert line_of(page.memory_table(gpu), Layers=WIDEST, Version="v4, fused")["Verdict"] == "reproduced"
    titles = [axis.get_title() for axis in page.width_figure(costs).axes]
    assert titles == ["paper, V100S", *(f"{kind}, {part}" for kind in ("CPU", "GPU") for part in page.PARTS.values())]


def test_tables_of_one_kind_of_device_say_which():
    costs = on_a_gpu({"v4": 1.1})
    tables = page.self_wise_table, page.crossings_table, page.multiplications_table, page.memory_table
    for kind, title in zip(DEVICE_KINDS, ("CPU. ", "GPU. "), strict=True):
        assert all(make(costs.on(kind)).caption.startswith(title) for make in tables)


def test_base_is_never_fused():
    assert {plain(name) for name in FUSED} == {"v4", "v5"}
