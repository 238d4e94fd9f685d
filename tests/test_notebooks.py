"""The notebooks: their form, and what their execution leaves behind."""

import os
import re
import shutil
import signal
import sys
import threading

import nbformat
import papermill
import pytest
from jupyter_client.manager import start_new_kernel

from apg_repro import book
from apg_repro.__main__ import main
from apg_repro.book import as_csv, execute
from apg_repro.errors import UserError
from apg_repro.experiments import SUITES
from apg_repro.paths import NOTEBOOKS
from apg_repro.study import PARAMETERS
from tests.checkout import ENOUGH, Checkout, eventually

FILES = sorted(NOTEBOOKS.glob("*.ipynb"))
KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}
OWN_PARAMETERS = {"your_data": {"source": str, "label": str, "minutes": float}}  # it trains no rows of the store
NONE = {"profile": "full", "datasets": [], "seeds": [], "device": "cpu", "run": "none"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_notebook_has_the_rhythm_of_the_house(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].source.startswith("# ")
    assert "> " in notebook.cells[0].source, "the paper's claim"
    found = papermill.inspect_notebook(str(path))
    wanted = OWN_PARAMETERS.get(path.stem, PARAMETERS)
    assert {name: one["inferred_type_name"] for name, one in found.items()} == {
        name: kind.__name__ for name, kind in wanted.items()
    }
    if wanted is PARAMETERS:
        assert (found["profile"]["default"], found["run"]["default"]) == ('"full"', '"none"'), "the committed results"
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert not any("def " in source or "lambda" in source for source in code)
    assert max(len(source.splitlines()) for source in code) <= 8
    assert "Deviations" in "".join(cell.source for cell in notebook.cells[-2:])
    assert "foot(" in code[-1]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_page_begins_with_its_results_and_not_with_code(path):
    """The parameters are not on the page, what opens the study and what ends the page is without its code."""
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    tags = [cell.metadata.get("tags", []) for cell in cells]
    assert {"parameters", "remove-cell"} <= set(tags[0])
    assert "remove-input" in tags[1]
    assert "remove-input" in tags[-1]


def test_a_page_is_completed_without_papermills_cell_and_with_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "EXTRA", tmp_path)
    (tmp_path / "rows").mkdir()
    injected = nbformat.v4.new_code_cell("seeds = []", metadata={"tags": ["injected-parameters"]})
    html = '<code class="apg-ids">b a</code><!-- rows -->'
    foot = nbformat.v4.new_code_cell("foot()", outputs=[nbformat.v4.new_output("display_data", {"text/html": html})])
    nbformat.write(nbformat.v4.new_notebook(cells=[injected, foot]), tmp_path / "page.ipynb")
    book.complete(tmp_path / "page.ipynb", {"a": '{"id": "a"}', "b": '{"id": "b"}', "c": '{"id": "c"}'}, "full")
    (cell,) = nbformat.read(tmp_path / "page.ipynb", as_version=4).cells
    for ending in ("jsonl", "csv"):
        assert f'href="../rows/page.{ending}"' in cell.outputs[0]["data"]["text/html"]
    assert (tmp_path / "rows" / "page.jsonl").read_text() == '{"id": "b"}\n{"id": "a"}\n'
    assert (tmp_path / "rows" / "page.csv").read_text() == "id\nb\na\n"


def test_a_quick_page_has_no_text_about_the_committed_results(tmp_path):
    page, said = tmp_path / "page.ipynb", {}
    for profile in ("full", "quick"):
        cells = [nbformat.v4.new_markdown_cell("Gains.", metadata={"tags": ["committed"]})]
        nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_markdown_cell("How.")]), page)
        book.complete(page, {}, profile)
        said[profile] = [cell.source for cell in nbformat.read(page, as_version=4).cells]
    assert said == {"full": ["Gains.", "How."], "quick": ["How."]}


def test_rows_as_csv_have_lists_and_mappings_as_json():
    lines = ['{"id": "a", "history": [{"epoch": 1}], "rank": null}', '{"id": "b", "rank": 8}']
    assert as_csv(lines) == 'id,history,rank\na,"[{""epoch"": 1}]",\nb,,8\n'


