"""What other rules would say, and what more trials bring: recomputed here by hand."""

import math
import re
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from apg_repro.config import PROTOCOLS
from apg_repro.experiments.sensitivity import page
from apg_repro.report.comparison import compare
from apg_repro.report.statistics import Estimate, Rule, expected_best, judge_family
from apg_repro.report.tables import plain, printed_verdicts
from apg_repro.rows.store import Store
from apg_repro.suite import candidate
from tests.conftest import FULL, evidence_of, scores


@pytest.fixture(scope="module")
def committed():
    """The committed rows, judged by every variant."""
    return page.sensitivity(Store())


def test_the_expected_best_is_the_mean_over_all_draws():
    values = [0.3, 0.1, 0.9, 0.4, 0.4]
    by_hand = [np.mean([max(draw) for draw in combinations(values, n)]) for n in range(1, 6)]
    assert expected_best(values) == pytest.approx(by_hand)
    assert expected_best([]) == []


def test_more_trials_never_make_the_expected_best_worse():
    found = expected_best(list(np.random.default_rng(0).normal(size=20)))
    assert found == sorted(found)


def family(*means):
    """Differences with these means, p = 0.03 each, of five seeds."""
    half = 1.0 / 3.2  # relative to the mean: t = 8.9 / 3.2
    return {mean: (Estimate(mean=mean, half=abs(mean) * half * 2.776, n=5), 1.0) for mean in means}


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(), ["reproduced", "direction only"]),
        (Rule(margin=0.0), ["reproduced", "reproduced"]),
        (Rule(margin=0.3), ["direction only", "direction only"]),
        (Rule(is_corrected=True), ["undecided", "undecided"]),
        (Rule(holm_decides=True), ["undecided", "undecided"]),
    ],
)
def test_a_variant_changes_what_it_says(rule, words):
    judged = judge_family(family(0.2, 0.05), rule)
    assert [judged[mean].word for mean in (0.2, 0.05)] == words


@pytest.mark.parametrize(
    ("base", "one_epoch", "early_stopping"),
    [(None, "contradicted", "reproduced"), ("plain", "reproduced", "reproduced"),
     ("damped", "contradicted", "contradicted")],
)  # fmt: skip
def test_a_variant_can_take_gains_from_base_alone_or_from_damped_base(tmp_path, row, base, one_epoch, early_stopping):
    """APG gains 0.2 points over base, and loses 0.2 against damped base, under both protocols."""

    def auc(config):
        return 0.8 + (0.004 * config.base_damping if config.version == "base" else 0.002)

    store = Store(tmp_path)
    for run in evidence_of("table4", row, auc).runs.values():
        store.append("full", run)
    everywhere = page.judged_evidence(store, page.Variant(name="", base=base, seeds=FULL.seeds))
    found = next(evidence for evidence in everywhere if evidence.suite.name == "table4")
    for protocol, word in {"one_epoch": one_epoch, "early_stopping": early_stopping}.items():
        assert compare(found, protocol)["WDL", "v5"].verdict == word


def test_what_holm_decides_has_no_mark_left():
    (one,) = {judgement.text for judgement in judge_family(family(0.2, 0.3), Rule(holm_decides=True)).values()}
    assert one == "undecided"


def test_the_first_variant_is_the_rule_of_all_pages(committed):
    assert committed.names[0] == "the rule"
    for protocol in PROTOCOLS:
        shown = Counter()  # on the home page, where what does not survive Holm's correction is counted apart
        for number, word in re.findall(r"(\d+) ([a-z ]+[a-z])", plain(printed_verdicts(committed.evidence, protocol))):
            shown[word] += int(number)
        del shown["not run"]
        assert committed.counts("the rule", protocol) == shown
        assert committed.n_changed("the rule", protocol) == 0


