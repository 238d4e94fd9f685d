"""The page "Should I use it?": what it picks and says, from made rows."""

from dataclasses import replace

import pytest

from apg_repro.experiments.advice import page
from apg_repro.experiments.figure7.plan import K
from apg_repro.report.statistics import estimate
from apg_repro.report.tables import plain
from apg_repro.rows.evidence import Evidence
from tests.conftest import FULL, evidence_of, scores

PLAN = replace(FULL, seeds=(1, 2, 3))


def test_the_best_value_is_named_with_those_that_are_not_behind_it(row):
    """K = 8 is best in the mean, K = 4 and 6 are not told apart from it, K = 2 is behind."""
    gains = {2: (0.1, 0.1, 0.1), 4: (0.5, 0.2, 0.3), 6: (0.3, 0.2, 0.1), 8: (0.4, 0.4, 0.4)}

    def auc(config):
        if config.version == "base":
            return 0.8
        if config.over != 32 or config.rank not in gains or config.generator_layers > 1 or not config.damping:
            return None
        return 0.8 + gains[config.rank][config.seed - 1] / 100

    evidence = evidence_of("figure7", row, auc, plan=PLAN)
    text = plain(page.best_of(evidence, page.along(K, "K", evidence), "one_epoch"))
    assert text == "8: +0.40 ± 0.00 (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}3) not told apart: 4, 6"


def test_a_value_with_few_seeds_is_not_picked(row):
    evidence = evidence_of("figure7", row, lambda config: 0.8, plan=FULL)  # two seeds
    assert plain(page.best_of(evidence, page.along(K, "K", evidence), "one_epoch")) == "not run"


@pytest.mark.parametrize(
    ("late", "tuned", "words"),
    [
        (
            0.0,
            0.3,
            [
                "learns sooner there and does not end better",
                "is behind a tuned base",
                "a tuned base: −0.30 ± 0.00 points (n = 2)",
            ],
        ),
        (
            0.4,
            0.0,
            [
                "ends better there",
                "is ahead of a tuned base",
                "a tuned base: +0.40 ± 0.00 points (n = 2)",
            ],
        ),
    ],
)
def test_the_answer_follows_the_rows(row, late, tuned, words):
    def extra(config):
        if config.version != "base":
            return {"scores": scores(0.802, 0.8 + late / 100)}
        is_tuned = config.learning_rate == 0.001
        return {"scores": scores(0.8, 0.8 + tuned * is_tuned / 100 + 1e-9 * is_tuned)}

    found = {"table2": evidence_of("table2", row, lambda config: 0.8, extra)}
    text = " ".join(page.answer(found))
    assert "changes AUC by +0.20 ± 0.00 points after one epoch" in text
    for part in words:
        assert part in text
    elsewhere = evidence_of("table2", row, lambda config: 0.8, extra, plan=replace(FULL, dataset="renttherunway"))
    both = page.answer(found, all_models=[*found.values(), elsewhere])
    assert [line.split(",")[0] for line in both[:2]] == ["On MovieLens-1M", "On Rent the Runway"]
    assert page.answer({"table2": Evidence(suite=elsewhere.suite, plan=FULL)}, all_models=[elsewhere]) == []


def test_a_better_end_than_plain_base_alone_is_no_advice_to_use_it(row):
    def auc(config):
        return 0.8 + 0.002 * (config.version != "base" or config.base_damping)

    evidence = evidence_of("table2", row, lambda config: 0.8, lambda config: {"scores": scores(0.8, auc(config))})
    (text,) = page.by_data_set([evidence])
    assert "no better than damped base (+0.00 ± 0.00, no difference): try damped base first." in text
    assert page.beside_damped_base(estimate([-0.5, 0.5])).startswith("not shown over damped base (+0.00 ± ")


def test_the_advice_says_what_tuning_both_changes_which_runs_diverged_and_which_seeds_there_are(row):
    """The first epoch is best at the paper's rate; one model's searches end level; a run of APG diverged."""

    def auc(config):
        if config.learning_rate == 0.001:
            return 0.8 if config.backbone == "WDL" else None
        return 0.8 - 0.002 * (config.version == "v5")

    def extra(config):
        lost = (config.backbone, config.version, config.seed) == ("PNN", "v5", 7)
        found = {protocol: replace(score, epoch=1) for protocol, score in scores(auc(config), auc(config)).items()}
        return {"scores": found} | ({"status": "diverged"} if lost else {})

    plan = replace(FULL, dataset="tmall", seeds=(6, 7))
    (text,) = page.by_data_set([evidence_of("table2", row, auc, extra, plan=plan)])
    assert text.startswith("On Tmall, at the paper's learning rate, every run is best after its first epoch")
    assert "(n = 2, seeds 6 to 7). Use the better base instead." in text
    assert "1 of 14 runs of APG diverged, none of base." in text
    assert (
        "With both tuned (1 of 7 models, n = 2): +0.00 ± 0.00 (no difference) after one epoch, +0.00 ± 0.00 (no" in text
    )


