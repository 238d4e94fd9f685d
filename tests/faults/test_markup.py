"""What others wrote, rows, names of columns, parameters, is text on a page and never markup."""

import json

import pandas as pd
import pytest

from apg_repro import study
from apg_repro.errors import UserError
from apg_repro.paths import NOTEBOOKS, RESULTS
from apg_repro.report.tables import Table
from tests.pages import GIVEN, html_of

PLANTED = "<script>alert(1)</script>"
FREE = ("commit", "torch", "python", "device", "finished", "data")  # text of a row that any machine may write
# What these show of rows is numbers, in tables of AUC as table4's, and the foot.
SLOW = {
    "claims",
    "figure6",
    "figure7",
    "figure8",
    "protocol",
    "starts",
    "stability",
    "table2",
    "table6",
    "table8",
    "table9",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The committed rows with a script in every free text."""
    root = tmp_path_factory.mktemp("planted")
    for file in (RESULTS / "full").rglob("*.jsonl"):
        copy = root / file.relative_to(RESULTS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        lines = [line | {name: f"{line[name]}{PLANTED}" for name in FREE} for line in lines]
        for line in lines:
            if "values" in line:
                line["values"] = leaves(line["values"])
        copy.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return root


def leaves(value):
    if isinstance(value, str):
        return value + PLANTED
    if isinstance(value, dict):
        return {key: leaves(inner) for key, inner in value.items()}
    return [leaves(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", sorted({path.stem for path in NOTEBOOKS.glob("*.ipynb")} - SLOW))
@pytest.mark.fault("a script in every text of every row", "each page shows it as text")
def test_a_script_in_a_row_is_text_on_every_page(name, planted, monkeypatch):
    html = html_of(name, planted, monkeypatch)
    assert "<script>" not in html
    if "study.open(" in (NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"):
        assert "&lt;script&gt;" in html or "There are no rows" in html, "it was planted"


@pytest.mark.fault("a script in a table's columns, cells and caption", "text on the page")
def test_a_script_in_a_table_is_text():
    html = Table(pd.DataFrame({PLANTED: [PLANTED], f"{PLANTED} Verdict": [PLANTED]}), PLANTED)._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 5


@pytest.mark.parametrize("change", [{"profile": PLANTED}, {"datasets": [PLANTED]}, {"run": PLANTED}])
@pytest.mark.fault("a script in a parameter of papermill's", "refused; the page shows it as text")
def test_a_script_in_a_parameter_is_refused_in_plain_text(change):
    """What IPython shows of a UserError is a line of text and no HTML."""
    with pytest.raises(UserError, match="<script>") as caught:
        study.open("table4", GIVEN | change)
    assert not hasattr(caught.value, "_repr_html_")
    assert caught.value._render_traceback_() == [f"error: {caught.value}"]
