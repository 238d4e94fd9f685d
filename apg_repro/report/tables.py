"""Tables as pages show them. Imports no torch.

AUC is shown in percent as the paper prints it, differences in AUC points. ± is half the width of a 95 % confidence
interval over seeds (Student's t); differences are taken seed by seed.
"""

import math
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape, unescape
from typing import Any, get_args

import pandas as pd

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.labels import words_for
from apg_repro.report.comparison import Comparison, compare
from apg_repro.report.statistics import (
    MARKS,
    NOT_AFTER_HOLM,
    Estimate,
    Judgement,
    Pooled,
    Verdict,
    count,
    estimate,
    pool,
    with_marks,
)
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Cell, Options, Suite

PROTOCOL_TITLES: dict[Protocol, str] = {"one_epoch": "one epoch", "early_stopping": "early stopping"}
PROTOCOL_HEADS = {protocol: title.capitalize() for protocol, title in PROTOCOL_TITLES.items()}
WHEN: dict[Protocol, str] = {  # how a sentence begins
    "one_epoch": "After one epoch",
    "early_stopping": "With early stopping",
}
OPTION_NAMES = {
    "rank": "K",
    "over": "P",
    "learning_rate": "learning rate",
    "weight_decay": "weight decay",
    "condition": "condition",
}
MISSING = "–"
NBSP = "\N{NO-BREAK SPACE}"
NOT_IN_THE_PAPER = (
    "The paper does not have this data set: a verdict says whether our difference has the sign that the paper's has on "
    "all of its data sets."
)
LONG_TEXT = 21  # characters: as many as a difference, its interval and its n have
TOTAL = "all"  # of a line that adds verdicts up
MARK = "*"  # of what was added or changed when results were known
AGAINST_PLAIN = "§"  # of a verdict until damped base has been run
NOTES = MARKS | {AGAINST_PLAIN: "is against plain base alone: damped base lacks runs"}
THE_BETTER = "the better of base and damped base"  # from which gains of weights after one epoch are taken
AGAINST_THE_BETTER = f"against base, or after one epoch against {THE_BETTER}"
SIGNS: dict[str, str] = {  # of verdicts, so that colour is not all that tells them apart
    "reproduced": "✓",
    "direction only": "↗",
    "no difference": "=",
    "contradicted": "✗",
    "undecided": "?",
    "not run": "○",
}


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
        filters: columns by whose values a reader of the book can choose rows.
    """

    data: pd.DataFrame
    caption: str = ""
    wrap: bool = False
    filters: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        return table_html(self.data, self.caption, self.wrap, self.filters)

    @property
    def text(self) -> pd.DataFrame:
        """What it shows, as plain text: without colours and links."""
        return self.data.map(plain).rename(columns=plain)

    def csv(self) -> str:
        """That text as CSV."""
        return self.text.to_csv(index=False)

    def json_lines(self) -> str:
        """That text as JSON, one line per row."""
        return self.text.to_json(orient="records", lines=True, force_ascii=False)

    def __str__(self) -> str:
        return "\n".join(filter(None, [self.caption, self.data.to_string(index=False)]))


def table_html(table: pd.DataFrame, caption: str = "", wrap: bool = False, filters: Sequence[str] = ()) -> str:
    """A table that scrolls sideways on a narrow screen, verdicts in colour, and below it links to its data.

    Cells are on lines of their own: the search of the book takes tags out, and would join their words.
    """
    kind = "apg-table apg-words" if wrap else "apg-table"
    words = {name for name, column in list(table.items())[1:] if is_words(column)}  # the first is left in any case
    head = "\n".join(f'<th scope="col"{left(name in words)}>{escape(str(name))}</th>' for name in table.columns)
    body = "\n".join(
        "<tr>"
        + "\n".join(
            cell_html(name, value, place == 0, name in words) for place, (name, value) in enumerate(row.items())
        )
        + "</tr>"
        for row in table.to_dict("records")
    )
    title = f"<caption><span>{escape(caption)}</span></caption>" if caption else ""
    name = escape(caption or "Table: " + ", ".join(map(str, table.columns)))
    files = {
        "CSV": ("csv", "text/csv", Table(table).csv()),
        "JSON lines": ("jsonl", "application/jsonl", Table(table).json_lines()),
    }
    links = "\n".join(
        f'<a download="{file_name(caption)}.{ending}" aria-label="{title}: {name}" '
        f'href="data:{kind};charset=utf-8;base64,{b64encode(data.encode()).decode()}">{title}</a>'
        for title, (ending, kind, data) in files.items()
    )
    by = f' data-filter="{escape("|".join(filters))}"' if filters else ""
    return (
        f'<div class="{kind}" role="region" tabindex="0" aria-label="{name}"{by}><table class="table">{title}'
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
        f'<p class="apg-save">{links}</p>'
    )


def file_name(caption: str) -> str:
    """A name for the file of a table, from how its caption begins."""
    return "-".join(re.findall(r"[a-z0-9]+", caption.lower())[:8]) or "table"


def plain(value: Any) -> str:
    """What a cell says, without markup."""
    if not isinstance(value, Markup):
        return str(value)
    return unescape(re.sub(r"<[^>]*>", "", value.html.replace("<br>", " ")))


def is_words(column: pd.Series) -> bool:
    """Whether the cells of a column begin at the left: most are not numbers, or one is long enough for two lines."""
    texts = [text for value in column if (text := plain(value).strip(f"{MISSING} "))]
    n_numbers = sum(bool(re.match(r"[+−<]? ?[\d.]", text)) for text in texts)
    return 2 * n_numbers < len(texts) or any(len(text) > LONG_TEXT for text in texts)


def left(is_left: bool) -> str:
    """The attribute of a cell that begins at the left."""
    return ' class="apg-left"' if is_left else ""


def cell_html(column: Any, value: Any, is_head: bool = False, is_left: bool = False) -> str:
    """One cell, escaped unless it is HTML already; a verdict is coloured. The first cell of a row is its head."""
    text = value.html if isinstance(value, Markup) else escape(str(value))
    if str(column).lower().endswith("verdict") and text and text != TOTAL:
        text = badge(text).html
    if re.fullmatch(r"\d+(-\d+)+", text):  # sizes of layers are one word
        text = f'<span class="apg-sizes">{text}</span>'
    return f'<th scope="row">{text}</th>' if is_head else f"<td{left(is_left)}>{text}</td>"


def badge(verdict: str, count: int | None = None) -> Markup:
    """A verdict in its colour and with its sign, and how often it occurs; marks that follow it stay."""
    word = verdict.rstrip("".join([*NOTES, " "]))
    text = verdict if count is None else f"{count} {verdict}"
    sign = f"{SIGNS[word]}{NBSP}" if word in SIGNS else ""
    return Markup(f'<span class="apg-verdict apg-{word.replace(" ", "-")}">{sign}{text}</span>')


def badge_over(verdict: str, below: str) -> Markup:
    """A verdict, and below it what it rests on; either may be empty. ``below`` is HTML."""
    return Markup("<br>".join(filter(None, [badge(verdict).html if verdict else "", below])))


def badges(verdicts: Iterable[str] | Counter[str], between: str = " ") -> Markup:
    """How often each verdict occurs among these, those that do not survive Holm's correction (†) apart.

    Empty ones do not count.
    """
    found = verdicts if isinstance(verdicts, Counter) else Counter(verdicts)
    return Markup(between.join(badge(verdict, found[verdict]).html for verdict in verdict_order() if found[verdict]))


def verdict_order() -> list[str]:
    """All verdicts in the order of the rule, each followed by itself with †."""
    return [text for word in get_args(Verdict) for text in (word, with_marks(word, NOT_AFTER_HOLM))]


def judgement_text(line: Comparison) -> str:
    """The verdict of a comparison with all its marks."""
    return with_marks(line.verdict, marks_of(line))


def marks_of(line: Comparison) -> str:
    """The marks of a comparison's verdict: § if its reference is not yet the one that it should be."""
    return line.judgement.marks + AGAINST_PLAIN * line.is_against_plain