def test_a_larger_margin_reproduces_less_and_a_correction_decides_less(committed):
    for protocol in PROTOCOLS:
        counts = {name: committed.counts(name, protocol) for name in committed.names}
        margins = ["margin 0", "margin 0.05", "the rule", "margin 0.15", "margin 0.2"]
        reproduced = [counts[name]["reproduced"] for name in margins]
        assert reproduced == sorted(reproduced, reverse=True)
        for name in ("corrected interval", "after Holm"):
            assert (
                counts["the rule"]["undecided"] <= counts[name]["undecided"] <= counts["both corrections"]["undecided"]
            )


def test_every_seed_that_has_a_row_counts_and_the_searchs_does_not():
    seeds = page.every_seed(Store())
    assert set(seeds) >= {1, 2, 3, 4, 5, 6}
    assert 0 not in seeds


def test_changes_are_counted_difference_by_difference():
    cells = [("table4", "movielens", "WDL", name) for name in ("v1", "v2", "v4")]
    words = {
        ("the rule", "one_epoch"): dict(zip(cells, ["reproduced", "undecided", "reproduced"], strict=True)),
        ("other", "one_epoch"): dict(zip(cells, ["undecided", "reproduced", "reproduced"], strict=True)),
    }
    words |= {(name, "early_stopping"): {} for name in ("the rule", "other")}
    found = page.Sensitivity(words=words, n_seeds={"the rule": (5, 5), "other": (2, 5)}, evidence=[])
    assert found.counts("the rule", "one_epoch") == found.counts("other", "one_epoch")
    assert found.n_changed("other", "one_epoch") == 2
    assert found.unmoved("one_epoch") == cells[2:]
    assert "reproduced 2 times and contradicted 0 times" in page.sentences(found, "one_epoch")
    assert page.main_points(found) == [
        "After one epoch, 1 of 3 differences keep their verdict in all variants of the rule: 1 reproduced. “other” "
        "changes the most verdicts, 2: then there are 2 reproduced, 1 undecided."
    ]


def test_the_table_and_the_figure_show_every_variant(committed):
    table = page.variants_table(committed)
    assert list(table.data["Variant"]) == committed.names
    figure = page.variants_figure(committed)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == committed.names
    assert figure.alt.count("the rule") == len(PROTOCOLS)


def test_without_rows_the_page_says_so(tmp_path):
    found = page.sensitivity(Store(tmp_path))
    assert str(page.answer(found)) == "<p>Nothing has been run.</p>"
    assert page.main_points(found) == []
    assert found.evidence == []


def searched(row, lacking=False):
    """Table 2, whose base gets better with the learning rate and APG with K; of WDL alone."""

    def auc(config):
        if config.backbone != "WDL" or (lacking and config.rank == 2):
            return None
        return 0.79 + (config.rank / 1000 if config.rank and config.over == 32 else config.learning_rate / 10)

    return evidence_of("table2", row, auc)


def test_the_budget_is_read_from_the_rows_of_the_search(row):
    evidence = searched(row)
    (base, apg, _) = page.budgets(evidence, "one_epoch")["WDL"].values()
    assert len(base) == 20
    assert base[-1] == pytest.approx(79 + 0.01 * 10)
    assert base[0] == pytest.approx(79 + np.mean([0.001, 0.002, 0.005, 0.01]) * 10)
    assert apg[-1] == pytest.approx(79.8)
    assert page.budgets(evidence, "one_epoch")["DCN"] == {}
    text = str(page.budget_answer(evidence))
    assert "One epoch, APG, K and P: with 1 trial" in text
    assert "with 20 trials +0.70 points, ahead in 1 of 1." in text
    assert len(page.budget_figure(evidence, "one_epoch").axes[0].lines) == 3


def test_a_search_that_is_not_complete_is_not_drawn(row):
    assert page.trials(searched(row, lacking=True), "WDL", "apg", "one_epoch") == []


def test_a_trial_without_an_auc_is_chance(row):
    evidence = searched(row)
    cell = evidence.cell("tuned base", "WDL")
    lost = candidate(evidence.plan, cell, cell.grid[0]).id
    runs = evidence.runs | {lost: replace(evidence.runs[lost], scores=scores(math.nan, math.nan))}
    assert min(page.trials(replace(evidence, runs=runs), "WDL", "tuned base", "one_epoch")) == 50
