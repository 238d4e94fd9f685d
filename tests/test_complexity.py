"""Table 1's formulas against the equations, and what follows from them."""

import pytest

from apg_repro.paper.complexity import break_even, evaluate, is_lower_order, terms, total
from apg_repro.versions import VERSIONS

SIZES = {"N": 7, "M": 11, "D": 5, "K": 3, "P": 13}


def test_a_formula_is_a_sum_of_products():
    assert evaluate("NMD + NM", SIZES) == 7 * 11 * 5 + 7 * 11
    assert evaluate("NKK", SIZES) == 7 * 9
    assert evaluate("", SIZES) == 0


def test_the_papers_totals_are_the_sums_of_its_columns():
    """As Table 1 prints them, in its own brackets."""
    n, m, d, k, _ = SIZES.values()
    factors = n * k + m * k + k * k
    printed = {
        "base": (n * m, n * m),
        "v1": (n * m * d + n * m, n * m * d),
        "v2": (factors * d + n * k * k + n * m * k + n * m, factors * d),
        "v3": (factors * (d + 1), factors * d),
        "v4": (k * k * d + n * k + m * k + k * k, k * k * d + n * k + m * k),
    }
    for version, totals in printed.items():
        columns = VERSIONS[version].computation, VERSIONS[version].memory
        assert tuple(evaluate(total(column), SIZES) for column in columns) == totals


def test_lower_order_means_a_proper_part_of_a_product():
    assert is_lower_order("NM + N", "NMD")
    assert not is_lower_order("NM", "NM")
    assert not is_lower_order("NMK", "NMD")
    assert is_lower_order("", "NM")


@pytest.mark.parametrize("version", VERSIONS)
def test_what_table_1_leaves_out_is_of_lower_order(version):
    entry = VERSIONS[version]
    assert terms(entry.biases)
    assert is_lower_order(entry.biases, total(entry.memory))
    assert is_lower_order(entry.extra_multiplications, total(entry.computation))


def test_a_version_costs_as_much_as_the_one_that_it_is_served_as():
    for entry in VERSIONS.values():
        if entry.served_as:
            served = VERSIONS[entry.served_as]
            assert (entry.computation, entry.memory, entry.biases) == (served.computation, served.memory, served.biases)


@pytest.mark.parametrize("width", [64, 256, 1024])
def test_v1_and_v2_take_more_multiplications_than_static_at_any_rank(width):
    for version in ("v1", "v2"):
        assert break_even(total(VERSIONS[version].computation), {"N": width, "M": width, "D": 1}) == 0


def test_the_break_even_rank_is_the_last_that_costs_less():
    """N = M = 256, D = 32: v3 takes (512 K + K²) · 33, against 65,536."""
    sizes = {"N": 256, "M": 256, "D": 32}
    assert (512 * 3 + 9) * 33 < 65_536 < (512 * 4 + 16) * 33
    assert break_even(total(VERSIONS["v3"].computation), sizes) == 3
    k = break_even(total(VERSIONS["v4"].computation), sizes)
    assert k * k * 33 + 512 * k < 65_536 <= (k + 1) ** 2 * 33 + 512 * (k + 1)


def test_a_self_wise_v3_is_never_cheaper_than_static():
    assert break_even(total(VERSIONS["v3"].computation), {"N": 4096, "M": 4096, "D": 4096}) == 0
