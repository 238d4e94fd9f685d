"""What others wrote, rows, names of columns, parameters, is text on a page and never markup."""

import ast
import json
from typing import Any

import nbformat
import pandas as pd
import pytest

from apg_repro import study
from apg_repro.errors import UserError
from apg_repro.paths import NOTEBOOKS, RESULTS
from apg_repro.report.tables import Table
from apg_repro.rows.store import Store

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
GIVEN = {"profile": "full", "datasets": [], "seeds": [], "device": "cpu", "run": "none"}


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
    return Store(root)


def leaves(value):
    if isinstance(value, str):
        return value + PLANTED
    if isinstance(value, dict):
        return {key: leaves(inner) for key, inner in value.items()}
    return [leaves(inner) for inner in value] if isinstance(value, list) else value


def shown(name: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    """All HTML of a page, whose cells are executed in this process with these rows; its figures take too long."""
    for module in ("study", "claims.page", "experiments.compute.page"):
        monkeypatch.setattr(f"apg_repro.{module}.Store", lambda: store)
    found: list[Any] = []
    namespace: dict[str, Any] = {"display": lambda *objects: found.extend(objects)}
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        if "parameters" in cell.metadata.get("tags", []):
            exec(cell.source, namespace)
            namespace |= {name: value for name, value in GIVEN.items() if name in namespace}
        elif cell.cell_type == "code" and ("figure(" not in cell.source or "study" in cell.source):
            tree = ast.parse(cell.source)
            if isinstance(last := tree.body[-1], ast.Expr):  # a notebook shows the value of its last line
                tree.body[-1] = ast.parse(f"display({ast.unparse(last)})").body[0]
            exec(compile(tree, name, "exec"), namespace)
    return "\n".join(one._repr_html_() for one in found if hasattr(one, "_repr_html_"))


@pytest.mark.parametrize("name", sorted({path.stem for path in NOTEBOOKS.glob("*.ipynb")} - SLOW))
@pytest.mark.fault("a script in every text of every row", "each page shows it as text")
def test_a_script_in_a_row_is_text_on_every_page(name, planted, monkeypatch):
    html = shown(name, planted, monkeypatch)
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
