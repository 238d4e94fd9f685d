"""The block that a page begins with."""

from dataclasses import replace

import nbformat
import pytest

from apg_repro.catalogue import data_set
from apg_repro.claims.short import claims_of, claims_without_protocol, difference_in_words, models_in_short
from apg_repro.experiments import get_suite
from apg_repro.experiments.errata import page as errata
from apg_repro.experiments.planted import page as planted
from apg_repro.experiments.protocol import page as protocol
from apg_repro.experiments.speed import page as speed
from apg_repro.experiments.stability import page as stability
from apg_repro.experiments.table7 import page as table7
from apg_repro.paths import NOTEBOOKS
from apg_repro.report.short import NO_RESULTS, NOTHING, block, gains, gains_over, in_short, sides_in_words
from apg_repro.report.statistics import estimate
from apg_repro.report.tables import Markup, badge, plain
from apg_repro.rows.evidence import Evidence
from apg_repro.study import stored
from apg_repro.suite import Plan
from tests.conftest import FULL, evidence_of, measured_of

PLAN = replace(FULL, seeds=(1, 2, 3))
ALL = {"table2": models_in_short, "table4": gains, "table1": claims_of, "figure7": claims_of,
       "table6": claims_without_protocol, "planted": planted.main_points, "protocol": protocol.main_points,
       "speed": speed.main_points, "stability": stability.main_points, "table7": table7.main_points}  # fmt: skip


def table4(row, dataset="movielens", extra=0.0):
    """v4 gains a point, v5 half a point, and each a hundredth more with every seed; v1 and v2 as much as base."""
    found = {"v4": 0.01 + extra, "v5": 0.005 + extra}

    def auc(config):
        return 0.79 + (found[config.version] + config.seed / 10_000 if config.version in found else 0)

    return evidence_of("table4", row, auc, plan=replace(PLAN, dataset=dataset))


def words(texts):
    return [plain(text if isinstance(text, Markup) else Markup(text)).replace("\u00a0", " ") for text in texts]


def test_a_page_of_differences_counts_its_verdicts_and_names_the_ends(row):
    early, late = words(gains([table4(row)]))
    assert early == (
        "After one epoch on MovieLens-1M, the verdicts on the paper's 4 differences of AUC are "
        "✓ 2 reproduced, = 2 no difference. "
        "Ours range from +0.00 ± 0.00 points (v1, n = 3) to +1.02 ± 0.02 points (v4, n = 3)."
    )
    assert late.startswith("With early stopping on MovieLens-1M, the verdicts on the paper's 4 differences")


def test_the_average_of_the_models_on_all_further_data_sets_is_told_in_one_sentence(row):
    def models(dataset, gain, *lacking):
        def auc(config):
            return None if config.backbone in lacking else 0.79 + gain * (config.version == "v5")

        return evidence_of("table2", row, auc, plan=replace(PLAN, dataset=dataset))

    first, elsewhere = models("movielens", 0.004), models("renttherunway", -0.003)
    *_, last = words(models_in_short([first, elsewhere]))
    assert last == (
        "On average against base, after one epoch, then with early stopping: on Rent the Runway −0.30 ± 0.00 points, "
        "contradicted in both."
    )
    assert len(models_in_short([first, models("renttherunway", -0.003, "AutoInt")])) == len(models_in_short([first]))


def test_several_data_sets_have_one_sentence_that_says_where_which_difference_is_settled(row):
    (early, _) = words(gains([table4(row), table4(row, "frappe", extra=0.01)]))
    assert "After one epoch on 2 data sets, the verdicts on the 8 differences" in early
    assert "✓ 4 reproduced (v4, v5 on MovieLens-1M; v4, v5 on Frappe)" in early


def test_differences_that_the_paper_does_not_claim_have_no_verdict(row):
    def auc(config):
        return 0.79 + (config.optimizer == "row_adam") * (0.002 if config.version == "v5" else -0.001)

    found = evidence_of("optimizers", row, auc, plan=PLAN)
    (early, _) = words(gains([found]))
    assert early == (
        "After one epoch on MovieLens-1M, the 2 differences of AUC range from −0.10 ± 0.00 points (base by row, n = 3) "
        "to +0.20 ± 0.00 points (APG by row, n = 3)."
    )
    half = evidence_of("optimizers", row, lambda config: auc(config) if config.version == "base" else None, plan=PLAN)
    assert words(gains([half]))[0] == (
        "After one epoch on MovieLens-1M, the 1 difference of AUC that has been run (of 2) is "
        "−0.10 ± 0.00 points (base by row, n = 3)."
    )


def test_a_quick_page_says_that_its_numbers_are_no_results_and_one_without_rows_that_nothing_ran():
    quick = Evidence(suite=get_suite("table4"), plan=Plan(profile="quick", dataset="movielens", seeds=(1, 2)))
    assert NO_RESULTS in in_short([quick], gains).html
    assert NOTHING in in_short([Evidence(suite=get_suite("table4"), plan=PLAN)], gains).html


