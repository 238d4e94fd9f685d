"""Formulas of costs, such as those of Table 1: evaluated, compared, and solved for the rank. Imports no torch.

A formula is a sum of products, written as text with the letters of the paper: "NMD + NM" for N outputs, M inputs, D the
size of the condition. K is the rank, P the width of the over-parameterisation. ``versions.VERSIONS`` has those of
every version.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import prod

Sizes = Mapping[str, int]  # the letters' values, {"N": 256, "M": 185, …}


def total(columns: Iterable[str]) -> str:
    """The sum of some formulas, such as a version's columns of Table 1."""
    return " + ".join(column for column in columns if column)


def terms(formula: str) -> list[str]:
    """The products of a formula; none of an empty one."""
    return [term.strip() for term in formula.split("+") if term.strip()]


def evaluate(formula: str, sizes: Sizes) -> int:
    """The value of a formula."""
    return sum(prod(sizes[letter] for letter in term) for term in terms(formula))


def is_lower_order(extra: str, formula: str) -> bool:
    """Whether every product of ``extra`` is a proper part of one of ``formula``, as NM is of NMD."""
    return all(any(Counter(part) < Counter(whole) for whole in terms(formula)) for part in terms(extra))


def break_even(formula: str, sizes: Sizes) -> int:
    """The largest K with which a layer costs less than the static one, NM; 0 if there is none."""
    static = evaluate("NM", sizes)
    k = 0
    while evaluate(formula, {**sizes, "K": k + 1}) < static:
        k += 1
    return k