def text_of(judgement: Judgement, is_against_plain: bool) -> str:
    """A word with its marks, and with § if its reference is not yet the one that it should be."""
    return with_marks(judgement.word, judgement.marks + AGAINST_PLAIN * is_against_plain)


def note_on_verdicts(texts: Iterable[str]) -> str:
    """What a caption says of the marks that these verdicts have; "" if they have none."""
    found = "".join(texts)
    return "".join(f" {mark} {note[0].upper()}{note[1:]}." for mark, note in NOTES.items() if mark in found)


def with_true_minus(number: str) -> str:
    """A number with a true minus sign."""
    return number.replace("-", "−")


def format_signed(value: float, decimals: int = 2, suffix: str = "") -> str:
    """A number with its sign, a true minus; zero counts as positive."""
    return with_true_minus(f"{round(value, decimals) + 0.0:+,.{decimals}f}{suffix}")


def hundredths(value: float) -> float:
    """A number with two decimals; what rounds to zero is not negative."""
    return round(value, 2) + 0.0


def format_estimate(found: Estimate) -> str:
    """A mean and its interval as text."""
    if found.n == 0:
        return MISSING
    if math.isnan(found.mean):
        return "diverged"
    return f"{hundredths(found.mean):.2f}" + ("" if math.isnan(found.half) else f" ± {found.half:.2f}")


