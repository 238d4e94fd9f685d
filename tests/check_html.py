"""The built book works from file:// without a network: no asset of a page is fetched from the web.

python tests/check_html.py _build/html
"""

import sys
from html.parser import HTMLParser
from pathlib import Path

ASSETS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Assets(HTMLParser):
    """Collects what a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        values = dict(attrs)
        if tag in ASSETS and values.get("rel") != "canonical":
            self.found.append(values.get(ASSETS[tag]) or "")


def main(folder: Path) -> int:
    """Prints every asset that is remote or missing; returns how many there are."""
    problems = []
    # The theme leaves templates of its own among the static files; no page is made of them as they are.
    pages = sorted(page for page in folder.rglob("*.html") if "_static" not in page.parts)
    for page in pages:
        assets = Assets()
        assets.feed(page.read_text())
        for asset in filter(None, assets.found):
            local = asset.partition("?")[0].partition("#")[0]
            if asset.startswith(("http:", "https:", "//")):
                problems.append(f"{page.relative_to(folder)} loads {asset}")
            elif not asset.startswith("data:") and local and not (page.parent / local).exists():
                problems.append(f"{page.relative_to(folder)} lacks {asset}")
    print("\n".join(problems) or f"{len(pages)} pages load nothing from the web")
    return len(problems) if pages else 1


if __name__ == "__main__":
    sys.exit(min(main(Path(sys.argv[1])), 1))
