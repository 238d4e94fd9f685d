"""The block that a page begins with: what came out, in a few sentences computed from its rows. Imports no torch."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.report.comparison import Comparison, compare, difference_from
from apg_repro.report.statistics import HOLDS, count
from apg_repro.report.tables import WHEN, Markup, badge, format_difference, verdict_order
from apg_repro.rows.evidence import Evidence

Text = str | Markup
NO_RESULTS = "Quick profile: these numbers are not results."
NOTHING = "Nothing of this has been run yet."
OPEN = ("undecided", "not run")  # verdicts that settle nothing


def in_short(found: Sequence[Evidence], *says: Callable[[Sequence[Evidence]], Iterable[Text]]) -> Markup:
    """What came out, in words; of a quick profile, that its numbers are not results.

    Args:
        found: what the page shows.
        says: each makes sentences of it, or none of what has not been run.
    """
    if not all(evidence.is_result for evidence in found):
        return block([NO_RESULTS])
    return block([text for say in says for text in say(found)])


def block(texts: Sequence[Text]) -> Markup:
    """Some sentences as the block that a page begins with; without any, that nothing has been run."""
    lines = [text.html if isinstance(text, Markup) else escape(text) for text in texts] or [NOTHING]
    items = "".join(f"<li>{line}</li>" for line in lines)
    body = f"<ul>{items}</ul>" if len(lines) > 1 else f"<p>{lines[0]}</p>"
    return Markup(f'<div class="apg-short"><b>In short</b>{body}</div>')


def in_a_row(texts: Sequence[str]) -> str:
    """Texts as a list in words."""
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last


def by_side(sides: Mapping[str, int]) -> dict[str, list[str]]:
    """Names by the side of 0 that each is on (1, -1 or 0), in words; no words without a name."""
    words = {1: "ahead of", -1: "behind", 0: "not told apart from"}
    found = {text: [name for name, one in sides.items() if one == side] for side, text in words.items()}
    return {text: names for text, names in found.items() if names}


def sides_in_words(sides: Mapping[str, int], reference: str) -> str:
    """On which data sets something is ahead of a reference, on which behind it, and on which not told apart from it.

    Args:
        sides: of 0, on which the difference from it lies, by data set; at least one.
    """
    *others, last = (
        f"{words} {'it' if number else reference} on {in_a_row(names)}"
        for number, (words, names) in enumerate(by_side(sides).items())
    )
    return f"{', '.join(others)}, and {last}" if others else last


def gains(found: Sequence[Evidence]) -> list[Text]:
    """One text per protocol: how many differences have which verdict.

    And which are settled, on several data sets; the smallest and the largest, on one.

    They are those that the paper prints. On a page that shows none of these, they are all that are taken from a
    reference.
    """
    return [text for protocol in PROTOCOLS if (text := gains_under(found, protocol))]


def gains_over(*controls: str) -> Callable[[Sequence[Evidence]], list[Text]]:
    """Makes one sentence per protocol: how many gains are shown, and how many of these over each of some controls too.

    A gain that does not survive Holm's correction is not.

    Args:
        controls: names of cells.
    """

    def say(found: Sequence[Evidence]) -> list[Text]:
        texts: list[Text] = []
        for protocol in PROTOCOLS:
            shown = [
                (evidence, line.cell)
                for evidence in found
                for line in compare(evidence, protocol).values()
                if line.cell.is_printed and line.verdict in HOLDS and line.judgement.survives
            ]
            if shown:
                over = (
                    (
                        sum(difference_from(evidence, cell, control, protocol).is_above for evidence, cell in shown),
                        control,
                    )
                    for control in controls
                )
                counts = ", ".join(f"{n or 'none'} also over {control}" for n, control in over)
                are = "gain over the reference is" if len(shown) == 1 else "gains over the reference are"
                texts.append(f"{WHEN[protocol]}, {len(shown)} {are} shown: {counts}.")
        return texts

    return say


def gains_under(found: Sequence[Evidence], protocol: Protocol) -> Markup:
    """The sentence of ``gains`` on one protocol; empty before anything has been run."""
    compared = [(evidence, line) for evidence in found for line in compare(evidence, protocol).values()]
    compared = [(evidence, line) for evidence, line in compared if line.reference]
    printed = [(evidence, line) for evidence, line in compared if line.cell.is_printed]
    shown = printed or compared
    ran = [(evidence, line) for evidence, line in shown if not math.isnan(line.difference.mean)]
    if not ran:
        return Markup("")
    titles = list(dict.fromkeys(evidence.data.title for evidence, _ in ran))
    shown = [(evidence, line) for evidence, line in shown if evidence.data.title in titles]
    where = titles[0] if len(titles) == 1 else f"{len(titles)} data sets"
    several = [pair for pair in ran if pair[1].difference.n > 1] or ran
    low, high = (
        end_in_words(*end(several, key=lambda pair: pair[1].difference.mean), with_title=len(titles) > 1)
        for end in (min, max)
    )
    counts = count([line.judgement for _, line in shown])
    verdicts = ", ".join(
        f"{badge(verdict, counts[verdict]).html}{names_with(verdict, shown) if len(titles) > 1 else ''}"
        for verdict in verdict_order()
        if counts[verdict]
    )
    judged = any(line.verdict not in ("", "not run") for _, line in shown)
    whose = "the paper's " if all(line.is_printed for _, line in shown) else "the "
    n = len(shown) if judged else len(ran)
    of = f"{whose}{n} difference{'s' * (n > 1)} of AUC"
    if n < len(shown):
        of += f" that {'have' if n > 1 else 'has'} been run (of {len(shown)})"
    start = f"{WHEN[protocol]} on {escape(where)}, "
    many = len(several) > 1
    span = f"range from {low} to {high}" if low != high else f"are all {low}" if many else f"is {low}"
    if not judged:
        return Markup(f"{start}{escape(of)} {escape(span)}.")
    if len(titles) > 1:
        return Markup(f"{start}the verdicts on {escape(of)} are {verdicts}.")
    subject = "Ours" if len(several) == len(ran) else "Those with several seeds" if many else "That with several seeds"
    return Markup(f"{start}the verdicts on {escape(of)} are {verdicts}. {subject} {escape(span)}.")


def names_with(verdict: str, shown: Sequence[tuple[Evidence, Comparison]]) -> str:
    """Which differences have a verdict that settles something, in brackets; "" of one that leaves them open."""
    if verdict in OPEN:
        return ""
    names: dict[str, list[str]] = {}
    for evidence, line in shown:
        if line.judgement.counted_as == verdict:
            names.setdefault(evidence.data.title, []).append(name_of(evidence, line))
    between = "; " if any("," in name for found in names.values() for name in found) else ", "
    told = (f"{between.join(found)} on {title}" for title, found in names.items())
    return f" ({escape('; '.join(told))})"


def name_of(evidence: Evidence, line: Comparison) -> str:
    """Which difference of a page it is."""
    is_shared = sum(cell.name == line.cell.name for cell in evidence.cells) > 1
    return f"{line.cell.backbone}, {line.cell.title}" if is_shared else line.cell.title


def end_in_words(evidence: Evidence, line: Comparison, with_title: bool) -> str:
    """A difference in points, and which it is."""
    title = f" on {evidence.data.title}" if with_title else ""
    name = name_of(evidence, line)
    return f"{format_difference(line.difference)} points ({name}{title}, n = {line.difference.n})"
