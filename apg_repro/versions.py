"""The versions of the layer: what each needs, costs and is served as. Imports no torch.

Adding a version: its entry here, its class (the paper's in ``nn/apg.py`` and in ``PAPER_LAYERS`` there, others in
``nn/comparators.py`` and in ``LAYERS`` there), its equation in ``tests/reference/apg.py``, and the cell that trains it.

A formula is a sum of products, written as text with the letters of the paper's Table 1: N outputs, M inputs, D the
size of the condition, K the rank.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Version:
    """What is known of a version without making a layer of it.

    Attributes:
        options: the options of a RunConfig that it cannot do without: "rank" (K), "over" (P).
        computation: Table 1's multiplications per instance: to generate parameters, to multiply U S V out, to feed
            forward.
        memory: Table 1's weights: to generate parameters, and shared by all instances.
        biases: of the layer and of a G of one layer, which the paper does not mention.
        generated: numbers that our layer makes for each instance.
        extra_multiplications: of our layer, which Table 1 leaves out.
        served_as: the version that it folds into after training; "" for itself.
        in_table_1: whether the paper's Table 1 has these formulas.
    """

    options: tuple[str, ...] = ()
    computation: tuple[str, str, str]
    memory: tuple[str, str]
    biases: str
    generated: str = ""
    extra_multiplications: str = ""
    served_as: str = ""
    in_table_1: bool = False


# The paper's: what its tables of costs are made for.
PAPER_VERSIONS = {
    "base": Version(computation=("", "", "NM"), memory=("", "NM"), biases="N", in_table_1=True),
    "v1": Version(computation=("NMD", "", "NM"), memory=("NMD", ""), biases="NM + N", generated="NM", in_table_1=True),
    "v2": Version(
        options=("rank",),
        computation=("NKD + MKD + KKD", "NKK + NMK", "NM"),
        memory=("NKD + MKD + KKD", ""),
        biases="NK + MK + KK + N",
        generated="NK + MK + KK + NM",
        in_table_1=True,
    ),
    # Our v3 does not form U and V: it weighs K (D + 1) sums by z, before U and after V.
    "v3": Version(
        options=("rank",),
        computation=("NKD + MKD + KKD", "", "NK + MK + KK"),
        memory=("NKD + MKD + KKD", ""),
        biases="NK + MK + KK + N",
        generated="KK + KD + K + KD + K",
        extra_multiplications="KD + K + KD + K",
        in_table_1=True,
    ),
    "v4": Version(
        options=("rank",),
        computation=("KKD", "", "NK + MK + KK"),
        memory=("KKD", "NK + MK"),
        biases="KK + N",
        generated="KK",
        in_table_1=True,
    ),
    # As served. In training U and V are products, formed once per batch.
    "v5": Version(
        options=("rank", "over"),
        computation=("KKD", "", "NK + MK + KK"),
        memory=("KKD", "NK + MK"),
        biases="KK + N",
        generated="KK",
        served_as="v4",
    ),
}

# What the paper does not have: other layers that depend on a condition (``nn/comparators.py``).
COMPARATORS = {
    "gate": Version(
        computation=("ND", "", "NM"),
        memory=("ND", "NM"),
        biases="N + N",
        generated="N",
        extra_multiplications="N + N",
    ),
    "film": Version(
        computation=("ND + ND", "", "NM"),
        memory=("ND + ND", "NM"),
        biases="N + N + N",
        generated="N + N",
        extra_multiplications="N",
    ),
    "adapter": Version(
        options=("rank",),
        computation=("NKD + MKD", "", "NM + NK + MK"),
        memory=("NKD + MKD", "NM"),
        biases="NK + MK + N",
        generated="NK + MK",
    ),
}
VERSIONS = PAPER_VERSIONS | COMPARATORS
