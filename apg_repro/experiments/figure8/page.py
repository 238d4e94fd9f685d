"""Figure 8: who gains, rare users or frequent ones? Imports no torch.

``apg_repro/training/observe.py`` divides the users into groups; how many there are is read from the rows.
"""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.labels import words_for
from apg_repro.report.figures import Picture, drawn, not_run
from apg_repro.report.statistics import Estimate, estimate, judge
from apg_repro.report.tables import (
    AGAINST_THE_BETTER,
    PROTOCOL_HEADS,
    PROTOCOL_TITLES,
    Table,
    format_difference,
    note_on_verdicts,
    text_of,
    with_n,
    without_empty_columns,
)
from apg_repro.rows.evidence import Evidence

METRICS = {"auc": "AUC", "top_rate": "positives in top tenth"}
RAREST, MOST_FREQUENT = 0, -1  # groups
PAIRS = (("apg", "base"), ("damped base", "base"), ("apg", "damped base"))  # of cells


def gains(evidence: Evidence, protocol: Protocol, metric: str) -> list[Estimate]:
    """APG less base (see ``Evidence.stronger``) in points, group by group, rarest users first; none without a run."""
    return [estimate(list(group)) for group in gains_by_seed(evidence, protocol, metric).T]


def gains_by_seed(evidence: Evidence, protocol: Protocol, metric: str, cell: str = "apg", over: str = "") -> np.ndarray:
    """One cell less another in points: (seeds that both have, groups); NaN where there is no AUC, (0, 0) without a run.

    Args:
        over: the name of the other cell; "": base, or damped base (see ``Evidence.stronger``).
    """
    reference = evidence.cell(over) if over else evidence.stronger(evidence.cell("base"), protocol)
    ours, theirs = (evidence.observed(one, protocol) for one in (evidence.cell(cell), reference))
    seeds = [seed for seed in ours if seed in theirs]
    plus, minus = (np.array([found[seed][metric] for seed in seeds], dtype=float) for found in (ours, theirs))
    return 100 * (plus - minus) if seeds else np.empty((0, 0))


def gain(evidence: Evidence, protocol: Protocol, metric: str, group: int) -> Estimate:
    """The gain of one group."""
    found = gains(evidence, protocol, metric)
    return found[group] if found else estimate([])


def rare_over_frequent(
    evidence: Evidence, protocol: Protocol, metric: str, cell: str = "apg", over: str = ""
) -> Estimate:
    """By how much the rarest tenth of the users gains more than the most frequent one; see ``gains_by_seed``."""
    found = gains_by_seed(evidence, protocol, metric, cell, over)
    return estimate([seed[RAREST] - seed[MOST_FREQUENT] for seed in found])


def share(evidence: Evidence, protocol: Protocol) -> np.ndarray:
    """Each group's share of the test rows in percent: a mean over seeds; empty without a run."""
    found = evidence.observed(evidence.cell("base"), protocol).values()
    rows = np.array([groups["rows"] for groups in found], dtype=float)
    return (100 * rows / rows.sum(1, keepdims=True)).mean(0) if len(rows) else np.array([])


@drawn
def gains_figure(evidence: Evidence) -> Picture:
    """Gains by group, means and 95 % intervals; the line is each group's share of the rows."""
    fig, axes = plt.subplots(len(PROTOCOLS), len(METRICS), figsize=(8.5, 6), sharex=True, sharey="col")
    colour, red = sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[3]
    for row, protocol in zip(axes, PROTOCOLS, strict=True):
        for axis, (metric, title) in zip(row, METRICS.items(), strict=True):
            axis.set(title=f"{title}, {PROTOCOL_TITLES[protocol]}", ylabel="gain, points")
            axis.axhline(0, color="black", lw=1)
            found, rows = gains(evidence, protocol, metric), share(evidence, protocol)
            if not found:
                not_run(axis)
                continue
            places, bars = range(len(found)), [one.error_bar for one in found]
            axis.errorbar(places, [one.mean for one in found], yerr=bars, fmt="o", color=colour, capsize=3)
            axis.set_xticks(places)
            right = axis.twinx()
            right.plot(places, rows, color=red, lw=1.5)
            right.set_ylim(0)
            right.set_ylabel("share of test rows, percent", color=red)
            right.grid(visible=False)
    for axis in axes[-1]:
        axis.set_xlabel("group of users, rarest to most frequent")
    words = [
        f"{PROTOCOL_TITLES[protocol]}, gain in {title}: rarest users "
        f"{format_difference(gain(evidence, protocol, metric, RAREST))}, "
        f"most frequent {format_difference(gain(evidence, protocol, metric, MOST_FREQUENT))}"
        for protocol in PROTOCOLS
        for metric, title in METRICS.items()
    ]
    return Picture(
        fig,
        f"{evidence.data.title}. Gain of APG by group of users, {AGAINST_THE_BETTER}: means and 95 % intervals; a "
        "single seed has none. The line is each group's share of the test rows.",
        f"In points. {'; '.join(words)}.",
    )


