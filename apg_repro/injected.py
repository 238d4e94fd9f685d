"""Which names a notebook's parameters are given under, by its own cell and by papermill's."""

import ast
from collections.abc import Collection, Mapping, Sequence
from typing import Any


def injected_names(namespace: Mapping[str, Any]) -> set[str]:
    """The names that papermill's injected cell assigns: that cell runs first and begins with a comment of its own.

    Args:
        namespace: of the notebook. IPython keeps the source of every executed cell in its ``In``.
    """
    sources: Sequence[str] = namespace.get("In", [])
    return {name for source in sources if source.startswith("# Parameters\n") for name in names_in(source)}


def assigned_names(namespace: Mapping[str, Any], parameters: Collection[str]) -> set[str]:
    """The names that the parameters cell assigns: the cell, executed last of its kind, that assigns all of these.

    Args:
        namespace: as for ``injected_names``.
        parameters: that every notebook has.
    """
    assigned = map(names_in, namespace.get("In", []))
    cells = [names for names in assigned if names >= set(parameters)]
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
