"""The rooms of the experiments: found by name, declared without torch, each with its notebook and page."""

import subprocess
import sys

import pytest

from apg_repro.catalogue import CATALOGUE, data_set, is_prepared
from apg_repro.data.gate import load_manifest
from apg_repro.errors import UserError
from apg_repro.experiments import SUITES, declared, get_suite, in_order
from apg_repro.paths import NOTEBOOKS, ROOT
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.numerics import case_of
from apg_repro.run.golden import cases_of
from apg_repro.suite import SEEDS, Plan, configure


def test_every_room_has_the_name_of_its_suite_a_notebook_and_a_page():
    toc = (ROOT / "book" / "_toc.yml").read_text()
    for name, suite in SUITES.items():
        assert suite.name == name
        assert f'study.open("{name}"'.replace('"', '\\"') in (NOTEBOOKS / f"{name}.ipynb").read_text()
        assert f"executed/{name}\n" in toc


def test_plans_import_no_torch():
    code = "import apg_repro.experiments, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_suite_that_does_not_exist_raises_a_user_error_that_lists_those_that_do():
    with pytest.raises(UserError, match="suite 'table3' is unknown; choose one of table1, table2, table4"):
        get_suite("table3")


@pytest.mark.parametrize("name", ["top10_users", "table4b", "users2"])
def test_a_room_may_have_any_name(name):
    assert sorted([name, "figure1", "table10", "table4"], key=in_order) == ["table4", "table10", "figure1", name]


def test_measurements_are_made_case_by_case_and_in_the_quick_profile_a_few():
    for name in ("table5", "table10", "speed"):
        suite = get_suite(name)
        plans = [Plan(profile=profile, dataset=suite.datasets[0], seeds=(1,)) for profile in SEEDS]
        quick, full = ({task.case for task in suite.measurements(plan)} for plan in plans)
        assert quick < full
        assert len(full) == len(suite.measurements(plans[1]))


def test_a_cell_that_the_paper_prints_names_its_row():
    for suite in SUITES.values():
        for cell in suite.cells(Plan(profile="full", dataset=suite.datasets[0], seeds=(1,))):
            assert cell.paper_row or not cell.is_printed, (suite.name, cell.name)


@pytest.mark.parametrize("profile", SEEDS)
def test_every_run_of_a_suite_its_search_included_has_a_golden_run(profile):
    cases = cases_of(declared()).keys()
    for suite in SUITES.values():
        for dataset in suite.datasets:
            evidence = Evidence(suite=suite, plan=Plan(profile=profile, dataset=dataset))
            reported = [
                configure(evidence.plan, cell, seed, point)
                for cell in evidence.cells
                for point in cell.grid or ({},)
                for seed in evidence.plan.seeds[-1:]
            ]
            lacking = {case_of(config) for config in [*evidence.search(), *reported]} - cases
            assert not lacking, (suite.name, dataset)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.script and name != "planted"])
def test_the_fields_that_the_catalogue_names_are_fields_of_the_data_set(name):
    if not is_prepared(name):
        pytest.skip(f"{name} is not prepared: python data_scripts/{name}.py")
    entry, fields = data_set(name), load_manifest(name)["fields"]
    named = {entry.user, entry.item, entry.context, *entry.about, *filter(None, [entry.trait])}
    assert named <= set(fields)


def test_a_data_set_that_does_not_exist_raises_a_user_error_that_lists_those_that_do():
    assert data_set("planted-h50-g100-n0") is CATALOGUE["planted"]
    with pytest.raises(UserError, match="data set 'amazn' is unknown; choose one of movielens"):
        data_set("amazn")


@pytest.mark.parametrize(
    "suite", [get_suite(name) for name in SUITES if get_suite(name).is_trained], ids=lambda s: s.name
)
def test_no_gain_of_apg_after_one_epoch_is_taken_from_plain_base_alone(suite):
    """A base with steps as small as those of APG stands beside every base. Adam by row compares no layers."""
    evidence = Evidence(suite=suite, plan=Plan(profile="full", dataset=suite.datasets[0], seeds=(1,)))
    plain = {
        reference.name
        for cell in evidence.cells
        if (reference := evidence.declared_reference(cell))
        and not cell.rival_of
        and cell.options.get("optimizer") != "row_adam"
        and not evidence.rivals(reference, "one_epoch")
    }
    about_noise = {f"base, start {start}" for start in (1, 2, 3)}
    assert plain <= {"base, patience 3"} | about_noise, "patience is about early stopping alone"
