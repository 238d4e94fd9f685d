"""Executes the notebooks for the book: ``notebooks/*.ipynb`` → ``book/executed/``, two at a time."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import pandas as pd
import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from nbformat.reader import NotJSONError
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm

from apg_repro import faults
from apg_repro.claims.overview import home, opening
from apg_repro.config import Profile
from apg_repro.errors import UserError
from apg_repro.experiments import SUITES
from apg_repro.paths import EXECUTED, NOTEBOOKS, RESULTS, write_whole
from apg_repro.report.style import STYLE_ONLY
from apg_repro.rows.store import Store, values_of

# A kernel is interrupted before it is shut down, and may report that as an error. Those of cells come another way.
QUIET = ["--IPKernelApp.log_level=CRITICAL"]
PROFILE_FILE = "profile.json"  # in ``EXECUTED``: with which profile its pages were executed
EXTRA = EXECUTED / "_extra"  # files that the book gets as they are
ABOUT_RESULTS = "committed"  # the tag of text that states what the committed rows say
# Seconds. A kernel hears no interruption while it starts, and never replies if one comes while it does.
INTERRUPT_AGAIN, KILL_AFTER = 3.0, 30.0


class Kernel(AsyncKernelManager):
    """A kernel that can be interrupted from outside of the thread that executes its notebook.

    Kernels have process groups of their own, so Ctrl-C in a terminal does not reach them.
    """

    started: ClassVar[list["Kernel"]] = []

    async def start_kernel(self, **options: Any) -> None:
        # What a cell prints reaches the page by a socket; the rest is the kernel's log, with tracebacks of its end.
        # papermill's own cwd is that of the whole process, which another thread may have changed for a moment.
        await super().start_kernel(stderr=subprocess.DEVNULL, cwd=str(NOTEBOOKS), **options)
        self.started.append(self)

    def signal(self, number: int) -> None:
        """Sends a signal to the kernel, if it still runs, and to the training processes that it has started."""
        group = getattr(self.provisioner, "pgid", None)
        if group and self.provisioner and self.provisioner.has_process:
            with suppress(ProcessLookupError):
                os.killpg(group, number)


def execute_for_book(names: Sequence[str], parameters: dict[str, Any]) -> None:
    """Executes the named notebooks (none: all) and writes what the home page and the page of faults include.

    Args:
        names: such as "table4".
        parameters: the five of every notebook (see ``study``).

    Raises:
        UserError: no such notebook, or one failed. Pages of an earlier run stay as they were.
    """
    notebooks = find(names)
    for page in EXECUTED.glob("*.ipynb"):
        if not (NOTEBOOKS / page.name).exists():
            page.unlink()  # of a notebook that is gone or has another name
    execute(notebooks, EXECUTED, parameters)
    try:
        (EXTRA / "rows").mkdir(parents=True, exist_ok=True)
        lines = stored_lines(RESULTS)
        for notebook in notebooks:
            complete(EXECUTED / notebook.name, lines, parameters["profile"])
        write_whole(EXECUTED / PROFILE_FILE, json.dumps({"profile": parameters["profile"]}))
        for name, part in (("_answer.md", opening), ("_verdict.md", home)):
            write_whole(EXECUTED / name, str(part(Store())))
        write_whole(EXECUTED / "_faults.md", faults.page())
    except OSError as error:
        raise UserError(
            f"{error.filename or EXECUTED} cannot be used ({error.strerror or error}): free some space, or check its "
            "permissions; then run the same command again"
        ) from error


def stored_lines(results: Path) -> dict[str, str]:
    """Every stored row as it is written, by its id; lines that are torn are left out."""
    lines = [line for file in sorted(results.glob("*/*/*.jsonl")) for line in file.read_bytes().split(b"\n")]
    return {str(values["id"]): line.decode().strip() for line in lines if (values := values_of(line))}


def complete(page: Path, lines: dict[str, str], profile: Profile) -> None:
    """Makes a page of an executed notebook: without papermill's cell, and with two files of the rows that it shows.

    The foot of a page lists the ids of its rows; below them go the links to the files. The book has a stylesheet of its
    own, its pages lie one folder above those of the notebooks, and links in outputs lead to pages, not to notebooks. A
    quick page has no text about committed results.
    """
    left_out = {"injected-parameters"} | ({ABOUT_RESULTS} if profile == "quick" else set())
    notebook = nbformat.read(page, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if left_out.isdisjoint(cell.metadata.get("tags", []))]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../book/", "](../")
        elif cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("metadata") != STYLE_ONLY]
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    for output in outputs:
        html = re.sub(r'href="(\w+)\.ipynb"', r'href="\1.html"', output["data"].get("text/html", ""))
        if html:
            output["data"]["text/html"] = html
        found = re.search(r'<code class="apg-ids">([\w ]*)</code>', html)
        if found:
            rows = [lines[one] for one in found[1].split() if one in lines]
            files = {"JSON lines": ("jsonl", "\n".join(rows) + "\n"), "CSV": ("csv", as_csv(rows))}
            for ending, text in files.values():
                write_whole(EXTRA / "rows" / f"{page.stem}.{ending}", text)
            links = [
                f'<a download href="../rows/{page.stem}.{ending}">{kind}</a>' for kind, (ending, _) in files.items()
            ]
            text = f"<p>Rows of this page, {len(rows):,}: {', '.join(links)}.</p>"
            output["data"]["text/html"] = html.replace("<!-- rows -->", text)
    write_whole(page, f"{nbformat.writes(notebook)}\n")


def as_csv(lines: Sequence[str]) -> str:
    """Rows as CSV: one column per field; lists and mappings, such as the history of a run, as JSON."""
    rows = [json.loads(line) for line in lines]
    nested = (list, dict)
    flat = [{name: json.dumps(v) if isinstance(v, nested) else v for name, v in row.items()} for row in rows]
    return pd.DataFrame(flat, dtype=object).to_csv(index=False)


def find(names: Sequence[str]) -> list[Path]:
    """The notebooks of these names, each once; all if none is given.

    Raises:
        UserError: there is no such notebook.
    """
    present = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    unknown = [name for name in names if name not in present]
    if unknown:
        raise UserError(f"no notebook {', '.join(unknown)}; there are {', '.join(present)}")
    return [present[name] for name in dict.fromkeys(names or present)]


def usable(name: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a notebook makes use of: it refuses lists that would change nothing in it."""
    suite = SUITES.get(name)
    idle = ("datasets", "seeds") if suite is None else () if suite.is_trained else ("seeds",)
    return {name: value for name, value in parameters.items() if name not in idle}


