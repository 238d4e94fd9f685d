"""Planted truth: APG's gain as a share of what can be gained at all, its controls, the verdicts. Imports no torch.

Base is the better of base and damped base, after one epoch; with early stopping it is base (``Evidence.stronger``). A
*gap* is the best possible AUC less base's on the same test rows, in points. A *share* is a mean gain divided by the
mean gap; its interval is the gain's, divided by the same. There is none where the gap is below ``MARGIN``.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.data.planted import CENTRE, N_ROWS, PLANTED, SWEEPS, Planted
from apg_repro.experiments.planted.plan import BY_GROUP, CONTROLS
from apg_repro.report.figures import Picture, drawn
from apg_repro.report.short import Text
from apg_repro.report.statistics import MARGIN, Estimate, estimate, judge_family, verdict
from apg_repro.report.tables import (
    MISSING,
    PROTOCOL_HEADS,
    PROTOCOL_TITLES,
    WHEN,
    Markup,
    Table,
    badge,
    format_difference,
    format_estimate,
    marked,
    note_on_marks,
    with_n,
    with_true_minus,
)
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.row import TrainedRow

SpecificVerdict = Literal["specific", "partly specific", "not specific", "no gain", "undecided", "not run"]

AXES = {
    "heterogeneity": "a group's own share of preferences, %",
    "groups": "number of groups",
    "noise": "labels that a coin decides, %",
    "tail": "users' long tail (0: none, 100: 1/k)",
}
OFF = 0.5  # points: a run that stops on a plateau loses about twice as much


def specific_verdict(gain: Estimate, over_controls: Sequence[Estimate]) -> SpecificVerdict:
    """The rule for "it is the specific parameters that do it", in one setting.

    *Specific*: APG by group is reproducibly better than base by ``MARGIN`` (see ``verdict``), and better than every
    control, each interval beyond 0 and each mean at least half of the gain, so that no control has more than the other
    half. *Partly specific*: every interval beyond 0, but a control has more than half of the gain. *No gain* and *not
    specific* are shown, not guessed: the interval of the gain, or of the difference from some control, lies below
    ``MARGIN``. *Undecided*: else. *Not run*: before APG by group has two seeds or, where it is better than base, before
    all controls have.

    The claim's verdict is that of the centre. With heterogeneity 0 nothing is specific: that must not read "specific".

    Args:
        gain: of APG by group over base, in AUC points.
        over_controls: the same over each of ``CONTROLS``.
    """
    if gain.n < 2:
        return "not run"
    if verdict(gain, 1.0) != "reproduced":
        return "no gain" if gain.high < MARGIN else "undecided"
    if any(found.n < 2 for found in over_controls):
        return "not run"
    if not all(found.is_above for found in over_controls):
        return "not specific" if any(found.high < MARGIN for found in over_controls) else "undecided"
    return "specific" if all(found.mean >= gain.mean / 2 for found in over_controls) else "partly specific"


@dataclass(frozen=True, kw_only=True)
class Point:
    """What came out in one setting under one protocol: numbers, not text. AUC in percent, differences in points.

    Attributes:
        best: the best possible AUC on the test rows. blind: the best that a model blind to groups can have.
        gap: best less base, seed by seed.
        gains: of each contender over base.
        over: of APG by group over each control.
        over_damped: of APG by group over damped base, which after one epoch may be base already.
    """

    setting: Planted
    best: Estimate
    blind: Estimate
    base: Estimate
    gap: Estimate
    gains: dict[str, Estimate]
    over: dict[str, Estimate]
    over_damped: Estimate

    def share(self, name: str) -> Estimate:
        """A contender's gain in percent of the gap; of n = 0 where there is no gap."""
        gain, gap = self.gains[name], self.gap.mean
        if not (gain.n and gap >= MARGIN):
            return estimate([])
        return Estimate(mean=100 * gain.mean / gap, half=100 * gain.half / gap, n=gain.n)

    @property
    def verdict(self) -> SpecificVerdict:
        """By the rule that was fixed before the runs."""
        return specific_verdict(self.gains[BY_GROUP], list(self.over.values()))


