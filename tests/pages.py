"""What a notebook shows with other rows than the committed ones."""

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest

from apg_repro.paths import NOTEBOOKS
from apg_repro.rows.store import Store

GIVEN = {"profile": "full", "datasets": [], "seeds": [], "device": "cpu", "run": "none"}


def html_of(name: str, rows: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """All HTML of a page, whose cells are executed in this process; its figures take too long and are left out.

    Args:
        name: of the notebook.
        rows: the folder that stands for ``results/``.
    """
    monkeypatch.setattr(Store.__init__, "__defaults__", (rows,))
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
