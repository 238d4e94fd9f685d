"""Figures that say their values where the pointer rests: what a reader may swap a page's picture for.

Drawn by plotly, whose script the book has once, and loads when a reader asks for it. Colours of text and lines are the
page's (``apg.js``). Imports no torch.
"""

import math
from collections.abc import Sequence
from html import escape
from textwrap import wrap
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from apg_repro.report.statistics import Estimate
from apg_repro.report.tables import format_difference

LINE_WIDTH = 60  # characters of a line of hover text
BLUE = "#0173b2"  # the first colour of other figures


def blank(rows: int = 1, columns: int = 1, height: int = 420, **options: Any) -> go.Figure:
    """Empty axes; further options as for plotly's ``make_subplots``.

    Args:
        height: in pixels; the width is the page's.
    """
    figure = make_subplots(rows, columns, **options)
    for axes in (figure.update_xaxes, figure.update_yaxes):
        axes(title={"font": {"size": 13}, "standoff": 8})
    return figure.update_layout(
        template="none", height=height, margin={"l": 60, "r": 10, "t": 30, "b": 60}, hovermode="closest",
        hoverlabel={"align": "left"}, dragmode=False, font={"size": 12},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
    )  # fmt: skip


def lines(*parts: str) -> str:
    """Hover text with one line per part that is not empty, long ones broken."""
    return "<br>".join(escape(line) for part in parts for line in wrap(part, LINE_WIDTH))


def difference(found: Estimate) -> str:
    """A difference as hover text: value, interval, and the number of seeds."""
    interval = "" if math.isnan(found.half) else ", 95 % confidence"
    return f"Δ {format_difference(found)} points{interval}, n = {found.n}"


def points(x: Sequence[Any], y: Sequence[float], texts: Sequence[str], **options: Any) -> go.Scatter:
    """Points, each with its hover text; further options as for plotly's ``Scatter``."""
    return go.Scatter(x=list(x), y=list(y), text=list(texts), mode="markers", hoverinfo="text", **options)
