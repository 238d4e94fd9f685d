"""Tables and verdicts from rows of the store. Imports no torch.

AUC is shown in percent as the paper prints it, differences in AUC points. ± is half the width of a 95 %
confidence interval over seeds (Student's t); differences are taken seed by seed.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import product
from typing import Any, get_args

import numpy as np
import pandas as pd
from IPython.display import HTML
from scipy import stats

from apg_repro import paper
from apg_repro.config import Measurement, RunConfig
from apg_repro.paths import DATA
from apg_repro.provenance import Age
from apg_repro.provenance import age as provenance_age
from apg_repro.store import Store
from apg_repro.suites import PROTOCOLS, SEEDS, SUITES, Cell, Options, Plan, Pool, Protocol, Suite, Verdict, verdict

PROTOCOL_TITLES = {"one_epoch": "one epoch", "early_stopping": "early stopping"}
DATASET_TITLES = {
    "movielens": "MovieLens-1M",
    "amazon": "Amazon",
    "iaac": "IAAC",
    "indusdata": "IndusData",
    "synthetic": "synthetic",
    "amazon_twin": "shape twin of Amazon",
    "iaac_twin": "shape twin of IAAC",
}
OPTION_NAMES = {"rank": "K", "over": "P", "learning_rate": "learning rate", "weight_decay": "weight decay"}
MISSING = "–"
EXPLODED = 10.0  # nats, as in training, which this module does not import
AGES: dict[Age, str] = {
    "today's": "{} rows by the code of this checkout",
    "equal to rounding": "{} by earlier code that gives the same numbers to rounding",
    "stale": "{} made before the code that determines them last changed",
}
NO_DATA = {
    "amazon": "not run here: data not available",
    "iaac": "not run here: data not available",
    "indusdata": "cannot be tested outside",
    "movielens": "not run here: data not prepared",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """A suite on one data set, with what the store holds: what tables and figures are made from.

    Attributes:
        pool: every training run of the data set, by key (``Store.pool``).
        measured: the suite's own rows that no training made.
    """

    suite: Suite
    plan: Plan
    pool: Pool
    measured: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return self.suite.cells(self.plan)

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """Every row that the suite's pages rest on: of the search, of the reported runs, measurements."""
        wanted = [*self.suite.search(self.plan), *self.suite.runs(self.plan, self.pool)]
        return [*(self.pool[key] for key in {task.key: None for task in wanted} if key in self.pool), *self.measured]

    def found(self, cell: Cell, protocol: Protocol) -> list[Mapping[str, Any]]:
        """The reported rows of a cell under a protocol."""
        wanted = self.suite.reported(self.plan, cell, protocol, self.pool)
        return [self.pool[config.key] for config in wanted if config.key in self.pool]

    def by_seed(self, cell: Cell, protocol: Protocol) -> dict[int, float]:
        """The test AUC of a cell in percent, seed by seed; NaN where the run diverged before there was one."""
        return {row["seed"]: percent(row[f"{protocol}_test_auc"]) for row in self.found(cell, protocol)}

    def observed(self, cell: Cell, protocol: Protocol) -> dict[int, Mapping[str, Any]]:
        """What was recorded of a cell's models besides their scores, seed by seed."""
        rows = self.found(cell, protocol)
        return {row["seed"]: row["observed"][protocol] for row in rows if protocol in row.get("observed", {})}

    def cell(self, variant: str, backbone: str | None = None) -> Cell:
        """The cell of that name; the first of that variant if the backbone is not said."""
        return next(cell for cell in self.cells if cell.variant == variant and backbone in (None, cell.backbone))

    def reference(self, cell: Cell) -> Cell | None:
        """The cell that a cell's differences are taken from: of the same backbone, or else of WDL."""
        named = {other.name: other for other in self.cells}
        against = cell.against or ""
        return named.get((cell.backbone, against)) or named.get(("WDL", against))

    def differences(self, cell: Cell, protocol: Protocol) -> list[float]:
        """Test AUC of a cell less that of its reference, in points, for the seeds that both have."""
        reference = self.reference(cell)
        return self.between([cell], [reference], protocol) if reference else []

    def between(self, ours: Sequence[Cell], theirs: Sequence[Cell], protocol: Protocol) -> list[float]:
        """Mean test AUC of some cells less that of others, in points, for the seeds that all of them have."""
        plus, minus = ([self.by_seed(cell, protocol) for cell in cells] for cells in (ours, theirs))
        seeds = [seed for seed in self.plan.seeds if all(seed in scores for scores in (*plus, *minus))]
        return [
            float(np.mean([scores[seed] for scores in plus]) - np.mean([scores[seed] for scores in minus]))
            for seed in seeds
        ]

    @property
    def is_result(self) -> bool:
        """Whether its numbers get verdicts: those of the quick profile are no results."""
        return self.plan.profile == "full"

    @property
    def data(self) -> str:
        """What the data set is called on pages."""
        return DATASET_TITLES[self.plan.dataset]

    def label(self, cell: Cell) -> str:
        """What a cell is called in figures: with its backbone, where the suite has several."""
        return cell.variant if len({other.backbone for other in self.cells}) == 1 else f"{cell.backbone} {cell.variant}"


