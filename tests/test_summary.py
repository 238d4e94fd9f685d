"""The tables of a suite as plain text."""

from apg_repro.experiments import SUITES, get_suite
from apg_repro.rows.evidence import gather
from apg_repro.rows.store import Store
from apg_repro.suite import SEEDS, Plan
from apg_repro.summary import own_tables, summary


def text(name: str, dataset: str = "movielens") -> str:
    plan = Plan(profile="full", dataset=dataset, seeds=SEEDS["full"])
    return summary(gather(get_suite(name), plan, Store()))


def test_a_suite_of_cells_prints_its_aucs_under_both_protocols():
    shown = text("table4")
    assert "MovieLens-1M, one epoch. Test AUC in percent" in shown
    assert "MovieLens-1M, early stopping. Test AUC in percent" in shown


def test_a_suite_of_measurements_prints_the_tables_of_its_page():
    for name, suite in SUITES.items():
        if not suite.cells(Plan(profile="full", dataset=suite.datasets[0], seeds=(1,))):
            assert own_tables(name), name
    assert "1,000,209" in text("table7")
    assert "1024-512-256" in text("table5", "iaac_twin")
