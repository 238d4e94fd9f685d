"""Figure 6's page: recomputed here by hand from rows."""

from apg_repro.experiments import get_suite
from apg_repro.experiments.figure6 import page
from apg_repro.rows.evidence import Evidence
from tests.conftest import FULL, evidence_of


def test_without_rows_every_cell_says_not_run():
    empty = Evidence(suite=get_suite("figure6"), plan=FULL)
    assert list(page.explained_table(empty).data["Seed"]) == ["not run"] * len(empty.cells)
    assert list(page.beyond_chance_table(empty).data["Beyond chance"]) == ["not run"] * len(empty.cells)
    (axis,) = page.plane_figure(empty, empty.cells[0]).axes
    assert [text.get_text() for text in axis.texts] == ["not run"]


def test_a_layer_counts_as_grouped_where_permutations_seldom_explain_as_much(row):
    def extra(config):
        layers = [
            {"points": [[0, 1], [1, 0]], "share": [0.6, 0.3], "explained": 0.4, "permuted": 0.1, "p": p}
            for p in (0.005, 0.2, None)
        ]
        found = {"groups": ["A", "B"], "group": [0, 1], "layers": layers}
        return {"observed": {"one_epoch": found, "early_stopping": found}}

    evidence = evidence_of("figure6", row, lambda config: 0.8, extra)
    n_runs = len(evidence.cells) * 2
    assert page.grouped(evidence, evidence.cells) == (n_runs, 2 * n_runs)
    assert list(page.beyond_chance_table(evidence).data["Beyond chance"]) == ["in 2 of 4 layers of all runs"] * len(
        evidence.cells
    )
    assert list(page.explained_table(evidence).data.iloc[0])[-4:] == ["90.0 %", "40.0 %", "10.0 %", "0.005"]
    titles = [axis.get_title() for axis in page.plane_figure(evidence, evidence.cells[0]).axes]
    assert titles == ["layer 1", "layer 2", "layer 3"]
    figure = page.plane_figure(evidence, evidence.cells[0]).hover
    assert [trace.text for trace in figure.data] == [("A<br>1 of 2 points",), ("B<br>1 of 2 points",)] * 3
    assert [trace.showlegend for trace in figure.data] == [True] * 2 + [False] * 4


def test_the_commonest_kinds_have_colours_of_their_own_and_the_rest_are_grey():
    group = [kind for kind in range(page.N_COLOURS + 3) for _ in range(20 - kind)]
    colours = page.colours_of({"group": group})
    assert list(colours) == list(range(page.N_COLOURS + 3))
    assert len(set(colours.values())) == page.N_COLOURS + 1
    assert [kind for kind, colour in colours.items() if colour == page.OTHERS] == [7, 8, 9]
    assert page.OTHERS not in page.colours_of({"group": [0, 1, 1]}).values()
