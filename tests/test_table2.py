"""Table 2's page: recomputed here by hand from rows."""

import re

import pytest

from apg_repro.backbones import BACKBONES, PAPER_BACKBONES
from apg_repro.config import PROTOCOLS
from apg_repro.experiments import get_suite
from apg_repro.experiments.table2 import page
from apg_repro.report.tables import MISSING, badge
from apg_repro.rows.evidence import Evidence
from tests.conftest import FULL, evidence_of

GAINS = dict(zip(PAPER_BACKBONES, (0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007), strict=True))


def auc(config):
    """The seed's, half a thousandth for tuned base, and what APG gains in a model."""
    tuned = 0.0005 if config.learning_rate != 0.005 or config.weight_decay else 0
    gain = GAINS.get(config.backbone, 0.05) if config.version == "v5" else 0
    return 0.79 + config.seed / 1000 + tuned + gain


def test_without_rows_nothing_is_shown_but_the_papers_numbers():
    empty = Evidence(suite=get_suite("table2"), plan=FULL)
    gains, cells = page.gains_table(empty, "one_epoch").data, page.cells_table(empty, "one_epoch").data
    assert {str(cell) for name in gains.columns[2:] for cell in gains[name]} == {badge("not run").html}
    assert set(cells["Our AUC"]) == {MISSING}
    assert [str(cell) for cell in page.model_verdicts_table(empty).data["One epoch"]] == [badge("not run", 7).html] * 3
    drawn = {axis.get_label(): list(axis.get_ydata()) for axis in page.gains_figure(empty).axes[0].lines}
    assert len(drawn["paper"]) == len(BACKBONES) + 1


def test_the_average_over_models_is_taken_seed_by_seed(row):
    evidence = evidence_of("table2", row, auc)
    assert page.average(evidence, "one_epoch", "apg").mean == pytest.approx(0.4)
    assert page.average(evidence, "one_epoch", "apg").half == pytest.approx(0, abs=1e-9)
    assert page.average(evidence, "one_epoch", "apg over tuned base").mean == pytest.approx(0.35)
    assert page.average(evidence, "one_epoch", "tuned apg").mean == pytest.approx(0.4)
    assert page.printed_average(evidence) == pytest.approx(79.70 - 79.46)
    html = page.gains_table(evidence, "one_epoch")._repr_html_()
    reproduced = f"{badge('reproduced')}<br>"
    assert f'average</th>\n<td>+0.24</td>\n<td class="apg-left">{reproduced}+0.40 ± 0.00 (n\u00a0=\u00a02)</td>' in html


def test_the_caption_names_the_models_that_are_compared_with_damped_base(row):
    def better_if_damped(config):
        return auc(config) + 0.0001 * (config.base_damping and config.backbone == "PNN")

    evidence = evidence_of("table2", row, better_if_damped)
    early, late = (page.gains_table(evidence, protocol).caption for protocol in PROTOCOLS)
    is_damped = "The reference is damped base, the better one on validation rows, in PNN"
    assert f"{is_damped} (against base, against tuned base, both tuned)." in early
    assert f"{is_damped} (against tuned base, both tuned)." in late


def test_there_is_no_average_before_all_seven_have_run(row):
    late = evidence_of("table2", row, lambda config: None if config.backbone == "AutoInt" else auc(config))
    assert page.average(late, "one_epoch", "apg").n == 0


def test_the_cells_have_every_auc_and_no_verdict(row):
    table = page.cells_table(evidence_of("table2", row, auc), "one_epoch").data
    assert not {"Verdict", "Our Δ", "Paper Δ", "Corrected ±", "p, Holm"} & set(table.columns)
    found = table.set_index(["Backbone", "Version"]).loc[("PNN", "tuned base")]
    assert found["Our AUC"] == "79.20 ± 0.64"
    assert found["Chosen"] == "learning rate 0.001, weight decay 0"
    papers = table.set_index(["Backbone", "Version"])["Paper AUC"]
    assert all(papers["PNN", name] for name in ("base", "APG"))
    tuned = ("damped base", "tuned base", "tuned damped base", "tuned APG")
    assert not any(papers["PNN", name] for name in tuned), "which the paper does not have"


def test_what_was_added_when_results_were_known_is_marked(row):
    table = page.gains_table(evidence_of("table2", row, auc), "one_epoch")
    assert list(table.data.columns)[2:] == ["Δ against base", "Δ against tuned base", "Δ both tuned\u00a0*"]
    added = "after WDL's tuned base had been searched; its trials of K and P count since results were known"
    assert table.caption.endswith(f" * Added {added}.")
    (legend,) = page.gains_figure(evidence_of("table2", row, auc)).figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels[-1] == "ours, both tuned\u00a0*"


def test_an_eighth_model_is_shown_below_the_average_and_does_not_enter_it(row):
    evidence = evidence_of("table2", row, auc)
    assert page.average(evidence, "one_epoch", "apg").mean == pytest.approx(0.4)
    table = page.gains_table(evidence, "one_epoch").data
    assert list(table["Model"]) == [*PAPER_BACKBONES, "average", "DCNv2"]
    axis = page.gains_figure(evidence).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == [*PAPER_BACKBONES, "average", "DCNv2"]


def test_an_eighth_model_has_no_number_of_the_paper_and_no_verdict(row):
    evidence = evidence_of("table2", row, auc)
    found = page.gains_table(evidence, "one_epoch").data.set_index("Model").loc["DCNv2"]
    assert found["Paper Δ"] == ""
    assert str(found["Δ against base"]) == "+5.00 ± 0.00 (n\u00a0=\u00a02)"
    for counts in page.model_verdicts_table(evidence).data["One epoch"]:
        assert sum(map(int, re.findall(r"(\d+) ", str(counts)))) == len(PAPER_BACKBONES)
    cells = page.cells_table(evidence, "one_epoch").data
    assert set(cells[cells["Backbone"] == "DCNv2"]["Paper AUC"]) == {""}
