"""The page "Better, or sooner?": recomputed here by hand from rows."""

import math
from dataclasses import replace

import pytest

from apg_repro.backbones import BACKBONES, PAPER_BACKBONES
from apg_repro.experiments import get_suite
from apg_repro.experiments.protocol import page
from apg_repro.experiments.table2.page import AVERAGE
from apg_repro.report.tables import plain
from apg_repro.rows.evidence import Evidence
from tests.conftest import FULL, evidence_of, scores


def texts(figure):
    """What is written inside the axes of a figure, by their titles."""
    return {axis.get_title(): [text.get_text() for text in axis.texts] for axis in figure.axes if axis.get_title()}


def test_without_rows_every_line_and_every_pair_of_axes_says_not_run():
    empty = Evidence(suite=get_suite("protocol"), plan=FULL)
    assert set(page.answers_table(empty).data["APG learns"]) == {"not run"}
    assert texts(page.curves_figure(empty)) == {name: ["not run"] for name in BACKBONES}


@pytest.mark.parametrize(
    ("one_epoch", "early_stopping", "answer"),
    [
        ((0.3, 0.4), (0.2, 0.21), "better"), ((0.3, 0.31), (0.0, 0.01), "only sooner"),
        ((0.3, 0.31), (-0.1, 0.4), "sooner, at least"),
        ((-0.3, 0.4), (0.1, -0.2), "cannot tell"), ((-0.3, -0.31), (0.1, -0.2), "worse, at first"),
        ((-0.3, -0.31), (-0.2, -0.21), "worse"),
    ],
)  # fmt: skip
def test_better_is_what_early_stopping_says_and_sooner_what_one_epoch_alone_does(
    row, one_epoch, early_stopping, answer
):
    def extra(config):
        is_apg = config.version == "v5" and config.seed
        early, late = (one_epoch[config.seed - 1], early_stopping[config.seed - 1]) if is_apg else (0, 0)
        return {"scores": scores(0.79 + early / 100, 0.8 + late / 100)}

    evidence = evidence_of("protocol", row, lambda config: 0.8, extra)
    for models in (*([name] for name in PAPER_BACKBONES), PAPER_BACKBONES):
        assert page.answer_of(evidence, models) == answer
    answers = page.answers_table(evidence).data.set_index("Model")["APG learns"]
    assert answers.pop(AVERAGE) == answer
    # Two seeds do not tell seven models apart after Holm's correction.
    assert set(answers[list(PAPER_BACKBONES)]) == {answer if answer == "cannot tell" else f"{answer} †"}
    assert set(answers[[name for name in answers.index if name not in PAPER_BACKBONES]]) == {answer}


@pytest.mark.parametrize(("gain", "answer"), [(0.2, "better"), (-0.2, "worse"), (0.0, "cannot tell")])
def test_where_the_first_epoch_is_the_best_of_every_run_nothing_is_sooner(row, gain, answer):
    """APG is ahead of base, and by ``gain`` of damped base, from which one epoch takes it."""

    def extra(config):
        better = (0.2 + gain) if config.version == "v5" else 0.2 * config.base_damping
        noise = 1e-4 * (config.seed % 2) * (config.version == "v5")
        found = scores(0.8 + (better + noise) / 100, 0.8 + (better + noise) / 100)
        return {"scores": {protocol: replace(score, epoch=1) for protocol, score in found.items()}}

    evidence = evidence_of("protocol", row, lambda config: 0.8, extra)
    table = page.answers_table(evidence)
    assert set(table.data["APG learns"]) == {answer}
    assert "both columns test the same weights, against the better of base and damped base" in plain(table.caption)
    (text,) = page.main_points([evidence])
    assert f"“{answer}” in {len(BACKBONES)} of {len(BACKBONES)} models" in text
    assert "from plain base)" in text


def test_a_gain_that_damped_base_has_as_well_is_called_so(row):
    """APG ends above base; damped base, which costs nothing, ends above base by as much or not."""

    def extra(damped):
        def of(config):
            late = 0.3 if config.version == "v5" else damped * config.base_damping
            return {"scores": scores(0.8, 0.8 + late / 100)}

        return of

    for damped, answer in ((0.1, "better"), (0.3, "better than plain base")):
        evidence = evidence_of("protocol", row, lambda config: 0.8, extra(damped))
        line = page.answers_table(evidence).data.set_index("Model").loc["WDL"]
        assert line["APG learns"] == answer
        assert line["Δ over damped base, early stopping"].startswith(f"+{0.3 - damped:.2f}")


def test_a_run_that_never_had_an_auc_has_no_curve(row):
    lost = {"scores": {}, "history": [{"epoch": 1, "valid_auc": None}], "status": "diverged"}
    evidence = evidence_of("protocol", row, lambda config: math.nan, lambda config: lost)
    assert page.histories(evidence, "WDL", "apg") == {}
    assert list(page.answers_table(evidence).data["Model"][:1]) == ["WDL"]


def test_a_model_that_the_paper_does_not_have_gets_a_line_and_axes_of_its_own(row):
    evidence = evidence_of("protocol", row, lambda config: 0.8)
    assert list(page.answers_table(evidence).data["Model"]) == [*PAPER_BACKBONES, "average", "DCNv2"]
    figure = page.curves_figure(evidence)
    assert list(texts(figure)) == [*PAPER_BACKBONES, "DCNv2"]
    (legend,) = figure.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["base", "damped base", "APG"]


def test_when_base_passes_what_apg_has_after_its_first_epoch():
    assert page.first_above([79, 80, 81], 79.5) == 2
    assert page.first_above([79, 80, 81], 81) == math.inf
    assert page.passing([2, 4]) == "3.0"
    assert page.passing([2, math.inf]) == "2.0, never in 1 of 2 seeds"
    assert page.passing([math.inf]) == "never in 1 of 1 seeds"
    assert page.best_epoch([79, 81, 80]) == 2


def test_more_patience_is_compared_with_base_of_that_patience(row):
    """One epoch is the best of every run, so the first difference is from damped base and the second from base."""

    def extra(config):
        better = 0.1 if config.version == "v5" else 0.3 * config.base_damping
        found = scores(0.8 + better / 100, 0.8 + better / 100)
        return {"scores": {protocol: replace(score, epoch=1) for protocol, score in found.items()}}

    table = page.patience_table(evidence_of("protocol", row, lambda config: 0.8, extra))
    assert (
        "Δ against the better of base and damped base, with patience 3 against base with patience 3," in table.caption
    )
    lines = table.data.set_index("Version")[["Our Δ", "Against"]].to_dict("index")
    assert lines["APG, K = 8, P = 128"] == {"Our Δ": "−0.20 ± 0.00", "Against": "damped base"}
    assert lines["APG, K = 8, P = 128, patience 3"] == {"Our Δ": "+0.10 ± 0.00", "Against": ""}
