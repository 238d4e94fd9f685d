"""What other rules would say, and what more trials of a search bring: from the committed rows. Imports no torch.

A *variant* is the rule of verdicts with one thing changed: its margin, its interval, what Holm's correction does, what
differences are taken from, or the seeds. What is judged is every difference that the paper prints, on the data sets
that have rows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, get_args

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.catalogue import CATALOGUE
from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments import SUITES
from apg_repro.report.comparison import compare
from apg_repro.report.figures import VERDICT_COLOURS, Picture, drawn, not_run
from apg_repro.report.statistics import MARGIN, RULE, Rule, Verdict, expected_best
from apg_repro.report.tables import (
    PROTOCOL_HEADS,
    PROTOCOL_TITLES,
    WHEN,
    Markup,
    Table,
    badges,
    format_signed,
)
from apg_repro.rows.evidence import Evidence, gather
from apg_repro.rows.store import Store
from apg_repro.suite import SEARCH_SEED, SEEDS, Cell, Plan, Suite

MARGINS = (0.0, 0.05, 0.1, 0.15, 0.2)  # points
FIRST = 5  # seeds


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The rule with something changed.

    Attributes:
        name: as tables print it.
        seeds: that count, of those that have rows.
        base: what takes the place of base and its rival as a reference, under both protocols; None: nothing.
    """

    name: str
    rule: Rule = RULE
    seeds: tuple[int, ...] = SEEDS["full"]
    base: Literal["plain", "damped"] | None = None

    @property
    def evidence(self) -> tuple[Any, ...]:
        """What it takes from the store; the rule does not matter."""
        return self.seeds, self.base


@cache
def variants(every_seed: tuple[int, ...]) -> tuple[Variant, ...]:
    """The rule itself, then everything that is changed, one thing at a time, and last of all both corrections.

    Args:
        every_seed: that any row has.
    """
    return (
        Variant(name="the rule"),
        *(Variant(name=f"margin {m:g}", rule=Rule(margin=m)) for m in MARGINS if m != MARGIN),
        Variant(name="corrected interval", rule=Rule(is_corrected=True)),
        Variant(name="after Holm", rule=Rule(holm_decides=True)),
        Variant(name="both corrections", rule=Rule(is_corrected=True, holm_decides=True)),
        Variant(name="relative to base alone", base="plain"),
        Variant(name="relative to damped base", base="damped"),
        Variant(name=f"first {FIRST} seeds", seeds=SEEDS["full"][:FIRST]),
        Variant(name="every seed", seeds=every_seed),
    )


Key = tuple[str, str, str, str]  # of a difference: suite, data set, backbone, name


@dataclass(frozen=True)
class Sensitivity:
    """Every word of every variant, and the searches.

    Attributes:
        words: by variant and protocol: the word of each difference that has one, but for those not run.
        n_seeds: by variant: the fewest and the most seeds of a difference.
        evidence: that the rule itself is applied to.
    """

    words: Mapping[tuple[str, Protocol], Mapping[Key, Verdict]]
    n_seeds: Mapping[str, tuple[int, int]]
    evidence: Sequence[Evidence]

    @property
    def names(self) -> list[str]:
        """Of the variants."""
        return list(self.n_seeds)

    def counts(self, name: str, protocol: Protocol) -> Counter[str]:
        """How often each word occurs."""
        return Counter(self.words[name, protocol].values())

    def n_changed(self, name: str, protocol: Protocol) -> int:
        """How many differences have another word than by the rule."""
        ours, others = self.words[self.names[0], protocol], self.words[name, protocol]
        return sum(others.get(cell) != word for cell, word in ours.items())

    def unmoved(self, protocol: Protocol) -> list[Key]:
        """The differences that have the same word in every variant."""
        ours = self.words[self.names[0], protocol]
        return [
            cell for cell, word in ours.items() if {self.words[n, protocol].get(cell) for n in self.names} == {word}
        ]


def sensitivity(store: Store) -> Sensitivity:
    """The committed rows of every suite, judged by every variant."""
    words: dict[tuple[str, Protocol], dict[Key, Verdict]] = {}
    n_seeds: dict[str, tuple[int, int]] = {}
    found: dict[tuple[Any, ...], list[Evidence]] = {}
    for variant in variants(every_seed(store)):
        if variant.evidence not in found:
            found[variant.evidence] = judged_evidence(store, variant)
        numbers = set[int]()
        for protocol in PROTOCOLS:
            words[variant.name, protocol] = {}
            for evidence in found[variant.evidence]:
                for key, line in compare(evidence, protocol, variant.rule).items():
                    if line.is_printed and line.verdict and line.verdict != "not run":
                        words[variant.name, protocol][evidence.suite.name, evidence.plan.dataset, *key] = line.verdict
                        numbers.add(line.difference.n)
        n_seeds[variant.name] = (min(numbers, default=0), max(numbers, default=0))
    return Sensitivity(words=words, n_seeds=n_seeds, evidence=next(iter(found.values()), []))


