"""The sentences on the state of the replication: README and home say what the rows give."""

import re
from dataclasses import replace
from pathlib import Path

from apg_repro.claims import overview, page
from apg_repro.claims.status import status, status_table
from apg_repro.report.tables import NBSP, plain
from apg_repro.rows.store import Store
from tests.conftest import evidence_of, scores

README = Path(__file__).parent.parent / "README.md"


def test_readme_says_what_the_committed_rows_give():
    text = status(page.committed(Store()))
    assert text
    assert text in " ".join(README.read_text().split())


def test_home_says_the_same_as_a_table():
    found = page.committed(Store())
    text, table = status(found), status_table(found)
    assert table._repr_html_() in overview.home(Store())
    lines = {line["Gain of AUC"]: line for line in table.data.to_dict("records")}
    mean = plain(lines["their average, against base"]["After one epoch"])
    verdict, _, gain = mean.partition(" +")
    assert f"on their average +{gain.partition(' (')[0]} points, {verdict.split(NBSP)[1]}" in text
    encodings = plain(lines["WDL, average of the other encodings, against base"]["Early stopping"])
    assert f"other encodings {re.search(r'[+−][0-9. ±]+(?= )', encodings)[0]} points" in text.split("With early")[-1]
    every = plain(lines["each of the 7 models, against base"]["After one epoch"]).partition(f" n{NBSP}")[0]
    for n, word in re.findall(r"(\d) ([a-z][a-z ]*†?)", every):
        assert f"{word.strip()} in {n}" in text


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
