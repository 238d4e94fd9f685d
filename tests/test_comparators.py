"""The page on gates, FiLM and adapters: recomputed here by hand from rows."""

from dataclasses import replace

import pytest

from apg_repro.config import PROTOCOLS, RunConfig
from apg_repro.experiments import get_suite
from apg_repro.experiments.comparators import page
from apg_repro.experiments.comparators.measure import measure, timed
from apg_repro.experiments.comparators.plan import OURS, STEP, measurements
from apg_repro.report.tables import MISSING, NBSP, plain
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import SEEDS, Plan, configure
from tests.checkout import needs_synthetic
from tests.conftest import FULL, evidence_of
from tests.measured import line_of, measured_evidence, on_both

TIME = "Time, CPU"
# By version or floor, in thousandths: what each has more than base, and how much of that depends on the seed.
GAINS = {"v5": (2, 0), "gate": (3, 0.1), "film": (1.9, 5), "adapter": (-1, 0), "LR": (-40, 0), "FM": (-30, 0)}


def kind(config: RunConfig) -> str:
    return config.backbone if config.backbone != "WDL" else config.version


def auc(config):
    """The seed's, more with the rate of 0.002, and what the layer adds."""
    gain, spread = GAINS.get(kind(config), (0, 0))
    sign = 1 if config.seed % 2 else -1
    return 0.75 + config.seed / 1000 + (0.001 if config.learning_rate == 0.002 else 0) + (gain + sign * spread) / 1000


def extra(config):
    return {"n_hidden": 2_000, "n_served": 1_000 if config.version == "v5" else 2_000}


@pytest.fixture
def evidence(row):
    return evidence_of("comparators", row, auc, extra)


@pytest.mark.parametrize("profile", SEEDS)
@pytest.mark.parametrize("dataset", get_suite("comparators").datasets)
def test_every_line_is_searched_with_as_many_different_trials(profile, dataset):
    plan = Plan(profile=profile, dataset=dataset, seeds=(1,))
    cells = get_suite("comparators").cells(plan)
    trials = {cell.name: len({configure(plan, cell, 0, point).id for point in cell.grid}) for cell in cells}
    assert set(trials.values()) == {12 if profile == "full" else 6}


def test_no_line_has_a_number_of_the_paper_and_each_says_when_it_was_added():
    cells = get_suite("comparators").cells(FULL)
    assert all(cell.registered and cell.paper_row is None for cell in cells)


def test_without_rows_the_page_says_not_run_and_what_to_type():
    empty = Evidence(suite=get_suite("comparators"), plan=FULL)
    for protocol in PROTOCOLS:
        words = page.standing(empty, protocol)
        assert words.startswith(
            "not run; <code>python -m apg_repro run comparators --profile full --datasets movielens"
        )
        assert set(page.layers_table(empty, protocol).data["AUC"]) == {MISSING}
        assert set(page.layers_table(empty, protocol).data[TIME]) == {MISSING}


def test_the_sentence_says_above_and_below_which_layers_apg_is(evidence):
    words = page.standing(evidence, "early_stopping")
    assert words == (
        "after Holm's correction, APG is "
        "ahead of base (+0.20 ± 0.00), damped base (+0.20 ± 0.00), adapter (+0.30 ± 0.00), "
        "logistic regression (+4.20 ± 0.00), factorisation machine (+3.20 ± 0.00); "
        "not told apart from gate (−0.10 ± 0.13), FiLM (+0.01 ± 6.35)"
    )


def test_the_sentence_names_what_is_not_run_and_a_quick_run_decides_nothing(row):
    late = evidence_of("comparators", row, lambda config: None if config.version == "gate" else auc(config), extra)
    words = page.standing(late, "one_epoch")
    assert "APG is ahead of base" in words
    assert words.endswith("Not run: gate")
    quick = evidence_of("comparators", row, auc, extra, replace(FULL, profile="quick"))
    assert page.standing(quick, "one_epoch") == page.QUICK


def test_what_is_shown_above_tuned_base_is_named_with_its_data_set(evidence, row):
    """The gate's lead is steady; FiLM's depends on the seed, and the adapter and the floors are behind."""
    assert plain(page.above_base([evidence])) == (
        "Shown above tuned base after Holm's correction: "
        "APG (MovieLens-1M, one epoch: +0.20 ± 0.00; MovieLens-1M, early stopping: +0.20 ± 0.00), "
        "gate (MovieLens-1M, one epoch: +0.30 ± 0.13; MovieLens-1M, early stopping: +0.30 ± 0.13). "
        "Not shown above it on any data set: FiLM (run on 1 of 1), adapter (run on 1 of 1), logistic regression "
        "(run on 1 of 1), factorisation machine (run on 1 of 1)."
    )
    nothing = evidence_of("comparators", row, lambda config: 0.75)
    assert plain(page.above_base([nothing])).endswith(
        "on any data set: gate (run on 1 of 1), FiLM (run on 1 of 1), adapter (run on 1 of 1), logistic "
        "regression (run on 1 of 1), factorisation machine (run on 1 of 1)."
    )