def format_difference(found: Estimate) -> str:
    """A mean and its interval as text, with its sign always shown."""
    text = with_true_minus(format_estimate(found))
    return f"+{text}" if found.n and hundredths(found.mean) >= 0 else text


def with_n(difference: Estimate) -> str:
    """A difference and its number of seeds; empty without one."""
    return f"{format_difference(difference)} (n{NBSP}={NBSP}{difference.n})" if difference.n else ""


def seeds_in_words(seeds: Sequence[int]) -> str:
    """Which seeds these are, where they are not the first ones: "seeds 6 to 10"; "" where they are."""
    first, last = min(seeds, default=1), max(seeds, default=0)
    if first == 1 and last == len(seeds):
        return ""
    is_run = last - first + 1 == len(seeds)
    numbers = f"{first} to {last}" if is_run and len(seeds) > 1 else ", ".join(map(str, sorted(seeds)))
    return f"seed{'s' * (len(seeds) > 1)} {numbers}"


def n_in_words(line: Comparison) -> str:
    """How many runs a cell has, of which seeds if these are not the first ones, and how many of them diverged."""
    notes = [seeds_in_words(line.seeds), f"{line.n_diverged} diverged" if line.n_diverged else ""]
    text = "; ".join(filter(None, notes))
    return f"{line.ours.n}" + (f" ({text})" if text else "")


def format_pooled(found: Pooled) -> str:
    """A random-effects mean, its interval, and how much its cases differ."""
    mean = Estimate(mean=found.mean, half=found.half, n=found.n_sets)
    return f"{format_difference(mean)} (SD {found.tau:.2f}, I² = {100 * found.i2:.0f} %)"


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
            "Version": line.cell.title,
            "Paper Δ": paper_difference(line),
            "Our Δ": format_difference(line.difference) if line.difference.n else "",
            "Verdict": judgement_text(line),
            "Against": line.rival.title if line.rival else "",
            "Corrected ±": "" if math.isnan(half := line.difference.corrected.half) else f"{half:.2f}",
            "p, Holm": "" if math.isnan(line.judgement.p) else format_p(line.judgement.p),
            "n": n_in_words(line),
            "Paper AUC": f"{line.paper:.2f}" if line.has_paper_auc else "",
            "Our AUC": format_estimate(line.ours),
            "Chosen": format_chosen(line.chosen),
            "Added": line.cell.registered,
        }
        for line in found.values()
    )
    names_suffice = table["Version"].is_unique
    return without_empty_columns(table.drop(columns="Backbone") if names_suffice else table)


def format_chosen(options: Options) -> str:
    """What a search chose, in words."""
    return ", ".join(
        f"{OPTION_NAMES[name]} {words_for(value) if isinstance(value, str) else f'{value:g}'}"
        for name, value in options.items()
    )