def test_a_page_has_the_books_style_and_links_and_the_notebook_those_of_jupyterlab(tmp_path):
    show = "from IPython.display import HTML\nfrom apg_repro.report.style import show_style\nshow_style()\nprint(1)\n"
    show += "HTML('<a href=\"table2.ipynb\">')"
    cells = [nbformat.v4.new_markdown_cell("[a](../book/method.md)"), nbformat.v4.new_code_cell(show)]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, tmp_path / "page.ipynb")
    papermill.execute_notebook(str(tmp_path / "page.ipynb"), str(tmp_path / "page.ipynb"), progress_bar=False)
    style, _, link = nbformat.read(tmp_path / "page.ipynb", as_version=4).cells[1].outputs
    assert ".apg-reproduced" in style["data"]["text/html"]
    assert link["data"]["text/html"] == '<a href="table2.ipynb">'
    book.complete(tmp_path / "page.ipynb", {}, "full")
    text, code = nbformat.read(tmp_path / "page.ipynb", as_version=4).cells
    assert text.source == "[a](../method.md)"
    assert [output["output_type"] for output in code.outputs] == ["stream", "execute_result"]
    assert code.outputs[1]["data"]["text/html"] == '<a href="table2.html">'


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_to_files(path):
    cells = nbformat.read(path, as_version=4).cells
    links = re.findall(r"\]\((?!http)([^)#]+)", "".join(cell.source for cell in cells if cell.cell_type == "markdown"))
    assert [link for link in links if not (NOTEBOOKS / link).exists()] == []


def test_the_index_of_jupyterlab_names_every_notebook_in_the_order_of_the_book():
    text = (NOTEBOOKS / "README.md").read_text()
    toc = re.findall(r"file: executed/(\w+)", (NOTEBOOKS.parent / "book" / "_toc.yml").read_text())
    found = re.findall(r"^- \[(.+)\]\((\w+)\.ipynb\)\. \S.*[.?]$", text, re.MULTILINE)
    assert [name for _, name in found] == toc
    for title, name in found:
        assert nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells[0].source.startswith(f"# {title}\n")


def test_lists_that_a_notebook_makes_no_use_of_are_not_handed_to_it():
    assert set(book.usable("table4", NONE)) == set(PARAMETERS)
    assert set(book.usable("table7", NONE)) == set(PARAMETERS) - {"seeds"}
    assert set(book.usable("errata", NONE)) == set(PARAMETERS) - {"datasets", "seeds"}


def test_stored_rows_are_found_by_their_ids(tmp_path):
    (tmp_path / "full" / "runs").mkdir(parents=True)
    one, other = '{"kind": "trained", "id": "1f"}', '{"kind": "measured", "id": "2f"}'
    for end in ("\n", "\r\n"):
        torn = '{"kind": "trained", "id": "1f", "dataset": "ä'.encode()[:-1]
        (tmp_path / "full" / "runs" / "x.jsonl").write_bytes(f"{one}{end}{other}{end}".encode() + torn)
        assert book.stored_lines(tmp_path) == {"1f": one, "2f": other}


@pytest.mark.fault(
    "a page cannot be completed: the disk is full, a folder is a file", "one sentence; the page stays as it was"
)
def test_a_page_that_cannot_be_completed_stays_as_it_was_and_is_one_sentence(tmp_path, monkeypatch, capsys):
    """A limit on the size of files is met where a full disk is."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(book, "EXECUTED", tmp_path)
    monkeypatch.setattr(book, "EXTRA", tmp_path / "_extra")
    executed = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("x" * 100_000)])
    nbformat.write(executed, tmp_path / "table7.ipynb")
    before = (tmp_path / "table7.ipynb").read_bytes()
    monkeypatch.setattr(book, "execute", lambda *_: None)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        assert main(["notebooks", "table7"]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert re.fullmatch(r"error: .* cannot be used \(File too large\): free some space.*\n", capsys.readouterr().err)
    assert (tmp_path / "table7.ipynb").read_bytes() == before
    shutil.rmtree(tmp_path / "_extra")
    (tmp_path / "_extra").touch()
    assert main(["notebooks", "table7"]) == 1
    assert re.fullmatch(r"error: .*_extra.* cannot be used \(.*\): free some space.*\n", capsys.readouterr().err)


def test_every_suite_has_its_notebook_and_every_notebook_its_page():
    """A notebook that opens no suite, such as the errata, reads the paper's numbers only."""
    opening = {f"executed/{path.name}" for path in FILES if "study.open(" in path.read_text()}
    assert opening == {suite.page for suite in SUITES.values()}
    toc = (NOTEBOOKS.parent / "book" / "_toc.yml").read_text()
    assert all(f"executed/{path.stem}\n" in toc for path in FILES)


def test_a_notebook_runs_from_another_folder_with_other_parameters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = NOTEBOOKS / "table4.ipynb"
    parameters = NONE | {"seeds": "[1, 2]"}
    papermill.execute_notebook(str(path), "out.ipynb", parameters, kernel_name="python3", progress_bar=False)
    page = (tmp_path / "out.ipynb").read_text()
    assert "--seeds 1,2" in page
    assert "<svg role=" in page


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"profile": "fast"}, "table7: profile must be quick or full"),
        ({"sedes": [1]}, "table7: unknown parameter sedes"),
        ({"device": "cuda:9", "run": "missing", "profile": "quick"}, "device 'cuda:9' cannot be used here"),
    ],
)
@pytest.mark.fault("a notebook with a wrong parameter or device", "one sentence, and no page")
def test_a_notebook_that_fails_says_why_and_leaves_no_page(tmp_path, parameters, message):
    with pytest.raises(UserError, match=message):
        execute([NOTEBOOKS / "table7.ipynb"], tmp_path, NONE | parameters)
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_that_is_named_twice_is_executed_once():
    assert [path.stem for path in book.find(["table4", "table1", "table4"])] == ["table4", "table1"]


