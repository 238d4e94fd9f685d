"""What papermill put into a notebook."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any


def injected_names(namespace: Mapping[str, Any]) -> set[str]:
    """The names that papermill's injected cell assigns: that cell runs first and begins with a comment of its own.

    Args:
        namespace: of the notebook. IPython keeps the source of every executed cell in its ``In``.
    """
    sources: Sequence[str] = namespace.get("In", [])
    names: set[str] = set()
    for source in sources:
        if source.startswith("# Parameters\n"):
            assigned = [node.targets for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign)]
            names |= {target.id for targets in assigned for target in targets if isinstance(target, ast.Name)}
    return names
