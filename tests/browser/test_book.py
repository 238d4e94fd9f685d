"""The built book works in a browser, from file:// and without a network.

python -m pytest tests/browser

looks at ``_build/html`` with Debian's chromium. Without a built book, or where there is no chromium, it says so and is
skipped. axe-core (``axe.min.js``, Mozilla Public License 2.0, see ``axe.LICENSE.txt``) judges accessibility.
"""

import json
import re
import shutil
from html import unescape
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
SCREENS = {1280: 1, 390: 2}  # within which the first table or figure begins
SEEN = 40  # px of a table or figure that have to be seen for it to be noticed
AXE = (Path(__file__).parent / "axe.min.js").read_text()
# Marks the elements whose text looks as that of an earlier one does, on the same ground: one of each kind is judged for
# contrast, which takes most of axe's time, and the cells of a long table are of few kinds.
MARK_ALIKE = """() => {
  const numbers = new Map(), kinds = new Map();
  for (const each of document.querySelectorAll("body, body *")) {
    const style = getComputedStyle(each), parent = kinds.get(each.parentElement) ?? "";
    const looks = ["color", "backgroundColor", "backgroundImage", "opacity", "fontSize", "fontWeight", "position"];
    const kind = [parent, ...looks.map(look => style[look])].join("|");
    each.toggleAttribute("data-alike", numbers.has(kind) && !each.childElementCount);
    if (!numbers.has(kind)) numbers.set(kind, numbers.size);
    kinds.set(each, numbers.get(kind));
  }
}"""
ASK_AXE = """what => {
  axe.configure({rules: [{id: "color-contrast", selector: "*:not([data-alike])"}]});
  return axe.run(document, {resultTypes: ["violations"], ...what, iframes: false, preload: false});
}"""
# Of the theme, not of the pages: the name of its search button is not the text that it shows.
NOT_OURS = {"rules": {"label-content-name-mismatch": {"enabled": False}}}
# The rules of colours. Each theme is judged by all rules at the width at which its pages are opened.
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}

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


def turn(tab, theme: str) -> None:
    """Makes a page light or dark, as a change of the system's theme does."""
    tab.emulate_media(color_scheme=theme)
    tab.wait_for_selector(f"html[data-theme={theme}]")


def is_wide(tab, page: Path, width: int) -> list[str]:
    """The page itself never scrolls sideways."""
    wide = tab.evaluate("document.documentElement.scrollWidth")
    return [f"is {wide} px wide"] if wide > width else []


def is_late(tab, page: Path, width: int) -> list[str]:
    """A result page says "In short", then shows its first table or figure on the first screen, or the first two."""
    if page not in RESULTS or page.stem == "hands_on":  # where the reader computes
        return []
    found = []
    first = tab.locator("article .apg-table, article .apg-figure").first.bounding_box()["y"]
    if first > SCREENS[width] * WIDTHS[width] - SEEN:
        found.append(f"shows its first table or figure after {first:.0f} px")
    if page.stem != "your_data":  # which begins with its verdict
        short = tab.locator(".apg-short").bounding_box()
        if short["y"] + short["height"] > first:
            found.append('shows a table or figure before "In short"')
    return found


def is_silent(tab, page: Path, width: int) -> list[str]:
    """Every figure says in words what it shows."""
    names = tab.locator(".apg-drawing svg").evaluate_all(
        "each => each.map(svg => svg.getAttribute('aria-label') || '')"
    )
    found = [f"has a figure that says {name!r}" for name in names if len(name) < len("Not run.")]
    if tab.locator("article img[alt^='../_images']").count():
        found.append("has an image without words")
    return found


