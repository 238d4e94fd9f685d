"""Planted truth: APG's gain as a share of what can be gained at all, its controls, the verdicts.

A *gap* is the best possible AUC less base's on the same test rows, in points. A *share* is a mean gain divided by the
mean gap; its interval is the gain's, divided by the same. There is none where the gap is below ``THRESHOLD``.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from apg_repro import figures, report
from apg_repro.report import PROTOCOL_TITLES, Estimate, Panel, estimate, percent
from apg_repro.suites import CENTRE, CONTROLS, PLANTED, PROTOCOLS, SWEEPS, THRESHOLD, Planted, Protocol
from apg_repro.suites import specific_verdict as judge

APG = "APG by group"
AXES = {
    "heterogeneity": "a group's own share of preferences, %",
    "groups": "number of groups",
    "noise": "labels that a coin decides, %",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """What came out in one setting under one protocol: numbers, not text. AUC in percent, differences in points.

    Attributes:
        best: the best possible AUC on the test rows. blind: the best that a model blind to groups can have.
        gap: best less base, seed by seed.
        gains: of each contender over base.
        over: of APG by group over each control.
    """

    setting: Planted
    best: Estimate
    blind: Estimate
    base: Estimate
    gap: Estimate
    gains: dict[str, Estimate]
    over: dict[str, Estimate]

    def share(self, name: str) -> Estimate:
        """A contender's gain in percent of the gap; n = 0 where there is none."""
        gain, gap = self.gains[name], self.gap.mean
        if not (gain.n and gap >= THRESHOLD):
            return estimate([])
        return Estimate(mean=100 * gain.mean / gap, half=100 * gain.half / gap, n=gain.n)

    @property
    def verdict(self) -> str:
        """By the rule that was fixed before the runs; "not run" before APG and all controls are."""
        wanted = [self.gains[APG], *self.over.values()]
        if not all(found.n for found in wanted):
            return "not run"
        gain, *over = [(found.mean - found.half, found.mean) for found in wanted]
        return judge(gain, over)


def point(panel: Panel, protocol: Protocol) -> Point:
    """The numbers of a setting."""
    cells = {cell.variant: cell for cell in panel.cells}
    aucs = {name: panel.by_seed(cell, protocol) for name, cell in cells.items()}
    truth = {row["seed"]: row["observed"].get(protocol, {}) for row in panel.found(cells["base"], protocol)}
    best, blind = (
        {seed: percent(known.get(name)) for seed, known in truth.items()} for name in ("best_auc", "blind_auc")
    )
    return Point(
        setting=PLANTED[panel.plan.dataset],
        best=estimate(list(best.values())),
        blind=estimate(list(blind.values())),
        base=estimate(list(aucs["base"].values())),
        gap=paired(best, aucs["base"]),
        gains={name: paired(found, aucs["base"]) for name, found in aucs.items() if name != "base"},
        over={name: paired(aucs[APG], aucs[name]) for name in CONTROLS},
    )


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate:
    """The mean difference, taken seed by seed where both have one."""
    return estimate([ours[seed] - theirs[seed] for seed in ours if seed in theirs])


def points(panels: Sequence[Panel], protocol: Protocol) -> dict[Planted, Point]:
    """The numbers of every setting in which base was run: the centre first, then sweep by sweep."""
    found = {entry.setting: entry for entry in (point(panel, protocol) for panel in panels) if entry.base.n}
    return {setting: found[setting] for setting in PLANTED.values() if setting in found}


def described(setting: Planted) -> str:
    """A setting in words: the number that is moved away from the centre."""
    words = {
        "heterogeneity": f"heterogeneity {setting.heterogeneity} %",
        "groups": f"{setting.groups} groups",
        "noise": f"noise {setting.noise} %",
    }
    moved = [text for name, text in words.items() if getattr(setting, name) != getattr(CENTRE, name)]
    return ", ".join(moved) or "the centre"


def reach_table(panels: Sequence[Panel]) -> HTML:
    """What can be reached in each setting, and what base lacks of it under either protocol."""
    found = {protocol: points(panels, protocol) for protocol in PROTOCOLS}
    lines = [
        {
            "Setting": described(setting),
            "Best AUC": f"{entry.best.mean:.2f}",
            "Blind to groups": f"{entry.blind.mean:.2f}",
            **{f"Gap, {PROTOCOL_TITLES[how]}": str(found[how][setting].gap) for how in PROTOCOLS},
        }
        for setting, entry in found["one_epoch"].items()
    ]
    caption = "AUC in percent, mean over the seeds' test rows; gap in points, ± 95 % confidence."
    return report.as_html(pd.DataFrame(lines), caption)


def verdicts_table(panels: Sequence[Panel], protocol: Protocol) -> HTML:
    """What APG by group gains in each setting, what it has over the controls, and the verdict."""
    lines = [
        {
            "Setting": described(setting),
            "Δ over base": found.gains[APG].signed,
            "of the gap": in_percent(found.share(APG)),
            **({"Verdict": found.verdict} if panels[0].is_result else {}),
            **{f"Δ over {name.removeprefix('APG, ')}": found.over[name].signed for name in CONTROLS},
            "n": found.gains[APG].n,
        }
        for setting, found in points(panels, protocol).items()
    ]
    caption = f"APG by group, {PROTOCOL_TITLES[protocol]}. Differences of AUC in points, ± 95 % confidence, n seeds."
    return report.as_html(pd.DataFrame(lines), caption)


def in_percent(share: Estimate) -> str:
    """A share as text."""
    if not share.n:
        return report.MISSING
    half = "" if math.isnan(share.half) else f" ± {share.half:.0f}"
    return report.signed(f"{share.mean:.0f}{half} %")


