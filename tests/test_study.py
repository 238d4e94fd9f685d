"""A notebook's parameters: what is accepted, and what is refused."""

import subprocess
import sys
from dataclasses import replace

import pytest

from apg_repro import study
from apg_repro.config import PROTOCOLS, RunConfig
from apg_repro.data.gate import load_manifest
from apg_repro.errors import UserError
from apg_repro.experiments import get_suite
from apg_repro.rows.store import Store
from apg_repro.suite import Plan, configure
from tests.conftest import trained_row

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
        ({"seeds": "{[]: 1}"}, "seeds must be whole numbers"),
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


CELL = 'profile: str = "full"\ndatasets: list = []\nseeds: list = []\ndevice: str = "cpu"\nrun: str = "none"'


@pytest.mark.parametrize("more", ["\nK = 16", "\nrank: int = 16"])
def test_a_name_that_changes_nothing_is_refused_in_the_parameters_cell(more):
    """Elsewhere in a notebook a reader may assign what they like."""
    with pytest.raises(UserError, match=r"unknown parameter (K|rank); .* study.try_"):
        study.parameters(GIVEN | {"In": ["%matplotlib inline", CELL + more]})
    assert study.parameters(GIVEN | {"In": [CELL, "K = 16"]})["run"] == "none"
    assert study.parameters(GIVEN | {"In": [CELL + more, CELL]})["run"] == "none", "the cell as it is now counts"


@pytest.mark.parametrize(
    ("line", "message"),
    [('dataset = "frappe"', "unknown parameter dataset;"), ("", "the parameters cell lacks datasets")],
)
def test_a_line_that_was_renamed_or_removed_does_not_leave_the_kernels_old_value_in_force(line, message):
    cell = CELL.replace("datasets: list = []", line)
    assert cell != CELL
    with pytest.raises(UserError, match=message):
        study.parameters(GIVEN | {"datasets": ["tmall"], "In": [CELL, cell]})
    injected = "# Parameters\nprofile = 'full'\ndatasets = ['movielens']\nseeds = []\n"
    given = GIVEN | {"datasets": ["movielens"]}
    assert study.parameters(given | {"In": [CELL, injected]})["datasets"] == ["movielens"], "papermill's cell is none"


def test_seeds_are_refused_where_they_change_nothing():
    with pytest.raises(UserError, match="seeds changes nothing in this notebook"):
        study.open("table7", GIVEN | {"seeds": [1]})
    with pytest.raises(UserError, match="there are no rows of seed 99: run = "):
        study.open("table4", GIVEN | {"profile": "full", "seeds": [1, 99]})


def test_runs_are_a_table_of_what_the_page_shows():
    frame = study.runs("table4", datasets=["movielens"])
    assert frame.equals(study.runs("table4", datasets="movielens"))
    evidence = study.open("table4", GIVEN | {"profile": "full"}).found[0]
    for cell in evidence.cells:
        for protocol in PROTOCOLS:
            lines = frame[(frame["cell"] == cell.name) & (frame["protocol"] == protocol)]
            assert list(lines["test_auc"]) == list(evidence.by_seed(cell, protocol).values())
            assert list(lines["difference"].dropna()) == pytest.approx(evidence.differences(cell, protocol))
    assert {"rank", "over", "seed", "id"} <= set(frame)
    with pytest.raises(UserError, match="table4 is not made for data set 'amazn'"):
        study.runs("table4", datasets=["amazn"])
    with pytest.raises(UserError, match="profile must be quick or full"):
        study.runs("table4", profile="fulll")


OWN = {"seed": 1, "version": "v5", "rank": 1, "over": 2, "d_embedding": 2, "hidden": (4, 2), "max_epochs": 1}


def test_a_run_of_ones_own_is_trained_once_and_drawn_beside_the_others(tmp_path, monkeypatch):
    """A run that is in the store is taken from there; the others go to a folder of their own."""
    monkeypatch.setattr(study, "OWN", tmp_path)
    committed = RunConfig(dataset="movielens", seed=0, version="v5", rank=4, over=32)
    picture = study.try_(committed)
    row = Store().runs("full", "movielens")[committed.id]
    assert f"one epoch {row.test_auc('one_epoch'):.2f} percent" in picture.alt
    assert "version v5, K 4, P 32" in picture.caption
    assert not list(tmp_path.iterdir())


