"""Executes the notebooks for the book: ``notebooks/*.ipynb`` → ``book/executed/``, two at a time."""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import papermill
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from apg_repro import claims, report
from apg_repro.config import UserError
from apg_repro.paths import EXECUTED, NOTEBOOKS
from apg_repro.store import Store

# A kernel is interrupted before it is shut down, and may report that as an error. Those of cells come another way.
QUIET = ["--IPKernelApp.log_level=CRITICAL"]


def execute_for_book(names: Sequence[str], parameters: dict[str, Any]) -> None:
    """Executes the named notebooks (none: all) and writes what the home page begins with.

    Args:
        names: such as "table4_versions".
        parameters: the five of every notebook (see ``study``).

    Raises:
        UserError: no such notebook, or one failed. Pages of an earlier run stay as they were.
    """
    execute(find(names), EXECUTED, parameters)
    (EXECUTED / "_verdict.md").write_text(f"{claims.headline().data}\n{claims.tally().data}\n{report.home(Store())}")


def find(names: Sequence[str]) -> list[Path]:
    """The notebooks of these names, all if none is given.

    Raises:
        UserError: there is no such notebook.
    """
    present = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    unknown = [name for name in names if name not in present]
    if unknown:
        raise UserError(f"no notebook {', '.join(unknown)}; there are {', '.join(present)}")
    return [present[name] for name in names or present]


def execute(notebooks: Sequence[Path], target: Path, parameters: dict[str, Any]) -> None:
    """Executes notebooks into a folder; an executed notebook appears there whole or not at all.

    Raises:
        UserError: one failed; the others are finished first.
    """
    target.mkdir(parents=True, exist_ok=True)
    errors = []
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(execute_one, notebook, target, parameters) for notebook in notebooks]
        for future in tqdm(as_completed(futures), total=len(futures), desc="notebooks", unit="notebook"):
            try:
                future.result()
            except UserError as error:
                errors.append(str(error))
    if errors:
        raise UserError("\n".join(errors))


def execute_one(notebook: Path, target: Path, parameters: dict[str, Any]) -> None:
    """Executes one notebook."""
    unfinished = target / f".{notebook.name}"
    try:
        papermill.execute_notebook(
            str(notebook), str(unfinished), parameters, kernel_name="python3", progress_bar=False, cwd=str(NOTEBOOKS),
            extra_arguments=QUIET,
        )  # fmt: skip
    except PapermillExecutionError as error:
        what = error.evalue if error.ename == "UserError" else f"cell {error.exec_count}: {error.ename}: {error.evalue}"
        raise UserError(f"{notebook.stem}: {what}") from error
    else:
        shutil.move(unfinished, target / notebook.name)
    finally:
        unfinished.unlink(missing_ok=True)
