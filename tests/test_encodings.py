"""Encodings of MovieLens on their page: averages over encodings, recomputed here by hand."""

import pytest

from apg_repro.claims.short import encodings_in_words
from apg_repro.experiments.encodings import page
from apg_repro.report.statistics import estimate, pool
from apg_repro.suite import Plan
from tests.conftest import evidence_of

PLAN = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3))
GAINS = {  # points, by encoding and seed
    "default": (0.0, 0.1, -0.1),
    "six_fields": (0.2, 0.1, 0.3),
    "genre_string": (0.2, 0.2, 0.21),
    "genre_bag": (0.3, 0.3, 0.1),
}


def encodings(row, lacking="", plan=PLAN):
    """Base is another in every seed; APG gains what is said above."""

    def auc(config):
        if config.features == lacking:
            return None
        gain = GAINS[config.features][config.seed - 1] if config.version == "v5" else 0.0
        return 0.8 + config.seed / 100 + gain / 100

    return evidence_of("encodings", row, auc, plan=plan)


def test_averages_over_encodings_are_taken_seed_by_seed(row):
    found = encodings(row)
    others = [(a + b + c) / 3 for a, b, c in zip(*list(GAINS.values())[1:], strict=True)]
    mean, more = page.average(found, "one_epoch", page.OTHERS), page.more_than_default(found, "one_epoch")
    apart = estimate([mine - default for mine, default in zip(others, GAINS["default"], strict=True)])
    assert (mean.mean, mean.half) == pytest.approx((estimate(others).mean, estimate(others).half))
    assert (more.mean, more.half) == pytest.approx((apart.mean, apart.half))


def test_the_table_pools_the_encodings_as_random_effects(row):
    table = page.pooled_table(encodings(row)).data.set_index("Δ of APG and base")["Early stopping"]
    pooled = pool([estimate(list(gains)) for gains in GAINS.values()])
    assert pooled is not None
    assert table["random-effects mean of all 4"].startswith(f"+{pooled.mean:.2f} ± {pooled.half:.2f} (SD")
    assert "undecided" in str(table["default"])
    assert "+0.00 ± 0.25" in str(table["default"])


def test_the_sentence_says_on_which_encodings_apg_is_ahead(row):
    text = str(page.answer(encodings(row)))
    others = "default, six fields, bag of genres"
    assert f"lies above 0 on genre string, and not on {others}." in text
    assert "on default +0.00 ± 0.25." in text
    assert str(page.answer(encodings(row, lacking="genre_bag"))) == "<p>Not all of this has been run.</p>"
    assert "decides nothing" in str(
        page.answer(encodings(row, plan=Plan(profile="quick", dataset="movielens", seeds=(1, 2))))
    )


def test_the_home_page_names_the_gain_of_all_encodings_once_all_have_run(row):
    text = encodings_in_words(encodings(row), "early_stopping")
    assert "WDL's gain is +0.00 ± 0.25 points" in text
    assert "on the average of 3 other encodings +0.21 ±" in text
    assert "over all 4, as random effects, +0." in text
    assert encodings_in_words(encodings(row, lacking="genre_bag"), "early_stopping") == ""
