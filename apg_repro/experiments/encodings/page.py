"""Encodings of MovieLens: APG's gain in WDL by encoding, and over several of them. Imports no torch.

All encodings have the same rows, and seed s splits and shuffles them alike. So an average over encodings is taken seed
by seed. A random-effects mean asks what yet another encoding would give; it treats them as independent, which they are
not.
"""

from collections.abc import Sequence

import pandas as pd

from apg_repro.config import PROTOCOLS, Protocol
from apg_repro.experiments.encodings.plan import ENCODINGS
from apg_repro.labels import words_for
from apg_repro.report.comparison import Comparison, compare
from apg_repro.report.statistics import Estimate, estimate, judge, pool
from apg_repro.report.tables import (
    AGAINST_THE_BETTER,
    MISSING,
    PROTOCOL_HEADS,
    Markup,
    Table,
    badge_over,
    format_difference,
    format_pooled,
    note_on_verdicts,
    text_of,
    with_n,
)
from apg_repro.rows.evidence import Evidence

DEFAULT, *OTHERS = ENCODINGS


def compared(evidence: Evidence, protocol: Protocol) -> dict[str, Comparison]:
    """APG next to its reference, by encoding."""
    found = {line.cell.name: line for line in compare(evidence, protocol).values()}
    return {features: found[f"apg, {features}"] for features in ENCODINGS}


def gains(evidence: Evidence, protocol: Protocol) -> dict[str, Estimate]:
    """APG less the better of base and damped base (after one epoch; else base) in points, by encoding."""
    return {features: line.difference for features, line in compared(evidence, protocol).items()}


def average(evidence: Evidence, protocol: Protocol, encodings: Sequence[str]) -> Estimate:
    """The same on the average of these encodings, seed by seed."""
    ours = [evidence.cell(f"apg, {features}") for features in encodings]
    return estimate(evidence.mean_differences(ours, protocol))


def over_damped(evidence: Evidence, protocol: Protocol, encodings: Sequence[str]) -> Estimate:
    """APG less damped base on the average of these encodings, whichever of both bases is the better one."""
    ours, theirs = ([evidence.cell(f"{name}, {features}") for features in encodings] for name in ("apg", "damped base"))
    return estimate(evidence.between(ours, theirs, protocol))


def is_against_plain(evidence: Evidence, protocol: Protocol) -> bool:
    """Whether the damped base of some encoding still lacks seeds."""
    return any(line.is_against_plain for line in compared(evidence, protocol).values())


def judged_text(evidence: Evidence, protocol: Protocol, gain: Estimate) -> str:
    """The verdict on a gain as one test of its own, with its marks."""
    return text_of(judge(gain, 1.0), is_against_plain(evidence, protocol))


def more_than_default(evidence: Evidence, protocol: Protocol) -> Estimate:
    """By how many points the average gain of the other encodings exceeds that of the default one, seed by seed."""
    cells = [evidence.cell(f"apg, {features}") for features in ENCODINGS]
    bases = evidence.references(cells, protocol)
    apg, base = ([evidence.by_seed(cell, protocol) for cell in side] for side in (cells, bases))
    default, *others = (
        [ours[seed] - theirs[seed] for seed in evidence.shared_seeds([*cells, *bases], protocol)]
        for ours, theirs in zip(apg, base, strict=True)
    )
    return estimate([sum(gains) / len(OTHERS) - gain for gain, *gains in zip(default, *others, strict=True)])


def pooled_table(evidence: Evidence) -> Table:
    """The gain on the default encoding, on the average of the others, the difference, and random-effects means."""
    rows = {
        DEFAULT: lambda how: gains(evidence, how)[DEFAULT],
        f"average of the other {len(OTHERS)}": lambda how: average(evidence, how, OTHERS),
        f"average of all {len(ENCODINGS)}": lambda how: average(evidence, how, ENCODINGS),
    }
    lines, texts = [], []
    for name, found in rows.items():
        judged = {how: judged_text(evidence, how, found(how)) if evidence.is_result else "" for how in PROTOCOLS}
        texts += judged.values()
        cells = {PROTOCOL_HEADS[how]: badge_over(judged[how], with_n(found(how))) for how in PROTOCOLS}
        lines.append({"Δ of APG and base": name} | cells)
    for name, encodings in ((DEFAULT, [DEFAULT]), (f"average of the other {len(OTHERS)}", OTHERS)):
        cells = {PROTOCOL_HEADS[how]: with_n(over_damped(evidence, how, encodings)) or MISSING for how in PROTOCOLS}
        lines.append({"Δ of APG and base": f"{name}, from damped base"} | cells)
    apart = {PROTOCOL_HEADS[how]: with_n(more_than_default(evidence, how)) for how in PROTOCOLS}
    lines.append({"Δ of APG and base": f"the other {len(OTHERS)} less {DEFAULT}"} | apart)
    for name, encodings in ((f"the other {len(OTHERS)}", OTHERS), (f"all {len(ENCODINGS)}", ENCODINGS)):
        pooled = {how: pool([gains(evidence, how)[features] for features in encodings]) for how in PROTOCOLS}
        cells = {PROTOCOL_HEADS[how]: format_pooled(each) if each else MISSING for how, each in pooled.items()}
        lines.append({"Δ of APG and base": f"random-effects mean of {name}"} | cells)
    caption = (
        f"{evidence.data.title}. Δ of test AUC in points, {AGAINST_THE_BETTER}, ± 95 % confidence; SD of the true "
        f"differences between encodings, and the share I² of the variance that is due to it.{note_on_verdicts(texts)}"
    )
    return Table(pd.DataFrame(lines), caption, wrap=True)


def answer(evidence: Evidence) -> Markup:
    """What the encodings change, in words made from the rows."""
    if not evidence.is_result:
        return Markup("<p>A quick run decides nothing.</p>")
    texts = [sentence(evidence, how) for how in PROTOCOLS if all(gain.n for gain in gains(evidence, how).values())]
    return Markup("".join(f"<p>{text}</p>" for text in texts) or "<p>Not all of this has been run.</p>")


def sentence(evidence: Evidence, protocol: Protocol) -> str:
    """What ``answer`` says of one protocol."""
    found = gains(evidence, protocol)
    ahead = [name for name, gain in found.items() if gain.is_above]
    not_ahead = [name for name in found if name not in ahead]
    more = more_than_default(evidence, protocol)
    rest = f", and not on {named(not_ahead)}" if not_ahead else ""
    apart = "lies beyond" if more.is_above or more.is_below else "holds"
    return (
        f"<b>{PROTOCOL_HEADS[protocol]}.</b> The interval of the gain lies above 0 on {named(ahead)}{rest}. On the "
        f"average of the other {len(OTHERS)} encodings the gain is "
        f"{format_difference(average(evidence, protocol, OTHERS))} points, on {DEFAULT} "
        f"{format_difference(found[DEFAULT])}. On the {more.n} seeds that all have, the difference of the two is "
        f"{format_difference(more)} points, and its interval {apart} 0."
    )


def named(encodings: Sequence[str]) -> str:
    """These encodings, or none."""
    return ", ".join(words_for(features) for features in encodings) or "none"