def contenders_table(panels: Sequence[Panel], protocol: Protocol) -> HTML:
    """The gain of every contender over base, setting by setting."""
    lines = [
        {"Setting": described(setting)} | {name: gain.signed for name, gain in found.gains.items()}
        for setting, found in points(panels, protocol).items()
    ]
    caption = f"Δ test AUC against base in points, ± 95 % confidence; {PROTOCOL_TITLES[protocol]}."
    return report.as_html(pd.DataFrame(lines), caption)


def cut_off(panels: Sequence[Panel]) -> HTML:
    """Which contenders the limit of epochs stopped before their patience had: they might have become better."""
    limits, stopped, runs = set(), Counter(), Counter()
    for panel in panels:
        for cell in panel.cells:
            for row in panel.found(cell, "early_stopping"):
                limits.add(row["max_epochs"])
                runs[cell.variant] += 1
                stopped[cell.variant] += row["max_epochs"] - (row["early_stopping_epoch"] or 0) < row["patience"]
    found = [f"{stopped[name]} of {runs[name]} runs of {name}" for name in runs if stopped[name]]
    if not found:
        return HTML("<p>No run was stopped by the limit of epochs.</p>")
    limit = " or ".join(map(str, sorted(limits)))
    return HTML(f"<p>Stopped by the limit of {limit} epochs while they may have been rising: {'; '.join(found)}.</p>")


def sweeps_figure(panels: Sequence[Panel]) -> Figure:
    """Shares of the gap by heterogeneity, groups and noise: a line a contender, a row of axes a protocol.

    Bars are 95 % confidence intervals. Axes end a little beyond the means, so a bar may leave them.
    """
    figures.style()
    fig, axes = plt.subplots(2, 3, figsize=(9.5, 7.5), sharex="col", sharey="row")
    for row, protocol in zip(axes, PROTOCOLS, strict=True):
        found = points(panels, protocol)
        for axis, (sweep, settings) in zip(row, SWEEPS.items(), strict=True):
            places = [place for place, setting in enumerate(settings) if setting in found]
            draw_shares(axis, places, [found[settings[place]] for place in places])
            axis.axhline(0, color="black", lw=1)
            axis.set_xticks(range(len(settings)), [getattr(setting, sweep) for setting in settings])
            axis.set_xlim(-0.4, len(settings) - 0.6)
        means = [entry.share(name).mean for entry in found.values() for name in entry.gains]
        low, high = np.nanmin([0, *means]), np.nanmax([0, *means])
        row[0].set_ylim(low - 0.1 * (high - low) - 1, high + 0.1 * (high - low) + 1)
        row[0].set_ylabel(f"{PROTOCOL_TITLES[protocol]}:\ngain over base, % of the gap")
    for axis, sweep in zip(axes[1], SWEEPS, strict=True):
        axis.set_xlabel(AXES[sweep])
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    plt.close(fig)  # the notebook displays it, once
    return fig


def draw_shares(axis: Axes, places: Sequence[int], found: Sequence[Point]) -> None:
    """A line a contender through its shares, side by side so that bars do not hide each other."""
    if not found:
        return
    names = list(found[0].gains)
    colours = sns.color_palette("colorblind", len(names))
    for number, (name, colour, marker) in enumerate(zip(names, colours, "vsPoHXD", strict=True)):
        shares = [entry.share(name) for entry in found]
        bold = name == APG
        axis.errorbar(
            [place + 0.06 * (number - len(names) / 2) for place in places], [share.mean for share in shares],
            yerr=[share.half for share in shares], label=name, color=colour, marker=marker, ms=6, capsize=2,
            elinewidth=1, lw=2.4 if bold else 1.2, ls="-" if bold else "--", zorder=3 if bold else 2,
        )  # fmt: skip


def lesson(panels: Sequence[Panel]) -> HTML:
    """What came out, in words made from the rows."""
    if not panels[0].is_result:
        return HTML("<p>A quick run decides nothing.</p>")
    told = [
        f"<p><b>{PROTOCOL_TITLES[protocol].capitalize()}.</b> {' '.join(sentences(found))}</p>"
        for protocol in PROTOCOLS
        if CENTRE in (found := points(panels, protocol))
    ]
    return HTML("".join(told) or "<p>The centre was not run.</p>")


def sentences(found: Mapping[Planted, Point]) -> list[str]:
    """The claim's verdict, and where APG by group pays, under one protocol."""
    centre, alike = found[CENTRE], found.get(SWEEPS["heterogeneity"][0])
    over = ", ".join(f"{centre.over[name].signed} over {name.removeprefix('APG, ')}" for name in CONTROLS)
    gains = {described(setting): entry.gains[APG] for setting, entry in found.items() if entry.gains[APG].n}
    better = [name for name, gain in gains.items() if gain.mean >= THRESHOLD and gain.mean - gain.half > 0]
    worse = [name for name, gain in gains.items() if gain.mean + gain.half < 0]
    return [
        f"At the centre base lacks {centre.gap.mean:.2f} points of the best possible AUC. APG by group has "
        f"{centre.gains[APG].signed} points over base, {over}. That it is the specific parameters that do it: "
        f"<b>{centre.verdict}</b>.",
        *([f"Where all groups are alike: {alike.verdict}."] if alike else []),
        f"APG by group is better than base by at least {THRESHOLD} points, the interval beyond 0, in "
        f"{listed(better)}. It is worse than base, the interval below 0, in {listed(worse)}.",
    ]


def listed(names: Sequence[str]) -> str:
    """How many settings, and which."""
    return f"{len(names)} settings ({'; '.join(names)})" if len(names) > 1 else names[0] if names else "no setting"
