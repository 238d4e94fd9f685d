"""Numbers on pages: recomputed here by hand from rows."""

import math

import pytest

from apg_repro import figures, paper, provenance, report, train
from apg_repro.config import RunConfig
from apg_repro.report import Panel, estimate
from apg_repro.store import Store
from apg_repro.suites import Plan, get_suite
from apg_repro.summary import summary

PLAN = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3))
BASE = {1: 0.7900, 2: 0.7920, 3: 0.7940}
V4 = {1: 0.7930, 2: 0.7960, 3: 0.7970}


SUITE = get_suite("table4")
CELLS = {cell.variant: cell for cell in SUITE.cells(PLAN)}


def make(template, variant, seed, auc, rank=None, status="ok"):
    """A row of Table 4; of its search on seed 0."""
    cell, point = CELLS[variant], {"rank": rank} if rank else {}
    config = SUITE.config(PLAN, cell, seed, point) if seed else SUITE.candidate(PLAN, cell, point)
    scores = {
        f"{protocol}_{part}_auc": auc for protocol in ("one_epoch", "early_stopping") for part in ("valid", "test")
    }
    return template | config.as_dict() | scores | {"id": config.id, "status": status}


def panel_of(rows, plan=PLAN):
    return Panel(suite=SUITE, plan=plan, pool={RunConfig.of_row(row).key: row for row in rows})


@pytest.fixture
def rows(row):
    found = [make(row, "v4", 0, 0.8 if rank == 4 else 0.7, rank) for rank in (2, 4, 6, 8)]
    found += [make(row, "base", seed, auc) for seed, auc in BASE.items()]
    found += [make(row, "v4", seed, auc, 4) for seed, auc in V4.items()]
    return [*found, make(row, "v4", 1, 0.99, 2), make(row, "v4", 9, 0.99, 4), make(row, "base", 9, 0.1)]


@pytest.fixture
def panel(rows):
    return panel_of(rows)


def line(panel, variant, protocol="one_epoch"):
    return report.comparison(panel, protocol)["WDL", variant]


def test_estimate_is_mean_and_students_interval():
    found = estimate([1.0, 2.0, 4.0])
    assert found.mean == pytest.approx(7 / 3)
    assert found.half == pytest.approx(4.302653 * math.sqrt(7 / 3) / math.sqrt(3), rel=1e-5)
    assert math.isnan(estimate([1.0]).half)
    assert str(estimate([])) == "–"
    assert str(estimate([1.0, math.nan])) == "diverged"


def test_differences_are_taken_seed_by_seed_for_the_chosen_rank_and_the_plans_seeds(panel):
    """0.3, 0.4 and 0.3 points; other ranks and other seeds are not counted."""
    found = line(panel, "v4")
    assert found.ours.n == 3
    assert found.chosen == {"rank": 4}
    assert found.difference.mean == pytest.approx(1 / 3)
    assert found.ours.mean == pytest.approx((79.30 + 79.60 + 79.70) / 3)
    assert found.verdict == "reproduced"


def test_the_papers_numbers_stand_beside_ours(panel):
    found = line(panel, "v4")
    assert found.paper == 79.61
    assert found.paper_difference == pytest.approx(79.61 - 79.21)


def test_a_seed_without_its_base_has_no_difference(rows):
    rows = [row for row in rows if not (row["variant"] == "base" and row["seed"] == 2)]
    assert line(panel_of(rows), "v4").difference.n == 2


def test_what_was_not_run_says_so(panel):
    assert line(panel, "v5").verdict == "not run"
    assert report.shown(report.comparison(panel, "one_epoch")).set_index("Version").loc["v5", "Our AUC"] == "–"


@pytest.mark.parametrize(("worst", "counts"), [(None, True), (10.1, True), (0.7, False)])
def test_a_run_that_diverged_after_its_first_epoch_counts_under_early_stopping_only(row, worst, counts):
    row |= {"status": "diverged", "history": [{"worst_batch_loss": worst}, {"worst_batch_loss": 99.0}]}
    assert report.diverged(row, "early_stopping")
    assert report.diverged(row, "one_epoch") == counts


def test_a_loss_explodes_on_pages_where_it_does_in_training():
    assert report.EXPLODED == train.EXPLODED


def test_a_diverged_run_is_counted_and_one_without_auc_leaves_no_verdict(rows, row):
    rows = [r for r in rows if (r["variant"], r["seed"], r["rank"]) != ("v4", 3, 4)]
    late = panel_of([*rows, make(row, "v4", 3, 0.797, rank=4, status="diverged")])
    table = report.shown(report.comparison(late, "early_stopping"))
    assert table.set_index("Version").loc["v4", "n"] == "3 (1 diverged)"
    lost = panel_of([*rows, make(row, "v4", 3, None, rank=4, status="diverged")])
    assert line(lost, "v4").verdict == "not reproduced"
    assert str(line(lost, "v4").difference) == "diverged"