def judged_evidence(store: Store, variant: Variant) -> list[Evidence]:
    """Every suite on every data set that the paper has, where there are rows of the variant's seeds."""
    plans = (
        (suite, Plan(profile="full", dataset=name, seeds=variant.seeds))
        for suite in SUITES.values()
        for name in suite.datasets
    )
    found = [gather(with_base(suite, variant.base), plan, store) for suite, plan in plans]
    return [evidence for evidence in found if is_judged(evidence)]


def with_base(suite: Suite, base: Literal["plain", "damped"] | None) -> Suite:
    """A suite whose differences are taken from base alone, or from damped base, whichever is the better one."""
    if base is None:
        return suite

    def cells(plan: Plan) -> tuple[Cell, ...]:
        all_cells = suite.cells(plan)
        if base == "plain":
            return tuple(replace(cell, rival_of="") for cell in all_cells)
        rivals = {(cell.backbone, cell.rival_of): cell.name for cell in all_cells if cell.rival_of and not cell.grid}
        return tuple(
            replace(cell, rival_of="", against=rivals.get((cell.backbone, cell.against or ""), cell.against))
            for cell in all_cells
        )

    return replace(suite, cells=cells)


def is_judged(evidence: Evidence) -> bool:
    """Whether a suite has rows of differences that the paper prints."""
    is_of_the_paper = evidence.data.kind == "real" and bool(evidence.data.paper)
    return is_of_the_paper and any(cell.is_printed for cell in evidence.cells) and bool(evidence.rows)


def every_seed(store: Store) -> tuple[int, ...]:
    """Every seed that a row of training has, on the data sets that are judged, and those of the rule."""
    names = [name for name, entry in CATALOGUE.items() if entry.kind == "real" and entry.paper]
    seeds = {row.config.seed for name in names for row in store.runs("full", name).values()}
    return tuple(sorted((seeds | set(SEEDS["full"])) - {SEARCH_SEED}))


def variants_table(found: Sensitivity) -> Table:
    """How often each word occurs by every variant, and how many differences have another word than by the rule."""
    lines = []
    for name in found.names:
        line: dict[str, str | Markup] = {
            "Variant": name,
            "n": " to ".join(map(str, dict.fromkeys(found.n_seeds[name]))),
        }
        for protocol in PROTOCOLS:
            line[PROTOCOL_HEADS[protocol]] = badges(found.counts(name, protocol))
            changed = "" if name == found.names[0] else str(found.n_changed(name, protocol))
            line[f"Changed, {PROTOCOL_TITLES[protocol]}"] = changed
        lines.append(line)
    caption = (
        "Verdicts on the differences that the paper prints, and how many of them a variant changes. n: the fewest and "
        "the most seeds of a difference."
    )
    return Table(pd.DataFrame(lines), caption, wrap=True)


@drawn
def variants_figure(found: Sensitivity) -> Picture:
    """How often each word occurs: one bar per variant, one column of axes per protocol."""
    fig, axes = plt.subplots(1, len(PROTOCOLS), figsize=(9, 1 + 0.36 * len(found.names)), sharey=True, squeeze=False)
    words = []
    for axis, protocol in zip(axes[0], PROTOCOLS, strict=True):
        counts = [found.counts(name, protocol) for name in found.names]
        left = np.zeros(len(counts))
        for word, colour in VERDICT_COLOURS.items():
            widths = np.array([each[word] for each in counts])
            axis.barh(range(len(counts)), widths, left=left, color=colour, label=word, height=0.75)
            left += widths
        axis.set(title=PROTOCOL_TITLES[protocol], xlabel="differences")
        axis.set_yticks(range(len(counts)), found.names)
        axis.grid(visible=False, axis="y")
        words += [
            f"{PROTOCOL_TITLES[protocol]}, {name}: {listed(each)}"
            for name, each in zip(found.names, counts, strict=True)
        ]
    axes[0][0].invert_yaxis()
    fig.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(VERDICT_COLOURS))
    return Picture(fig, "Verdicts by the rule and by its variants.", f"{'. '.join(words)}.")


def listed(counts: Counter[str]) -> str:
    """Counts in words: "3 reproduced, 2 undecided"."""
    return ", ".join(f"{counts[word]} {word}" for word in get_args(Verdict) if counts[word]) or "nothing is run"


def answer(found: Sensitivity) -> Markup:
    """What the variants change, in words made from the rows."""
    paragraphs = [sentences(found, protocol) for protocol in PROTOCOLS if found.words[found.names[0], protocol]]
    return Markup("".join(f"<p>{text}</p>" for text in paragraphs) or "<p>Nothing has been run.</p>")


def main_points(found: Sensitivity) -> list[str]:
    """How many verdicts hang on the rule, one sentence per protocol."""
    rule, *others = found.names
    texts = []
    for protocol in PROTOCOLS:
        if not (n_judged := len(found.words[rule, protocol])):
            continue
        n_changed = {name: found.n_changed(name, protocol) for name in others}
        most = max(n_changed, key=n_changed.__getitem__)
        unmoved = found.unmoved(protocol)
        kept = Counter(found.words[rule, protocol][cell] for cell in unmoved)
        texts.append(
            f"{WHEN[protocol]}, {len(unmoved)} of {n_judged} differences keep their verdict in all "
            f"variants of the rule: {listed(kept)}. “{most}” changes the most verdicts, {n_changed[most]}: then there "
            f"are {listed(found.counts(most, protocol))}."
        )
    return texts