def test_a_notebook_that_does_not_exist_is_refused_with_those_that_do(capsys):
    assert main(["notebooks", "table3"]) == 1
    assert "error: no notebook table3; there are" in capsys.readouterr().err


def test_kernels_start_beside_the_notebooks_and_the_process_stays_where_it_is(tmp_path, monkeypatch):
    """Two threads execute notebooks, and a process has one current folder."""
    moves, move = set(), os.chdir
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "chdir", lambda path: moves.add(str(path)) or move(path))
    cells = [nbformat.v4.new_code_cell("import os; print(os.getcwd())", metadata={"tags": ["parameters"]})]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), tmp_path / "where.ipynb")
    execute([tmp_path / "where.ipynb"], tmp_path / "pages", {})
    (output,) = nbformat.read(tmp_path / "pages" / "where.ipynb", as_version=4).cells[-1].outputs
    assert output["text"].strip() == str(NOTEBOOKS)
    assert moves <= {str(tmp_path)}


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
@pytest.mark.fault("Ctrl-C while notebooks are executed", "kernels end; no other notebook starts")
def test_an_interruption_ends_the_notebooks_that_run_and_starts_no_other(tmp_path):
    checkout = Checkout(tmp_path)
    for number in range(4):
        source = f"import pathlib, time; pathlib.Path('started{number}').touch(); time.sleep({10 * ENOUGH})"
        cells = [nbformat.v4.new_code_cell(source)]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, tmp_path / "notebooks" / f"sleeps{number}.ipynb")
    process = checkout.start("-m", "apg_repro", "notebooks")
    assert eventually(lambda: len(list(tmp_path.glob("notebooks/started*"))) == 2), checkout.words()
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(ENOUGH) == 130, checkout.words()
    assert checkout.words().splitlines()[-1].startswith("stopped;")
    assert eventually(lambda: not checkout.processes())
    assert len(list(tmp_path.glob("notebooks/started*"))) == 2
    assert not list((tmp_path / "book" / "executed").iterdir())


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals to a thread are of Unix")
@pytest.mark.fault("a kernel does not end at Ctrl-C", "it is killed after half a minute; the command ends")
def test_a_kernel_that_hears_no_interruption_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "INTERRUPT_AGAIN", 0.2)
    monkeypatch.setattr(book, "KILL_AFTER", 0.5)
    deaf = "import pathlib, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    begun = tmp_path / "begun"
    source = f"{deaf}pathlib.Path({str(begun)!r}).touch()\ntime.sleep({ENOUGH / 5})"
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": ["parameters"]})]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    nbformat.write(notebook, tmp_path / "deaf.ipynb")
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    main_thread = threading.get_ident()
    presses = threading.Thread(
        target=lambda: eventually(begun.exists) and signal.pthread_kill(main_thread, signal.SIGINT)
    )
    presses.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            execute([tmp_path / "deaf.ipynb"], tmp_path / "pages", {})
    finally:
        presses.join()
        signal.signal(signal.SIGINT, usual)
    assert not list((tmp_path / "pages").iterdir())


def test_cells_that_jupyterlab_sends_after_a_mistake_are_not_run(tmp_path):
    """The later cell is sent when the stylesheet is seen, at which the cell with the mistake has begun."""
    pytest.importorskip("torch", reason="torch is not installed: a file of one's own is not read")
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    try:
        client.execute_interactive(
            "from apg_repro import errors\nerrors.ABORT_SECONDS = 3.0\nanswer = 'old'", timeout=ENOUGH
        )
        mistake = client.execute("from apg_repro.yours import page\nanswer = page.open('absent.csv', 'click', 1.0)")
        shown = []
        while not shown or shown[-1]["msg_type"] != "error":
            message = client.get_iopub_msg(timeout=ENOUGH)
            if message["parent_header"].get("msg_id") == mistake and message["msg_type"] not in (
                "status",
                "execute_input",
            ):
                shown.append(message)
                if message["msg_type"] == "display_data":
                    client.execute("print(answer)")
        replies = [client.get_shell_msg(timeout=ENOUGH)["content"]["status"] for _ in range(2)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert replies == ["error", "aborted"]
    style, error = shown  # and no warning of a library
    assert ".apg-reproduced" in style["content"]["data"]["text/html"]
    (sentence,) = error["content"]["traceback"]
    assert "absent.csv" in sentence
