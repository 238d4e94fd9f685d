"""What others found: the arithmetic of the page, and the faults that it names."""

import copy

import pytest

from apg_repro.experiments.others import page


def test_the_gains_are_those_of_the_published_aucs():
    found = dict(zip(zip(page.independent()["backbone"], page.independent()["dataset"], strict=True), page.gains(),
                     strict=True))  # fmt: skip
    assert found["DeepFM", "TaobaoAd_x1"] == pytest.approx(64.0834 - 63.6426)
    assert found["DCNv2", "MicroVideo1.7M_x1"] == pytest.approx(73.2541 - 73.4367)
    assert [round(value, 2) for value in found.values()] == [-0.04, 0.08, -0.01, -0.03, -0.11, -0.18, 0.44, 0.01]
    assert page.gain().mean == pytest.approx(sum(found.values()) / 8)
    assert page.answer().startswith("APG is ahead in 3 of 8 of these results; the mean is +0.02 ± ")


def test_every_implementation_says_where_it_was_read_and_how_it_departs():
    table = page.implementations_table().data
    assert (table != "").all(axis=None)
    assert table.notna().all(axis=None)


def test_a_squeeze_without_a_dimension_mixes_rows_where_the_rank_is_1():
    """The fault of a layer that computes (B, 1, K) · (B, K, K), squeezed, plus a bias (B, K)."""
    torch = pytest.importorskip("torch")
    batch, rank = 5, 1
    product = (torch.randn(batch, 1, rank) @ torch.randn(batch, rank, rank)).squeeze()
    assert (product + torch.randn(batch, rank)).shape == (batch, batch)


def test_a_module_that_keeps_a_product_of_parameters_cannot_be_copied_afterwards():
    """The fault of a layer that keeps U = U^l U^r as an attribute; ours forms it anew and can be copied."""
    torch = pytest.importorskip("torch")
    from apg_repro import ApgV5

    layer = torch.nn.Linear(3, 2)
    layer.kept = layer.weight @ layer.weight.T
    with pytest.raises(RuntimeError, match="deepcopy"):
        copy.deepcopy(layer)
    ours = ApgV5(3, 2, rank=2, over=4)
    x = torch.randn(4, 3)
    y = ours(x)
    assert torch.equal(copy.deepcopy(ours)(x), y)