def is_hard_to_use(tab, page: Path, width: int) -> list[str]:
    """What axe calls serious: of everything when a page has just been opened, later of its colours."""
    is_new = tab.evaluate("!window.axe")
    if is_new:
        tab.evaluate(AXE)
    tab.evaluate(MARK_ALIKE)
    report = tab.evaluate(ASK_AXE, NOT_OURS if is_new else COLOURS)
    return [
        f"has {problem['id']} ({problem['impact']}): {problem['nodes'][0]['html'][:120]}"
        for problem in report["violations"]
        if problem["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("pages", [PAGES[first::3] for first in range(3)], ids=["first", "second", "third"])
@pytest.mark.parametrize(("width", "themes"), [(1280, ("light", "dark")), (390, ("dark", "light"))], ids=str)
def test_every_page_is_clean(browser, width, themes, pages):
    """No error, no request, and none of the faults above; each page is opened in one theme and turned to the other."""
    visit = Visit(browser, width)
    found = []
    for page in pages:
        visit.tab.emulate_media(color_scheme=themes[0])
        tab = visit.open(page)
        for theme in themes:
            turn(tab, theme)
            judges = (is_wide, is_late, is_silent, is_hard_to_use)
            faults = [fault for judge in judges for fault in judge(tab, page, width)]
            found += [f"{page.relative_to(BUILT)}, {theme}: {fault}" for fault in faults]
    visit.context.close()
    assert visit.problems + found == []


def test_what_cannot_be_read_is_found(visit):
    """The marks above hide nothing: one pale cell among a thousand is found, and found in the other theme alone."""
    page = BUILT / "executed" / "table4.html"
    tab = visit.open(page)
    tab.evaluate("[...document.querySelectorAll('tbody td')].at(-1).style.cssText = 'color: #333; background: none'")
    for theme, faults in (("light", 0), ("dark", 1)):
        turn(tab, theme)
        found = is_hard_to_use(tab, page, 1280)
        assert len(found) == faults, found
        assert all("color-contrast" in fault for fault in found)


def test_the_figure_of_table_4_names_versions_with_their_gains(visit):
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
    tab.locator(".apg-dialog").wait_for(state="detached")


HOVERING = {
    "figure6": r"\d+ of \d+ points",
    "figure7": r"Δ [+−]\d.* points.*n = \d",
    "claims": r"^\d-\d+: .*(One epoch|Early stopping|Independent of protocol)",
}


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
    shown = figure.locator(".hoverlayer").text_content() or ""
    text = figure.locator(".js-plotly-plot").evaluate("plot => plot.data[0].text[0]")
    assert shown == unescape(text.replace("<br>", ""))
    assert re.search(HOVERING[name], shown)
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


WANTED = [  # models, data sets, parameters and numbers, each with a page that must be among those found
    ("DeepFM", "table2"), ("FiBiNET", "table2"), ("Star", "table6"), ("MovieLens", "table4"), ("IAAC", "table7"),
    ("learning_rate", "api"), ("generator_layers", "api"), ("0.005", "api"), ("1024", "table5"),
    ("overparameterization", "glossary"),
]  # fmt: skip


@pytest.mark.parametrize(("word", "page"), WANTED)
def test_the_search_finds_models_data_sets_parameters_and_numbers(visit, word, page):
    """The index alone: searching from file:// cannot fetch the pages that it quotes."""
    tab = visit.open(BUILT / "search.html")
    tab.goto((BUILT / "search.html").as_uri() + f"?q={word}")
    tab.wait_for_selector(f"#search-results li a[href*='{page}']", timeout=10_000)


def test_home_answers_above_the_fold(visit):
    """Computed sentences with their numbers, and a figure."""
    tab = visit.open(BUILT / "index.html")
    words, base = (tab.locator("article p").nth(place).inner_text() for place in range(2))
    side = r"is (ahead of|behind|not told apart from) [\w ]+ on [\w -]+ \([+−]\d\.\d\d ± "
    assert re.search(rf"APG .* after one epoch {side}.*With early stopping it {side}", words)
    assert re.search(r"Over base itself.* [+−]\d\.\d\d ± ", base)
    figure = tab.locator(".apg-drawing").first.bounding_box()
    assert figure["y"] + figure["height"] < WIDTHS[1280]


def test_a_term_says_what_it_means(visit):
    tab = visit.open(BUILT / "method.html")
    titles = [link.get_attribute("title") or "" for link in tab.locator("a[href*='glossary.html#']").all()]
    assert titles
    assert min(map(len, titles)) > 20