def percent(auc: float | None) -> float:
    """An AUC from 0 to 1 in percent; NaN for none."""
    return math.nan if auc is None else 100 * auc


@dataclasses.dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds and the half-width of its 95 % confidence interval, NaN below two seeds."""

    mean: float
    half: float
    n: int

    def __str__(self) -> str:
        if self.n == 0:
            return MISSING
        if math.isnan(self.mean):
            return "diverged"
        return f"{self.mean:.2f}" + ("" if math.isnan(self.half) else f" ± {self.half:.2f}")

    @property
    def signed(self) -> str:
        """As text, the sign always shown."""
        text = signed(str(self))
        return f"+{text}" if self.n and self.mean >= 0 else text


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % confidence interval; NaN if a value is."""
    n = len(values)
    if n == 0:
        return Estimate(mean=math.nan, half=math.nan, n=0)
    half = float(stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    return Estimate(mean=float(np.mean(values)), half=half, n=n)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """One cell of the paper beside ours: numbers, not text (see ``shown``). AUC in percent, NaN where there is none.

    Attributes:
        paper_difference: against the paper's row of the same reference as ours.
        diverged: how many of our runs diverged.
        chosen: by the search, on validation rows.
    """

    cell: Cell
    paper: float
    paper_difference: float
    ours: Estimate
    difference: Estimate
    diverged: int
    chosen: Options
    verdict: str

    @property
    def is_printed(self) -> bool:
        """Whether the paper prints this very difference, and it is not one of ours beside it."""
        return self.cell.paper is None and not math.isnan(self.paper_difference)


def comparison(panel: Panel, protocol: Protocol) -> dict[tuple[str, str], Line]:
    """Every cell's line, by the cell's name."""
    suite, plan = panel.suite, panel.plan
    lines = {}
    for cell in panel.cells:
        rows = panel.found(cell, protocol)
        printed = printed_auc(panel, cell)
        reference = panel.reference(cell)
        expected = printed - printed_auc(panel, reference) if reference else math.nan
        difference = estimate(panel.differences(cell, protocol))
        judged = reference is not None and panel.is_result
        lines[cell.name] = Line(
            cell=cell,
            paper=printed,
            paper_difference=expected,
            ours=estimate(list(panel.by_seed(cell, protocol).values())),
            difference=difference,
            diverged=sum(diverged(row, protocol) for row in rows),
            chosen=suite.choice(plan, cell, protocol, panel.pool) or {},
            verdict=judge(difference, expected) if judged else "",
        )
    return lines


def diverged(row: Mapping[str, Any], protocol: Protocol) -> bool:
    """Whether a run diverged, under *one epoch* in its first."""
    if row["status"] != "diverged" or protocol != "one_epoch":
        return row["status"] == "diverged"
    worst = row["history"][0]["worst_batch_loss"]
    return worst is None or worst > EXPLODED  # None: it was not finite


def printed_auc(panel: Panel, cell: Cell) -> float:
    """The paper's AUC of a cell in percent; NaN where it prints none."""
    return paper.value(panel.suite.printed_in, panel.plan.dataset, printed_under(panel, cell), cell.printed)


def printed_under(panel: Panel, cell: Cell) -> str:
    """The backbone that the paper prints a cell under: its own, or WDL."""
    own = paper.value(panel.suite.printed_in, panel.plan.dataset, cell.backbone, cell.printed)
    return "WDL" if math.isnan(own) else cell.backbone


def judge(difference: Estimate, expected: float) -> str:
    """The verdict on a difference against the paper's; "not run" without a run, "" where the paper claims none."""
    if difference.n == 0:
        return "not run"
    if math.isnan(expected) or expected == 0:
        return ""
    near = difference.mean - math.copysign(difference.half, expected)
    return verdict(near, difference.mean, expected)


def shown(lines: Mapping[tuple[str, str], Line]) -> pd.DataFrame:
    """A comparison as text, as it stands on a page; columns that would be empty are left out."""
    table = pd.DataFrame(
        {
            "Backbone": line.cell.backbone,
            "Version": line.cell.variant,
            "Paper Δ": plus(line.paper_difference) if line.is_printed else "",
            "Our Δ": line.difference.signed if line.difference.n else "",
            "Verdict": line.verdict,
            "n": f"{line.ours.n}" + (f" ({line.diverged} diverged)" if line.diverged else ""),
            "Paper AUC": "" if math.isnan(line.paper) else f"{line.paper:.2f}",
            "Our AUC": str(line.ours),
            "Chosen": ", ".join(f"{OPTION_NAMES[name]} {value:g}" for name, value in line.chosen.items()),
        }
        for line in lines.values()
    )
    return without_empty(table.drop(columns="Backbone") if set(table["Backbone"]) == {"WDL"} else table)


def without_empty(table: pd.DataFrame) -> pd.DataFrame:
    """A table without the columns that say nothing."""
    return table.drop(columns=[name for name in table if not table[name].astype(str).any()])


def where(panel: Panel, protocol: Protocol) -> str:
    """How captions begin: the data set and the protocol."""
    return f"{panel.data}, {PROTOCOL_TITLES[protocol]}"


def signed(number: str) -> str:
    """A number with a true minus sign."""
    return number.replace("-", "−")


def plus(value: float, decimals: int = 2, suffix: str = "") -> str:
    """A number with its sign, a true minus; zero counts as positive."""
    return signed(f"{round(value, decimals) + 0.0:+,.{decimals}f}{suffix}")


def auc_table(panel: Panel, protocol: Protocol, variants: Sequence[str] = ()) -> HTML:
    """The paper's cells and ours under a protocol, with the verdicts; only these variants of WDL, if any are named."""
    lines = comparison(panel, protocol)
    lines = {name: lines[name] for name in [("WDL", variant) for variant in variants] or lines}
    base = "base" if {line.cell.against for line in lines.values()} <= {None, "base"} else "its own base"
    caption = f"{where(panel, protocol)}. Test AUC in percent, Δ against {base} in points, ± 95 % confidence, n seeds."
    return as_html(shown(lines), caption)


def differences_table(panel: Panel, pairs: Mapping[str, tuple[str, str]]) -> HTML:
    """Differences between two variants of WDL that the paper's table does not print, by what they are called."""
    lines = [
        {"Δ": name}
        | {
            PROTOCOL_TITLES[how].capitalize(): with_n(
                estimate(panel.between([panel.cell(ours)], [panel.cell(theirs)], how))
            )
            for how in PROTOCOLS
        }
        for name, (ours, theirs) in pairs.items()
    ]
    return as_html(pd.DataFrame(lines), f"{panel.data}. Differences of test AUC in points, ± 95 % confidence.")


def as_html(table: pd.DataFrame, caption: str, words: bool = False) -> HTML:
    """A table for a page, under its caption."""
    return HTML(f'<p class="apg-caption">{escape(caption)}</p>{table_html(table, words)}')


def table_html(table: pd.DataFrame, words: bool = False) -> str:
    """A table that scrolls sideways on a narrow screen, verdicts in colour; cells of ``words`` have several lines."""
    kind = "apg-table apg-words" if words else "apg-table"
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
    body = "".join(
        "<tr>" + "".join(cell_html(name, value) for name, value in row.items()) + "</tr>"
        for row in table.to_dict("records")
    )
    return f'<div class="{kind}"><table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cell_html(column: Any, value: Any) -> str:
    """One cell, escaped unless it is HTML already; a verdict is coloured."""
    text = value.data if isinstance(value, HTML) else escape(str(value))
    if str(column).lower().endswith("verdict") and text:
        text = badge(text)
    return f"<td>{text}</td>"


def badge(verdict: str, count: int | None = None) -> str:
    """A verdict in its colour, and how often it stands."""
    text = verdict if count is None else f"{count} {verdict}"
    return f'<span class="apg-verdict apg-{verdict.replace(" ", "-")}">{text}</span>'


def badge_over(verdict: str, below: str) -> HTML:
    """A verdict, and below it what it rests on; either may be empty."""
    return HTML("<br>".join(filter(None, [verdict and badge(verdict), below])))


def with_n(difference: Estimate) -> str:
    """A difference and its number of seeds; empty without one."""
    return f"{difference.signed} (n = {difference.n})" if difference.n else ""


def badges(verdicts: Iterable[str]) -> HTML:
    """How often each verdict stands among these; empty ones do not count."""
    found = Counter(filter(None, verdicts))
    return HTML(" ".join(badge(verdict, found[verdict]) for verdict in get_args(Verdict) if found[verdict]))


def printed_verdicts(panels: Sequence[Panel], protocol: Protocol) -> HTML:
    """How often each verdict stands among the differences that the paper prints."""
    lines = [line for panel in panels for line in comparison(panel, protocol).values()]
    return badges(line.verdict for line in lines if line.is_printed)


def outcome(panels: Sequence[Panel]) -> HTML:
    """What came out, in words: how many of the paper's differences have which verdict."""
    lines = []
    for panel, protocol in product(panels, PROTOCOLS):
        found = printed_verdicts([panel], protocol).data
        lines.append(f"<li>{where(panel, protocol)}: {found or 'no verdict, quick numbers are no results'}</li>")
    return HTML(f"<p>Of the differences that the paper prints:</p><ul>{''.join(lines)}</ul>")


def age(row: Mapping[str, Any]) -> Age:
    """Whether the code that determines this row's numbers has changed since it was made."""
    task = RunConfig.of_row(row) if "seed" in row else Measurement.of_row(row)
    return provenance_age(task, row["code"])


def provenance(panels: Sequence[Panel], command: str) -> HTML:
    """The foot of a result page: where its rows come from, and the command that makes them again."""
    rows = list({row["id"]: row for panel in panels for row in panel.rows}.values())
    if not rows:
        return HTML(f'<div class="apg-foot">No row is in the store. To make them: <code>{escape(command)}</code></div>')

    def values(key: str) -> str:
        return ", ".join(sorted({str(row[key]) for row in rows if key in row}))

    ages = Counter(age(row) for row in rows)
    first, last = min(row["finished"] for row in rows), max(row["finished"] for row in rows)
    hours = sum(row.get("seconds", 0) for row in rows) / 3600
    facts = {
        "rows": f"{len(rows)}, finished {first} to {last} UTC" + (f", {hours:.1f} hours of training" if hours else ""),
        "seeds": values("seed"),
        "device": f"{values('device')}; threads a run: {values('threads')}" if values("device") else "",
        "software": f"torch {values('torch')}, Python {values('python')}",
        "commit": values("commit") + (" (with uncommitted changes)" if any(row["dirty"] for row in rows) else ""),
        "data": f"sha256 of the source begins with {values('data')}",
        "code": "; ".join(text.format(ages[what]) for what, text in AGES.items() if ages[what]),
    }
    lines = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value)
    return HTML(
        f'<div class="apg-foot"><b>Where these numbers come from</b><dl>{lines}</dl>'
        f"To make what is missing: <code>{escape(command)}</code>. "
        "To make all of it again, delete the file of rows first.</div>"
    )