def test_a_page_begins_with_the_data_sets_on_which_apg_is_above_tuned_base(evidence, row):
    below = evidence_of(
        "comparators", row, lambda config: 0.75 - 0.01 * (config.version == "v5"), plan=replace(FULL, dataset="frappe")
    )
    early, late = page.main_points([evidence, below])
    told = (
        "APG is ahead of tuned base on MovieLens-1M (+0.20 ± 0.00, n = 2), and behind it on Frappe (−1.00 ± 0.00, "
        "n = 2)."
    )
    assert (early, late) == (f"After one epoch, {told}", f"With early stopping, {told}")
    assert page.main_points([Evidence(suite=evidence.suite, plan=evidence.plan)]) == []


def test_a_line_has_its_difference_to_tuned_base_what_was_chosen_and_weights(evidence):
    table = page.layers_table(evidence, "early_stopping")
    found = line_of(table, Layer=OURS)
    assert (found["AUC"], found["Δ"], found["n"]) == ("75.45 ± 0.64", "+0.20 ± 0.00", "2")
    assert found["Chosen"] == "learning rate 0.002, condition self-wise"
    assert (found["Weights"], found["As served"], found[TIME]) == ("2,000", "1,000", MISSING)
    assert line_of(table, Layer="base")["Chosen"] == "learning rate 0.002, weight decay 0"
    assert table.caption.endswith("before any of these had been run: gate, FiLM, adapter, logistic regression, "
                                  "factorisation machine.")  # fmt: skip


def test_a_line_has_the_time_of_a_step_with_the_condition_that_was_chosen(evidence):
    layers = {name: {} for name, _ in timed(FULL)}
    for number, (name, condition) in enumerate(timed(FULL), start=1):
        layers[name][condition] = {"ratio": {"p50": float(number)}}
    cpu = measured_evidence("comparators", {STEP: {"layers": layers}}, dataset="movielens")
    for found, devices in ((replace(evidence, measured=cpu.measured), ["CPU"]), (on_both(cpu, cpu), ["CPU", "GPU"])):
        table = page.layers_table(replace(evidence, measured=found.measured, elsewhere=found.elsewhere), "one_epoch")
        for device in devices:
            told = {line["Layer"]: line[f"Time, {device}"] for line in table.data.to_dict("records")}
            # Every layer has chosen "self", the first of its grid, as all conditions have the same AUC.
            assert (told["base"], told[OURS], told["gate"]) == ("1.00", "3.00", "6.00")
    assert set(layers) == {cell.name for cell in evidence.cells}


@needs_synthetic
def test_all_layers_and_floors_take_turns_with_base():
    (measurement,) = measurements(Plan(profile="quick", dataset="synthetic"))
    found = measure(measurement)
    assert {name: set(of_it) for name, of_it in found["layers"].items()}[OURS] == {"self", "user", "item"}
    assert found["layers"]["base"]["self"]["ratio"] == {"p10": 1.0, "p50": 1.0, "p90": 1.0}
    slow, fast = (found["layers"][name]["self"]["seconds"]["p50"] for name in ("adapter", "logistic regression"))
    assert slow > fast


def test_the_better_of_plain_and_damped_base_is_the_reference_as_both_are_searched(row):
    found = evidence_of("comparators", row, lambda config: auc(config) + 0.001 * config.base_damping, extra)
    for protocol in PROTOCOLS:
        assert line_of(page.layers_table(found, protocol), Layer="gate")["Against"] == "damped base"


def test_a_step_is_shown_with_every_condition_and_static_layers_without(evidence):
    layers = {
        "base": {"self": {"ratio": {"p50": 1.0}}},
        "gate": {"self": {"ratio": {"p50": 1.5}}, "user": {"ratio": {"p50": 1.25}}},
    }
    cpu = measured_evidence("comparators", {STEP: {"layers": layers}}, dataset="movielens")
    table = page.steps_table([on_both(cpu, cpu), evidence])
    for device in ("CPU", "GPU"):
        assert line_of(table, Layer="base")[f"MovieLens-1M, {device}"] == "1.00"
        assert line_of(table, Layer="gate")[f"MovieLens-1M, {device}"] == f"self-wise{NBSP}1.50, user{NBSP}1.25"
    assert "No step" in page.steps_table([evidence]).html


def test_a_data_set_with_times_alone_has_no_table_of_layers(evidence):
    timed_alone = Evidence(suite=evidence.suite, plan=replace(FULL, dataset="frappe"))
    assert page.trained([evidence, timed_alone]) == [evidence]
    assert page.trained([timed_alone]) == [timed_alone]
