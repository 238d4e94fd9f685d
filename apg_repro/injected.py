"""Which names a notebook's parameters are given under, by its own cell and by papermill's."""

import ast
from collections.abc import Collection, Mapping, Sequence
from typing import Any

INJECTED = "# Parameters\n"  # how papermill's cell begins; it runs after the parameters cell


def injected_names(namespace: Mapping[str, Any]) -> set[str]:
    """The names that papermill's injected cell assigns.

    Args:
        namespace: of the notebook. IPython keeps the source of every executed cell in its ``In``.
    """
    sources: Sequence[str] = namespace.get("In", [])
    return {name for source in sources if source.startswith(INJECTED) for name in names_in(source)}


def assigned_names(namespace: Mapping[str, Any], parameters: Collection[str]) -> set[str]:
    """The names that the parameters cell assigns: the cell, executed last of its kind, that assigns most of these.

    Most, not all: a kernel still holds the value of a line that was renamed or removed.

    Args:
        namespace: as for ``injected_names``.
        parameters: that every notebook has.
    """
    sources: Sequence[str] = namespace.get("In", [])
    assigned = [names_in(source) for source in sources if not source.startswith(INJECTED)]
    cells = [names for names in assigned if 2 * len(names & set(parameters)) > len(parameters)]
    return cells[-1] if cells else set()


def names_in(source: str) -> set[str]:
    """The names that a cell assigns at its top level, with or without a type; none if it is not plain Python."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a magic
        return set()
    plain = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    typed = [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return {target.id for target in (*plain, *typed) if isinstance(target, ast.Name)}