def execute(notebooks: Sequence[Path], target: Path, parameters: dict[str, Any]) -> None:
    """Executes notebooks into a folder; an executed notebook appears there whole or not at all.

    Raises:
        UserError: one failed; the others are finished first. The folder cannot be written.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        for unfinished in target.glob(".*.ipynb"):
            unfinished.unlink()  # of an execution that was killed
    except OSError as error:
        raise UserError(f"{target} cannot be written ({error.strerror}): check its permissions") from error
    errors = []
    on_gpu = str(parameters.get("device", "cpu")).startswith("cuda")
    pool = ThreadPoolExecutor(1 if on_gpu else 2)  # two kernels would each plan with all of a GPU's memory
    futures: list[Future[None]] = []
    try:
        futures += [
            pool.submit(execute_one, notebook, target, usable(notebook.stem, parameters)) for notebook in notebooks
        ]
        for future in tqdm(as_completed(futures), total=len(futures), desc="notebooks", unit="notebook"):
            try:
                future.result()
            except UserError as error:
                errors.append(str(error))
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)  # what is queued is not started
        interrupt(futures)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        Kernel.started.clear()
    if errors:
        raise UserError("\n".join(errors))


def interrupt(futures: Sequence["Future[None]"]) -> None:
    """Interrupts the kernels until all notebooks have ended; after a while, or at a second Ctrl-C, kills them."""
    kill = getattr(signal, "SIGKILL", signal.SIGTERM)  # Windows has none
    number, patience = signal.SIGINT, time.monotonic() + KILL_AFTER
    while True:
        try:
            for kernel in list(Kernel.started):
                kernel.signal(number)
            again = time.monotonic() + INTERRUPT_AGAIN
            while time.monotonic() < again:
                if all(future.done() for future in futures):
                    return
                time.sleep(0.1)
            if time.monotonic() > patience:
                number = kill
        except KeyboardInterrupt:
            number = kill


def execute_one(notebook: Path, target: Path, parameters: dict[str, Any]) -> None:
    """Executes one notebook.

    Raises:
        UserError: a cell failed; its kernel died; the notebook cannot be read or written.
    """
    unfinished = target / f".{notebook.name}"
    try:
        papermill.execute_notebook(
            str(notebook), str(unfinished), parameters, kernel_name="python3", progress_bar=False,
            extra_arguments=QUIET, kernel_manager_class=Kernel,
        )  # fmt: skip
    except PapermillExecutionError as error:
        what = error.evalue if error.ename == "UserError" else f"cell {error.exec_count}: {error.ename}: {error.evalue}"
        raise UserError(f"{notebook.stem}: {what}") from error
    except DeadKernelError as error:
        raise UserError(
            f"{notebook.stem}: its kernel was killed, by lack of memory perhaps: rows of finished runs are in the "
            "store; run the same command again"
        ) from error
    except UnicodeEncodeError as error:  # papermill writes the path into the page
        raise UserError(
            f"{notebook.stem} cannot be executed: Python takes the path of this checkout for ASCII; set PYTHONUTF8=1"
        ) from error
    except (NotJSONError, OSError) as error:
        raise UserError(f"{notebook.stem} cannot be executed into {target} ({error})") from error
    else:
        shutil.move(unfinished, target / notebook.name)
    finally:
        unfinished.unlink(missing_ok=True)
