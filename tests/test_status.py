"""The sentences on the state of the replication: README and home say what the rows give."""

from dataclasses import replace
from pathlib import Path

from apg_repro.claims import overview, page
from apg_repro.claims.status import status
from apg_repro.rows.store import Store
from tests.conftest import evidence_of, scores

README = Path(__file__).parent.parent / "README.md"


def test_readme_and_home_say_what_the_committed_rows_give():
    text = status(page.committed(Store()))
    assert text
    assert text in " ".join(README.read_text().split())
    assert text.replace("'", "&#x27;") in overview.home(Store())


def test_without_rows_nothing_is_said(tmp_path):
    assert status(page.committed(Store(tmp_path))) == ""


def test_a_sentence_changes_with_the_rows(row):
    """Every model of Table 2 gains 0.4 points; then one of them loses as much."""

    def auc(config):
        return 0.79 + (0.004 if config.version == "v5" else 0)

    models, encodings = evidence_of("table2", row, auc), evidence_of("encodings", row, auc)
    found = {("table2", "movielens"): models, ("encodings", "movielens"): encodings}
    assert status(found).startswith("After one epoch, against base: reproduced in 7 of the 7 models; on their average")
    runs = {
        key: replace(run, scores=scores(0.786, 0.786))
        if (run.config.backbone, run.config.version) == ("DCN", "v5")
        else run
        for key, run in models.runs.items()
    }
    found["table2", "movielens"] = replace(models, runs=runs, _known={})
    assert status(found).startswith("After one epoch, against base: reproduced in 6, contradicted in 1 of the 7 models")
