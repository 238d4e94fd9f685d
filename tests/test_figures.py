"""Figures that several pages share."""

import math

import matplotlib.pyplot as plt

from apg_repro.report.figures import curve, differences_figure, epochs_figure
from tests.conftest import evidence_of


def of_base_and_v4(config):
    """Base and v4 are trained, nothing else."""
    return 0.79 + config.seed / 1000 if config.version in ("base", "v4") else None


def test_figures_show_every_cell_that_has_rows(row):
    evidence = evidence_of("table4", row, of_base_and_v4)
    legend = epochs_figure(evidence).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["base (n = 2)", "v4 (n = 2)"]
    axes = differences_figure(evidence).axes
    assert [axis.get_title() for axis in axes] == ["one epoch", "early stopping"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == [c.name for c in evidence.cells if c.against]


def test_a_figure_without_rows_says_not_run(row):
    (axis,) = epochs_figure(evidence_of("table4", row, lambda config: None)).axes
    assert [text.get_text() for text in axis.texts] == ["not run"]


def test_figures_mark_what_was_added(row):
    axis = differences_figure(evidence_of("protocol", row, lambda config: 0.8)).axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert {"WDL apg", "WDL apg, K = 8, P = 128\u00a0*"} < set(labels)


def test_a_figure_is_left_to_the_notebook_to_display(row):
    epochs_figure(evidence_of("table4", row, of_base_and_v4))
    assert plt.get_fignums() == []


def test_a_curve_has_no_value_where_a_run_had_no_auc(row):
    aucs = curve(row)
    assert aucs == [79.0, 80.0]
    row.history[1]["valid_auc"] = None
    assert math.isnan(curve(row)[1])
