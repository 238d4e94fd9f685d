"""The page on gates, FiLM and adapters: recomputed here by hand from rows."""

from dataclasses import replace

import pytest

from apg_repro.config import PROTOCOLS, RunConfig
from apg_repro.experiments import get_suite
from apg_repro.experiments.comparators import page
from apg_repro.experiments.comparators.plan import OURS
from apg_repro.report.tables import MISSING
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import SEEDS, Plan, configure
from tests.conftest import FULL, evidence_of
from tests.measured import line_of

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
    """Base's epochs take 2 s, others' 5 s; the adapter was trained on another machine."""
    seconds = 2.0 if kind(config) == "base" else 5.0
    found = {"history": [{"epoch": 1, "valid_auc": 0.7, "worst_batch_loss": 0.7, "seconds": seconds}]}
    return found | {"n_hidden": 2_000, "n_served": 1_000 if config.version == "v5" else 2_000}


@pytest.fixture
def evidence(row):
    found = evidence_of("comparators", row, auc, extra)
    elsewhere = replace(row.origin, device="another CPU")
    runs = {
        key: replace(run, origin=elsewhere) if kind(run.config) == "adapter" else run for key, run in found.runs.items()
    }
    return replace(found, runs=runs, _known={})


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
        assert set(page.layers_table(empty, protocol).data["Time ÷ base"]) == {MISSING}


def test_the_sentence_says_above_and_below_which_layers_apg_is(evidence):
    words = page.standing(evidence, "early_stopping")
    assert words == (
        "by the interval of the difference, APG is "
        "above base (+0.20 ± 0.00), damped base (+0.20 ± 0.00), adapter (+0.30 ± 0.00), "
        "logistic regression (+4.20 ± 0.00), factorisation machine (+3.20 ± 0.00); "
        "not told apart from gate (−0.10 ± 0.13), FiLM (+0.01 ± 6.35)"
    )


def test_the_sentence_names_what_is_not_run_and_a_quick_run_decides_nothing(row):
    late = evidence_of("comparators", row, lambda config: None if config.version == "gate" else auc(config), extra)
    words = page.standing(late, "one_epoch")
    assert "APG is above base" in words
    assert words.endswith("Not run: gate")
    quick = evidence_of("comparators", row, auc, extra, replace(FULL, profile="quick"))
    assert page.standing(quick, "one_epoch") == page.QUICK


def test_a_line_has_its_difference_to_tuned_base_what_was_chosen_weights_and_time(evidence):
    table = page.layers_table(evidence, "early_stopping")
    found = line_of(table, Layer=OURS)
    assert (found["AUC"], found["Δ"], found["n"]) == ("75.45 ± 0.64", "+0.20 ± 0.00", "2")
    assert found["Chosen"] == "learning rate 0.002, condition self-wise"
    assert (found["Weights"], found["As served"], found["Time ÷ base"]) == ("2,000", "1,000", "2.50")
    assert line_of(table, Layer="base")["Chosen"] == "learning rate 0.002, weight decay 0"
    assert table.caption.endswith("before any run of theirs: gate, FiLM, adapter, logistic regression, "
                                  "factorisation machine.")  # fmt: skip


def test_times_of_different_machines_are_not_compared(evidence):
    assert line_of(page.layers_table(evidence, "one_epoch"), Layer="adapter")["Time ÷ base"] == MISSING


def test_the_better_of_plain_and_damped_base_is_the_reference_as_both_are_searched(row):
    found = evidence_of("comparators", row, lambda config: auc(config) + 0.001 * config.base_damping, extra)
    for protocol in PROTOCOLS:
        assert line_of(page.layers_table(found, protocol), Layer="gate")["Against"] == "damped base"
