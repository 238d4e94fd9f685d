"""Figure 1: how active and cold users differ."""

from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from apg_repro.figures import style
from apg_repro.report import Panel, plus, signed
from apg_repro.suites import difference_verdict, verdict

WHAT = {"rate": "CTR", "thinned_rate": "CTR, rows thinned"}
# The paper's claims. Rates over all rows differ by their noise alone, so the claim is judged on thinned rows.
CLAIMS: dict[str, Literal["differ", "alike"]] = {"thinned_rate": "differ", "trait": "alike"}
TRAIT = {"movielens": "age", "synthetic": "group"}
AGES = ("under 18", "18–24", "25–34", "35–44", "45–49", "50–55", "56+")
WAYS = {"same_size": "any", "same_items": "of equal items"}


def contrasts(panel: Panel) -> list[dict[str, Any]]:
    """Both groups of users compared, the shares that decide the verdicts first; none without a row."""
    return panel.rows[0]["contrasts"] if panel.rows else []


def is_result(panel: Panel) -> bool:
    """Whether there are verdicts: not on a quick number, nor on made-up users."""
    return panel.is_result and panel.plan.dataset != "synthetic"


def groups(panel: Panel) -> pd.DataFrame:
    """Who is cold and who is active."""
    return pd.DataFrame(
        {
            "Users": f"{name}: the {share(contrast)} with the {'fewest' if name == 'cold' else 'most'} rows",
            "How many": f"{group['users']:,}",
            "Rows a user": f"{group['fewest']:,} to {group['most']:,}",
            "Rows": f"{group['rows']:,}",
            "Mean CTR": f"{100 * group['mean_rate']:.1f} %",
        }
        for contrast in contrasts(panel)
        for name, group in contrast["groups"].items()
    )


def share(contrast: dict[str, Any]) -> str:
    """Which part of the users a group is."""
    return {0.25: "quarter", 0.1: "tenth"}[contrast["share"]]


def distances(panel: Panel) -> pd.DataFrame:
    """How far the two groups' distributions are apart; the paper's claims are judged on the first contrast."""
    lines = []
    for number, contrast in enumerate(contrasts(panel)):
        for what, found in contrast["distances"].items():
            claim = CLAIMS.get(what)
            judged = claim if number == 0 and is_result(panel) else None
            lines.append(
                {
                    "Groups": f"{share(contrast)}s",
                    "Of": WHAT.get(what, TRAIT[panel.plan.dataset]),
                    "Paper": claim or "",
                    "Verdict": difference_verdict(judged, **found) if judged else "",
                    "Distance": f"{found['distance']:.3f}",
                    "Chance": f"{found['chance']:.3f}",
                    "95 % interval": f"{found['low']:.3f} to {found['high']:.3f}",
                }
            )
    return pd.DataFrame(lines)


def figure(panel: Panel) -> Figure:
    """The shares of cold and active users by rate, by rate with rows thinned, and by trait."""
    style()
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.4))
    colours = dict(zip(("cold", "active"), sns.color_palette("colorblind", 2), strict=True))
    histograms = contrasts(panel)[0]["histograms"] if panel.rows else {}
    for axis, (what, pair) in zip(axes, histograms.items(), strict=False):  # empty axes without a row
        for shift, (name, counts) in zip((-0.2, 0.2), pair.items(), strict=True):
            places = np.arange(len(counts))
            axis.bar(places + shift, 100 * np.array(counts) / sum(counts), 0.4, color=colours[name], label=name, lw=0)
        if what == "trait":
            trait = TRAIT[panel.plan.dataset]
            labels = AGES if trait == "age" else range(len(places))
            axis.set_xticks(places, labels, rotation=45 if trait == "age" else 90, ha="right", fontsize=9)
            axis.set(title=trait[:1].upper() + trait[1:])
        else:
            bins = len(places)
            axis.set_xticks(np.arange(0, bins + 1, 2) - 0.5, [f"{edge / bins:.1f}" for edge in range(0, bins + 1, 2)])
            axis.set(title=WHAT[what], xlabel="share of positives of a user")
        axis.grid(axis="x", visible=False)
    axes[0].set_ylabel("users of the group, percent")
    if panel.rows:
        axes[0].legend(frameon=True)
    plt.close(fig)
    return fig


def transfer(panel: Panel) -> pd.DataFrame:
    """Test AUC of a logistic model of the same group, and of the other one."""
    lines = []
    for way, pairs in panel.rows[0]["transfer"].items() if panel.rows else ():
        for name in ("cold", "active", "both"):
            own, other = (100 * value for value in pairs[name]["values"])
            gain, low, high = (100 * pairs[name][key] for key in ("difference", "low", "high"))
            judged = (way, name) == ("same_items", "both") and is_result(panel)
            lines.append(
                {
                    "Rows": WAYS[way],
                    "Test": {"both": "mean"}.get(name, name),
                    "Own": f"{own:.2f}",
                    "Other's": f"{other:.2f}",
                    "Own − other": plus(gain),
                    "95 %": signed(f"{low:+.2f} to {high:+.2f}"),
                    "Verdict": verdict(low, gain, +1) if judged else "",
                }
            )
    return pd.DataFrame(lines)


def rates(panel: Panel) -> pd.DataFrame:
    """The share of positives of cold and active users, over all items and over equal ones."""
    lines = []
    for way, pairs in panel.rows[0]["transfer"].items() if panel.rows else ():
        (cold, active), gap = pairs["rate"]["values"], pairs["rate"]
        lines.append(
            {
                "Rows": WAYS[way],
                "CTR of cold": f"{100 * cold:.1f} %",
                "CTR of active": f"{100 * active:.1f} %",
                "Difference, points": signed(f"{100 * gap['difference']:+.1f}"),
                "95 %": signed(f"{100 * gap['low']:+.1f} to {100 * gap['high']:+.1f}"),
            }
        )
    return pd.DataFrame(lines)
