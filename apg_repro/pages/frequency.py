"""Figure 8: who gains, rare users or frequent ones?"""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.figure import Figure

from apg_repro.figures import not_run, style
from apg_repro.report import PROTOCOL_TITLES, Estimate, Panel, as_html, estimate, judge, percent, without_empty
from apg_repro.suites import PROTOCOLS, Protocol

N_GROUPS = 10
METRICS = {"auc": "AUC", "top_rate": "positives in top tenth"}


def gains(panel: Panel, protocol: Protocol, metric: str) -> np.ndarray:
    """APG less base in points: a row a seed that both have, a column a group, rarest users first; NaN for none."""
    base, apg = (panel.observed(panel.cell(variant), protocol) for variant in ("base", "apg"))
    pairs = [(apg[seed][metric], base[seed][metric]) for seed in apg if seed in base]
    found = [[percent(ours) - percent(theirs) for ours, theirs in zip(*pair, strict=True)] for pair in pairs]
    return np.array(found).reshape(-1, N_GROUPS)


def group_gain(panel: Panel, protocol: Protocol, metric: str, group: int) -> Estimate:
    """The gain of one group."""
    return estimate(list(gains(panel, protocol, metric)[:, group]))


def rare_over_frequent(panel: Panel, protocol: Protocol, metric: str) -> Estimate:
    """By how much the rarest tenth of the users gains more than the most frequent one."""
    found = gains(panel, protocol, metric)
    return estimate(list(found[:, 0] - found[:, -1]))


def share(panel: Panel, protocol: Protocol) -> np.ndarray:
    """Each group's share of the test rows in percent: a mean over seeds; empty without a run."""
    rows = np.array([found["rows"] for found in panel.observed(panel.cell("base"), protocol).values()], dtype=float)
    return (100 * rows / rows.sum(1, keepdims=True)).mean(0) if len(rows) else np.array([])


def figure(panel: Panel) -> Figure:
    """Gains by group, means and 95 % intervals; the line is each group's share of the rows."""
    style()
    fig, axes = plt.subplots(2, 2, figsize=(8.5, 6), sharex=True, sharey="col")
    colour, red = sns.color_palette("colorblind")[0], sns.color_palette("colorblind")[3]
    for row, protocol in zip(axes, PROTOCOLS, strict=True):
        for axis, (metric, title) in zip(row, METRICS.items(), strict=True):
            found = [group_gain(panel, protocol, metric, group) for group in range(N_GROUPS)]
            half = [0 if math.isnan(one.half) else one.half for one in found]
            axis.errorbar(range(N_GROUPS), [one.mean for one in found], yerr=half, fmt="o", color=colour, capsize=3)
            axis.axhline(0, color="black", lw=1)
            axis.set(title=f"{title}, {PROTOCOL_TITLES[protocol]}", ylabel="gain, points", xticks=range(N_GROUPS))
            rows = share(panel, protocol)
            if len(rows):
                beside = axis.twinx()
                beside.plot(range(N_GROUPS), rows, color=red, lw=1.5)
                beside.set_ylim(0)
                beside.set_ylabel("share of test rows, percent", color=red)
                beside.grid(visible=False)
            else:
                not_run(axis)
    for axis in axes[-1]:
        axis.set_xlabel("group of users, rarest to most frequent")
    plt.close(fig)
    return fig


def table(panel: Panel) -> HTML:
    """The two outermost groups, and whether the rarest users gain more."""
    lines = []
    for protocol in PROTOCOLS:
        for metric, title in METRICS.items():
            more = rare_over_frequent(panel, protocol, metric)
            judged = metric == "auc" and panel.is_result
            lines.append(
                {
                    "Protocol": PROTOCOL_TITLES[protocol],
                    "Gain in": title,
                    "Rarest users": group_gain(panel, protocol, metric, 0).signed,
                    "Most frequent": group_gain(panel, protocol, metric, N_GROUPS - 1).signed,
                    "Difference": more.signed,
                    "n": more.n,
                    "Verdict": judge(more, 1.0) if judged else "",
                }
            )
    caption = f"{panel.data}. APG less base in points, ± 95 % confidence. Verdict: do rare users gain more AUC?"
    return as_html(without_empty(pd.DataFrame(lines)), caption)


def sizes(panel: Panel) -> HTML:
    """The groups: users, training rows a user, and share of the test rows, as means over seeds."""
    found = list(panel.observed(panel.cell("base"), "one_epoch").values())
    rows = share(panel, "one_epoch")
    lines = [
        {
            "Group": group,
            "Users": f"{np.mean([one['users'][group] for one in found]):,.0f}",
            "Training rows a user": f"{np.mean([one['train_rows'][group] for one in found]):,.0f}",
            "Share of test rows": f"{rows[group]:.1f} %",
        }
        for group in range(N_GROUPS)
        if found
    ]
    table = pd.DataFrame(lines or [{"Group": "not run"}])
    return as_html(table, f"{panel.data}. Ten groups with as many users each, rarest first.")
