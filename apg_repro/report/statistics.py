"""The rule: estimates over seeds, the words for a difference of AUC, and when a word is marked. Imports no torch.

AUC in percent, differences in AUC points. The words, for a difference that the paper says is above 0 (mirrored if
below), with its interval of 95 % (Student's t over paired seeds) and the margin m = 0.1 points:

- *reproduced*: interval above 0 and mean at least m. *Direction only*: interval above 0, mean below m.
- *no difference*: interval within (−m, m) and not above 0: an equivalence test (TOST).
- *contradicted*: interval below 0 and not within (−m, m).
- *undecided*: anything else, the interval is too wide to say. *Not run*: no runs.

A word is marked † if it does not survive Holm's correction within its family, and ‡ if the corrected resampled t of
Nadeau & Bengio (2003), an upper bound of the noise, would change it.
"""

import dataclasses
import gc
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from scipy import stats
from scipy.special import comb
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.multitest import multipletests

Verdict = Literal["reproduced", "direction only", "no difference", "contradicted", "undecided", "not run"]
Key = TypeVar("Key")

MARGIN = 0.1  # AUC points: "0.1% absolute AUC gain is regarded as significant" (footnote 3)
CONFIDENCE = 0.95
TEST_TO_TRAIN = 1 / 8  # rows, of random 8:1:1 splits of one file
NOT_AFTER_HOLM, NOT_CORRECTED = "†", "‡"
MARKS = {
    NOT_AFTER_HOLM: "does not survive Holm's correction within its table",
    NOT_CORRECTED: "has another verdict with the corrected interval",
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The rule of verdicts, or a variant of it.

    Attributes:
        margin: m, in AUC points.
        is_corrected: whether the corrected resampled t decides, and not Student's.
        holm_decides: whether a word that does not survive Holm's correction reads *undecided*, and is not marked only.
    """

    margin: float = MARGIN
    is_corrected: bool = False
    holm_decides: bool = False


RULE = Rule()


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds and the half-width of its 95 % confidence interval, NaN below two seeds."""

    mean: float
    half: float
    n: int

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.mean + self.half

    @property
    def is_above(self) -> bool:
        """Whether the interval lies above 0."""
        return self.low > 0

    @property
    def is_below(self) -> bool:
        """Whether the interval lies below 0."""
        return self.high < 0

    @property
    def side(self) -> int:
        """The side of 0 on which the interval lies: 1 above, -1 below, 0 if it includes 0 or there is none."""
        return int(self.is_above) - int(self.is_below)

    @property
    def is_at_margin(self) -> bool:
        """Whether the mean is the margin in the two digits that pages print, so that little would change its word."""
        return round(self.mean, 2) == MARGIN

    @property
    def error_bar(self) -> float:
        """The half-width as figures draw it: none where there is no interval."""
        return 0.0 if math.isnan(self.half) else self.half

    @property
    def error(self) -> float:
        """The standard error of the mean; NaN without an interval."""
        return self.half / quantile(self.n) if self.n > 1 else math.nan

    @property
    def is_poolable(self) -> bool:
        """Whether it can be weighed against others by its error: its seeds are several, and differ."""
        return self.error > 0

    @property
    def corrected(self) -> "Estimate":
        """The same mean with the corrected resampled t: variance factor 1/n + n_test/n_train in place of 1/n."""
        factor = math.sqrt(1 + self.n * TEST_TO_TRAIN)
        return dataclasses.replace(self, half=self.half * factor)


def quantile(n: int) -> float:
    """Of Student's t, for an interval over n values."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and 95 % confidence interval (Student's t); NaN if a value is."""
    n = len(values)
    if n == 0:
        return Estimate(mean=math.nan, half=math.nan, n=0)
    half = float(quantile(n) * np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan
    return Estimate(mean=float(np.mean(values)), half=half, n=n)


HOLDS: tuple[Verdict, ...] = ("direction only", "reproduced")  # words of a difference on the paper's side of 0


def verdict(difference: Estimate, expected: float, margin: float = MARGIN) -> Verdict:
    """The word for a difference of AUC, in points: see the top of this file.

    Args:
        difference: ours.
        expected: the paper's difference; its sign says on which side of 0 ours should be.
        margin: m, in points.
    """
    if difference.n == 0:
        return "not run"
    mean = math.copysign(1, expected) * difference.mean
    low, high = mean - difference.half, mean + difference.half
    if low > 0:
        return "reproduced" if mean >= margin else "direction only"
    if -margin < low and high < margin:
        return "no difference"
    return "contradicted" if high < 0 else "undecided"  # also where the mean or the interval is NaN


def alike(difference: Estimate) -> Verdict:
    """The word for a difference that the paper says is none.

    *Reproduced*: the whole interval lies within (−m, m). *Contradicted*: all of it beyond. *Undecided*: anything else,
    a single run as well, which has no interval.
    """
    if difference.n == 0:
        return "not run"
    if abs(difference.mean) + difference.half < MARGIN:
        return "reproduced"
    return "contradicted" if abs(difference.mean) - difference.half > MARGIN else "undecided"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A word with its marks.

    Attributes:
        word: "" where the paper claims nothing.
        p: Holm's, within the family: of the test that the word rests on; NaN where it rests on none.
        corrected_word: with the corrected resampled t.
    """

    word: Verdict | Literal[""] = ""
    p: float = math.nan
    corrected_word: Verdict | Literal[""] = ""

    @property
    def survives(self) -> bool:
        """Whether Holm's correction leaves the word standing."""
        return not self.p > 1 - CONFIDENCE

    @property
    def marks(self) -> str:
        """† and ‡, if they apply."""
        by_mark = {NOT_AFTER_HOLM: not self.survives, NOT_CORRECTED: self.corrected_word != self.word}
        return "".join(mark for mark, applies in by_mark.items() if applies)

    @property
    def counted_as(self) -> str:
        """The word, with † if it does not survive: such words are counted apart."""
        return with_marks(self.word, NOT_AFTER_HOLM * (not self.survives))

    @property
    def text(self) -> str:
        """The word and its marks, as pages show them."""
        return with_marks(self.word, self.marks)


def with_marks(word: str, marks: str) -> str:
    """A word followed by its marks."""
    return f"{word} {marks}" if word and marks else word


def judge_family(differences: Mapping[Key, tuple[Estimate, float]], rule: Rule = RULE) -> dict[Key, Judgement]:
    """The judgements on a family: a table under one protocol against one reference.

    Holm's correction is of two kinds of test, each over all of the family: that a difference is 0 (two-sided), for the
    words on either side of 0; and that it is not within ±m (TOST, twice the larger p, as its interval has 95 %), for
    "no difference".

    Args:
        differences: ours and the paper's, in points. Where the paper's is NaN or 0 it claims none: no word and no test.
        rule: or a variant of it.
    """
    margin = rule.margin
    if rule.is_corrected:
        differences = {key: (found.corrected, expected) for key, (found, expected) in differences.items()}
    claimed = {key: pair for key, pair in differences.items() if not (math.isnan(pair[1]) or pair[1] == 0)}
    apart = holm({key: p_apart(found) for key, (found, _) in claimed.items()})
    within = holm({key: p_within(found, margin) for key, (found, _) in claimed.items()})
    judged: dict[Key, Judgement] = {}
    for key, (found, expected) in differences.items():
        if key not in claimed:
            judged[key] = Judgement() if found.n else Judgement(word="not run", corrected_word="not run")
            continue
        word = verdict(found, expected, margin)
        tests = {"no difference": within, "undecided": {}, "not run": {}}.get(word, apart)
        corrected_word = word if rule.is_corrected else verdict(found.corrected, expected, margin)
        one = Judgement(word=word, p=tests.get(key, math.nan), corrected_word=corrected_word)
        is_lost = rule.holm_decides and not one.survives
        judged[key] = Judgement(word="undecided", corrected_word="undecided") if is_lost else one
    return judged


def sides_after_holm(differences: Mapping[Key, Estimate]) -> dict[Key, int]:
    """The side of 0 on which each difference of a family lies: 1 or -1, or 0 where Holm's correction leaves it open."""
    adjusted = holm({key: p_apart(difference) for key, difference in differences.items()})
    return {key: differences[key].side if p < 1 - CONFIDENCE else 0 for key, p in adjusted.items()}  # 0 for NaN


def judge(difference: Estimate, expected: float) -> Judgement:
    """The judgement on a difference that is one test of its own; no word where the paper claims none."""
    return judge_family({"": (difference, expected)})[""]


def p_apart(difference: Estimate) -> float:
    """p of the two-sided t-test that a difference is 0; NaN without an interval."""
    return two_sided(abs(difference.mean), difference)


def p_within(difference: Estimate, margin: float = MARGIN) -> float:
    """p of the equivalence test within ±margin, twice the larger of its two; NaN without an interval."""
    return two_sided(margin - abs(difference.mean), difference)


def two_sided(distance: float, difference: Estimate) -> float:
    """p of a mean that lies so far on the right side of a bound: 0.05 where its interval of 95 % ends at the bound."""
    if math.isnan(difference.half) or math.isnan(distance):
        return math.nan
    if difference.half == 0:
        return 0.0 if distance > 0 else 1.0
    return min(1.0, float(2 * stats.t.sf(distance / difference.error, difference.n - 1)))


def holm(p_values: Mapping[Key, float]) -> dict[Key, float]:
    """Holm's p of each; those that are NaN were no tests and stay so."""
    tests = {key: p for key, p in p_values.items() if not math.isnan(p)}
    if not tests:
        return dict(p_values)
    gc.freeze()  # statsmodels collects garbage in every call, which takes long where many rows are at hand
    try:
        adjusted: Any = multipletests(list(tests.values()), method="holm")[1]
    finally:
        gc.unfreeze()
    return dict.fromkeys(p_values, math.nan) | dict(zip(tests, map(float, adjusted), strict=True))


@dataclass(frozen=True, kw_only=True)
class Pooled:
    """A random-effects mean over data sets, or over other cases of one difference.

    Attributes:
        mean, half: in points; half of its 95 % interval (Student's t over data sets, Hartung–Knapp, but never narrower
            than with the errors of the data sets themselves: Röver, Knapp & Friede, 2015).
        tau: the standard deviation of the true differences over data sets, in points (Paule & Mandel, 1982).
        i2: the share of the variance of the means that is due to it, 0 to 1 (Higgins & Thompson, 2002).
        n_sets: of data sets.
    """

    mean: float
    half: float
    tau: float
    i2: float
    n_sets: int


def pool(differences: Sequence[Estimate]) -> Pooled | None:
    """The random-effects mean of one difference over data sets; None where fewer than two of them have an interval."""
    sets = [found for found in differences if found.is_poolable]
    if len(sets) < 2:
        return None
    means, variances = np.array([found.mean for found in sets]), np.array([found.error**2 for found in sets])
    with np.errstate(divide="ignore"):  # the share I² of means that are all the same
        fit: Any = combine_effects(means, variances, method_re="iterated", use_t=True)
    return Pooled(
        mean=float(fit.mean_effect_re), half=quantile(len(sets)) * float(max(fit.sd_eff_w_re_hksj, fit.sd_eff_w_re)),
        tau=math.sqrt(max(float(fit.tau2), 0.0)), i2=max(0.0, float(fit.i2)), n_sets=len(sets),
    )  # fmt: skip


def expected_best(values: Sequence[float]) -> list[float]:
    """The expected maximum of n of these values, drawn without replacement, for n from 1 to all of them.

    What the best of n trials of a search can be expected to be, if its points are tried in random order (Dodge et al.,
    2019; drawn without replacement as Tang et al., 2020, which is exact for a grid). The i-th smallest of N values is
    the maximum of C(i - 1, n - 1) of the C(N, n) draws.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    ranks = np.arange(len(ordered))  # i - 1
    return [float(comb(ranks, n - 1) @ ordered / comb(len(ordered), n)) for n in range(1, len(ordered) + 1)]


def count(judgements: Sequence[Judgement]) -> Counter[str]:
    """How often each word occurs: those that do not survive Holm's correction apart, with their mark."""
    return Counter(one.counted_as for one in judgements if one.word)
