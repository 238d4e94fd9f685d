"""Tables, figures and verdicts from rows of the store. Imports no torch.

AUC is shown in percent as the paper prints it, differences in AUC points. ± is half the width of a 95 %
confidence interval over seeds (Student's t); differences are taken seed by seed.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import stats

from apg_repro import paper
from apg_repro.config import Measurement, RunConfig
from apg_repro.provenance import Age
from apg_repro.provenance import age as provenance_age
from apg_repro.store import Store
from apg_repro.suites import PROTOCOLS, SEEDS, SUITES, Plan, Protocol, Suite, choose, verdict

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
MISSING = "–"
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
    """A suite on one data set, with the rows that the store holds of it: what tables and figures are made from."""

    suite: Suite
    plan: Plan
    rows: list[dict[str, Any]]

    def cells(self, variant: str, protocol: Protocol) -> list[dict[str, Any]]:
        """The reported rows of a variant under a protocol: the plan's seeds, with the K and P chosen for it."""
        wanted = {config.id for config in self.suite.runs(self.plan, self.rows)}
        chosen = choose(self.rows, variant, protocol)
        return [
            row
            for row in self.rows
            if row["id"] in wanted and row["variant"] == variant
            and (chosen is None or (row["rank"], row["over"]) == (chosen["rank"], chosen["over"]))
            and (protocol == "one_epoch" or row["max_epochs"] > 1)
        ]  # fmt: skip

    def by_seed(self, variant: str, protocol: Protocol) -> dict[int, float]:
        """The test AUC of a variant in percent, seed by seed; NaN where the run diverged before there was one."""
        return {row["seed"]: percent(row[f"{protocol}_test_auc"]) for row in self.cells(variant, protocol)}

    def differences(self, variant: str, protocol: Protocol) -> list[float]:
        """Test AUC of a variant less that of base, in points, for the seeds that both have."""
        ours, base = self.by_seed(variant, protocol), self.by_seed("base", protocol)
        return [ours[seed] - base[seed] for seed in ours if seed in base]


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
        paper_difference: against the paper's base.
        n: our runs. diverged: how many of them diverged.
        k, p: as chosen on validation rows.
    """

    variant: str
    paper: float
    paper_difference: float
    ours: Estimate
    difference: Estimate
    n: int
    diverged: int
    k: int | None
    p: int | None
    verdict: str


def comparison(panel: Panel, protocol: Protocol) -> dict[str, Line]:
    """Every variant's line."""
    suite, dataset = panel.suite.name, panel.plan.dataset
    printed_base = paper.value(suite, dataset, "WDL", "base")
    lines = {}
    for variant in panel.suite.variants:
        found = panel.cells(variant, protocol)
        printed = paper.value(suite, dataset, "WDL", variant)
        is_base = variant == "base"
        expected = math.nan if is_base else printed - printed_base
        difference = estimate([] if is_base else panel.differences(variant, protocol))
        lines[variant] = Line(
            variant=variant,
            paper=printed,
            paper_difference=expected,
            ours=estimate(list(panel.by_seed(variant, protocol).values())),
            difference=difference,
            n=len(found),
            diverged=sum(row["status"] == "diverged" for row in found),
            k=found[0]["rank"] if found else None,
            p=found[0]["over"] if found else None,
            # A quick number is no result: it gets no verdict.
            verdict="" if is_base or panel.plan.profile == "quick" else judge(difference, expected),
        )
    return lines


def judge(difference: Estimate, expected: float) -> str:
    """The verdict on a difference against the paper's; "not run" without a run, "" where the paper has no number."""
    if difference.n == 0:
        return "not run"
    if math.isnan(expected):
        return ""
    near = difference.mean - math.copysign(difference.half, expected)
    return verdict(near, difference.mean, expected)


def shown(lines: dict[str, Line]) -> pd.DataFrame:
    """A comparison as text, as it stands on a page."""
    return pd.DataFrame(
        {
            "Version": line.variant,
            "Paper Δ": "" if math.isnan(line.paper_difference) else signed(f"{line.paper_difference:+.2f}"),
            "Our Δ": line.difference.signed if line.difference.n else "",
            "Verdict": line.verdict,
            "n": f"{line.n}" + (f" ({line.diverged} diverged)" if line.diverged else ""),
            "Paper AUC": MISSING if math.isnan(line.paper) else f"{line.paper:.2f}",
            "Our AUC": str(line.ours),
            "K, P": ", ".join(str(value) for value in (line.k, line.p) if value),
        }
        for line in lines.values()
    )


def signed(number: str) -> str:
    """A number with a true minus sign."""
    return number.replace("-", "−")


