"""Figures that several pages share."""

import math

import matplotlib.pyplot as plt

from apg_repro.report.figures import GROUND, INK, curve, differences_figure, epochs_figure, in_words
from apg_repro.report.statistics import Estimate
from tests.conftest import evidence_of


def of_base_and_v4(config):
    """Base and v4 are trained, nothing else."""
    return 0.79 + config.seed / 1000 if config.version in ("base", "v4") else None


def test_figures_show_every_cell_that_has_rows(row):
    evidence = evidence_of("table4", row, of_base_and_v4)
    legend = epochs_figure(evidence).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "base (n = 2)",
        "damped base\u00a0* (n = 2)",
        "v4 (n = 2)",
        "v4, K = 2\u00a0* (n = 2)",
    ]
    axes = differences_figure(evidence).axes
    assert [axis.get_title() for axis in axes] == ["one epoch", "early stopping"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == [c.name for c in evidence.cells if c.against]


def test_a_figure_without_rows_says_not_run(row):
    (axis,) = epochs_figure(evidence_of("table4", row, lambda config: None)).axes
    assert [text.get_text() for text in axis.texts] == ["not run"]


def test_figures_mark_what_was_added(row):
    axis = differences_figure(evidence_of("protocol", row, lambda config: 0.8)).axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert {"WDL APG", "WDL APG, K = 8, P = 128\u00a0*"} < set(labels)


def test_a_figure_is_left_to_the_notebook_to_display(row):
    epochs_figure(evidence_of("table4", row, of_base_and_v4))
    assert plt.get_fignums() == []


def test_a_curve_has_no_value_where_a_run_had_no_auc(row):
    aucs = curve(row)
    assert aucs == [79.0, 80.0]
    row.history[1]["valid_auc"] = None
    assert math.isnan(curve(row)[1])


def test_a_picture_says_what_it_shows_in_numbers_from_the_rows(row):
    evidence = evidence_of("table4", row, lambda config: 0.79 + (0.004 if config.version == "v4" else 0))
    picture = differences_figure(evidence)
    assert "one epoch: v1 +0.00 ± 0.00 (paper +0.30)" in picture.alt
    assert "v4 +0.40 ± 0.00 (paper +0.40)" in picture.alt
    assert "Best validation AUC of the mean over seeds: base 80.00 after epoch 2" in epochs_figure(evidence).alt
    assert epochs_figure(evidence_of("table4", row, lambda config: None)).alt == "Not run."


def test_words_leave_out_what_was_not_run_and_know_of_single_seeds():
    one, none = Estimate(mean=-0.1, half=math.nan, n=1), Estimate(mean=math.nan, half=math.nan, n=0)
    assert in_words({"a": one, "b": none}, {"a": math.nan}) == "a −0.10"
    assert in_words({"b": none}) == "not run"


def test_a_picture_is_an_svg_with_text_in_the_colours_of_the_page(row):
    picture = differences_figure(evidence_of("table4", row, of_base_and_v4))
    html = picture._repr_html_()
    assert f'<svg role="img" aria-label="{picture.alt}"' in html
    assert f"<figcaption>{picture.caption}</figcaption>" in html.replace("&#x27;", "'")
    assert ">early stopping</text>" in html
    assert "currentColor" in html
    assert not any(colour in html for colour in (INK, GROUND, '<g id="', 'width="6'))
    assert html == picture._repr_html_(), "the same figure is the same file"