def rare_users_table(evidence: Evidence) -> Table:
    """The two outermost groups, and whether the rarest users gain more."""
    lines = []
    for protocol in PROTOCOLS:
        lacks_rival = evidence.lacks_rival(evidence.cell("base"), protocol)
        for metric, title in METRICS.items():
            more = rare_over_frequent(evidence, protocol, metric)
            is_judged = metric == "auc" and evidence.is_result
            lines.append(
                {
                    "Protocol": PROTOCOL_TITLES[protocol],
                    "Gain in": title,
                    "Verdict": text_of(judge(more, 1.0), lacks_rival) if is_judged else "",
                    "Difference": format_difference(more),
                    "n": more.n,
                    "Rarest users": format_difference(gain(evidence, protocol, metric, RAREST)),
                    "Most frequent": format_difference(gain(evidence, protocol, metric, MOST_FREQUENT)),
                }
            )
    caption = (
        f"{evidence.data.title}. Gain of APG in points, {AGAINST_THE_BETTER}, ± 95 % confidence. Verdict: do rare "
        f"users gain more AUC?{note_on_verdicts(str(line['Verdict']) for line in lines)}"
    )
    return Table(without_empty_columns(pd.DataFrame(lines)), caption)


def steps_table(evidence: Evidence) -> Table:
    """How much of that a base with smaller steps has as well, whose weights are the same for all users."""
    lines = [
        {"Δ": f"{words_for(ours)} − {words_for(theirs)}"}
        | {
            PROTOCOL_HEADS[protocol]: with_n(rare_over_frequent(evidence, protocol, "auc", ours, theirs))
            for protocol in PROTOCOLS
        }
        for ours, theirs in PAIRS
    ]
    caption = "By how many points of AUC the rarest users gain more than the most frequent ones, ± 95 % confidence."
    return Table(pd.DataFrame(lines), f"{evidence.data.title}. {caption}")


def main_points(found: Sequence[Evidence]) -> list[str]:
    """What is left of the difference over damped base with early stopping, and in the stand-in for clicks."""
    texts = []
    for evidence in found:
        steps, left = (rare_over_frequent(evidence, "early_stopping", "auc", *pair) for pair in PAIRS[1:])
        clicks = rare_over_frequent(evidence, "early_stopping", "top_rate")
        if min(steps.n, left.n, clicks.n) > 1:
            texts.append(
                f"How much more rare users gain than frequent ones, with early stopping on {evidence.data.title}: "
                f"damped base has {format_difference(steps)} over base itself, and APG {format_difference(left)} over "
                f"damped base (n = {left.n}); in the stand-in for clicks, APG has {format_difference(clicks)} over "
                "base."
            )
    return texts


def groups_table(evidence: Evidence) -> Table:
    """The groups: users, training rows per user, and share of the test rows, as means over seeds."""
    found = list(evidence.observed(evidence.cell("base"), "one_epoch").values())
    lines = [
        {
            "Group": group,
            "Users": f"{np.mean([one['users'][group] for one in found]):,.0f}",
            "Training rows per user": f"{np.mean([one['train_rows'][group] for one in found]):,.0f}",
            "Share of test rows": f"{rows:.1f} %",
        }
        for group, rows in enumerate(share(evidence, "one_epoch"))
    ]
    table = pd.DataFrame(lines or [{"Group": "not run"}])
    return Table(table, f"{evidence.data.title}. Groups with as many users each, rarest first.")
