"""The report on an answer: tables and figures for a notebook, and all of them in one HTML file. Imports no torch.

AUC in percent, differences in points, ± half of a 95 % confidence interval over paired seeds (Student's t).
"""

import math
from collections.abc import Iterator
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from apg_repro.report.costs import rounded
from apg_repro.report.figures import GREY, INK, Picture, drawn, not_run
from apg_repro.report.statistics import Estimate, estimate
from apg_repro.report.tables import MISSING, Markup, Table, badge, format_difference, format_estimate, format_signed
from apg_repro.yours.verdict import WORDS, Answer, finding, gains, paired, scores

NAMES = {"base": "base", "apg": "APG"}
COLOURS = {"base": "#0173b2", "apg": "#de8f05"}
OPTIONS = {
    "version": "version", "rank": "K", "over": "P", "condition": "condition", "init": "start",
    "learning_rate": "learning rate", "weight_decay": "weight decay", "base_damping": "damped",
}  # fmt: skip
STYLE = """
:root { color-scheme: light dark; --pst-color-background: #fff; --line: #8886; }
@media (prefers-color-scheme: dark) { :root { --pst-color-background: #14181e; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  background: var(--pst-color-background); color: light-dark(#222, #ddd); }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; }
.apg-table { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
caption { text-align: left; padding: 0.5rem 0; } td, th { padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line);
  text-align: right; font-weight: inherit; } thead th { font-weight: 600; vertical-align: bottom; }
tr > :first-child { text-align: left; } .apg-save { font-size: 0.8rem; } a { color: inherit; }
figure { margin: 1rem 0; } .apg-drawing svg { width: 100%; height: auto; } figcaption { font-size: 0.9rem; }
.apg-verdict { border-radius: 0.25rem; padding: 0.1rem 0.45rem; font-weight: 600; color: #fff; background: #5b6470; }
.apg-better { background: #1b7742; } .apg-worse { background: #a32d2d; } .apg-no-difference { background: #2b5fa5; }
.apg-foot { border-top: 1px solid var(--line); margin-top: 2rem; font-size: 0.85rem; }
pre { overflow-x: auto; border: 1px solid var(--line); padding: 0.75rem; font-size: 0.8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.1rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; }
"""


def verdict_line(answer: Answer) -> Markup:
    """The verdict, and what it rests on, in a sentence or two."""
    found = finding(answer)
    corrected = found.difference.corrected
    notes = [found.sentence]
    if answer["columns"]["split"] != "random":
        notes.append("All seeds have the same split, so the interval does not say what other test rows would give.")
    elif found.judgement.corrected_word != found.judgement.word:
        notes.append(
            f"With the corrected resampled t, which allows for seeds whose rows overlap, the interval is "
            f"±{corrected.half:.2f}, and the verdict would be {WORDS.get(found.judgement.corrected_word, 'undecided')}."
        )
    if diverged := [run for side in NAMES for run in answer["runs"][side] if run["status"] != "ok"]:
        notes.append(f"{len(diverged)} run{'s' * (len(diverged) > 1)} diverged.")
    if answer["plan"]["rows"] < answer["plan"]["total"]:
        notes.append(
            f"This is an answer for a random sample of {answer['plan']['rows']:,} of {answer['plan']['total']:,} rows, "
            "those asked for or those that fit into the time: for all, leave --rows out, and give more --minutes and "
            "another --out."
        )
    return Markup(f"<p>{badge(found.word)} {escape(' '.join(notes))}</p>")


def scores_table(answer: Answer) -> Table:
    """Test AUC and logloss of both sides, their difference, and the baselines."""
    found, lines = finding(answer), []
    for name, runs in {**{NAMES[side]: answer["runs"][side] for side in NAMES}, **answer["baselines"]}.items():
        auc, logloss = scores(runs, "auc", 100), scores(runs, "logloss", 1)
        half = "" if math.isnan(logloss.half) else f" ± {logloss.half:.4f}"
        lines.append(
            {"": name, "AUC, %": format_estimate(auc), "Logloss, nats": f"{logloss.mean:.4f}{half}", "n": auc.n}
        )
    thousandths = format_difference(found.logloss)
    lines.insert(
        2,
        {
            "": "APG − base",
            "AUC, %": format_difference(found.difference),
            "Logloss, nats": f"{thousandths} · 10⁻³",
            "n": found.difference.n,
        },
    )
    ahead = [name for name in answer["baselines"] if all(lead(answer, name, side).is_above for side in NAMES)]
    honest = (
        f" {' and '.join(ahead).capitalize()} {'is' if len(ahead) == 1 else 'are'} ahead of both: try that first."
        if ahead
        else ""
    )
    return Table(pd.DataFrame(lines), f"Test scores over n seeds, ± 95 % confidence.{honest}")


