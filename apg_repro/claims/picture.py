"""Every claim and its verdict in one picture. Imports no torch."""

from collections import Counter

import matplotlib.pyplot as plt
import plotly.graph_objects as go

from apg_repro.claims.claims import TESTED
from apg_repro.claims.page import Committed, Line, anchor_of, counted_as, lines, number
from apg_repro.config import PROTOCOLS
from apg_repro.report import hover
from apg_repro.report.figures import GREY, INK, VERDICT_COLOURS, Picture, drawn
from apg_repro.report.tables import PROTOCOL_HEADS, PROTOCOL_TITLES, SIGNS, plain

COLOURS = VERDICT_COLOURS | {TESTED: "#5d7f2b"}
MARKS = SIGNS | {TESTED: "T"}
OTHERS = "not run, or no data"
OFFSET = 0.22  # of a row: how far the protocols' marks are from its middle


def word_of(line: Line) -> str:
    """What a line counts as here: a verdict of the rule, or ``OTHERS``."""
    return line.finding.verdict if line.finding.verdict in COLOURS else OTHERS


def places(judged: list[Line]) -> list[tuple[float, float]]:
    """Where each line is drawn: a claim's number in its section, and the section from the top.

    Of a claim under both protocols, one epoch is above early stopping.
    """
    sections = list(dict.fromkeys(line.section for line in judged))
    shift = dict(zip(PROTOCOL_HEADS.values(), (-OFFSET, OFFSET), strict=True))
    return [
        (int(line.number.rpartition("-")[2]), sections.index(line.section) + shift.get(line.when, 0)) for line in judged
    ]


@drawn
def claims_figure(found: Committed) -> Picture:
    """One mark per verdict, one row per section of the paper."""
    judged = lines(found)
    where = places(judged)
    sections = list(dict.fromkeys(line.section for line in judged))
    fig, axis = plt.subplots(figsize=(8.5, 5.2))
    for word in [*COLOURS, OTHERS]:
        here = [place for line, place in zip(judged, where, strict=True) if word_of(line) == word]
        if not here:
            continue
        colour = COLOURS.get(word, "none")
        axis.plot(*zip(*here, strict=True), "s", ms=9, color=colour, mec=colour if word in COLOURS else GREY,
                  label=f"{MARKS.get(word, '')} {word}".strip())  # fmt: skip
        for x, y in here:
            axis.text(x, y + 0.02, MARKS.get(word, ""), ha="center", va="center", fontsize=6.5, color="#ffffff")
    axis.set_yticks(range(len(sections)), [title.replace(": ", ":\n") for title in sections], fontsize=9)
    axis.invert_yaxis()
    axis.set_xlabel("number of the claim in its section")
    axis.grid(visible=False)
    fig.legend(loc="outside lower center", ncols=3, frameon=False, fontsize="small")
    axis.tick_params(colors=INK)
    counts = {when: Counter(counted_as(line.finding) for line in judged if line.when == when) for when in whens(judged)}
    words = [f"{when}: {', '.join(f'{n} {word}' for word, n in each.items())}" for when, each in counts.items()]
    return Picture(
        fig,
        f"Every claim of the paper by section. Of two marks, the upper one is {PROTOCOL_TITLES[PROTOCOLS[0]]}, the "
        f"lower one {PROTOCOL_TITLES[PROTOCOLS[1]]}; claims that no protocol changes have one.",
        f"{'; '.join(words)}.",
        claims_hover(found, judged),
    )


def whens(judged: list[Line]) -> list[str]:
    """The protocols, and the word for none, in the order of the lines."""
    return list(dict.fromkeys(line.when for line in judged))


def claims_hover(found: Committed, judged: list[Line]) -> go.Figure:
    """The same with a text on every mark: the claim, the paper's number, ours and the verdict; a click leads to it."""
    figure = hover.blank(height=620)
    sections = list(dict.fromkeys(line.section for line in judged))
    shown = list(zip(judged, places(judged), strict=True))
    for word in [*COLOURS, OTHERS]:
        here = [(line, place) for line, place in shown if word_of(line) == word]
        if not here:
            continue
        figure.add_trace(
            hover.points(
                [x for _, (x, _) in here], [y for _, (_, y) in here], [text_of(found, line) for line, _ in here],
                name=word, customdata=[f"#{anchor_of(line)}" for line, _ in here],
                marker={
                    "symbol": "square" if word in COLOURS else "square-open", "size": 11,
                    "color": COLOURS.get(word, GREY),
                },
            )
        )  # fmt: skip
    titles = [title.replace(": ", ":<br>") for title in sections]
    figure.update_yaxes(
        tickvals=list(range(len(sections))), ticktext=titles, autorange="reversed", showgrid=False, zeroline=False,
        automargin=True,
    )  # fmt: skip
    longest = max(x for _, (x, _) in shown)
    figure.update_xaxes(
        title_text="number of the claim in its section", showgrid=False, zeroline=False, tick0=1, dtick=1,
        range=[0.4, longest + 0.6],
    )  # fmt: skip
    return figure.update_layout(margin_b=120)


def text_of(found: Committed, line: Line) -> str:
    """The hover text of a line."""
    printed, ours = number(line.claim, found), plain(line.finding.ours)
    return hover.lines(
        f"{line.number}: {line.claim.words}", line.when, line.finding.text, f"Paper: {printed}" if printed else "",
        f"Ours: {ours}" if ours else "",
    )  # fmt: skip
