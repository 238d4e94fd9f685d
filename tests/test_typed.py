"""No result is typed by hand: not in a page's text, in a notebook's cells, or in the code that makes its sentences.

What looks like a result stands in ``ALLOWED``, page by page, as the paper's own number or as a setting, or the test
fails. A number that code holds otherwise is seen where there are no rows: a page then shows the paper's numbers alone.
"""

import ast
import re
from functools import cache
from html import unescape

import nbformat
import pytest

from apg_repro.claims.readme import parts
from apg_repro.paper import numbers
from apg_repro.paths import NOTEBOOKS, ROOT
from apg_repro.rows.store import Store
from tests.pages import html_of

NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
RESULT = re.compile(
    rf"±\s?{NUMBER}|[+−-]\d+\.\d+|{NUMBER}(?:e[+−-]?\d+)?\s?(?:%|×|[µm]?s\b|points\b)|\d+(?:\.\d+)?e[+−-]?\d+"
    r"|(?<![\w.])\d+\.\d+(?!\w)|\bn\s?=\s?\d+"
)
# Addresses, links, references to the paper, a data set's title, versions.
NO_RESULT = re.compile(
    r"11 % of IAAC|https?://\S+|\]\([^)]*\)|arXiv:[\d.]+"
    r"|(?:Sections?|Appendix) (?:[A-Z]\.)?\d(?:\.\d+)*(?: and \d\.\d+)*"
    r"|3\.1[1-4]|torch\W+(?:that is used here, )?2\.13|DeepCTR-Torch\W+0\.3\.0"
)
EVERYWHERE = {"95 %", "± 95", "0.1", "0.1 points"}  # the level of confidence and the margin of the rule
PAPER = "the paper's, which must be in apg_repro/paper/"
LOG = "of the dated log, whose trials left no rows"
GRID = "values that are searched"
SIZE = "of the model or the data that the reader makes"
ALLOWED: dict[str, dict[str, str]] = {
    "book/cluster.md": {"0.25": "an option"},
    "book/deviations.md": {
        "-0.7": "the twins' skew", "±3": "where numbers are cut off",
        **dict.fromkeys(["80 %", "10 %", "0.005"], "a setting"),
    },
    "book/glossary.md": {"80.0 %": "an example", "80.1 %": "an example"},
    "book/index.md": {"100 points": "a definition", "38.7 %": PAPER, "96.6 %": PAPER},
    "book/log.md": dict.fromkeys(
        ["+0.01", "+0.05", "+0.06", "+0.09", "+0.14", "0.00", "1.8", "1e12", "1e3", "n = 5", "1e-3", "1e-4",
         "97.62", "96.83", "2.6", "7.3", "7.9", "11.5 ms", "12.7", "13.1 ms",
         "35 ms", "800 ms", "0.08 points", "0.09", "0.45", "−0.02", "± 0.02",
         "± 0.01", "± 0.04", "± 0.05", "± 0.07", "± 0.08", "± 0.09", "± 0.13", "± 0.19", "± 0.34", "−0.01", "−0.03",
         "−0.08", "−0.10", "−0.14", "± 0.06"], LOG,
    ),
    "book/reproduce.md": {"80 %": "of the memory: run/fleet.py"},
    "book/use.md": {"0.005": "a learning rate", "1.0": "the norm at which gradients are clipped"},
    "README.md": {"38.7 %": PAPER, "96.6 %": PAPER},
    "notebooks/claims.ipynb": {"±0.1": "the margin"},
    "notebooks/errata.ipynb": {
        "0.07": "of the paper's cells, computed below it", "0.09": "of the paper's cells, computed below it",
        "0.1 %": PAPER, "0.27": PAPER, "38.7%": PAPER, "96.6%": PAPER,
    },
    "notebooks/hands_on.ipynb": {"0.005": "a learning rate", "1.0": SIZE},
    "notebooks/optimizers.ipynb": {"0.005": "the paper's learning rate"},
    "notebooks/others.ipynb": {"97.99": "a log of others", "98.29": "a log of others"},
    "notebooks/planted.ipynb": {"50 %": SIZE, "100 %": "all"},
    "notebooks/sensitivity.ipynb": {"0.1%": PAPER},
    "notebooks/crossed.ipynb": {"0.05": "the level of the tests"},
    "notebooks/stability.ipynb": {"0.005": "the paper's learning rate", "0.69": "ln 2"},
    "notebooks/table10.ipynb": dict.fromkeys(["14.5", "14.5 ms", "14.8", "14.8 ms", "57.1", "57.1 ms"], PAPER),
    "notebooks/table2.ipynb": dict.fromkeys(["0.001", "0.002", "0.005", "0.01", "1e-7"], GRID),
    "notebooks/table5.ipynb": {
        "0.2": "computed on the page of errata", "38.7 %": PAPER, "96.6 %": PAPER, "40 %": "of memory: table5/plan.py",
    },
    "notebooks/your_data.ipynb": {"5.0": "a parameter", "0.95": "a threshold"},
    "apg_repro/claims/claims.py": {
        **dict.fromkeys(
            ["+0.2", "0.24", "1 %", "1.29", "111 ×", "138.03", "14.5 ms", "14.8 ms", "16.14", "3 %", "31 ×", "50 %",
             "57.1 ms", "−0.01", "−33.2"], PAPER,
        ),
        "3.8": "of the paper's cells", "12 ×": "of the paper's cells",
    },
    "apg_repro/report/tables.py": {"0.001": "the least p-value that is printed"},
    "apg_repro/experiments/errata/page.py": {"5 %": "how near a fit has to be"},
    "apg_repro/experiments/others/page.py": {"5e61": "of a commit's name"},
    "apg_repro/experiments/speed/measure.py": {"5 ×": "of a file"},
    "apg_repro/experiments/table10/page.py": {"99 ms": "percentile"},
}  # fmt: skip