def lead(answer: Answer, baseline: str, side: str) -> Estimate:
    """How far a baseline is ahead of a side on the seeds that both have, in points of AUC."""
    auc = {run["seed"]: math.nan if run["auc"] is None else run["auc"] for run in answer["runs"][side]}
    scored = answer["baselines"][baseline]
    return estimate([100 * (one["auc"] - auc[one["seed"]]) for one in scored if one["seed"] in auc])


def chosen_table(answer: Answer) -> Table:
    """What the search chose for each side."""
    lines = []
    for side, name in NAMES.items():
        best = answer["search"][side]
        line = {"": name, "trials": len(best["trials"]), "best validation AUC, %": f"{100 * best['valid_auc']:.2f}"}
        for option, title in OPTIONS.items():
            value = best["options"].get(option, MISSING)
            line[title] = (
                ("yes" if value else "no")
                if isinstance(value, bool)
                else f"{value:.3g}"
                if isinstance(value, float)
                else value
            )
        lines.append(line)
    rows = answer["plan"]["search_rows"]
    return Table(pd.DataFrame(lines), f"What the search chose on validation rows (seed 0), among {rows:,} rows.")


def gains_table(answer: Answer, who: str) -> Table:
    """The gain by how many training rows a user or an item has."""
    lines = [
        {
            f"training rows of the {who}": name,
            "test rows": f"{rows:,}",
            "Δ AUC, points": format_difference(gain) if gain.n else "too few rows",
        }
        for name, rows, gain in gains(answer, who)
        if rows
    ]
    return Table(pd.DataFrame(lines), f"APG minus base, by how often the {who} occurs in the training rows.")


def costs_table(answer: Answer) -> Table:
    """Weights, training time, latency."""
    lines: dict[str, dict[str, str]] = {}
    for side, name in NAMES.items():
        cost = answer["costs"][side]
        column = {
            "weights": f"{cost['n_parameters']:,}",
            "weights of the hidden layers, in training": f"{cost['n_hidden']:,}",
            "weights of the hidden layers, as served": f"{cost['n_served']:,}",
            "seconds per epoch": f"{cost['epoch_seconds']:.2f}",
            "epochs until it stops": f"{cost['epochs']:g}",
        }
        for n, found in answer["latency"].items():
            ms = found[side]["ms"]
            what = f"milliseconds for {int(n):,} candidate{'s' * (n != '1')}"
            column[what] = f"{rounded(ms['p50'])} (90 %: {rounded(ms['p90'])})"
        for what, value in column.items():
            lines.setdefault(what, {"": what})[name] = value
    latency = (
        "Latency is of the folded model on one thread of the CPU: the median, and what 90 % of requests stay below."
    )
    return Table(pd.DataFrame(list(lines.values())), f"Costs. {latency}")


def columns_table(answer: Answer) -> Table:
    """What each column was taken for, and used as."""
    columns, lines = answer["columns"], []
    for column in answer["inspected"]:
        used = (
            "field"
            if column["name"] in columns["fields"]
            else "number"
            if column["name"] in columns["numbers"]
            else "left out"
        )
        lines.append(
            {
                "column": column["name"], "taken for": column["kind"], "used as": used, "values": f"{column['n']:,}",
                "missing": f"{100 * column['missing']:.1f} %", "AUC alone": f"{column['alone']:.3f}",
            }
        )  # fmt: skip
    return Table(pd.DataFrame(lines), f"The columns, and how well each ranks the label {columns['label']} by itself.")


@drawn
def seeds_figure(answer: Answer) -> Picture:
    """Every seed's gain, the mean and its interval."""
    values = [100 * value for value in paired(answer, "auc")]
    found = estimate(values)
    fig, axis = plt.subplots(figsize=(8, 1.8))
    axis.plot(values, np.zeros(len(values)), "o", color=GREY, alpha=0.7, label="seeds")
    axis.errorbar(found.mean, 0.25, xerr=found.error_bar, fmt="D", color=COLOURS["apg"], capsize=5, lw=2, label="mean")
    axis.axvline(0, color=INK, lw=1)
    axis.set(yticks=[], ylim=(-0.3, 0.6), xlabel="APG minus base, points of test AUC")
    axis.legend(loc="upper right", frameon=True, ncols=2)
    words = (
        f"APG minus base is {format_difference(found)} points; by seed {', '.join(format_signed(v) for v in values)}."
    )
    return Picture(fig, "The gain of every paired seed, their mean and its 95 % interval.", words)