def summary(panel: Panel) -> str:
    """The tables of a suite as plain text, for the command line."""
    match panel.suite.name:
        case "table7":
            tables = {"": counts([panel])}
        case "encodings":
            tables = {"": encodings(panel)}
        case _:
            tables = {PROTOCOL_TITLES[protocol]: shown(comparison(panel, protocol)) for protocol in PROTOCOLS}
    return "\n\n".join(f"{title}\n{table.to_string(index=False)}".strip() for title, table in tables.items())


def auc_table(panel: Panel, protocol: Protocol) -> HTML:
    """The paper's cells and ours under a protocol, with the verdicts."""
    data, how = DATASET_TITLES[panel.plan.dataset], PROTOCOL_TITLES[protocol]
    caption = f"{data}, {how}. Test AUC in percent, Δ against base in points, ± 95 % confidence, n seeds."
    return as_html(shown(comparison(panel, protocol)), caption)


def counts(panels: Sequence[Panel]) -> pd.DataFrame:
    """Table 7: what the paper counts in each data set, and what we count."""
    ours = {row["dataset"]: row for panel in panels for row in panel.rows}
    printed = paper.numbers().query("table == 'table7'")
    lines = []
    for dataset in [*dict.fromkeys(printed["dataset"]), *(name for name in ours if name == "synthetic")]:
        for count in ("rows", "users", "items"):
            theirs, found = paper.value("table7", dataset, "", "", count), ours.get(dataset, {}).get(count)
            lines.append(
                {
                    "Data set": DATASET_TITLES[dataset],
                    "Count": count,
                    "Paper": MISSING if math.isnan(theirs) else f"{theirs:,.0f}",
                    "Ours": NO_DATA[dataset] if found is None else f"{found:,}",
                    "Verdict": "" if math.isnan(theirs)
                    else "not run" if found is None else "reproduced" if theirs == found else "not reproduced",
                }
            )  # fmt: skip
    return pd.DataFrame(lines)


def encodings(panel: Panel) -> pd.DataFrame:
    """Base after one epoch on every encoding of MovieLens: weights of the hidden layers, and AUC."""
    lines = []
    for features in panel.suite.variants:
        found = panel.cells(features, "one_epoch")
        lines.append(
            {
                "Encoding": features,
                "Weights of the hidden layers": f"{found[0]['n_hidden']:,}" if found else MISSING,
                "Paper AUC": f"{paper.value('table2', panel.plan.dataset, 'WDL', 'base'):.2f}",
                "Our AUC": str(estimate(list(panel.by_seed(features, "one_epoch").values()))),
                "n": len(found),
            }
        )
    return pd.DataFrame(lines)


def as_html(table: pd.DataFrame, caption: str) -> HTML:
    """A table for a page, under its caption."""
    return HTML(f'<p class="apg-caption">{escape(caption)}</p>{table_html(table)}')


def table_html(table: pd.DataFrame) -> str:
    """A table that scrolls sideways on a narrow screen, verdicts in colour."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
    body = "".join(
        "<tr>" + "".join(cell_html(name, value) for name, value in row.items()) + "</tr>"
        for row in table.to_dict("records")
    )
    return (
        f'<div class="apg-table"><table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def cell_html(column: Any, value: Any) -> str:
    """One cell; a verdict gets a class of its own."""
    text = escape(str(value))
    if str(column).lower().endswith("verdict") and text:
        text = f'<span class="apg-verdict apg-{text.replace(" ", "-")}">{text}</span>'
    return f"<td>{text}</td>"


def style() -> None:
    """The look of every figure."""
    sns.set_theme(context="notebook", style="whitegrid", palette="colorblind")
    plt.rcParams |= {"figure.dpi": 110, "savefig.bbox": "tight", "figure.constrained_layout.use": True}


def colours(suite: Suite) -> dict[str, Any]:
    """One colour a variant, the same in every figure of a suite."""
    return dict(zip(suite.variants, sns.color_palette("colorblind", len(suite.variants)), strict=True))


def differences_figure(panel: Panel) -> Figure:
    """Δ AUC against base: our mean and 95 % interval, each seed, and the paper's number, one panel a protocol."""
    style()
    figure, axes = plt.subplots(1, len(PROTOCOLS), figsize=(8, 3.2), sharex=True, sharey=True)
    variants = [variant for variant in panel.suite.variants if variant != "base"]
    palette = colours(panel.suite)
    for axis, protocol in zip(axes, PROTOCOLS, strict=True):
        lines = comparison(panel, protocol)
        for place, variant in enumerate(variants):
            ours, printed = lines[variant].difference, lines[variant].paper_difference
            axis.plot(printed, place, "D", color="black", ms=6, label="paper" if place == 0 else None)  # NaN: none
            paired = panel.differences(variant, protocol)
            axis.plot(paired, [place + 0.18] * len(paired), ".", color=palette[variant], alpha=0.5, ms=5)
            if ours.n:
                axis.errorbar(ours.mean, place, xerr=ours.half, fmt="o", color=palette[variant], capsize=4, lw=2)
        axis.axvline(0, color="black", lw=1)
        axis.set_title(PROTOCOL_TITLES[protocol])
        axis.set_xlabel("Δ test AUC against base, points")
        axis.set_yticks(range(len(variants)), variants)
    axes[0].invert_yaxis()
    axes[0].legend(loc="best", frameon=True)
    plt.close(figure)  # the notebook displays it, once
    return figure