@cache
def texts() -> dict[str, str]:
    """What is written by hand and read on pages, by file."""
    found = {}
    for path in [*(ROOT / "book").glob("*.md"), ROOT / "README.md", NOTEBOOKS / "README.md"]:
        found[path] = path.read_text("utf-8")
    for path in NOTEBOOKS.glob("*.ipynb"):
        found[path] = source_of(nbformat.read(path, as_version=4))
    for folder in ("claims", "experiments", "report"):
        for path in (ROOT / "apg_repro" / folder).rglob("*.py"):
            found[path] = said_in(path.read_text("utf-8"))
    for computed in parts(Store()).values():  # tests/test_status.py holds the README to them
        found[ROOT / "README.md"] = found[ROOT / "README.md"].replace(computed, "")
    return {path.relative_to(ROOT).as_posix(): text for path, text in sorted(found.items())}


def source_of(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells)


def said_in(source: str) -> str:
    """The text that code may show: its strings but for docstrings and formats."""
    tree, silent = ast.parse(source), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            silent.add(node.value)
        elif isinstance(node, ast.FormattedValue) and node.format_spec:
            silent.update(ast.walk(node.format_spec))
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in silent]
    return "\n".join(node.value for node in strings if isinstance(node.value, str))


def typed(text: str) -> set[str]:
    """What looks like a result in a text."""
    return {" ".join(found[0].split()) for found in RESULT.finditer(NO_RESULT.sub("", text))} - EVERYWHERE


def is_the_papers(number: str) -> bool:
    """Whether the paper's files have it, whatever its sign."""
    if number.startswith("±"):
        return False  # it prints no intervals
    value = float(re.search(r"\d+(\.\d+)?", number)[0])  # pyright: ignore[reportOptionalSubscript]
    return any(value in table["value"].abs().to_numpy() for table in (numbers.numbers(), numbers.derived()))


@cache
def computed_from_the_papers() -> set[str]:
    """Differences of two of its AUCs of one table and data set; what remains where it saves so many percent."""
    found = set()
    for _, group in numbers.numbers().query("metric == 'auc'").groupby(["table", "dataset"]):
        found |= {f"{abs(one - other):.2f}" for one in group["value"] for other in group["value"]}
    savings = numbers.derived().query("unit == 'percent'")["value"].abs() / 100
    return found | {f"{1 - saving:.2g}" for saving in savings}


def test_what_is_written_by_hand_holds_no_result():
    """Also no entry of ``ALLOWED`` that nothing needs any more."""
    assert {name: found for name, text in texts().items() if (found := typed(text))} == {
        name: set(allowed) for name, allowed in ALLOWED.items()
    }
    papers = [number for allowed in ALLOWED.values() for number, why in allowed.items() if why == PAPER]
    assert [number for number in papers if not is_the_papers(number)] == []


PLANTED = ["APG gains +0.31 ± 0.08 points.", "test AUC 81.15", "(n = 7)", "twice as fast: 2.1 ×", "3 % more", "−0.12"]


@pytest.mark.fault("a result is typed into a page, a notebook's cell or the code of a page", "`make test` names it")
def test_a_result_that_is_typed_into_a_page_is_found():
    """In a copy of every text, in several wordings; of notebooks, in a cell of text and in one of code."""
    for name, text in texts().items():
        for planted in PLANTED if name.endswith(".md") else ():
            assert typed(f"{text}\n{planted}\n") > typed(text), (name, planted)
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        allowed = typed(source_of(notebook))
        for kind in ("markdown", "code"):
            cell = next(cell for cell in reversed(notebook.cells) if cell.cell_type == kind)
            source = cell.source
            for planted in PLANTED:
                cell.source = f"{source}\n{planted}" if kind == "markdown" else f"{source}\nprint({planted!r})"
                assert typed(source_of(notebook)) > allowed, (path, kind, planted)
            cell.source = source
    page = (ROOT / "apg_repro" / "experiments" / "table2" / "page.py").read_text("utf-8")
    for planted in PLANTED:
        assert typed(said_in(f"{page}\nSAID = f'{{1}} {planted}'")) > typed(said_in(page)), planted


# Their numbers are computed from the paper's or another paper's, shown from ``results/yours``, or of what the reader
# trains; "compute" counts runs, and takes long.
OF_OTHERS = {"advice", "claims", "compute", "errata", "hands_on", "others", "sensitivity", "your_data"}


@pytest.mark.parametrize("name", sorted({path.stem for path in NOTEBOOKS.glob("*.ipynb")} - OF_OTHERS))
@pytest.mark.fault("all rows are gone", "pages show no number but the paper's")
def test_a_page_without_rows_shows_no_result(name, tmp_path, monkeypatch):
    html = html_of(name, tmp_path, monkeypatch)
    text = unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|script|pre)\b.*?</\1>", "", html)))
    shown = {number for number in typed(text) if not is_the_papers(number)}
    assert {number for number in shown if number.strip("+−") not in computed_from_the_papers()} == set()