@pytest.mark.parametrize("name", ALL)
def test_without_rows_no_page_has_a_sentence_and_with_the_committed_rows_each_has(name):
    suite = get_suite(name)
    empty = Evidence(suite=suite, plan=replace(PLAN, dataset=suite.datasets[0]))
    assert ALL[name]([empty]) == []
    texts = words(ALL[name](stored(name)))
    assert texts
    assert all(text.endswith(".") and "nan" not in text for text in texts)


def test_gains_are_counted_that_are_shown_over_the_controls_too(row):
    """By user and item over both controls, self-wise over damped base alone; the mix gains nothing."""
    by_condition = {"user": 0.01, "movie": 0.01, "self": 0.004}

    def auc(config):
        gain = by_condition.get(config.condition, 0.005 if config.condition == "none" else 0.0)
        return 0.79 + (gain if config.version == "v5" else 0.002 * config.base_damping) + config.seed / 1e6

    say = gains_over("damped base", "one S for all")
    assert say([evidence_of("table8", row, auc, plan=PLAN)])[1] == (
        "With early stopping, 3 gains over the reference are shown: 3 also over damped base, 2 also over one S for all."
    )
    assert say([evidence_of("table8", row, lambda config: 0.79, plan=PLAN)]) == []


def test_text_is_escaped_and_markup_is_not():
    html = block(["1 < 2", Markup("<b>3</b>")]).html
    assert "<li>1 &lt; 2</li><li><b>3</b></li>" in html


def test_few_claims_are_named_with_their_verdicts_and_many_are_counted():
    (complexities, _) = words(claims_of(stored("table1")))
    assert complexities.startswith("Complexities of the versions (Table 1), on ")
    early, late = words(claims_of(stored("figure7")))
    assert "the verdicts on the paper's 10 claims are" in early
    assert late.startswith("With early stopping on MovieLens-1M")


def test_a_mean_at_the_margin_is_said_to_be_there():
    assert difference_in_words(estimate([0.101, 0.102, 0.103])) == (
        "+0.10 ± 0.00 points, reproduced (its mean is at the margin)"
    )
    assert "margin" not in difference_in_words(estimate([0.201, 0.202, 0.203]))


def test_times_are_said_of_each_kind_of_device():
    ratios = {"apg": {"p10": 0.4, "p50": 0.5, "p90": 0.6}, "v1": {"p10": 8.0, "p50": 9.0, "p90": 9.5}}
    served = {name: {"answered": 1.0, "ratio": ratio} for name, ratio in ratios.items()}
    engines = {"eager": {"base": {"answered": 1.0}, **served}}
    models = {name: {"n_hidden": n, "n_parameters": n} for name, n in {"base": 100, "apg": 10, "v1": 900}.items()}
    plan = replace(PLAN, dataset="iaac_twin")
    texts = claims_of([measured_of("table10", {"1 candidate": {"engines": engines, "models": models}}, plan=plan)])
    assert words(texts)[0] == (
        f"APG responds about as fast as base, or faster (widest layers), on {data_set('iaac_twin').title}: on a CPU ✓ "
        "reproduced, 0.50 × base; on a GPU ○ not run."
    )


def test_the_planted_verdict_is_in_its_colour():
    texts = planted.main_points(stored("planted"))
    centre = planted.points(stored("planted"), "one_epoch")[planted.CENTRE]
    assert badge(centre.verdict).html in str(texts[0])


def test_the_errata_count_every_derived_number():
    table = errata.tally().data.set_index("Where").loc["all"]
    (text,) = errata.main_points()
    assert text.startswith(f"Of {table.sum()} numbers")
    assert f"{table['slip']} cannot come from them" in text


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_page_of_results_begins_with_its_answer(path):
    """Before the first heading, without its code."""
    if path.stem in ("hands_on", "your_data"):  # where the reader computes
        return
    cells = nbformat.read(path, as_version=4).cells
    first = next(n for n, cell in enumerate(cells) if n and cell.cell_type == "markdown")
    short = [cell for cell in cells[:first] if cell.source.splitlines()[-1].startswith(("in_short(", "block("))]
    assert [cell.metadata["tags"] for cell in short] == [["remove-input"]]


def test_the_reference_is_named_once_and_then_it():
    """Ahead, behind and neither, in this order; what is not there is left out."""
    sides = {"Tmall": -1, "Frappe": 1, "MovieLens-1M": 0, "Globo.com": 1}
    assert sides_in_words(sides, "base") == (
        "ahead of base on Frappe and Globo.com, behind it on Tmall, and not told apart from it on MovieLens-1M"
    )
    assert sides_in_words({"Tmall": 0}, "tuned base") == "not told apart from tuned base on Tmall"
