"""The book's stylesheet in a notebook, so that its tables and verdicts have their colours in JupyterLab as well."""

import sys

from apg_repro.paths import ROOT

STYLESHEET = ROOT / "book" / "_static" / "apg.css"
STYLE_ONLY = {"apg": "style"}  # marks the output that holds it
# The colours that it takes from the book's theme, and what they are in JupyterLab's.
LAB_COLOURS = {
    "background": "layout-color0", "surface": "layout-color2", "border": "border-color1", "primary": "brand-color1",
    "text-base": "ui-font-color1", "text-muted": "ui-font-color2",
}  # fmt: skip


def show_style() -> None:
    """Displays the stylesheet in a notebook; nothing happens elsewhere. The book leaves this output out again."""
    if "IPython" not in sys.modules or not STYLESHEET.exists():
        return
    from IPython import get_ipython
    from IPython.display import HTML, display

    if get_ipython() is not None:
        colours = "".join(f"--pst-color-{ours}: var(--jp-{theirs}); " for ours, theirs in LAB_COLOURS.items())
        display(HTML(f"<style>\n:root {{ {colours}}}\n{STYLESHEET.read_text()}</style>"), metadata=STYLE_ONLY)
