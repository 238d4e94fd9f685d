"""Figure 1: how active and cold users differ. Imports no torch."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from apg_repro.experiments.figure1.plan import SHARES
from apg_repro.report.costs import measured_values
from apg_repro.report.figures import Picture, drawn
from apg_repro.report.statistics import Estimate, Verdict, verdict
from apg_repro.report.tables import Table, format_signed, with_true_minus
from apg_repro.rows.evidence import Evidence

Claim = Literal["differ", "alike"]

ALIKE = 0.1  # total variation from which on two groups differ: every tenth user would have to move
HISTOGRAMS = {"rate": "CTR", "thinned_rate": "CTR, rows thinned"}
# The paper's claims. Rates over all rows differ by their noise alone, so the claim is judged on thinned rows.
CLAIMS: dict[str, Claim] = {"thinned_rate": "differ", "trait": "alike"}
BARS = {"age": ("under 18", "18–24", "25–34", "35–44", "45–49", "50–55", "56+")}  # of traits whose ids have names
WAYS = {"same_size": "any", "same_items": "of equal items"}
TESTS = {"cold": "cold", "active": "active", "both": "mean"}


def difference_verdict(claim: Claim, distance: float, low: float, high: float, chance: float) -> Verdict:
    """The rule for a distance between two groups' distributions.

    *Differ* is *reproduced* if the distance is beyond chance and its 95 % confidence interval not below ``ALIKE``;
    *direction only* if it is beyond chance, but may be smaller than that; otherwise *no difference* if the interval
    lies below ``ALIKE``, and else *undecided*. *Alike* is *reproduced* if the interval lies below ``ALIKE``,
    *contradicted* if it lies at or above it, and else *undecided*.

    Args:
        claim: what the paper says of the two distributions.
        distance: their total variation.
        low, high: its 95 % confidence interval.
        chance: what 95 % of random divisions of the same users stay below.
    """
    if claim == "alike":
        return "reproduced" if high < ALIKE else "contradicted" if low >= ALIKE else "undecided"
    if not distance > chance:
        return "no difference" if high < ALIKE else "undecided"
    return "reproduced" if low >= ALIKE else "direction only"


def contrasts(evidence: Evidence) -> Sequence[Mapping[str, Any]]:
    """Both groups of users compared, the shares that decide the verdicts first; none without a row."""
    return measured_values(evidence).get("contrasts", [])


def gets_verdicts(evidence: Evidence) -> bool:
    """Whether there are verdicts: not on a quick number, nor on users that are made up."""
    return evidence.is_result and evidence.data.kind == "real"


def share_name(contrast: Mapping[str, Any]) -> str:
    """Which part of the users a group is."""
    return next(name for name, share in SHARES.items() if share == contrast["share"])


def users_table(evidence: Evidence) -> Table:
    """Who is cold and who is active."""
    lines = [
        {
            "Users": f"{name}: the {share_name(contrast)} with the {'fewest' if name == 'cold' else 'most'} rows",
            "How many": f"{group['users']:,}",
            "Rows per user": f"{group['fewest']:,} to {group['most']:,}",
            "Rows": f"{group['rows']:,}",
            "Mean CTR": f"{100 * group['mean_rate']:.1f} %",
        }
        for contrast in contrasts(evidence)
        for name, group in contrast["groups"].items()
    ]
    return Table(pd.DataFrame(lines), f"{evidence.data.title}. Users compared.")


def distances_table(evidence: Evidence) -> Table:
    """How far the two groups' distributions are apart; the paper's claims are judged on the first contrast."""
    lines = []
    for number, contrast in enumerate(contrasts(evidence)):
        for what, found in contrast["distances"].items():
            claim = CLAIMS.get(what)
            is_judged = claim and number == 0 and gets_verdicts(evidence)
            lines.append(
                {
                    "Groups": f"{share_name(contrast)}s",
                    "Of": HISTOGRAMS.get(what, evidence.data.trait),
                    "Paper": claim or "",
                    "Verdict": difference_verdict(claim, **found) if claim and is_judged else "",
                    "Distance": f"{found['distance']:.3f}",
                    "Chance": f"{found['chance']:.3f}",
                    "95 % interval": f"{found['low']:.3f} to {found['high']:.3f}",
                }
            )
    return Table(pd.DataFrame(lines), f"{evidence.data.title}. Distance of the distributions of cold and active users.")


@drawn
def distributions_figure(evidence: Evidence) -> Picture:
    """The shares of cold and active users by rate, by rate with rows thinned, and by trait."""
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.4))
    colours = dict(zip(("cold", "active"), sns.color_palette("colorblind", 2), strict=True))
    trait, found = evidence.data.trait, contrasts(evidence)
    histograms = found[0]["histograms"] if found else {}
    for axis, (what, pair) in zip(axes, histograms.items(), strict=False):  # empty axes without a row
        for shift, (name, counts) in zip((-0.2, 0.2), pair.items(), strict=True):
            places = np.arange(len(counts))
            axis.bar(places + shift, 100 * np.array(counts) / sum(counts), 0.4, color=colours[name], label=name, lw=0)
        n_bars = len(pair["cold"])
        if what == "trait":
            names = BARS.get(trait)
            axis.set_xticks(range(n_bars), names or range(n_bars), rotation=45 if names else 90, ha="right", fontsize=9)
            axis.set(title=trait.capitalize())
        else:
            edges = range(0, n_bars + 1, 2)
            axis.set_xticks([edge - 0.5 for edge in edges], [f"{edge / n_bars:.1f}" for edge in edges])
            axis.set(title=HISTOGRAMS[what], xlabel="share of positives of a user")
        axis.grid(axis="x", visible=False)
    axes[0].set_ylabel("users of the group, percent")
    if histograms:
        axes[0].legend(frameon=True)
    return Picture(
        fig, f"{evidence.data.title}. Shares of cold and of active users by CTR, by CTR over thinned rows, and by "
        f"{trait}.",
        distances_in_words(evidence),
    )  # fmt: skip


def distances_in_words(evidence: Evidence) -> str:
    """How far the distributions in the figure are apart, and how far by chance."""
    found = contrasts(evidence)
    words = [
        f"{HISTOGRAMS.get(what, evidence.data.trait)}: {one['distance']:.3f} (by chance up to {one['chance']:.3f})"
        for what, one in (found[0]["distances"] if found else {}).items()
    ]
    return f"Distances of cold and active users: {', '.join(words)}." if words else "Not run."


def transfers(evidence: Evidence) -> Mapping[str, Mapping[str, Any]]:
    """What models learn from cold and from active users, by which rows they are trained on; none without a row."""
    return measured_values(evidence).get("transfer", {})


def transfer_table(evidence: Evidence) -> Table:
    """Test AUC of a logistic model of the same group, and of one of the other group."""
    lines = []
    for way, pairs in transfers(evidence).items():
        for name, title in TESTS.items():
            own, other = (100 * value for value in pairs[name]["values"])
            gain, low, high = (100 * pairs[name][key] for key in ("difference", "low", "high"))
            is_judged = (way, name) == ("same_items", "both") and gets_verdicts(evidence)
            # The end towards 0 counts; below 0 the longer of both halves. n: that there is one.
            half = gain - low if low > 0 else max(gain - low, high - gain)
            found = Estimate(mean=gain, half=half, n=1)
            lines.append(
                {
                    "Rows": WAYS[way],
                    "Test": title,
                    "Own": f"{own:.2f}",
                    "Other": f"{other:.2f}",
                    "Own − other": format_signed(gain),
                    "95 %": with_true_minus(f"{low:+.2f} to {high:+.2f}"),
                    "Verdict": verdict(found, expected=+1) if is_judged else "",
                }
            )
    caption = (
        f"{evidence.data.title}. Test AUC in percent of a group's own model and the other group's, differences in "
        "points."
    )
    return Table(pd.DataFrame(lines), caption)


def rates_table(evidence: Evidence) -> Table:
    """The share of positives of cold and active users, over all items and over equal ones."""
    lines = []
    for way, pairs in transfers(evidence).items():
        (cold, active), gap = pairs["rate"]["values"], pairs["rate"]
        lines.append(
            {
                "Rows": WAYS[way],
                "CTR of cold": f"{100 * cold:.1f} %",
                "CTR of active": f"{100 * active:.1f} %",
                "Difference, points": with_true_minus(f"{100 * gap['difference']:+.1f}"),
                "95 %": with_true_minus(f"{100 * gap['low']:+.1f} to {100 * gap['high']:+.1f}"),
            }
        )
    return Table(pd.DataFrame(lines), f"{evidence.data.title}. CTR of both groups, and the difference.")


TABLES = (users_table, distances_table, rates_table, transfer_table)