def point(evidence: Evidence, protocol: Protocol) -> Point:
    """The numbers of a setting."""
    aucs = {cell.name: evidence.by_seed(cell, protocol) for cell in evidence.cells}
    base = evidence.by_seed(evidence.stronger(evidence.cell("base"), protocol), protocol)
    best, blind = (known(evidence, protocol, name) for name in ("best_auc", "blind_auc"))
    return Point(
        setting=PLANTED[evidence.plan.dataset],
        best=estimate(list(best.values())),
        blind=estimate(list(blind.values())),
        base=estimate(list(base.values())),
        gap=paired(best, base),
        gains={cell.name: paired(aucs[cell.name], base) for cell in evidence.cells if cell.against},
        over={name: paired(aucs[BY_GROUP], aucs[name]) for name in CONTROLS},
        over_damped=paired(aucs[BY_GROUP], aucs["damped base"]),
    )


def known(evidence: Evidence, protocol: Protocol, name: str) -> dict[int, float]:
    """What is known of a setting's test rows, seed by seed: "best_auc" or "blind_auc", in percent."""
    truth = evidence.observed(evidence.cell("base"), protocol)
    return {seed: 100 * found[name] for seed, found in truth.items()}


def paired(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Estimate:
    """The mean difference, taken seed by seed where both have one."""
    return estimate([ours[seed] - theirs[seed] for seed in ours if seed in theirs])


def points(found: Sequence[Evidence], protocol: Protocol) -> dict[Planted, Point]:
    """The numbers of every setting in which base was run: the centre first, then sweep by sweep."""
    entries = {entry.setting: entry for entry in (point(evidence, protocol) for evidence in found) if entry.base.n}
    return {setting: entries[setting] for setting in PLANTED.values() if setting in entries}


def described(setting: Planted) -> str:
    """A setting in words: the number that is moved away from the centre."""
    words = {
        "heterogeneity": f"heterogeneity {setting.heterogeneity} %",
        "groups": f"{setting.groups} groups of {N_ROWS // setting.groups:,} rows",
        "noise": f"noise {setting.noise} %",
        "tail": "users with a long tail",
    }
    moved = [text for name, text in words.items() if getattr(setting, name) != getattr(CENTRE, name)]
    return ", ".join(moved) or "the centre"


def reach_table(found: Sequence[Evidence]) -> Table:
    """What can be reached in each setting, and what base lacks of it under either protocol."""
    by_protocol: dict[Protocol, dict[Planted, Point]] = {protocol: points(found, protocol) for protocol in PROTOCOLS}
    lines = []
    for setting, entry in by_protocol["one_epoch"].items():
        gaps = {
            f"Gap, {PROTOCOL_TITLES[protocol]}": format_estimate(entries[setting].gap)
            for protocol, entries in by_protocol.items()
        }
        aucs = {"Best AUC": f"{entry.best.mean:.2f}", "Blind to groups": f"{entry.blind.mean:.2f}"}
        lines.append({"Setting": described(setting)} | aucs | gaps)
    caption = "AUC in percent, mean over the seeds' test rows; gap in points, ± 95 % confidence."
    return Table(pd.DataFrame(lines), caption)


def verdicts_table(found: Sequence[Evidence], protocol: Protocol) -> Table:
    """What APG by group gains in each setting, what it has over the controls, and the verdict."""
    is_result = all(evidence.is_result for evidence in found)
    lines = [
        {
            "Setting": described(setting),
            "Δ over base": format_difference(entry.gains[BY_GROUP]),
            "of the gap": format_share(entry.share(BY_GROUP)),
            **({"Verdict": entry.verdict} if is_result else {}),
            "n": entry.gains[BY_GROUP].n,
            "Δ over damped base": with_n(entry.over_damped) or MISSING,
            **{f"Δ over {words}": with_n(entry.over[name]) or MISSING for name, words in CONTROLS.items()},
        }
        for setting, entry in points(found, protocol).items()
    ]
    caption = (
        f"{BY_GROUP}, {PROTOCOL_TITLES[protocol]}. Differences of AUC in points, ± 95 % confidence; n seeds; for "
        "a control, those that both have."
    )
    return Table(pd.DataFrame(lines), caption)


def format_share(share: Estimate) -> str:
    """A share in percent as text."""
    if not share.n:
        return MISSING
    interval = "" if math.isnan(share.half) else f" ± {share.half:.0f}"
    return with_true_minus(f"{round(share.mean, 0) + 0.0:.0f}{interval} %")


def registered_by_name(found: Sequence[Evidence]) -> dict[str, str]:
    """When each contender was added, "" for those that were there from the start."""
    return {cell.name: cell.registered for evidence in found for cell in evidence.cells}


def contenders_table(found: Sequence[Evidence], protocol: Protocol) -> Table:
    """The gain of every contender over base, setting by setting."""
    registered = registered_by_name(found)
    lines = [
        {"Setting": described(setting)}
        | {marked(name, registered[name]): with_n(gain) or MISSING for name, gain in entry.gains.items()}
        for setting, entry in points(found, protocol).items()
    ]
    note = note_on_marks(registered.values())
    caption = f"Δ test AUC against base in points, ± 95 % confidence; {PROTOCOL_TITLES[protocol]}.{note}"
    return Table(pd.DataFrame(lines), caption)


def cut_off(found: Sequence[Evidence]) -> Markup:
    """Which contenders the limit of epochs stopped before their patience had: they might have become better."""
    limits, n_stopped, n_runs = set(), Counter[str](), Counter[str]()
    for evidence in found:
        for cell in evidence.cells:
            for row in evidence.found(cell, "early_stopping"):
                limits.add(row.config.max_epochs)
                n_runs[cell.name] += 1
                n_stopped[cell.name] += is_cut_off(row)
    stopped = [f"{n_stopped[name]} of {n_runs[name]} runs of {name}" for name in n_runs if n_stopped[name]]
    if not stopped:
        return Markup("<p>No run was stopped by the limit of epochs.</p>")
    limit = " or ".join(map(str, sorted(limits)))
    return Markup(
        f"<p>Stopped by the limit of {limit} epochs while they may have been rising: {'; '.join(stopped)}.</p>"
    )


def plateaus(found: Sequence[Evidence]) -> Markup:
    """Which runs lack far more of the best AUC than the other seeds do: they may have stopped on a plateau."""
    off, n_runs = list[str](), 0
    for evidence in found:
        best = known(evidence, "early_stopping", "best_auc")
        for cell in evidence.cells:
            aucs = evidence.by_seed(cell, "early_stopping")
            gaps = {seed: best[seed] - auc for seed, auc in aucs.items() if seed in best}
            n_runs += len(gaps)
            middle = float(np.median(list(gaps.values()))) if gaps else math.nan
            where = f"{cell.name}, {described(PLANTED[evidence.plan.dataset])}"
            off += [f"{where}, seed {seed}" for seed, gap in gaps.items() if gap - middle > OFF]
    text = f"{len(off)} of {n_runs} runs end more than {OFF} points farther from the best AUC than the median seed."
    items = "".join(f"<li>{one}</li>" for one in off)
    return Markup(f"<details><summary>{text}</summary><ul>{items}</ul></details>" if off else f"<p>{text}</p>")


def is_cut_off(row: TrainedRow) -> bool:
    """Whether the limit of epochs came before a run's patience was over."""
    return row.config.max_epochs - (row.epoch("early_stopping") or 0) < row.config.patience


@drawn
def sweeps_figure(found: Sequence[Evidence]) -> Picture:
    """Shares of the gap by heterogeneity, groups and noise: one line per contender, one row of axes per protocol.

    Bars are 95 % confidence intervals. Axes end a little beyond the means, so a bar may leave them.
    """
    registered = registered_by_name(found)
    fig, axes = plt.subplots(len(PROTOCOLS), len(SWEEPS), figsize=(11, 7.5), sharex="col", sharey="row")
    for row, protocol in zip(axes, PROTOCOLS, strict=True):
        entries = points(found, protocol)
        for axis, (sweep, settings) in zip(row, SWEEPS.items(), strict=True):
            places = [place for place, setting in enumerate(settings) if setting in entries]
            draw_shares(axis, places, [entries[settings[place]] for place in places], registered)
            axis.axhline(0, color="black", lw=1)
            axis.set_xticks(range(len(settings)), [getattr(setting, sweep) for setting in settings])
            axis.set_xlim(-0.4, len(settings) - 0.6)
        means = [entry.share(name).mean for entry in entries.values() for name in entry.gains]
        low, high = np.nanmin([0, *means]), np.nanmax([0, *means])
        row[0].set_ylim(low - 0.1 * (high - low) - 1, high + 0.1 * (high - low) + 1)
        row[0].set_ylabel(f"{PROTOCOL_TITLES[protocol]}:\ngain over base, % of the gap")
    for axis, sweep in zip(axes[1], SWEEPS, strict=True):
        axis.set_xlabel(AXES[sweep])
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    words = [
        f"{PROTOCOL_TITLES[protocol]}: "
        + ", ".join(f"{name} {format_share(entry.share(name))}" for name in entry.gains)
        for protocol in PROTOCOLS
        if (entry := points(found, protocol).get(CENTRE))
    ]
    return Picture(
        fig,
        "Gain over base as a share of the gap to the best possible AUC, by heterogeneity, number of groups, noise and "
        f"users' long tail. Bars are 95 % intervals; some reach beyond the edge.{note_on_marks(registered.values())}",
        f"Shares of the gap at the centre. {'; '.join(words)}." if words else "Not run.",
    )


def draw_shares(axis: Axes, places: Sequence[int], entries: Sequence[Point], registered: Mapping[str, str]) -> None:
    """One line per contender through its shares, side by side so that bars do not hide each other."""
    if not entries:
        return
    names = list(entries[0].gains)
    colours = sns.color_palette("colorblind", len(names))
    for number, (name, colour, marker) in enumerate(zip(names, colours, "vsPoHXD", strict=True)):
        shares = [entry.share(name) for entry in entries]
        is_apg = name == BY_GROUP
        axis.errorbar(
            [place + 0.06 * (number - len(names) / 2) for place in places], [share.mean for share in shares],
            yerr=[share.half for share in shares], label=marked(name, registered[name]), color=colour, marker=marker,
            ms=6, capsize=2, elinewidth=1, lw=2.4 if is_apg else 1.2, ls="-" if is_apg else "--",
            zorder=3 if is_apg else 2,
        )  # fmt: skip


def lesson(found: Sequence[Evidence]) -> Markup:
    """What came out, in words made from the rows."""
    if not all(evidence.is_result for evidence in found):
        return Markup("<p>A quick run decides nothing.</p>")
    paragraphs = [
        f"<p><b>{PROTOCOL_HEADS[protocol]}</b></p><ul><li>{'</li><li>'.join(sentences(entries))}</li></ul>"
        for protocol in PROTOCOLS
        if CENTRE in (entries := points(found, protocol))
    ]
    return Markup("".join(paragraphs) or "<p>The centre was not run.</p>")


def main_points(found: Sequence[Evidence]) -> list[Text]:
    """What came out in the setting that all others are changes of, one sentence per protocol."""
    texts = []
    for protocol in PROTOCOLS:
        entries = points(found, protocol)
        if centre := entries.get(CENTRE):
            texts.append(
                Markup(
                    f"{WHEN[protocol]}, at the centre of the settings, base lacks {centre.gap.mean:.2f} points of the "
                    f"best possible AUC, and {BY_GROUP} changes AUC by {format_difference(centre.gains[BY_GROUP])} "
                    f"(n = {centre.gains[BY_GROUP].n}). The verdict on its specific parameters: "
                    f"{badge(centre.verdict)}. {pays_in(entries)}"
                )
            )
    return texts


def pays_in(entries: Mapping[Planted, Point]) -> str:
    """In how many settings APG by group gains, and in how many it costs; of the gains, whose they are."""
    sides = Counter(side_of(entry.gains[BY_GROUP]) for entry in entries.values())
    pays, costs = (sides[side] or "none" for side in ("pays", "costs"))
    judged = judge_family({key: (entry.gains[BY_GROUP], 1.0) for key, entry in entries.items()})
    paid = {key: entry.verdict for key, entry in entries.items() if side_of(entry.gains[BY_GROUP]) == "pays"}
    counted = ", ".join(f"{word} in {n}" for word, n in Counter(paid.values()).most_common())
    n_survive = sum(judged[key].survives for key in paid)
    holm = f" ({n_survive} after Holm's correction)" if n_survive < len(paid) else ""
    whose = f" Where it pays, that verdict is {counted}." if paid else ""
    return f"Of {len(entries)} settings it pays in {pays}{holm} and costs in {costs}.{whose}"


def side_of(gain: Estimate) -> Literal["pays", "costs", "neither"]:
    """Whether APG pays, reproducibly better than base by ``MARGIN``, or costs: its interval is below 0."""
    return "pays" if verdict(gain, 1.0) == "reproduced" else "costs" if gain.is_below else "neither"


def sentences(entries: Mapping[Planted, Point]) -> list[str]:
    """The claim's verdict, and where APG by group pays, under one protocol."""
    centre, alike = entries[CENTRE], entries.get(SWEEPS["heterogeneity"][0])
    over = ", ".join(f"{format_difference(found)} over {words}" for words, found in over_controls(centre).items())
    return [
        f"At the centre base lacks {centre.gap.mean:.2f} points of the best possible AUC. The gain of {BY_GROUP} "
        f"is {format_difference(centre.gains[BY_GROUP])} points over base{f', {over}' if over else ''}. Verdict on "
        f"the specific parameters: <b>{centre.verdict}</b>.",
        *([f"Where all groups are alike: {alike.verdict}."] if alike else []),
        *(text for sweep in SWEEPS if (text := where_it_pays(sweep, entries))),
    ]


def over_controls(entry: Point) -> dict[str, Estimate]:
    """What APG by group has over each control that was run, by what tables call it."""
    return {words: entry.over[name] for name, words in CONTROLS.items() if entry.over[name].n}


def where_it_pays(sweep: str, entries: Mapping[Planted, Point]) -> str:
    """At which values of a sweep APG by group pays (reproducibly better than base by ``MARGIN``), and where it costs.

    The centre, which all sweeps share, is left out; "" before there is another value.
    """
    sides: dict[str, list[str]] = {"pays": [], "costs": [], "neither": []}
    for setting in SWEEPS[sweep]:
        if setting == CENTRE:
            continue
        gain = entries[setting].gains[BY_GROUP] if setting in entries else estimate([])
        if gain.n:
            sides[side_of(gain)].append(f"{getattr(setting, sweep)} ({format_difference(gain)})")
    if not any(sides.values()):
        return ""
    words = {"pays": "APG pays at", "costs": "APG costs at", "neither": "no gain or loss is shown at"}
    texts = [f"{words[side]} {', '.join(values)}" for side, values in sides.items() if values]
    return f"{AXES[sweep].capitalize()} ({getattr(CENTRE, sweep)} at the centre): {'; '.join(texts)}."
