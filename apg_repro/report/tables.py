"""Tables as pages show them. Imports no torch.

AUC is shown in percent as the paper prints it, differences in AUC points. ± is half the width of a 95 % confidence
interval over seeds (Student's t); differences are taken seed by seed.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from typing import Any, get_args

import pandas as pd

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.report.comparison import Comparison, compare
from apg_repro.report.statistics import Estimate, Verdict, estimate
from apg_repro.rows.evidence import Evidence

PROTOCOL_TITLES: dict[Protocol, str] = {"one_epoch": "one epoch", "early_stopping": "early stopping"}
PROTOCOL_HEADS = {protocol: title.capitalize() for protocol, title in PROTOCOL_TITLES.items()}
OPTION_NAMES = {"rank": "K", "over": "P", "learning_rate": "learning rate", "weight_decay": "weight decay"}
MISSING = "–"
NBSP = "\N{NO-BREAK SPACE}"
NOT_IN_THE_PAPER = (
    "Not in the paper: verdicts say whether ours is on that side of 0 on which the paper's differences are on all of "
    "its own data sets."
)
MARK = "*"  # of what was added or changed when results were known


@dataclass(frozen=True)
class Markup:
    """Text that is HTML already: not escaped in a table, and rendered where a notebook displays it.

    Not a kind of ``str``: pandas turns those in a column into plain text.
    """

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __str__(self) -> str:
        return self.html

    def __bool__(self) -> bool:
        return bool(self.html)


@dataclass(frozen=True)
class Table:
    """A table of a page: ``data`` is what it shows, as a DataFrame to sort, filter and plot.

    Attributes:
        wrap: whether long text in cells has several lines.
    """

    data: pd.DataFrame
    caption: str = ""
    wrap: bool = False

    def _repr_html_(self) -> str:
        caption = f'<p class="apg-caption">{escape(self.caption)}</p>' if self.caption else ""
        return caption + table_html(self.data, self.wrap)

    def __str__(self) -> str:
        return "\n".join(filter(None, [self.caption, self.data.to_string(index=False)]))


def table_html(table: pd.DataFrame, wrap: bool = False) -> str:
    """A table that scrolls sideways on a narrow screen, verdicts in colour."""
    kind = "apg-table apg-words" if wrap else "apg-table"
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
    body = "".join(
        "<tr>" + "".join(cell_html(name, value) for name, value in row.items()) + "</tr>"
        for row in table.to_dict("records")
    )
    return f'<div class="{kind}"><table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cell_html(column: Any, value: Any) -> str:
    """One cell, escaped unless it is HTML already; a verdict is coloured."""
    text = value.html if isinstance(value, Markup) else escape(str(value))
    if str(column).lower().endswith("verdict") and text:
        text = badge(text).html
    return f"<td>{text}</td>"


def badge(verdict: str, count: int | None = None) -> Markup:
    """A verdict in its colour, and how often it occurs."""
    text = verdict if count is None else f"{count} {verdict}"
    return Markup(f'<span class="apg-verdict apg-{verdict.replace(" ", "-")}">{text}</span>')


def badge_over(verdict: str, below: str) -> Markup:
    """A verdict, and below it what it rests on; either may be empty. ``below`` is HTML."""
    return Markup("<br>".join(filter(None, [badge(verdict).html if verdict else "", below])))


def badges(verdicts: Iterable[str]) -> Markup:
    """How often each verdict occurs among these; empty ones do not count."""
    found = Counter(filter(None, verdicts))
    return Markup(" ".join(badge(verdict, found[verdict]).html for verdict in get_args(Verdict) if found[verdict]))


def with_true_minus(number: str) -> str:
    """A number with a true minus sign."""
    return number.replace("-", "−")


def format_signed(value: float, decimals: int = 2, suffix: str = "") -> str:
    """A number with its sign, a true minus; zero counts as positive."""
    return with_true_minus(f"{round(value, decimals) + 0.0:+,.{decimals}f}{suffix}")


def format_estimate(found: Estimate) -> str:
    """A mean and its interval as text."""
    if found.n == 0:
        return MISSING
    if math.isnan(found.mean):
        return "diverged"
    return f"{found.mean:.2f}" + ("" if math.isnan(found.half) else f" ± {found.half:.2f}")


def format_difference(found: Estimate) -> str:
    """The same with its sign always shown."""
    text = with_true_minus(format_estimate(found))
    return f"+{text}" if found.n and found.mean >= 0 else text


def with_n(difference: Estimate) -> str:
    """A difference and its number of seeds; empty without one."""
    return f"{format_difference(difference)} (n{NBSP}={NBSP}{difference.n})" if difference.n else ""


def without_empty_columns(table: pd.DataFrame) -> pd.DataFrame:
    """Drops columns whose cells are all empty."""
    return table.drop(columns=[name for name in table if not table[name].astype(str).any()])


def marked(text: str, registered: str) -> str:
    """Text about a cell (or what else has a ``registered``), with a mark if it was added when results were known."""
    return f"{text}{NBSP}{MARK}" if registered else text


def note_on_marks(registered: Iterable[str]) -> str:
    """What a caption says of marked cells; "" if there are none."""
    reasons = dict.fromkeys(reason for reason in registered if reason)
    return f" {MARK} Added {'; '.join(reasons)}." if reasons else ""


def title_of(evidence: Evidence, protocol: Protocol) -> str:
    """How captions begin: the data set and the protocol."""
    return f"{evidence.data.title}, {PROTOCOL_TITLES[protocol]}"


def paper_difference(line: Comparison) -> str:
    """The paper's difference; where it does not have the data set, on which side of 0 it is on the paper's own."""
    if not math.isnan(line.direction):
        return "above 0" if line.direction > 0 else "below 0"
    return format_signed(line.paper_difference) if line.is_printed else ""


def comparison_frame(found: Mapping[tuple[str, str], Comparison]) -> pd.DataFrame:
    """Comparisons as text; columns that would be empty are left out."""
    table = pd.DataFrame(
        {
            "Backbone": line.cell.backbone,
            "Version": line.cell.name,
            "Paper Δ": paper_difference(line),
            "Our Δ": format_difference(line.difference) if line.difference.n else "",
            "Verdict": line.verdict,
            "n": f"{line.ours.n}" + (f" ({line.n_diverged} diverged)" if line.n_diverged else ""),
            "Paper AUC": "" if math.isnan(line.paper) else f"{line.paper:.2f}",
            "Our AUC": format_estimate(line.ours),
            "Chosen": ", ".join(f"{OPTION_NAMES[name]} {value:g}" for name, value in line.chosen.items()),
            "Added": line.cell.registered,
        }
        for line in found.values()
    )
    return without_empty_columns(table.drop(columns="Backbone") if set(table["Backbone"]) == {"WDL"} else table)


def auc_table(evidence: Evidence, protocol: Protocol, names: Sequence[str] = ()) -> Table:
    """The paper's cells and ours under a protocol, with the verdicts; only these cells of WDL, if any are named."""
    found = compare(evidence, protocol)
    found = {key: found[key] for key in [("WDL", name) for name in names] or found}
    against = "base" if {line.cell.against for line in found.values()} <= {None, "base"} else "its own base"
    caption = (
        f"{title_of(evidence, protocol)}. Test AUC in percent, Δ against {against} in points, "
        "± 95 % confidence, n seeds."
    )
    if any(not math.isnan(line.direction) for line in found.values()):
        caption += f" {NOT_IN_THE_PAPER}"
    return Table(comparison_frame(found), caption)