def banner(panels: Sequence[Panel]) -> HTML:
    """What a reader must know first: quick numbers are no results, synthetic data are no real data."""
    notes = []
    if not all(panel.is_result for panel in panels):
        notes.append(
            "<b>Quick profile.</b> A sample of the rows, a small model, two seeds: this page shows that everything "
            "works. Its numbers are not the results; <code>make book</code> shows those."
        )
    if all(panel.plan.dataset == "synthetic" for panel in panels):
        prepared = (DATA / "movielens" / "manifest.json").exists()
        notes.append(
            "<b>Synthetic data.</b> This page shows no real ones."
            if prepared
            else "<b>No real data were found</b>, so this page was made from the synthetic set. "
            "<code>python data_scripts/movielens.py --archive ml-1m.zip</code> prepares MovieLens-1M."
        )
    if any(panel.plan.dataset.endswith("_twin") for panel in panels):
        notes.append(
            "<b>Shape twins.</b> They have the rows, fields and numbers of ids of the data sets that they stand for, "
            "and random values: only times and memory mean anything."
        )
    return HTML("".join(f'<div class="apg-banner">{note}</div>' for note in notes))


def open_panel(suite: Suite, plan: Plan, store: Store) -> Panel:
    """A suite on one data set, with what the store holds of it."""
    measured = [row for row in store.rows(plan.profile, suite.name, plan.dataset) if "seed" not in row]
    return Panel(suite=suite, plan=plan, pool=store.pool(plan.profile, plan.dataset), measured=measured)


