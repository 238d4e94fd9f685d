"""A notebook's parameters: what is accepted, and what is refused."""

import subprocess
import sys
from dataclasses import replace

import pytest

from apg_repro import study
from apg_repro.errors import UserError
from apg_repro.experiments import get_suite
from apg_repro.rows.store import Store
from apg_repro.suite import Plan, configure

GIVEN = {"profile": "quick", "datasets": [], "seeds": [], "device": "cpu", "run": "none"}


@pytest.mark.parametrize(
    ("text", "value"),
    [("[1, 2]", [1, 2]), ("1", [1]), (3, [3]), ("1,2", [1, 2]), ([4], [4]), ("[]", [])],
)
def test_seeds_may_be_text_as_papermill_passes_it(text, value):
    assert study.parameters(GIVEN | {"seeds": text})["seeds"] == value


@pytest.mark.parametrize("text", ["movielens", '["movielens"]', ["movielens"]])
def test_data_sets_may_be_text(text):
    assert study.parameters(GIVEN | {"datasets": text})["datasets"] == ["movielens"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": ["a"]}, "seeds must be whole numbers"),
        ({"seeds": "[1, "}, "parameter seeds must be a list such as"),
        ({"seeds": 1.5}, "parameter seeds must be a list"),
        ({"profile": 3}, "parameter profile must be a str, not 3"),
        ({"datasets": [1]}, "datasets must be names"),
        (
            {"In": ["", "# Parameters\nprofil = 'full'\nrun = 'none'\n"]},
            "unknown parameter profil; this notebook takes",
        ),
    ],
)
def test_a_bad_parameter_raises_a_user_error_that_names_the_remedy(change, message):
    with pytest.raises(UserError, match=message):
        study.parameters(GIVEN | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"profile": "fast"}, "profile must be quick or full, not 'fast'"),
        ({"run": "all"}, "run must be"),
        ({"datasets": ["amazn"]}, "table4 is not made for data set 'amazn'; choose from movielens"),
        ({"seeds": [0]}, "which chooses K and P"),
    ],
)
def test_a_bad_value_raises_a_user_error_that_names_the_remedy(change, message):
    with pytest.raises(UserError, match=message):
        study.open("table4", GIVEN | change)


def test_a_parameter_that_is_missing_raises_a_user_error():
    with pytest.raises(UserError, match="the parameters cell lacks device"):
        study.parameters({name: value for name, value in GIVEN.items() if name != "device"})


def test_only_reading_opens_the_committed_rows_without_torch():
    code = (
        "import sys\nfrom apg_repro import study\nfrom apg_repro.report.tables import auc_table\n"
        f"opened = study.open('table4', {GIVEN | {'profile': 'full'}!r})\n"
        "auc_table(opened.found[0], 'one_epoch')\n"
        "assert opened.found[0].plan.dataset == 'movielens' and opened.found[0].rows\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_trains_what_the_page_shows():
    opened = study.open("table4", GIVEN | {"profile": "full", "seeds": [1, 2]})
    assert opened.command == "python -m apg_repro run table4 --profile full --datasets movielens --seeds 1,2"


def test_quick_trains_the_first_real_data_set_and_those_that_have_rows(monkeypatch, tmp_path):
    suite, store = get_suite("table8"), Store(tmp_path)
    monkeypatch.setattr(study, "is_prepared", {"movielens", "frappe", "tmall", "synthetic"}.__contains__)
    assert study.at_hand(suite, "full", "missing", store) == ["movielens"]
    assert study.at_hand(suite, "full", "none", store) == ["movielens"]
    row = next(iter(Store().runs("full", "movielens").values()))
    wanted = suite.cells(Plan(profile="full", dataset="tmall", seeds=(1,)))[0]
    config = configure(Plan(profile="full", dataset="tmall", seeds=(1,)), wanted, 1)
    store.append("full", replace(row, config=config))
    assert study.at_hand(suite, "full", "missing", store) == ["movielens", "tmall"]
    assert study.at_hand(suite, "full", "none", store) == ["tmall"]
    monkeypatch.setattr(study, "is_prepared", {"synthetic"}.__contains__)
    assert study.at_hand(suite, "full", "missing", store) == ["synthetic"]