def differences_table(evidence: Evidence, pairs: Mapping[str, tuple[str, str]]) -> Table:
    """Differences between two cells of WDL that the paper's table does not print, by what they are called."""
    lines = [
        {"Δ": name}
        | {
            PROTOCOL_HEADS[how]: with_n(estimate(evidence.between([evidence.cell(ours)], [evidence.cell(theirs)], how)))
            for how in PROTOCOLS
        }
        for name, (ours, theirs) in pairs.items()
    ]
    return Table(pd.DataFrame(lines), f"{evidence.data.title}. Differences of test AUC in points, ± 95 % confidence.")


def printed_verdicts(found: Sequence[Evidence], protocol: Protocol) -> Markup:
    """How often each verdict occurs among the differences that the paper prints."""
    lines = [line for evidence in found for line in compare(evidence, protocol).values()]
    return badges(line.verdict for line in lines if line.is_printed)


def outcome(found: Sequence[Evidence]) -> Markup:
    """What came out, in words: how many of the paper's differences have which verdict."""
    lines = []
    for evidence, protocol in product(found, PROTOCOLS):
        counts = printed_verdicts([evidence], protocol)
        if not counts and evidence.is_result and not evidence.data.paper:
            judged = [line for line in compare(evidence, protocol).values() if line.cell.is_printed]
            counts = f"{badges(line.verdict for line in judged) or 'no verdict'} (not in the paper)"
        lines.append(f"<li>{title_of(evidence, protocol)}: {counts or 'no verdict, quick numbers are no results'}</li>")
    return Markup(f"<p>Of the differences that the paper prints:</p><ul>{''.join(lines)}</ul>")
