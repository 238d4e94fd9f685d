"""Table 6: weights per domain, counted, and AUC against memory."""

from dataclasses import replace

import pytest

from apg_repro import summary
from apg_repro.config import Measurement, RunConfig
from apg_repro.experiments import get_suite
from apg_repro.experiments.table6 import measure as table6
from apg_repro.experiments.table6 import page
from apg_repro.experiments.table6.plan import models
from apg_repro.nn.apg import fold
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Plan
from apg_repro.training.build import build
from apg_repro.training.train import count
from tests.conftest import scores, trained_row
from tests.measured import measured_evidence


@pytest.mark.parametrize(
    "options",
    [
        {"backbone": "Star", "domain": "item"}, {"backbone": "MMoE", "domain": "group"}, {},
        {"version": "v5", "rank": 3, "over": 9, "condition": "item"},
    ],
)  # fmt: skip
def test_many_domains_are_counted_as_if_they_were_made(schema, options):
    config = RunConfig(dataset="d", seed=1, d_embedding=4, hidden=(8, 5), **options)
    found = table6.weights(config, schema)
    model = build(config, schema)
    last = (5 + 1) * schema.fields["group"] if config.backbone == "MMoE" else 0  # of the last unit: 5 weights, a bias
    assert found["trained"] == count(model.get_submodule("deep")) - last
    assert found["served"] == count(fold(model).get_submodule("deep")) - last
    assert found["domains"] == schema.fields.get(options.get("domain") or options.get("condition"), 1)


def test_every_row_that_the_paper_prints_is_counted_for_a_twin_as_well(small, monkeypatch):
    monkeypatch.setattr(table6, "load", lambda name: small)
    monkeypatch.setattr(table6, "weights", lambda config, schema: config.domain or config.condition)
    found = table6.measure(Measurement(name="table6", dataset="amazon_twin", profile="quick"))
    grains = {"cg": "category", "fg": "item"}
    wanted = {f"{model}_{grain}": field for model in ("mmoe", "star", "apg") for grain, field in grains.items()}
    assert found["models"] == {"base": "self"} | wanted


def test_a_twin_trains_nothing():
    suite = get_suite("table6")
    assert suite.cells(Plan(profile="full", dataset="iaac_twin", seeds=(1,))) == ()
    plan = Plan(profile="full", dataset="synthetic", seeds=(1,))
    assert suite.cells(plan) == models(plan)


def test_the_papers_memory_is_in_the_same_line_as_ours():
    counted = {name: {"domains": n, "trained": n_weights, "served": n_weights}
               for name, n, n_weights in (("base", 1, 90_000), ("star_fg", 9_560, 900_000_000))}  # fmt: skip
    table = page.memory_table(measured_evidence("table6", {"": {"models": counted}}, dataset="amazon_twin"))
    assert table.data.iloc[1].tolist() == [
        "Star, fine domains", "9,560", "11,034.02", "10,800.00", "10,800.00", "7,307.30", "10,000.00"
    ]  # fmt: skip


def test_no_memory_of_the_paper_is_shown_for_data_that_it_does_not_have():
    counted = {"base": {"domains": 1, "trained": 1000, "served": 1000}}
    table = page.memory_table(measured_evidence("table6", {"": {"models": counted}}, dataset="synthetic"))
    assert table.data.to_dict("records") == [
        {"Version": "base", "Domains": "1", "Ours in training, M": "0.01", "Ours as served, M": "0.01",
         "Ours ÷ base": "1.00"}
    ]  # fmt: skip


def test_auc_is_shown_where_models_are_trained_and_memory_for_twins_as_well():
    counted = {"base": {"domains": 1, "trained": 1000, "served": 1000}}
    trained = summary.tables(measured_evidence("table6", {}, dataset="movielens"))
    assert ["AUC" in table.caption for table in trained] == [True, True, False]
    (memory,) = summary.tables(measured_evidence("table6", {"": {"models": counted}}, dataset="iaac_twin"))
    assert memory.caption.startswith("IAAC (shape twin). Memory")


def test_a_model_is_drawn_at_the_memory_that_it_is_served_with():
    suite, plan = get_suite("table6"), Plan(profile="full", dataset="movielens", seeds=(1, 2))
    empty = Evidence(suite=suite, plan=plan)
    (config, *_) = empty.reported(empty.cell("apg_fg"), "one_epoch")
    row = replace(trained_row(config), scores={"one_epoch": scores(0.75, 0.8)["one_epoch"]})
    counted = measured_evidence("table6", {"": {"models": {"apg_fg": {"served": 10**6}}}}, dataset="movielens")
    figure = page.memory_figure(Evidence(suite=suite, plan=plan, runs={config.id: row}, measured=counted.measured))
    _, one_epoch, early_stopping = figure.axes
    (point,) = [tuple(bars[0].get_xydata()[0]) for bars in one_epoch.containers]
    assert point == (12, 75)
    assert [text.get_text() for text in early_stopping.texts] == ["not run"]
