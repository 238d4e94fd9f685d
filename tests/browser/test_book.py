"""The built book works in a browser, from file:// and without a network.

python -m pytest tests/browser

looks at ``_build/html`` with Debian's chromium. Without a built book, or where there is no chromium, it says so and is
skipped. axe-core (``axe.min.js``, Mozilla Public License 2.0, see ``axe.LICENSE.txt``) judges accessibility.
"""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from apg_repro.paths import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

BUILT = ROOT / "_build" / "html"
PAGES = sorted([*BUILT.glob("*.html"), *BUILT.glob("executed/*.html")])
RESULTS = [page for page in PAGES if page.parent.name == "executed"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = {1280: 800, 390: 844}
SEEN = 40  # px of a table or figure that have to be seen for it to be noticed
AXE = (Path(__file__).parent / "axe.min.js").read_text()
JUDGED = [(1280, "light"), (390, "dark")]  # by axe, which takes a second per page: both themes, both widths
# Of the theme, not of the pages: the name of its search button is not the text that it shows.
NOT_OURS = ["label-content-name-mismatch"]

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no chromium was found: apt-get install chromium"),
    pytest.mark.skipif(not RESULTS, reason="the book has not been built: make book"),
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A tab without a network, which notes what goes wrong."""

    def __init__(self, browser, width: int = 1280, theme: str = "light") -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": WIDTHS[width]}, color_scheme=theme, accept_downloads=True
        )
        self.problems: list[str] = []
        self.context.route(re.compile("^https?:"), self.refuse)
        self.tab = self.context.new_page()
        self.tab.on("pageerror", lambda error: self.problems.append(f"{self.tab.url}: {error}"))
        self.tab.on("console", self.note)

    def refuse(self, route) -> None:
        self.problems.append(f"{self.tab.url} asks for {route.request.url}")
        route.abort()

    def note(self, message) -> None:
        if message.type == "error":
            self.problems.append(f"{self.tab.url}: {message.text}")

    def open(self, page: Path):
        self.tab.goto(page.as_uri())
        return self.tab


@pytest.fixture
def visit(browser):
    visit = Visit(browser)
    yield visit
    visit.context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_is_clean(browser, width, theme):
    """No error, no request, no sideways scrolling of the page, and nothing that axe calls serious (``JUDGED``)."""
    visit = Visit(browser, width, theme)
    found = []
    for page in PAGES:
        tab = visit.open(page)
        name = page.relative_to(BUILT)
        if (wide := tab.evaluate("document.documentElement.scrollWidth")) > width:
            found.append(f"{name} is {wide} px wide")
        if (width, theme) not in JUDGED:
            continue
        tab.evaluate(AXE)
        rules = {rule: {"enabled": False} for rule in NOT_OURS}
        report = tab.evaluate(
            "rules => axe.run(document, {resultTypes: ['violations'], rules, iframes: false, preload: false})", rules
        )
        found += [
            f"{name}: {problem['id']} ({problem['impact']}): {problem['nodes'][0]['html'][:120]}"
            for problem in report["violations"]
            if problem["impact"] in ("serious", "critical")
        ]
    visit.context.close()
    assert visit.problems + found == []


@pytest.mark.parametrize(("width", "screens"), [(1280, 1), (390, 2)])
def test_result_pages_say_in_short_what_came_out_and_show_it_soon(browser, width, screens):
    """Their first table or figure begins on the first screen, of a phone on the first two, and after "In short"."""
    visit = Visit(browser, width)
    late = []
    for page in RESULTS:
        if page.stem == "hands_on":  # where the reader computes
            continue
        tab = visit.open(page)
        first = tab.locator("article .apg-table, article .apg-figure").first.bounding_box()["y"]
        if first > screens * WIDTHS[width] - SEEN:
            late.append(f"{page.stem}: {first:.0f} px")
        if page.stem == "your_data":  # which begins with its verdict
            continue
        short = tab.locator(".apg-short").bounding_box()
        assert short["y"] + short["height"] <= first, page.stem
    visit.context.close()
    assert late == []


def test_figures_say_what_they_show(visit):
    for page in RESULTS:
        tab = visit.open(page)
        assert tab.locator("article img[alt^='../_images']").count() == 0, page.stem
        for figure in tab.locator(".apg-drawing svg").all():
            assert len(figure.get_attribute("aria-label") or "") >= len("Not run."), page.stem
    names = visit.open(BUILT / "executed" / "table4.html").locator(".apg-drawing svg").first.get_attribute("aria-label")
    assert re.search(r"v4 [+−]\d\.\d\d", names or "")


def test_a_click_on_a_head_sorts_a_table_and_another_turns_it_round(visit):
    tab = visit.open(BUILT / "executed" / "table4.html")
    table = tab.locator(".apg-table").first
    column = table.locator("thead th").all_inner_texts().index("Paper AUC")

    def values() -> list[float]:
        texts = [row.locator("th, td").nth(column).inner_text() for row in table.locator("tbody tr").all()]
        return [float(text) for text in texts if text.strip()]

    given = values()
    button = table.locator("thead th").nth(column).locator("button")
    button.click()
    assert values() == sorted(given)
    button.press("Enter")
    assert values() == sorted(given, reverse=True)
    assert table.locator("thead th").nth(column).get_attribute("aria-sort") == "descending"


def test_claims_can_be_filtered_and_linked_to(visit):
    tab = visit.open(BUILT / "executed" / "claims.html")
    table = tab.locator(".apg-table[data-filter]")
    rows = table.locator("tbody tr")
    total = rows.count()

    def shown() -> list[str]:
        return [row.locator(".apg-verdict").first.inner_text() for row in rows.all() if row.is_visible()]

    assert len(shown()) == total
    tab.locator(".apg-filter select[name=Verdict]").select_option("contradicted")
    found = shown()
    assert found
    assert len(found) < total
    assert all("contradicted" in text for text in found)
    assert tab.locator(".apg-filter [role=status]").inner_text() == f"{len(found)} of {total} lines"
    tab.locator(".apg-filter select[name=Verdict]").select_option("")
    tab.locator(".apg-filter select[name=Section]").select_option(index=1)
    assert 0 < len(shown()) < total
    numbers = {link.inner_text() for link in rows.locator("th a").all()}
    ids = tab.evaluate("[...document.querySelectorAll('.apg-table [id^=claim-]')].map(each => each.id)")
    assert sorted(ids) == sorted(f"claim-{number.replace('.', '-')}" for number in numbers)
    assert visit.problems == []


def test_a_table_and_the_rows_of_a_page_can_be_saved(visit):
    tab = visit.open(BUILT / "executed" / "table4.html")
    n_lines = tab.locator(".apg-table").first.locator("tbody tr").count()
    saved = {}
    for link in tab.locator(".apg-save").first.locator("a").all():
        with tab.expect_download() as download:
            link.click()
        text = Path(download.value.path()).read_text(encoding="utf-8")
        saved[Path(download.value.suggested_filename).suffix] = text.splitlines()
    assert saved[".csv"][0].startswith("Version,")
    assert len(saved[".csv"]) == 1 + n_lines
    assert [next(iter(json.loads(line))) for line in saved[".jsonl"]] == ["Version"] * n_lines
    ids = sorted(tab.locator(".apg-ids").text_content().split())
    jsonl, csv = (
        (BUILT / "executed" / link.get_attribute("href")).resolve()
        for link in tab.locator(".apg-foot a[download]").all()
    )
    assert [json.loads(line)["id"] for line in jsonl.read_text().splitlines()] == ids
    assert pd.read_csv(csv, dtype=str)["id"].tolist() == ids


def test_a_figure_can_be_enlarged_and_closed(visit):
    tab = visit.open(BUILT / "executed" / "table4.html")
    tab.locator(".apg-enlarge").first.click()
    assert tab.locator(".apg-dialog svg").is_visible()
    tab.keyboard.press("Escape")
    assert tab.locator(".apg-dialog").count() == 0


HOVERING = {"figure6": r"\d+ of \d+ points", "figure7": r"Δ [+−]\d.* points.*n = \d", "claims": r"One epoch"}


@pytest.mark.parametrize("name", HOVERING)
def test_points_say_their_values_once_a_reader_asks_for_it(browser, name):
    """By plotly, which is loaded then and not before."""
    visit = Visit(browser, 1280, "dark")
    tab = visit.open(BUILT / "executed" / f"{name}.html")
    assert tab.locator("script[src*=plotly]").count() == 0
    figure = tab.locator(".apg-figure:has(.apg-points)").first
    figure.locator(".apg-hover").click()
    point = figure.locator(".apg-plot .points path").first
    point.hover(force=True)  # what listens lies above it
    assert re.search(HOVERING[name], figure.locator(".hoverlayer").text_content() or "")
    assert not figure.locator(".apg-drawing").is_visible()
    ink = tab.evaluate("getComputedStyle(document.body).color")
    assert figure.locator(".xtick text").first.evaluate("text => getComputedStyle(text).fill") == ink
    if name == "claims":
        point.click(force=True)
        assert re.search("#claim-", tab.url)
    tab.emulate_media(media="print")
    assert figure.locator(".apg-drawing").is_visible()
    tab.emulate_media(media="screen")
    figure.locator(".apg-hover").click()
    assert figure.locator(".apg-drawing").is_visible()
    assert visit.problems == []
    visit.context.close()


def test_the_theme_can_be_switched_and_figures_follow(visit):
    tab = visit.open(BUILT / "executed" / "table4.html")
    colour = "getComputedStyle(document.querySelector('.apg-drawing svg text')).fill"
    before = tab.evaluate(colour)
    for _ in range(3):  # light, dark, as the system
        tab.locator("button.theme-switch-button").first.click()
        if tab.evaluate("document.documentElement.dataset.theme") == "dark":
            break
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    assert tab.evaluate(colour) != before


def test_verdicts_of_the_first_table_can_be_reached_on_a_phone(browser):
    visit = Visit(browser, 390)
    tab = visit.open(BUILT / "executed" / "table4.html")
    region = tab.locator(".apg-table").first
    verdict = region.locator(".apg-verdict").first
    region.focus()
    verdict.scroll_into_view_if_needed()
    assert verdict.bounding_box()["x"] + verdict.bounding_box()["width"] <= 390
    first = region.locator("tbody th").first.bounding_box()
    assert first["x"] >= 0, "the first column stays in view"
    visit.context.close()


WANTED = [  # models, data sets, parameters and a number, each with a page that must be among those found
    ("DeepFM", "table2"), ("FiBiNET", "table2"), ("Star", "table6"), ("MovieLens", "table4"), ("IAAC", "table7"),
    ("learning_rate", "api"), ("generator_layers", "api"), ("0.005", "api"), ("overparameterization", "glossary"),
]  # fmt: skip


@pytest.mark.parametrize(("word", "page"), WANTED)
def test_the_search_finds_models_data_sets_parameters_and_numbers(visit, word, page):
    """The index alone: searching from file:// cannot fetch the pages that it quotes."""
    tab = visit.open(BUILT / "search.html")
    tab.goto((BUILT / "search.html").as_uri() + f"?q={word}")
    tab.wait_for_selector(f"#search-results li a[href*='{page}']", timeout=10_000)


def test_home_answers_above_the_fold(visit):
    """Three computed sentences and a figure."""
    tab = visit.open(BUILT / "index.html")
    assert re.search(r"APG gains [+−]\d\.\d\d ± ", tab.locator("article p").first.inner_text())
    figure = tab.locator(".apg-drawing").first.bounding_box()
    assert figure["y"] + figure["height"] < WIDTHS[1280]


def test_a_term_says_what_it_means(visit):
    tab = visit.open(BUILT / "method.html")
    titles = [link.get_attribute("title") or "" for link in tab.locator("a[href*='glossary.html#']").all()]
    assert titles
    assert min(map(len, titles)) > 20