def sentences(found: Sensitivity, protocol: Protocol) -> str:
    """What the variants change under one protocol, as HTML."""
    ranges = " and ".join(
        f"{word} {' to '.join(map(str, dict.fromkeys((min(seen), max(seen)))))} times"
        for word in ("reproduced", "contradicted")
        for seen in [{found.counts(name, protocol)[word] for name in found.names}]
    )
    now = found.counts(found.names[0], protocol)
    divided = Counter({word: now[word] for word in ("no difference", "contradicted", "undecided")})
    return (
        f"<b>{PROTOCOL_HEADS[protocol]}.</b> The variants say {ranges}. The rule that we began with (see the log) "
        f"called {divided.total()} of these differences not reproduced, without telling apart what is now "
        f"{listed(divided)}."
    )


# The searches of Table 2: what is searched, and the cell whose grid it is.
SEARCHES = {
    "base, learning rate and weight decay": "tuned base",
    "APG, K and P": "apg",
    "APG, learning rate and weight decay": "tuned apg",
}


def trials(evidence: Evidence, backbone: str, name: str, protocol: Protocol) -> list[float]:
    """The validation AUC of every point of a cell's grid, in percent; none before all have run.

    A run that never had one counts as chance.
    """
    rows = [evidence.runs.get(run.id) for run in evidence.candidates(evidence.cell(name, backbone))]
    found = [row.valid_auc(protocol) for row in rows if row]
    return list(np.nan_to_num(found, nan=50.0)) if len(found) == len(rows) else []


def budgets(evidence: Evidence, protocol: Protocol) -> dict[str, dict[str, list[float]]]:
    """Expected best validation AUC in percent by the number of trials, from 1: backbone → what is searched → values."""
    return {
        backbone: {
            title: expected_best(values)
            for title, name in SEARCHES.items()
            if (values := trials(evidence, backbone, name, protocol))
        }
        for backbone in PAPER_BACKBONES
    }


@drawn
def budget_figure(evidence: Evidence, protocol: Protocol) -> Picture:
    """Expected best validation AUC against the number of trials, model by model."""
    fig, axes = plt.subplots(2, 4, figsize=(9.5, 5), sharex=True)
    found, words = budgets(evidence, protocol), []
    for axis, (backbone, searches) in zip(axes.flat, found.items(), strict=False):
        axis.set_title(backbone)
        for number, title in enumerate(SEARCHES):
            if values := searches.get(title, []):
                style = ("-", "--", ":")[number]
                axis.plot(range(1, len(values) + 1), values, style, color=f"C{number}", lw=2, label=title)
                words.append(f"{backbone}, {title}: {values[0]:.2f} with 1 trial, {values[-1]:.2f} with {len(values)}")
        if not searches:
            not_run(axis)
    for axis in axes[1]:
        axis.set_xlabel("trials")
    for axis in axes[:, 0]:
        axis.set_ylabel("validation AUC, %")
    for axis in list(axes.flat)[len(found) :]:
        axis.axis("off")
    legend = {label: line for axis in axes.flat for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    fig.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=len(SEARCHES))
    return Picture(
        fig,
        f"{evidence.data.title}, {PROTOCOL_TITLES[protocol]}. Expected best validation AUC of the search in percent, "
        "by the number of its trials.",
        f"{'; '.join(words) or 'Not run'}.",
    )


def budget_answer(evidence: Evidence) -> Markup:
    """Where APG is ahead of base with one trial, with half of them and with all, in words made from the rows."""
    theirs, *ours = SEARCHES
    lines = []
    for protocol in PROTOCOLS:
        for title in ours:
            pairs = {
                b: (found[title], found[theirs])
                for b, found in budgets(evidence, protocol).items()
                if found.keys() >= {title, theirs}
            }
            if pairs:
                lines.append(f"<li>{PROTOCOL_HEADS[protocol]}, {title}: {compared(list(pairs.values()))}</li>")
    return Markup(f"<p>Expected best of APG minus that of base, each with as many trials:</p><ul>{''.join(lines)}</ul>")


def compared(pairs: Sequence[tuple[Sequence[float], Sequence[float]]]) -> str:
    """The least and the greatest difference over the models, and how often APG is ahead, by the number of trials."""
    texts = []
    most = min(len(side) for pair in pairs for side in pair)
    for n in dict.fromkeys((1, (most + 1) // 2, most)):
        gaps = [ours[n - 1] - theirs[n - 1] for ours, theirs in pairs]
        ends = " to ".join(dict.fromkeys(format_signed(end(gaps)) for end in (min, max)))
        texts.append(
            f"with {n} trial{'s' * (n > 1)} {ends} points, ahead in {sum(gap > 0 for gap in gaps)} of {len(gaps)}"
        )
    return "; ".join(texts) + "."