def page_link(suite: Suite, text: str, beside: bool = False) -> HTML:
    """A link to a suite's page, from the home page or from a page ``beside`` it."""
    page = suite.page.replace(".ipynb", ".html")
    return HTML(f'<a href="{page.rpartition("/")[2] if beside else page}">{escape(text)}</a>')


def home(store: Store) -> str:
    """The home page's summary, as HTML: a line a suite, from the committed rows of the full profile only.

    Pages that judge no printed AUC are named below.
    """
    lines, others = [], []
    for suite in SUITES.values():
        plans = [Plan(profile="full", dataset=dataset, seeds=SEEDS["full"]) for dataset in suite.datasets]
        panels = [open_panel(suite, plan, store) for plan in plans]
        panels = [panel for panel in panels if panel.rows] or panels[:1]
        link, cells = page_link(suite, suite.title), answered(suite, panels)
        verdicts = {how: printed_verdicts(panels, how) for how in PROTOCOLS if cells}
        if not any(found.data for found in verdicts.values()):
            others.append(link.data)
            continue
        found = {PROTOCOL_TITLES[how].capitalize(): badges for how, badges in verdicts.items()}
        lines.append({"Page": link, "Cells answered": cells} | found)
    return f"{table_html(pd.DataFrame(lines), words=True)}<p>Beside them: {'; '.join(others)}.</p>"


def answered(suite: Suite, panels: Sequence[Panel]) -> str:
    """How many of the AUC that the paper prints in a table have a run of ours; "" where it prints none."""
    rows = paper.numbers()
    rows = rows[(rows["table"] == suite.printed_in) & (rows["metric"] == "auc") & (rows["backbone"] != "average")]
    ours = {
        (panel.plan.dataset, printed_under(panel, cell), cell.printed)
        for panel in panels
        for cell in panel.cells
        if panel.found(cell, "one_epoch") and not math.isnan(printed_auc(panel, cell))
    }
    return f"{len(ours)} of {len(rows)}" if len(rows) else ""