@drawn
def search_figure(answer: Answer) -> Picture:
    """The best validation AUC so far, by trial."""
    fig, axis = plt.subplots(figsize=(8, 3))
    words = []
    for side, name in NAMES.items():
        aucs = [100 * (trial["valid_auc"] or math.nan) for trial in answer["search"][side]["trials"]]
        best = np.fmax.accumulate(aucs)
        number = np.arange(1, len(aucs) + 1)
        axis.plot(number, aucs, "o", color=COLOURS[side], alpha=0.5)
        axis.step(number, best, where="post", color=COLOURS[side], label=name)
        words.append(f"{name} {best[-1]:.2f} after {len(aucs)} trials")
    axis.set(xlabel="trial", ylabel="validation AUC, percent")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(loc="lower right", frameon=True)
    return Picture(
        fig, "The search: every trial (dots), and the best so far (lines). Pruned trials are shown where they ended.",
        f"Best validation AUC: {', '.join(words)}.",
    )  # fmt: skip


@drawn
def gains_figure(answer: Answer) -> Picture:
    """The gain by how often users and items occur."""
    fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.2), sharey=True)
    words = []
    for axis, who in zip(axes, ("user", "item"), strict=True):
        found = [(name, gain) for name, _, gain in gains(answer, who) if gain.n]
        axis.set_title(who)
        if not found:
            not_run(axis, "no such column, or too few rows")
            continue
        for place, (_, gain) in enumerate(found):
            axis.errorbar(place, gain.mean, yerr=gain.error_bar, fmt="o", color=COLOURS["apg"], capsize=4)
        axis.axhline(0, color=INK, lw=1)
        axis.set_xticks(range(len(found)), [name for name, _ in found], rotation=30)
        axis.set_xlabel("training rows")
        words += [f"{who} with {name} training rows {format_difference(gain)}" for name, gain in found]
    axes[0].set_ylabel("Δ test AUC, points")
    return Picture(
        fig, "APG minus base by how many training rows a test row's user or item has: means and 95 % intervals.",
        f"Δ AUC in points: {', '.join(words) or 'none'}.",
    )  # fmt: skip


def plural(count: int, noun: str) -> str:
    """As in "1 thread" and "2 threads"."""
    return f"{count} {noun}{'s' * (count != 1)}"


def foot(answer: Answer) -> Markup:
    """Where an answer comes from, and the command that makes it again."""
    origin, plan, source = answer["origin"], answer["plan"], answer["source"]
    facts = {
        "File": f"{source['file']}, sha256 {source['sha256'][:12]}",
        "Rows": f"{plan['total']:,}, {100 * source['positive_rate']:.1f} % positive",
        "Search": f"{plan['trials']} trials of each side on {plan['search_rows']:,} rows, backbone {plan['backbone']}",
        "Seeds": f"{', '.join(map(str, answer['seeds']))} on {plan['rows']:,} rows, split {answer['columns']['split']}",
        "Machine": f"{origin['device']}, {plural(origin['threads'], 'thread')}, {plural(origin['cores'], 'core')}",
        "Time": f"{answer['minutes']:.1f} minutes",
        "Made": f"{origin['finished']} UTC, torch {origin['torch']}, Python {origin['python']}",
        "Code": f"commit {origin['commit']}{' with changes' if origin['dirty'] else ''}"
        if origin["commit"]
        else answer["version"],
    }
    lines = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return Markup(f'<div class="apg-foot"><dl>{lines}</dl>Command: <code>{escape(answer["command"])}</code></div>')


def sections(answer: Answer) -> Iterator[tuple[str, list[Any]]]:
    """The sections of a report, with what is in each."""
    yield "Does APG pay on your data?", [verdict_line(answer), scores_table(answer), seeds_figure(answer)]
    by_whom = [gains_table(answer, who) for who in ("user", "item") if answer["columns"][who]]
    if by_whom:
        yield "Who gains?", [*by_whom, gains_figure(answer)]
    yield "What does it cost?", [costs_table(answer)]
    yield "What was searched?", [chosen_table(answer), search_figure(answer)]
    yield "What are the columns?", [columns_table(answer)]


def html(answer: Answer, score: str) -> str:
    """The whole report as one HTML file, which loads nothing.

    Args:
        score: the code that scores new rows.
    """
    parts = []
    for title, shown in sections(answer):
        level = "h2" if parts else "h1"
        parts.append(f"<{level}>{escape(title)}</{level}>" + "".join(one._repr_html_() for one in shown))
    name = NAMES[answer["exported"]]
    parts.append(
        f"<h2>The model to take: {name}</h2><p><code>model/model.onnx</code> and <code>model/model.pt2</code>, trained "
        f"with seed 1, and <code>model/score.py</code>, which scores a file of new rows:</p><pre>{escape(score)}</pre>"
    )
    title = f"APG on {escape(answer['source']['file'])}"
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    body = "\n".join([*parts, str(foot(answer))])
    return f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n'
