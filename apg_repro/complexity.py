"""Table 1: what one layer costs, as the paper writes it.

A formula is a sum of products, written as text with the paper's letters: "NMD + NM" for N outputs, M inputs, D the size
of the condition. K is the rank, P the width of the over-parameterisation.
"""

from collections import Counter
from collections.abc import Mapping
from math import prod

Sizes = Mapping[str, int]  # the letters' values, {"N": 256, "M": 185, …}

# Table 1's columns that count computation: generating the specific parameters, multiplying U S V out, feeding forward.
COMPUTATION = {
    "base": ("", "", "NM"),
    "v1": ("NMD", "", "NM"),
    "v2": ("NKD + MKD + KKD", "NKK + NMK", "NM"),
    "v3": ("NKD + MKD + KKD", "", "NK + MK + KK"),
    "v4": ("KKD", "", "NK + MK + KK"),
}
# What our v3 multiplies beside: it does not form U and V, but weighs K (D + 1) sums by z, before U and after V.
BESIDE = {"v3": "KD + K + KD + K"}
# Table 1's columns that count memory: generating the specific parameters, storing the shared ones.
MEMORY = {
    "base": ("", "NM"),
    "v1": ("NMD", ""),
    "v2": ("NKD + MKD + KKD", ""),
    "v3": ("NKD + MKD + KKD", ""),
    "v4": ("KKD", "NK + MK"),
}
# What our layers hold beside: the biases of the layer and of G, which the paper does not mention.
BIASES = {
    "base": "N",
    "v1": "NM + N",
    "v2": "NK + MK + KK + N",
    "v3": "NK + MK + KK + N",
    "v4": "KK + N",
}


def total(columns: Mapping[str, tuple[str, ...]], version: str) -> str:
    """The sum of a version's columns."""
    return " + ".join(column for column in columns[version] if column)


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