def test_a_run_of_ones_own_is_trained_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "OWN", tmp_path)
    try:
        load_manifest("synthetic")
    except UserError as error:
        pytest.skip(str(error))
    config = RunConfig(dataset="synthetic", rows=20_000, **OWN)
    row = study.own_run(config, "quick", "cpu")
    assert row.config == config
    assert 0 < row.test_auc("one_epoch") < 100
    before = Store(tmp_path).runs_path("quick", "synthetic").read_text()
    assert study.own_run(config, "quick", "cpu").id == row.id
    path = Store(tmp_path).runs_path("quick", "synthetic")
    assert path.read_text() == before
    path.write_text(before.replace(f'"numerics": {row.numerics}', f'"numerics": {row.numerics + 1}'))
    with pytest.raises(UserError, match=r"the code .* has changed since: delete that file, and it is trained again"):
        study.own_run(config, "quick", "cpu")


def test_a_run_of_ones_own_may_be_trained_by_another_notebook_meanwhile(tmp_path, monkeypatch):
    def others(configs, store, profile, **rest):
        """What the driver gives for a run that another one has claimed: no row, which is in the store by then."""
        for config in configs:
            Store(store.root).append(profile, trained_row(config))
        yield from ()

    monkeypatch.setattr(study, "OWN", tmp_path)
    monkeypatch.setattr("apg_repro.run.driver.train_all", others)
    config = RunConfig(dataset="synthetic", rows=20_000, **OWN)
    assert study.own_run(config, "quick", "cpu").config == config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "fulll"}, "profile must be quick or full, not 'fulll'"),
        ({"beside": "crossed"}, "crossed has no runs of base to compare with: take another suite"),
        ({"beside": "table1"}, "table1 has no runs of base to compare with: take another suite"),
    ],
)
def test_what_a_run_cannot_be_drawn_beside_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        study.try_(RunConfig(dataset="movielens", **OWN), **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "iaac"}, "no full runs on iaac to compare with: python -m .* --datasets iaac trains them"),
        ({"dataset": "movielens", "rows": 1000}, "trained with rows=None"),
        ({"dataset": "iaac_twin"}, "table4 is not made for data set 'iaac_twin'"),
    ],
)
def test_a_run_that_compares_with_nothing_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        study.try_(RunConfig(**OWN | change))


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
    datasets = ",".join(evidence.plan.dataset for evidence in opened.found)
    assert datasets.startswith("movielens")
    assert opened.command == f"python -m apg_repro run table4 --profile full --datasets {datasets} --seeds 1,2"


def test_quick_trains_the_first_real_data_set_and_those_that_have_rows(monkeypatch, tmp_path):
    suite, store = get_suite("table8"), Store(tmp_path)
    monkeypatch.setattr(study, "is_prepared", {"movielens", "frappe", "tmall", "synthetic"}.__contains__)
    assert study.at_hand(suite, "full", "missing", store) == ["movielens"]
    assert study.at_hand(suite, "full", "none", store) == ["movielens"]
    row = next(iter(Store().runs("full", "movielens").values()))
    plan = Plan(profile="full", dataset="tmall", seeds=(1,))
    base, _, *compared = suite.cells(plan)
    store.append("full", replace(row, config=configure(plan, base, 1)))
    assert study.at_hand(suite, "full", "none", store) == ["movielens"]  # a base that other tables share
    for cell in compared:
        store.append("full", replace(row, config=configure(plan, cell, 1)))
    assert study.at_hand(suite, "full", "missing", store) == ["movielens", "tmall"]
    assert study.at_hand(suite, "full", "none", store) == ["tmall"]
    monkeypatch.setattr(study, "is_prepared", {"synthetic"}.__contains__)
    assert study.at_hand(suite, "full", "missing", store) == ["synthetic"]