def epochs_figure(panel: Panel) -> Figure:
    """Validation AUC by epoch: a line for the mean over seeds while all go on, a band from lowest to highest."""
    style()
    figure, axis = plt.subplots(figsize=(8, 4))
    palette = colours(panel.suite)
    for variant in panel.suite.variants:
        found = panel.cells(variant, "early_stopping") or panel.cells(variant, "one_epoch")
        runs = [[percent(entry["valid_auc"]) for entry in row["history"]] for row in found]
        if not runs:
            continue
        depth = min(map(len, runs))
        curves = np.array([run[:depth] for run in runs])
        epochs = np.arange(1, depth + 1)
        axis.plot(epochs, curves.mean(0), "o-", color=palette[variant], label=f"{variant} (n = {len(runs)})")
        axis.fill_between(epochs, curves.min(0), curves.max(0), color=palette[variant], alpha=0.2, lw=0)
        for run in runs:
            if len(run) > depth:
                axis.plot(np.arange(depth, len(run) + 1), run[depth - 1 :], color=palette[variant], lw=0.7, alpha=0.6)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="epoch", ylabel="validation AUC, percent")
    axis.legend(loc="lower right", frameon=True)
    plt.close(figure)
    return figure


def age(row: dict[str, Any]) -> Age:
    """Whether the code that determines this row's numbers has changed since it was made."""
    kind = RunConfig if "seed" in row else Measurement
    names = {field.name for field in dataclasses.fields(kind)}
    return provenance_age(kind(**{name: row[name] for name in row if name in names}), row["code"])


def provenance(panels: Sequence[Panel], command: str) -> HTML:
    """The foot of a result page: where its rows come from, and the command that makes them again."""
    rows = [row for panel in panels for row in panel.rows]
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
    if any(panel.plan.profile == "quick" for panel in panels):
        notes.append(
            "<b>Quick profile.</b> A sample of the rows, a small model, two seeds: this page shows that everything "
            "works. Its numbers are not the results; <code>make book</code> shows those."
        )
    if all(panel.plan.dataset == "synthetic" for panel in panels):
        notes.append(
            "<b>No real data were found</b>, so this page was made from the synthetic set. "
            "<code>python data_scripts/movielens.py --archive ml-1m.zip</code> prepares MovieLens-1M."
        )
    if any(panel.plan.dataset.endswith("_twin") for panel in panels):
        notes.append(
            "<b>Shape twins.</b> They have the rows, fields and numbers of ids of the data sets that they stand for, "
            "and random values: only times and memory mean anything."
        )
    return HTML("".join(f'<div class="apg-banner">{note}</div>' for note in notes))


def home(store: Store) -> str:
    """The home page's verdicts, as HTML: committed rows of the full profile only, a line a cell of the paper."""
    lines = []
    for suite in SUITES.values():
        for dataset in suite.datasets if "base" in suite.variants else ():
            plan = Plan(profile="full", dataset=dataset, seeds=SEEDS["full"])
            panel = Panel(suite=suite, plan=plan, rows=store.rows("full", suite.name, dataset))
            tables = {protocol: comparison(panel, protocol) for protocol in PROTOCOLS if panel.rows}
            for variant in suite.variants if tables else ():
                if variant != "base":
                    ours = {how: table[variant] for how, table in tables.items()}
                    lines.append(
                        {"Where": f"{suite.title.partition(':')[0]}, {DATASET_TITLES[dataset]}", "Version": variant}
                        | {"Paper Δ": signed(f"{ours['one_epoch'].paper_difference:+.2f}")}
                        | {
                            f"{PROTOCOL_TITLES[how]}{part}": text
                            for how, line in ours.items()
                            for part, text in ((": our Δ", line.difference.signed), (": verdict", line.verdict))
                        }
                    )
    return table_html(pd.DataFrame(lines)) if lines else "No full run is in the store.\n"