def test_the_advice_keeps_the_marks_of_what_it_rests_on(row):
    """Where damped base has not been searched, and in one model not been run, what is compared with base says so."""

    def auc(config):
        is_missing = config.base_damping and (config.backbone == "DCN" or config.learning_rate == 0.001)
        return None if is_missing else 0.8 + 0.002 * (config.version == "v5") + config.seed / 1e6

    found = {"table2": evidence_of("table2", row, auc)}
    text, *_, last = page.answer(found)
    assert "changes AUC by +0.20 ± 0.00 § points after one epoch and by +0.20 ± 0.00 with early stopping" in text
    assert "+0.20 ± 0.00 (reproduced §) after one epoch, +0.20 ± 0.00 (reproduced §) with early stopping." in text
    assert last.endswith(" § Is against plain base alone: damped base lacks runs.")


def test_runs_without_an_auc_leave_no_average(row):
    def extra(config):
        is_lost = (config.backbone, config.version, config.seed) == ("PNN", "v5", 1)
        return {"status": "diverged", "scores": {}} if is_lost else {}

    evidence = evidence_of("table2", row, lambda config: 0.8, extra)
    (text,) = page.by_data_set([evidence])
    assert text == "On MovieLens-1M, APG has no average gain: 1 of 14 runs of APG diverged, none of base."


def test_self_wise_is_not_called_the_best_where_it_is_not(row):
    def auc(config):
        return 0.8 + 1e-5 * config.seed + 0.002 * (config.condition == "item") * (config.dataset == "frappe")

    sets = [
        evidence_of("table8", row, auc, plan=replace(PLAN, dataset=name)) for name in ("movielens", "frappe", "tmall")
    ]
    text = plain(page.self_wise_elsewhere(sets))
    assert "Frappe, one epoch: the item's embedding (−0.20 ± 0.00)" in text
    assert "Tmall" not in text
    assert page.self_wise_elsewhere(sets[:1]).html == ""


@pytest.mark.parametrize(
    ("above", "words"),
    [
        ([], ""), ([True], " This gain is also shown over damped base."),
        ([False], " This gain is not shown over damped base."),
        ([True, True], " All 2 gains are also shown over damped base."),
        ([False, False], " Of these 2 gains, none is shown over damped base."),
        ([True, False], " Of these 2 gains, one is also shown over damped base."),
        ([True, True, False], " Of these 3 gains, 2 are also shown over damped base."),
    ],
)  # fmt: skip
def test_gains_over_base_are_counted_that_are_gains_over_damped_base(above, words):
    assert page.over_damped_base(above) == words


def test_the_page_says_where_apg_stands_among_other_layers(row):
    def auc(config):
        return 0.81 if config.version == "gate" else 0.805 if config.version == "v5" else 0.8

    text = page.among_others([evidence_of("comparators", row, auc)]).html
    assert "behind gate (−0.50 ± 0.00)" in text
    assert page.among_others([]).html == "<p>Not run.</p>"


def test_without_rows_the_page_says_so():
    found = {name: Evidence(suite=evidence.suite, plan=evidence.plan) for name, evidence in page.by_suite().items()}
    assert page.answer(found) == []
    assert set(page.choices_table(found).data["One epoch"].map(plain)) == {"not run"}
    assert plain(page.weights_sentence(found)) == "Not run."


def test_the_committed_rows_answer_every_choice():
    found = page.by_suite()
    table = page.choices_table(found).data
    assert not table[["One epoch", "Early stopping"]].map(plain).isin(["not run"]).any(axis=None)
    assert len(page.costs_table(found).data) == 10


def test_where_it_pays_follows_the_rows(row):
    """Self-wise gains on one data set after one epoch and nowhere at the end."""

    def auc(config):
        gain = {"self": 0.5, "user": -0.5}.get(config.condition, 0.0) if config.version == "v5" else 0.0
        return 0.8 + (gain if config.dataset == "movielens" else 0.0) / 100 + 1e-6 * config.seed

    def extra(config):
        return {"scores": scores(auc(config), 0.8 + 1e-6 * config.seed)}

    sets = [evidence_of("table8", row, auc, extra, plan=replace(PLAN, dataset=name)) for name in ("movielens", "tmall")]
    assert page.where(sets, "one_epoch") == (
        "After one epoch, a gain is shown on 1 of 2 data sets: MovieLens-1M (self-wise). A loss is shown on 1: "
        "MovieLens-1M (user)."
    )
    late = page.where(sets, "early_stopping")
    assert late == "With early stopping, a gain is shown on none of 2 data sets. A loss is shown on none."
    first = {protocol: replace(score, epoch=1) for protocol, score in scores(0.8, 0.8).items()}
    again = evidence_of("table8", row, auc, lambda config: {"scores": first}, plan=replace(PLAN, dataset="frappe"))
    assert page.where([*sets, again], "early_stopping") == (
        f"{late} On Frappe every run here is best after its first epoch, so both protocols give the same."
    )
    alone = [evidence_of("table8", row, auc, extra, plan=replace(PLAN, dataset="frappe", seeds=(1,)))]
    assert page.where([*sets, *alone], "one_epoch") == page.where(sets, "one_epoch"), "one seed shows nothing"
    table = page.when_table(sets).data
    lines = table.set_index(["Data set", "Condition z"])["One epoch"].map(plain)
    assert "reproduced +0.50" in lines["MovieLens-1M", "self-wise"]
    assert "contradicted −0.50" in lines["MovieLens-1M", "user"]
    assert "no difference" in lines["Tmall", "self-wise"]
    assert len(lines) == 8