def test_a_quick_number_gets_no_verdict(panel):
    quick = Plan(profile="quick", dataset="movielens", seeds=(1, 2))
    lines = report.comparison(Panel(suite=panel.suite, plan=quick, pool=panel.pool), "one_epoch")
    assert {line.verdict for line in lines.values()} == {""}


def test_one_seed_has_no_interval_and_reproduces_nothing(rows):
    found = line(panel_of([row for row in rows if row["seed"] in (0, 1)]), "v4")
    assert math.isnan(found.difference.half)
    assert found.verdict == "not reproduced"


def test_a_table_for_a_page_escapes_and_colours(panel):
    html = report.auc_table(panel, "one_epoch").data
    assert '<span class="apg-verdict apg-reproduced">reproduced</span>' in html
    assert "MovieLens-1M, one epoch" in html


def test_figures_show_every_variant_that_has_rows(panel):
    assert [text.get_text() for text in figures.epochs_figure(panel).axes[0].get_legend().get_texts()] == [
        "base (n = 3)",
        "v4 (n = 3)",
    ]
    axes = figures.differences_figure(panel).axes
    assert [axis.get_title() for axis in axes] == ["one epoch", "early stopping"]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["v1", "v2", "v4", "v5"]


def test_a_row_is_stale_when_its_digest_is_not_todays(row):
    assert report.age(row) == "today's"
    assert report.age(row | {"code": "00000000"}) == "stale"


def test_a_row_of_earlier_code_stands_while_todays_code_repeats_it_to_rounding(row, monkeypatch):
    monkeypatch.setattr(provenance, "STANDS", {"00000000": row["code"], "11111111": "22222222"})
    assert report.age(row | {"code": "00000000"}) == "equal to rounding"
    assert report.age(row | {"code": "11111111"}) == "stale", "today's digest is another one by now"


def test_the_foot_of_a_page_tells_where_its_rows_come_from(row, panel):
    again = make(row, "base", 2, 0.8) | {"code": "00000000", "dirty": True}
    old = panel_of([make(row, "base", 1, 0.8), again])
    html = report.provenance([old], "python -m apg_repro run table4").data
    for part in (
        "1 rows by the code of this checkout; 1 made before",
        "with uncommitted changes",
        "a CPU",
        "python -m apg_repro run table4",
    ):
        assert part in html
    empty = panel_of([])
    assert "No row is in the store" in report.provenance([empty], "make").data


def test_banners_warn_of_quick_profiles_and_of_synthetic_data(panel, monkeypatch, tmp_path):
    assert report.banner([panel]).data == ""
    quick = Plan(profile="quick", dataset="synthetic", seeds=(1,))
    monkeypatch.setattr(report, "DATA", tmp_path)
    html = report.banner([panel_of([], quick)]).data
    assert "Quick profile" in html
    assert "No real data were found" in html
    (tmp_path / "movielens").mkdir()
    (tmp_path / "movielens" / "manifest.json").write_text("{}")
    assert "No real data were found" not in (html := report.banner([panel_of([], quick)]).data)
    assert "Synthetic data" in html
    twin = Plan(profile="full", dataset="amazon_twin", seeds=(1,))
    assert "random values" in report.banner([panel, panel_of([], twin)]).data


def test_only_differences_that_the_paper_prints_are_counted():
    """Tuned base (Table 2) and base by row (Table 6) are ours: they and what is taken from them count nothing."""
    for name, n in (("table2", 7), ("table6", 6), ("table8", 4), ("table9", 6), ("figure7", 0), ("optimizers", 0)):
        panel = Panel(suite=get_suite(name), plan=PLAN, pool={})
        found = report.printed_verdicts([panel], "one_epoch").data
        assert (f"{n} not run" in found) if n else found == ""


def test_the_home_page_counts_committed_full_rows_only(panel, tmp_path):
    store = Store(tmp_path)

    def line():
        (found,) = [line for line in report.home(store).split("<tr>") if "Table 4" in line]
        return found

    assert line().count("4 not run") == 2
    for row in panel.rows:
        store.append(row)
    assert '<a href="executed/table4_versions.html">' in line()
    assert "<td>2 of 15</td>" in line()
    assert line().count("1 reproduced") == line().count("3 not run") == 2


def test_every_number_of_the_paper_is_named_once():
    numbers = paper.numbers()
    keys = ["table", "dataset", "backbone", "variant", "metric", "where"]
    assert len(numbers) == 213
    assert not numbers.duplicated(keys).any()
    assert paper.value("table2", "movielens", "WDL", "apg") == 79.73
    assert math.isnan(paper.value("table4", "movielens", "WDL", "v9"))


def test_the_command_lines_summary_has_both_protocols(panel):
    text = summary(panel)
    assert text.index("one epoch") < text.index("early stopping")
    assert "+0.33" in text
