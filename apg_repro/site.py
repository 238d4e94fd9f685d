"""A Sphinx extension of the book: what is on every page, and what is left out of the build. Needs no network."""

import json
import re
import shutil
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.search.en import SearchEnglish

from apg_repro import __version__
from apg_repro.book import PROFILE_FILE
from apg_repro.report.foot import QUICK_PAGE
from apg_repro.rows.provenance import commit, git

GLOSSARY = "glossary"  # the page
PAPER = "https://arxiv.org/abs/2203.16218"
QUICK = (
    '<div class="apg-banner"><b>A quick book.</b> Its result pages show a sample of the rows, a small model and two '
    "seeds, which are not the results. The home page, and the pages about all results (claims, advice, the rule, "
    "status), show the committed ones; <code>make book</code> shows them on every page.</div>"
)
# What the theme and MathJax bring along and no page loads: other builds of MathJax, source maps, fonts a second time
# (as woff2 they stay), and translations of the theme.
SPARE = (
    "_static/scripts/*.map",
    "_static/styles/*.map",
    "_static/vendor/fontawesome/webfonts/*.ttf",
    "_static/locales",
    "_static/webpack-macros.html",
    "_static/sbt-webpack-macros.html",
    "_static/sphinx-thebe.*",
)
MATHJAX = {"tex-chtml.js", "output"}  # what pages load, and its fonts


class SearchWithNumbers(SearchEnglish):
    """English, in which numbers such as 0.005 and 1024 are words: Sphinx splits the first and drops the second."""

    _word_re = re.compile(r"\d+\.\d+|\w+")
    # The page's script asks each term whether it matches ^\d+$, and leaves it out if so: a whole number answers no.
    js_splitter_code = r"""
    var splitQuery = (query) => (query.match(/\d+\.\d+|[\p{Letter}\p{Number}_]+/gu) || []).map(
        (term) => /^\d+$/.test(term) ? Object.assign(new String(term), {match: () => null}) : term
    );
    """


def setup(app: Any) -> dict[str, Any]:
    """What Sphinx calls."""
    # One file of 5 MB: ``apg.js`` loads it when a reader asks for a figure of it.
    app.config.html_static_path.append(str(files("plotly") / "package_data" / "plotly.min.js"))
    app.add_search_language(SearchWithNumbers)
    app.connect("config-inited", add_footer)
    app.connect("html-page-context", complete_page, priority=900)
    app.connect("build-finished", leave_out)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}


def add_footer(app: Any, config: Any) -> None:
    """Version, commit and date of the build, licence, the paper, and how to cite, at the foot of every page."""
    head = (commit()[0] or "")[:7]
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    page = web_page_of(git("remote", "get-url", "origin") or "")
    name = f'<a href="{escape(page)}">apg-repro</a>' if page else "apg-repro"
    built = f"{name} {__version__}" + (f", commit {head}" if head else "") + f", built on {day}"
    config.html_theme_options["extra_footer"] = (
        f'<p class="apg-about">{built}. MIT licence. '
        f'It replicates <a href="{PAPER}">APG: Adaptive Parameter Generation Network for Click-Through Rate '
        "Prediction</a> (Yan et al., NeurIPS 2022).<br>To cite it: The apg-repro maintainers, <i>apg-repro: a "
        "replication of APG</i>, "
        f"version {__version__}, {day[:4]}; and the paper. <code>CITATION.cff</code> has both.</p>"
    )


def web_page_of(remote: str) -> str:
    """The web page of the repository that a checkout was cloned from, without a password; "" if it is not on the web.

    >>> web_page_of("git@example.org:someone/apg.git")
    'https://example.org/someone/apg'
    """
    found = re.fullmatch(r"(?:https?://(?:[^@/]*@)?|(?:ssh://)?git@)([\w.-]+\.\w+)[:/](.+?)(?:\.git)?/?", remote)
    return f"https://{found[1]}/{found[2]}" if found else ""


def complete_page(app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A quick book says so on every page; scripts that no page needs are left out."""
    if context.get("body"):
        context["body"] = with_definitions(context["body"], definitions(app.env))
        # Its entries are no list items, so a reader of the screen would look for some in vain.
        context["body"] = context["body"].replace(
            '<div role="list" class="citation-list">', '<div class="citation-list">'
        )
        if is_quick(Path(app.srcdir)) and QUICK_PAGE not in context["body"]:  # which says it itself
            context["body"] = QUICK + context["body"]
    # jupyter-book brings thebe, which would fetch its code from the web, and declares its constants twice.
    context["script_files"] = [file for file in context["script_files"] if "thebe" not in words_of(file)]
    context["css_files"] = [file for file in context["css_files"] if "thebe" not in words_of(file)]


def definitions(env: Any) -> dict[str, str]:
    """What the glossary says of each term, by the id that links to it have."""
    if GLOSSARY not in env.all_docs:
        return {}
    entries = env.get_doctree(GLOSSARY).findall(nodes.definition_list_item)
    return {name: entry.children[-1].astext() for entry in entries for name in entry.children[0]["ids"]}


def with_definitions(body: str, said: dict[str, str]) -> str:
    """A page on which a term says what it means when the pointer rests on it."""

    def titled(link: re.Match[str]) -> str:
        meaning = said.get(link[2], "").replace("\n", " ")
        return f'{link[1]} title="{escape(meaning)}">' if meaning else link[0]

    return re.sub(rf'(<a class="reference internal" href="[^"]*{GLOSSARY}\.html#([\w-]+)")>', titled, body)


def words_of(asset: Any) -> str:
    """Where a script lies, and what it says if it stands in the page."""
    attributes = getattr(asset, "attributes", {})
    return f"{getattr(asset, 'filename', '') or asset} {attributes.get('body') or ''}".lower()


def is_quick(source: Path) -> bool:
    """Whether the pages were executed with the quick profile."""
    file = source / "executed" / PROFILE_FILE
    return file.exists() and json.loads(file.read_text("utf-8"))["profile"] == "quick"


def leave_out(app: Any, exception: Exception | None) -> None:
    """Removes from a finished build what no page loads."""
    if exception or app.builder.name != "html":
        return
    built = Path(app.outdir)
    spare = [path for pattern in SPARE for path in built.glob(pattern)]
    spare += [path for path in built.glob("_static/mathjax/*") if path.name not in MATHJAX]
    for path in spare:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
