"""What an answer says: the verdict by the project's rule, how many more seeds would decide, gains by frequency.

An *answer* is what ``apg try`` found, as JSON-ready values (``answer.json``): the report, the page and these functions
need nothing else. Imports no torch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from statsmodels.stats.power import TTestPower

from apg_repro.errors import UserError
from apg_repro.paths import read_object
from apg_repro.report.statistics import CONFIDENCE, MARGIN, Estimate, Judgement, estimate, judge
from apg_repro.report.tables import format_difference

Answer = Mapping[str, Any]
Word = Literal["better", "no difference", "worse", "undecided"]

# The rule's words for a difference that is said to be above 0 → what they mean to who asks whether APG pays.
WORDS: dict[str, Word] = {
    "reproduced": "better", "direction only": "better", "no difference": "no difference", "contradicted": "worse",
}  # fmt: skip
POWER = 0.8
MAX_MORE_SEEDS = 200  # seeds: more than that are not asked for


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The verdict on an answer.

    Attributes:
        word: by the rule, from the test AUC of APG less that of base, seed by seed.
        difference: of AUC, in points. logloss: of logloss, in thousandths of a nat.
        judgement: the rule's own, with its marks.
        more: seeds that would probably decide; None where it is decided, or where more than ``MAX_MORE_SEEDS`` would.
    """

    word: Word
    difference: Estimate
    logloss: Estimate
    judgement: Judgement
    more: int | None

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        if math.isnan(self.difference.mean):
            return (
                "No verdict: some runs diverged, so their AUC is not a number. A longer search may find a learning "
                "rate at which none does: more --minutes, and another --out."
            )
        gain = f"{format_difference(self.difference)} points of AUC over {self.difference.n} paired seeds"
        if self.word == "better":
            small = f", less than the {MARGIN:g} that counts" if self.difference.mean < MARGIN else ""
            return f"APG is better than base: {gain}{small}."
        if self.word == "worse":
            return f"APG is worse than base: {gain}."
        if self.word == "no difference":
            return f"No difference that counts: {gain}, within ±{MARGIN:g}."
        if self.more is None:
            return (
                f"These seeds do not decide: {gain}. It would take more than {MAX_MORE_SEEDS} more: more rows say more."
            )
        seeds = self.difference.n + self.more
        return (
            f"These seeds do not decide: {gain}. A study of {seeds}, fixed beforehand, probably would: --seeds {seeds}."
        )


def finding(answer: Answer) -> Finding:
    """The verdict on an answer."""
    difference = estimate([100 * value for value in paired(answer, "auc")])
    judgement = judge(difference, 1.0)
    word = WORDS.get(judgement.word, "undecided")
    return Finding(
        word=word, difference=difference, judgement=judgement,
        logloss=estimate([1000 * value for value in paired(answer, "logloss")]),
        more=more_seeds(difference) if word == "undecided" else None,
    )  # fmt: skip


def first(answer: Answer, n: int) -> dict[str, Any]:
    """The answer as its first n seeds alone would have been."""
    kept = sorted(answer["seeds"])[:n]
    runs = {side: [run for run in found if run["seed"] in kept] for side, found in answer["runs"].items()}
    return dict(answer) | {"runs": runs, "seeds": kept}


def paired(answer: Answer, score: str) -> list[float]:
    """APG less base, seed by seed; NaN where a run has no such score."""
    base, apg = (
        {run["seed"]: math.nan if run[score] is None else run[score] for run in answer["runs"][side]}
        for side in ("base", "apg")
    )
    return [apg[seed] - base[seed] for seed in sorted(base.keys() & apg.keys())]


def more_seeds(difference: Estimate) -> int | None:
    """How many more seeds would decide with probability ``POWER``, if the true difference is the one found.

    Either that it is not 0, or that it lies within the margin, whichever takes fewer; None above ``MAX_MORE_SEEDS``.
    """
    spread = difference.error * math.sqrt(difference.n)
    if not spread > 0:
        return None
    needed = [
        wanted
        for distance in (abs(difference.mean), MARGIN - abs(difference.mean))
        if distance > 0 and (wanted := seeds_for(distance / spread)) is not None
    ]
    more = min(needed, default=math.inf) - difference.n
    return max(1, int(more)) if more <= MAX_MORE_SEEDS else None


def seeds_for(effect: float) -> int | None:
    """Seeds at which a one-sided t-test finds an effect, in standard deviations, with probability ``POWER``."""
    test = TTestPower()
    most = MAX_MORE_SEEDS + 100
    if test.power(effect, most, (1 - CONFIDENCE) / 2, alternative="larger") < POWER:
        return None
    return next(
        n for n in range(2, most + 1) if test.power(effect, n, (1 - CONFIDENCE) / 2, alternative="larger") >= POWER
    )


def scores(runs: Sequence[Mapping[str, Any]], score: str, scale: float) -> Estimate:
    """The mean of a score over seeds, and its interval."""
    return estimate([math.nan if run[score] is None else scale * run[score] for run in runs])


def gains(answer: Answer, who: str) -> list[tuple[str, int, Estimate]]:
    """By how many training rows a user (or an item) has: the group, its test rows, the gain in points of AUC."""
    by_seed: dict[int, dict[str, Any]] = {}
    for side in ("base", "apg"):
        for run in answer["runs"][side]:
            if who in run["groups"]:
                by_seed.setdefault(run["seed"], {})[side] = run["groups"][who]
    pairs = [pair for pair in by_seed.values() if len(pair) == 2]
    found = []
    for place, name in enumerate(answer["group_names"]):
        both = [(pair["base"]["auc"][place], pair["apg"]["auc"][place]) for pair in pairs]
        rows = int(np.mean([pair["apg"]["rows"][place] for pair in pairs])) if pairs else 0
        found.append((name, rows, estimate([100 * (apg - base) for base, apg in both if None not in (base, apg)])))
    return found


def load(path: Path) -> dict[str, Any]:
    """An answer that was written.

    Raises:
        UserError: there is none, or it is damaged.
    """
    try:
        found = read_object(path)
        if not isinstance(runs := found.get("runs"), dict) or not {"base", "apg"} <= runs.keys():
            raise ValueError("it has no runs of base and APG")
        return found
    except (OSError, ValueError) as error:
        raise UserError(f"answer {path} cannot be read ({error}): `apg try` writes one, answer.json") from error
