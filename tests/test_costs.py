"""How costs are judged and shown, and what pages of costs have in common."""

import subprocess
import sys
from importlib import import_module

import pytest

from apg_repro.report.costs import cost_verdict, exactly, format_spread, judge_cost, measured_values, rounded
from apg_repro.report.figures import Picture
from tests.measured import measured_evidence

FIGURES = {
    "table1": [],
    "table5": ["width_figure", "multiplications_figure"],
    "table6": ["memory_figure"],
    "table7": [],
    "table10": ["response_figure"],
    "figure1": ["distributions_figure"],
    "speed": ["speed_figure"],
}


@pytest.mark.parametrize(
    ("low", "high", "expected", "answer"),
    [
        (0.50, 0.60, 0.61, "reproduced"),
        (0.50, 0.62, 0.61, "direction only"),
        (0.90, 1.00, 0.61, "undecided"),
        (1.00, 1.00, 0.61, "contradicted"),
        (0.50, 1.01, 1.02, "reproduced"),
        (0.50, float("nan"), 0.61, "undecided"),
        (4.0, 5.0, 3.9, "reproduced"),
        (3.8, 5.0, 3.9, "direction only"),
        (1.0, 5.0, 3.9, "undecided"),
        (0.5, 1.0, 3.9, "contradicted"),
    ],
)
def test_the_verdict_on_a_cost(low, high, expected, answer):
    assert cost_verdict(low, high, expected, claims_increase=expected > 2) == answer


def test_base_itself_and_what_the_paper_does_not_print_get_no_verdict():
    evidence = measured_evidence("table5", {})
    assert judge_cost(evidence, exactly(0.5), 0.6) == "reproduced"
    assert judge_cost(evidence, exactly(1.0), 1.0) == ""
    assert judge_cost(evidence, exactly(0.5), float("nan")) == ""
    assert judge_cost(measured_evidence("table5", {}, profile="quick"), exactly(0.5), 0.6) == ""


def test_numbers_have_more_digits_the_smaller_they_are():
    assert [rounded(value) for value in (1234.5, 100, 99.96, 10, 9.996, 0.1, 0.0996)] == [
        "1,234", "100", "100.0", "10.0", "10.00", "0.10", "0.100"
    ]  # fmt: skip
    assert format_spread({"p10": 0.001, "p50": 0.002, "p90": 0.003}, scale=1000) == "2.00 (1.00–3.00)"


def test_what_was_not_measured_has_no_values():
    assert measured_values(measured_evidence("speed", {"ids": {"a": 1}}), "ids") == {"a": 1}
    assert measured_values(measured_evidence("speed", {"ids": {"a": 1}}), "one thread") == {}


@pytest.mark.parametrize("name", FIGURES)
def test_without_rows_a_page_claims_nothing_and_its_figures_are_drawn(name):
    page, evidence = import_module(f"apg_repro.experiments.{name}.page"), measured_evidence(name, {})
    for make in page.TABLES:
        table = make(evidence)
        verdicts = {value for column in table.data if column.endswith("erdict") for value in table.data[column]}
        assert verdicts <= {"", "not run"}
    for figure in FIGURES[name]:
        assert isinstance(getattr(page, figure)(evidence), Picture)


def test_pages_of_costs_are_made_from_the_committed_rows_without_torch():
    code = (
        "import sys\nfrom importlib import import_module\n"
        "from apg_repro.experiments import get_suite\nfrom apg_repro.rows.evidence import gather\n"
        "from apg_repro.rows.store import Store\nfrom apg_repro.suite import SEEDS, Plan\n"
        f"for name, figures in {FIGURES}.items():\n"
        "    suite, page = get_suite(name), import_module(f'apg_repro.experiments.{name}.page')\n"
        "    for dataset in suite.datasets:\n"
        "        evidence = gather(suite, Plan(profile='full', dataset=dataset, seeds=SEEDS['full']), Store())\n"
        "        [make(evidence)._repr_html_() for make in page.TABLES]\n"
        "        [getattr(page, figure)(evidence) for figure in figures]\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