def format_p(p: float) -> str:
    """A p-value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def auc_table(evidence: Evidence, protocol: Protocol, names: Sequence[str] = (), against: str = "") -> Table:
    """The paper's cells and ours under a protocol, with the verdicts.

    Args:
        names: the cells of WDL that are shown; none: all cells.
        against: what differences are taken from, in words, where it is not base.
    """
    found = compare(evidence, protocol)
    found = {key: found[key] for key in [("WDL", name) for name in names] or found}
    has_one = {line.cell.against for line in found.values()} <= {None, "base"}
    base = reference_in_words(evidence, protocol)
    against = against or (base if has_one else base.replace("base", "its own base", 1))
    caption = (
        f"{title_of(evidence, protocol)}. Test AUC in percent, Δ against {against} in points, "
        f"± 95 % confidence, n seeds.{note_on_verdicts(map(judgement_text, found.values()))}"
    )
    if any(not math.isnan(line.direction) for line in found.values()):
        caption += f" {NOT_IN_THE_PAPER}"
    caption += note_on_first_epochs(evidence, [line.cell for line in found.values()], protocol)
    return Table(comparison_frame(found), caption)


def reference_in_words(evidence: Evidence, protocol: Protocol) -> str:
    """What gains over base are taken from."""
    rivalled = {(cell.backbone, cell.rival_of) for cell in evidence.cells if cell.rival_of and not cell.grid}
    found = [bool(evidence.rivals(evidence.cell(name, backbone), protocol)) for backbone, name in rivalled]
    if any(found) and not all(found):
        return f"base, or where every run of it is best after its first epoch {THE_BETTER}"
    return THE_BETTER if any(found) else "base"


def note_on_first_epochs(evidence: Evidence, cells: Sequence[Cell], protocol: Protocol) -> str:
    """That both protocols test the same weights, where most runs have their best epoch first; "" elsewhere."""
    if protocol != "early_stopping":
        return ""
    n_first, n = count_first_epochs(evidence, cells)
    if 2 * n_first <= n:
        return ""
    note = f" In {n_first} of {n} runs the first epoch is the best: then both protocols test the same weights"
    has_same_reference = reference_in_words(evidence, protocol) == THE_BETTER
    return f"{note}, against the same reference." if has_same_reference else f"{note}."


def count_first_epochs(evidence: Evidence, cells: Sequence[Cell]) -> tuple[int, int]:
    """In how many runs of these cells with early stopping the first epoch is the best, and how many runs there are."""
    epochs = [row.epoch("early_stopping") for cell in cells for row in evidence.found(cell, "early_stopping")]
    return epochs.count(1), len(epochs)


def all_first_epochs_best(evidence: Evidence, cells: Sequence[Cell]) -> bool:
    """Whether every run of these cells has its best epoch first, so that both protocols test the same weights."""
    n_first, n = count_first_epochs(evidence, cells)
    return n_first == n > 0


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


def across_tables(found: Sequence[Evidence]) -> list[Table | Markup]:
    """``across_table`` under each protocol; with one data set only, one sentence."""
    tables = [across_table(found, protocol) for protocol in PROTOCOLS]
    return [table for place, table in enumerate(tables) if place == 0 or isinstance(table, Table)]


def across_table(found: Sequence[Evidence], protocol: Protocol) -> Table | Markup:
    """The differences that the paper prints, on every data set that has been run, and their random-effects mean.

    With one data set only, a sentence says so.
    """
    shown = [
        evidence
        for evidence in found
        if evidence.is_result
        and evidence.data.kind == "real"
        and any(line.difference.n for line in compare(evidence, protocol).values())
    ]
    if len(shown) < 2:
        return Markup(f"<p>There are {'results on one data set only' if shown else 'no results yet'}.</p>")
    lines = {evidence.data.title: compare(evidence, protocol) for evidence in shown}
    keys = [key for key, line in compare(shown[0], protocol).items() if line.cell.is_printed and line.cell.against]
    table = []
    for backbone, name in keys:
        of_sets = {title: judged.get((backbone, name)) for title, judged in lines.items()}
        pooled = pool([line.difference for line in of_sets.values() if line])
        row: dict[str, Any] = {"Backbone": backbone, "Version": words_for(name)}
        for title, line in of_sets.items():
            row[title] = badge_over(judgement_text(line), with_n(line.difference)) if line else ""
        row["All together"] = format_pooled(pooled) if pooled else ""
        table.append(row)
    texts = [judgement_text(line) for judged in lines.values() for key, line in judged.items() if key in keys]
    frame = pd.DataFrame(table)
    return Table(
        without_empty_columns(frame.drop(columns="Backbone") if set(frame["Backbone"]) == {"WDL"} else frame),
        f"{PROTOCOL_HEADS[protocol]}. Differences of test AUC on every data set, in points, ± 95 % confidence; all "
        "together: the random-effects mean over data sets, the standard deviation (SD) of the true differences between "
        f"them, and I², the share of the variance that is due to it.{note_on_verdicts(texts)}",
    )


def page_link(suite: Suite, text: str = "", folder: str = "") -> Markup:
    """A link to a suite's notebook, or to its page of the book.

    Args:
        text: of the link; "": the title of the page.
        folder: of the page, from the page that has the link: "executed/" on the home page. Without one, the link leads
            to a notebook from another; in the book it leads to its page.
    """
    name = f"{folder}{suite.name}.html" if folder else f"{suite.name}.ipynb"
    return Markup(f'<a href="{name}">{escape(text or suite.title)}</a>')


def printed_verdicts(found: Sequence[Evidence], protocol: Protocol) -> Markup:
    """How often each verdict occurs among the differences that the paper prints."""
    lines = [line for evidence in found for line in compare(evidence, protocol).values()]
    return badges(count([line.judgement for line in lines if line.is_printed]))
