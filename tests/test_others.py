"""What others found: the arithmetic of the page, and the faults that it names."""

import copy
from dataclasses import replace

import pytest

from apg_repro.experiments import get_suite
from apg_repro.experiments.others import page
from apg_repro.report.tables import MISSING
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.store import Store
from apg_repro.suite import Plan, candidate, configure


def test_the_gains_are_those_of_the_published_aucs():
    found = dict(zip(zip(page.independent()["backbone"], page.independent()["dataset"], strict=True), page.gains(),
                     strict=True))  # fmt: skip
    assert found["DeepFM", "TaobaoAd_x1"] == pytest.approx(64.0834 - 63.6426)
    assert found["DCNv2", "MicroVideo1.7M_x1"] == pytest.approx(73.2541 - 73.4367)
    assert [round(value, 2) for value in found.values()] == [-0.04, 0.08, -0.01, -0.03, -0.11, -0.18, 0.44, 0.01]
    assert page.gain().mean == pytest.approx(sum(found.values()) / 8)
    assert page.answer().startswith("APG is ahead in 3 of the 8 results of others; their mean is +0.02 ± ")


def test_our_backbones_are_held_against_published_aucs_with_their_distance():
    suite = get_suite("others")
    plan = Plan(profile="full", dataset="frappe_bench", seeds=(1, 2, 3))
    empty = Evidence(suite=suite, plan=plan)
    assert "not been run" in page.published_answer(empty).html
    table = page.published_table(empty).data.set_index("Backbone")
    assert set(page.published()) < set(table.index)
    assert (table.loc["WDL", "Published AUC"], table.loc["WDL", "Our AUC"]) == ("98.41", MISSING)
    row = next(iter(Store().runs("full", "movielens").values()))
    auc = {"WDL": 0.98, "DCN": 0.99}
    runs = {}
    for backbone, value in auc.items():
        cell = empty.cell("base", backbone)
        score = replace(row.scores["early_stopping"], test_auc=value)
        for point in cell.grid:
            searched = replace(row, config=candidate(plan, cell, point), scores={"early_stopping": score})
            runs[searched.id] = searched
        for seed in plan.seeds:
            config = configure(plan, cell, seed, cell.grid[0])
            runs[config.id] = replace(row, config=config, scores={"early_stopping": score})
    found = Evidence(suite=suite, plan=plan, runs=runs)
    assert page.published_table(found).data.set_index("Backbone").loc["WDL", "Ours minus published"] == "−0.41"
    assert "largest distance is that of DCN, +0.61" in page.published_answer(found).html
    assert "Over 2 backbones, ours minus the published AUC is +0.10" in page.published_answer(found).html


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
