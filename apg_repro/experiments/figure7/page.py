"""Figure 7: P, K and the layers of G. Imports no torch."""

import math
from collections import Counter
from dataclasses import dataclass

import matplotlib.pyplot as plt
import pandas as pd
import plotly.graph_objects as go
import seaborn as sns

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.figure7.plan import LAYERS, OVER, P_NOT_DAMPED, RANK, K, P
from apg_repro.report import hover
from apg_repro.report.comparison import compare, judge_lines, runs_of
from apg_repro.report.figures import INK, Picture, drawn, in_words
from apg_repro.report.statistics import Estimate, Judgement, count, estimate, judge
from apg_repro.report.tables import (
    AGAINST_THE_BETTER,
    PROTOCOL_HEADS,
    PROTOCOL_TITLES,
    Table,
    badges,
    comparison_frame,
    marked,
    note_on_marks,
    reference_in_words,
    title_of,
)
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Cell

DRAWN = {P: f"P (K = {RANK})", K: f"K (P = {OVER})", LAYERS: f"layers of G (K = {RANK}, P = {OVER})"}  # as the paper
AXES = DRAWN | {P_NOT_DAMPED: P_NOT_DAMPED}  # axis → its title


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values of an axis that a sentence of Appendix E speaks of, and what those are said to be better than.

    Attributes:
        words: the sentence.
        axis: a key of ``AXES``. low, high: the least and the greatest value.
        than: another range of the axis; None: base.
        registered: when it was added, if results were known by then. The paper says nothing of such a range.
    """

    words: str
    axis: str
    low: int
    high: int
    than: "Range | None" = None
    registered: str = ""

    def cells(self, evidence: Evidence) -> list[Cell]:
        """The cells of that range; base is in none."""
        cells = evidence.labelled(axis=self.axis)
        return [cell for cell in cells if self.low <= cell.labels["value"] <= self.high]


SMALL_P = Range(words="APG with small P, 2 to 16, is better than base", axis=P, low=2, high=16)
SMALL_K = Range(words="APG with K from 2 to 8 is better than base", axis=K, low=2, high=8)
ONE_LAYER = Range(words="one layer of G", axis=LAYERS, low=1, high=1)
RANGES = (
    Range(words="APG with large P, 32 to 512, is better than base", axis=P, low=32, high=512),
    SMALL_P,
    Range(words="large P is better than small P", axis=P, low=32, high=512, than=SMALL_P),
    SMALL_K,
    Range(words="large K, 16 and 32, is better than K from 2 to 8", axis=K, low=16, high=32, than=SMALL_K),
    Range(words="APG with 1 to 4 layers of G is better than base", axis=LAYERS, low=1, high=4),
    Range(words="2 to 4 layers are better than one", axis=LAYERS, low=2, high=4, than=ONE_LAYER),
)
WHOLE_RANK = Range(words="P of 8 and 16", axis=P, low=8, high=16)
SMALLEST_P_NOT_DAMPED = Range(words="not damped, P = 2", axis=P_NOT_DAMPED, low=2, high=2)
OURS = (
    Range(
        words="large P is better than P of 8 and 16, which take no rank away", axis=P, low=32, high=512,
        than=WHOLE_RANK, registered="when most rows were known",
    ),
    *(
        Range(
            words=f"not damped, P = {p} is better than P = 2", axis=P_NOT_DAMPED, low=p, high=p,
            than=SMALLEST_P_NOT_DAMPED, registered="when most rows were known",
        )
        for p in (32, 512)
    ),
)  # fmt: skip


def judged(evidence: Evidence, part: Range, protocol: Protocol) -> list[tuple[Estimate, Judgement]]:
    """Every value of a range against base (the better of both), or the means of two ranges: differences, judgements.

    All values of the figure are one family, as they have one reference; the difference of two means is one test.
    """
    if part.than is None:
        family = against_base(evidence, protocol)
        return [family[cell.name] for cell in part.cells(evidence)]
    difference = estimate(evidence.between(part.cells(evidence), part.than.cells(evidence), protocol))
    return [(difference, judge(difference, 1.0))]


def against_base(evidence: Evidence, protocol: Protocol) -> dict[str, tuple[Estimate, Judgement]]:
    """Difference from base and judgement of every value of every axis, by its cell."""
    found = [each for axis in AXES for each in along(evidence, axis, protocol)]
    judgements = judge_lines({cell.name: (runs_of(evidence, [cell], protocol), gap, 1.0) for cell, gap in found})
    return {cell.name: (gap, judgements[cell.name]) for cell, gap in found}


def verdicts(evidence: Evidence, part: Range, protocol: Protocol) -> Counter[str]:
    """How often which verdict is on those differences, which should be above 0; none in the quick profile."""
    return count([one for _, one in judged(evidence, part, protocol)]) if evidence.is_result else Counter()


def ranges_table(evidence: Evidence) -> Table:
    """What Appendix E says of Figure 7, how many values of ours have which verdict, and our own questions."""
    parts = (*RANGES, *OURS)
    lines = [
        {"Appendix E": marked(part.words + (" (ours)" if part in OURS else ""), part.registered)}
        | {PROTOCOL_HEADS[protocol]: badges(verdicts(evidence, part, protocol)) for protocol in PROTOCOLS}
        for part in parts
    ]
    note = note_on_marks(part.registered for part in parts)
    return Table(
        pd.DataFrame(lines),
        f"{evidence.data.title}. Verdicts: of each value {AGAINST_THE_BETTER}, or of the means.{note}",
        wrap=True,
    )


def axis_table(evidence: Evidence, axis: str, protocol: Protocol) -> Table:
    """The AUC of every value along an axis, and its difference from base."""
    found = compare(evidence, protocol)
    cells = [evidence.cell("base"), evidence.cell("damped base"), *evidence.labelled(axis=axis)]
    return Table(
        comparison_frame({cell.key: found[cell.key] for cell in cells}),
        f"{title_of(evidence, protocol)}: {AXES[axis]}. Δ against {reference_in_words(evidence, protocol)}.",
    )


@drawn
def axes_figure(evidence: Evidence) -> Picture:
    """Δ test AUC against base along each axis, which is what is judged. One row of axes per protocol.

    A single seed has no interval: it is drawn as a cross. Axes end a little beyond the means, so a wide interval may
    leave them.
    """
    fig, axes = plt.subplots(
        len(PROTOCOLS), len(DRAWN), figsize=(8.5, 6), sharey="row", squeeze=False, width_ratios=(10, 10, 4)
    )
    colour = sns.color_palette("colorblind")[0]
    for row, protocol in zip(axes, PROTOCOLS, strict=True):
        for drawing, axis in zip(row, DRAWN, strict=True):
            drawing.axhline(0, color=INK, lw=1)
            found = along(evidence, axis, protocol)
            for place, (cell, difference) in enumerate(found):
                if math.isnan(difference.mean):
                    text = "diverged" if evidence.found(cell, protocol) else "not run"
                    at_the_bottom = drawing.get_xaxis_transform()
                    drawing.text(place, 0.02, text, rotation=90, ha="center", transform=at_the_bottom, color=INK)
                elif difference.n == 1:
                    drawing.plot(place, difference.mean, "x", color=colour, ms=7, mew=2)
                else:
                    drawing.errorbar(place, difference.mean, yerr=difference.half, fmt="o", color=colour, capsize=3)
            drawing.set_xticks(range(len(found)), [str(cell.labels["value"]) for cell, _ in found])
            drawing.set_xlim(-0.5, len(found) - 0.5)
            drawing.tick_params(axis="x", labelrotation=90 if len(found) > 5 else 0)
        row[0].set_ylim(*ends(evidence, protocol))
        row[0].set_ylabel(f"{PROTOCOL_TITLES[protocol]}\nΔ test AUC, points")
    for drawing, title in zip(axes[-1], DRAWN.values(), strict=True):
        drawing.set_xlabel(title.replace(" (", "\n("))
    return Picture(
        fig,
        f"{evidence.data.title}. Δ test AUC in points, {AGAINST_THE_BETTER}, seed by seed: means and 95 % intervals. "
        "Crosses are single seeds, which have no interval.",
        axes_in_words(evidence),
        axes_hover(evidence),
    )


def ends(evidence: Evidence, protocol: Protocol) -> tuple[float, float]:
    """Where an axis of differences ends: a little beyond the means."""
    found = [one.mean for axis in DRAWN for _, one in along(evidence, axis, protocol)]
    means = [0.0, *(mean for mean in found if not math.isnan(mean))]
    room = 0.25 * (max(means) - min(means)) + 0.05
    return min(means) - room, max(means) + room


def axes_hover(evidence: Evidence) -> go.Figure:
    """The same with a text on every point: its values of K, P and layers, Δ, interval and number of seeds."""
    figure = hover.blank(
        len(PROTOCOLS), len(DRAWN), height=560, shared_yaxes=True, column_widths=[10, 10, 4], horizontal_spacing=0.02,
        vertical_spacing=0.08,
    )  # fmt: skip
    for row, protocol in enumerate(PROTOCOLS, 1):
        for column, (axis, title) in enumerate(DRAWN.items(), 1):
            found = [(cell, one) for cell, one in along(evidence, axis, protocol) if not math.isnan(one.mean)]
            name, _, fixed = title.partition(" (")
            texts = [
                hover.lines(f"{name} = {cell.labels['value']} ({fixed}", PROTOCOL_HEADS[protocol],
                            hover.difference(one))
                for cell, one in found
            ]  # fmt: skip
            halves = [0 if math.isnan(one.half) else one.half for _, one in found]
            symbols = ["x" if one.n == 1 else "circle" for _, one in found]
            points = hover.points(
                [str(cell.labels["value"]) for cell, _ in found], [one.mean for _, one in found], texts,
                error_y={"array": halves}, marker={"size": 9, "color": hover.BLUE, "symbol": symbols}, showlegend=False,
            )  # fmt: skip
            figure.add_trace(points, row, column)
            values = [str(cell.labels["value"]) for cell in evidence.labelled(axis=axis)]
            figure.update_xaxes(
                type="category", categoryarray=values, range=[-0.5, len(values) - 0.5], showgrid=False,
                tickvals=values,
                title_text=title.replace(" (", "<br>(") if row == len(PROTOCOLS) else "", row=row, col=column,
            )  # fmt: skip
        figure.update_yaxes(range=ends(evidence, protocol), row=row)
        figure.update_yaxes(title_text=f"{PROTOCOL_TITLES[protocol]}: Δ, points", row=row, col=1)
    return figure


def along(evidence: Evidence, axis: str, protocol: Protocol) -> list[tuple[Cell, Estimate]]:
    """The difference of every value along an axis against base, taken seed by seed; of n = 0 where there is none."""
    return [(cell, estimate(evidence.differences(cell, protocol))) for cell in evidence.labelled(axis=axis)]


def axes_in_words(evidence: Evidence) -> str:
    """Every difference that the figure draws."""
    parts = []
    for protocol in PROTOCOLS:
        for axis, title in DRAWN.items():
            found = {str(cell.labels["value"]): one for cell, one in along(evidence, axis, protocol)}
            parts.append(f"{PROTOCOL_TITLES[protocol]}, {title}: {in_words(found)}.")
    return f"Δ AUC in points, {AGAINST_THE_BETTER}. " + " ".join(parts)
