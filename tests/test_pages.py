"""What single pages show: recomputed here by hand from rows."""

import math

import pytest

from apg_repro import report
from apg_repro.build import build
from apg_repro.config import RunConfig
from apg_repro.measure import table6_memory
from apg_repro.nn.apg import fold
from apg_repro.pages import backbones, domains, frequency, hyperparameters, protocol, stability, states
from apg_repro.report import Panel
from apg_repro.suites import BACKBONES, PROTOCOLS, SAFEGUARDS, Plan, get_suite
from apg_repro.train import count

PLAN = Plan(profile="full", dataset="movielens", seeds=(1, 2))


def panel_of(name, template, auc, extra=lambda config: {}, plan=PLAN):
    """A suite as done: test and validation AUC of every run as ``auc`` says; where it says None, the run is missing."""
    suite, pool = get_suite(name), {}
    for configs in (lambda: suite.search(plan), lambda: suite.runs(plan, pool)):
        for config in configs():
            value = auc(config)
            if value is not None:
                scores = {
                    f"{how}_{part}_auc": value for how in ("one_epoch", "early_stopping") for part in ("valid", "test")
                }
                pool[config.key] = template | config.as_dict() | scores | {"id": config.id} | extra(config)
    return Panel(suite=suite, plan=plan, pool=pool)


def first_states(panel):
    return states.figure(panel, panel.cells[0])


PAGES = {
    "table2": (
        lambda panel: [
            backbones.outcome(panel), backbones.table(panel, "one_epoch"), backbones.cells(panel, "one_epoch")
        ],
        backbones.figure,
    ),
    "table6": (lambda panel: [domains.table(panel)], domains.figure),
    "protocol": (lambda panel: [protocol.table(panel)], protocol.curves),
    "figure6": (lambda panel: [states.table(panel), states.outcome(panel)], first_states),
    "figure7": (
        lambda panel: [hyperparameters.outcome(panel), hyperparameters.table(panel, "K", "one_epoch")],
        hyperparameters.figure,
    ),
    "figure8": (lambda panel: [frequency.table(panel), frequency.sizes(panel)], frequency.figure),
    "stability": (
        lambda panel: [stability.table(panel), stability.best(panel)],
        lambda panel: stability.figure(panel, "v4"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_a_page_without_rows_says_not_run(name):
    tables, figure = PAGES[name]
    panel = Panel(suite=get_suite(name), plan=PLAN, pool={})
    assert all("not run" in table.data or "–" in table.data for table in tables(panel))
    texts = " ".join(text.get_text() for axis in figure(panel).axes for text in axis.texts)
    assert "not" in texts or name == "table2"


def test_the_average_over_models_is_taken_seed_by_seed_once_all_have_run(row):
    gains = dict(zip(BACKBONES, (0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007), strict=True))

    def auc(config):
        tuned = 0.0005 if config.learning_rate != 0.005 or config.weight_decay else 0
        return 0.79 + config.seed / 1000 + tuned + (gains[config.backbone] if config.version == "v5" else 0)

    panel = panel_of("table2", row, auc)
    assert backbones.average(panel, "one_epoch", "apg").mean == pytest.approx(0.4)
    assert backbones.average(panel, "one_epoch", "apg over tuned base").mean == pytest.approx(0.35)
    assert backbones.average(panel, "one_epoch", "apg").half == pytest.approx(0, abs=1e-9)
    assert backbones.printed_average(panel) == pytest.approx(79.70 - 79.46)
    text = backbones.table(panel, "one_epoch").data
    reproduced = '<span class="apg-verdict apg-reproduced">reproduced</span><br>'
    assert f"<td>average</td><td>+0.24</td><td>{reproduced}+0.40 ± 0.00 (n\u00a0=\u00a02)</td>" in text
    assert backbones.average(panel, "one_epoch", "tuned apg").mean == pytest.approx(0.4)
    assert "Verdict" not in (text := backbones.cells(panel, "one_epoch").data)
    assert "<td>PNN</td><td>tuned base</td>" in text
    late = panel_of("table2", row, lambda config: None if config.backbone == "AutoInt" else auc(config))
    assert backbones.average(late, "one_epoch", "apg").n == 0


@pytest.mark.parametrize(
    ("one_epoch", "early_stopping", "answer"),
    [
        ((0.3, 0.4), (0.2, 0.21), "better"), ((0.3, 0.31), (0.0, 0.01), "only sooner"),
        ((0.3, 0.31), (-0.1, 0.4), "sooner, at least"),
        ((-0.3, 0.4), (0.1, -0.2), "neither"),
    ],
)  # fmt: skip
def test_better_is_what_early_stopping_says_and_sooner_what_one_epoch_alone_does(
    row, one_epoch, early_stopping, answer
):
    def extra(config):
        apg = config.version == "v5" and config.seed
        early, late = (one_epoch[config.seed - 1], early_stopping[config.seed - 1]) if apg else (0, 0)
        return {"one_epoch_test_auc": 0.79 + early / 100, "early_stopping_test_auc": 0.8 + late / 100}

    panel = panel_of("protocol", row, lambda config: 0.8, extra)
    for models in (*([name] for name in BACKBONES), BACKBONES):
        assert protocol.answer(*(backbones.average(panel, each, "apg", models) for each in PROTOCOLS)) == answer


def test_a_run_that_never_had_an_auc_has_no_curve(row):
    lost = {"early_stopping_epoch": None, "history": [{"epoch": 1, "valid_auc": math.nan}], "status": "diverged"}
    panel = panel_of("protocol", row, lambda config: math.nan, lambda config: lost)
    assert protocol.histories(panel, "WDL", "apg") == {}
    assert "<td>WDL</td>" in protocol.table(panel).data


def test_when_base_passes_what_apg_has_after_its_first_epoch():
    assert protocol.first_above([79, 80, 81], 79.5) == 2
    assert protocol.first_above([79, 80, 81], 81) == math.inf
    assert protocol.passing([2, 4]) == "epoch 3.0"
    assert protocol.passing([2, math.inf]) == "epoch 2.0, never in 1 of 2 seeds"
    assert protocol.passing([math.inf]) == "never in 1 of 1 seeds"
    assert protocol.best_epoch([79, 81, 80]) == 2


@pytest.mark.parametrize("condition", ["item", "self"])
@pytest.mark.parametrize("version", ["base", "v4", "v5"])
def test_served_memory_is_that_of_the_folded_model(schema, version, condition):
    config = RunConfig(
        suite="s", dataset="d", variant="v", seed=1, version=version, rank=3, over=9, condition=condition,
        d_embedding=4, hidden=(8, 7, 5),
    )  # fmt: skip
    model = build(config, schema)
    row = config.as_dict() | {"n_hidden": count(model.deep)}
    assert domains.served(row) == count(fold(model).deep)


def test_table_6_has_the_papers_memory_beside_ours():
    models = {"base": {"domains": 1, "trained": 90_000, "served": 90_000}}
    models["star_fg"] = {"domains": 9_560, "trained": 900_000_000, "served": 900_000_000}
    plan = Plan(profile="full", dataset="amazon_twin", seeds=(1,))
    panel = Panel(suite=get_suite("table6_memory"), plan=plan, pool={}, measured=[{"models": models}])
    assert (
        "<td>star_fg</td><td>9,560</td><td>11,034.02</td><td>10,800.00</td><td>10,800.00</td><td>7,307.30</td>"
        "<td>10,000.00</td>" in domains.table(panel).data
    )


def test_table_6_counts_thousands_of_domains_as_if_they_were_made(schema):
    for variant, options in {
        "Star": {"domain": "item"}, "MMoE": {"domain": "group"}, "WDL": {},
    }.items():  # fmt: skip
        config = RunConfig(
            suite="s", dataset="d", variant="v", seed=1, backbone=variant, d_embedding=4, hidden=(8, 5), **options
        )
        whole = count(build(config, schema).deep)
        assert table6_memory.hidden_weights(config, schema, served=False) == whole


def test_table_6_prints_no_memory_of_the_paper_for_data_that_it_does_not_have():
    plan = Plan(profile="full", dataset="synthetic", seeds=(1,))
    models = {"base": {"domains": 1, "trained": 1000, "served": 1000}}
    panel = Panel(suite=get_suite("table6_memory"), plan=plan, pool={}, measured=[{"models": models}])
    text = domains.table(panel).data
    assert "Paper" not in text
    assert "nan" not in text


def test_the_ranges_of_appendix_e_hold_every_value_of_figure_7():
    panel = Panel(suite=get_suite("figure7"), plan=PLAN, pool={})
    for axis in hyperparameters.TITLES:
        within = {cell.name for part in hyperparameters.RANGES if part.axis == axis for cell in part.cells(panel)}
        assert within == {cell.name for cell in hyperparameters.on_axis(panel, axis) if not cell.n_seeds}
    assert [len(part.cells(panel)) for part in hyperparameters.RANGES] == [5, 5, 5, 4, 2, 4, 3]


def test_figure_7_marks_what_was_not_run_and_judges_the_means_of_ranges(row):
    def auc(config):
        if config.rank == 512:
            return None
        if (config.rank or 0) >= 64:
            return 0.9
        return 0.79 + config.seed / 1000 + (0 if config.version == "base" else 0.004 if config.over >= 32 else 0.002)

    panel = panel_of("figure7", row, auc)
    large, small, more = hyperparameters.RANGES[:3]
    assert hyperparameters.verdicts(panel, large, "one_epoch") == ["reproduced"] * 5
    assert hyperparameters.verdicts(panel, small, "one_epoch") == ["reproduced"] * 5
    (gap,) = hyperparameters.differences(panel, more, "one_epoch")
    assert gap.mean == pytest.approx(0.2)
    (more_k,) = hyperparameters.differences(panel, hyperparameters.RANGES[4], "one_epoch")
    assert more_k.mean == pytest.approx(0)  # K from 64 on has fewer seeds, and does not count
    marked = [text.get_text() for text in hyperparameters.figure(panel).axes[1].texts]
    assert marked == ["not run"]


def test_rare_users_gain_more_by_the_difference_of_the_outermost_groups(row):
    def extra(config):
        gain = [0.02, *[0.01] * 8, 0.005] if config.version == "v5" else [0.0] * 10
        seen = {
            "auc": [0.7 + config.seed / 100 + more for more in gain], "top_rate": [0.5] * 10, "rows": [10] * 9 + [110],
            "users": [5] * 10, "train_rows": [1.0] * 10,
        }  # fmt: skip
        return {"observed": {"one_epoch": seen, "early_stopping": seen | {"auc": [None] * 10}}}

    panel = panel_of("figure8", row, lambda config: 0.8, extra)
    assert frequency.group_gain(panel, "one_epoch", "auc", 0).mean == pytest.approx(2)
    assert frequency.rare_over_frequent(panel, "one_epoch", "auc").mean == pytest.approx(1.5)
    assert frequency.share(panel, "one_epoch") == pytest.approx([5] * 9 + [55])
    assert math.isnan(frequency.group_gain(panel, "early_stopping", "auc", 0).mean)
    assert frequency.table(panel).data.count("apg-reproduced") == 1


def test_a_layer_counts_as_grouped_where_permutations_seldom_explain_as_much(row):
    def extra(config):
        layers = [
            {"points": [[0, 1], [1, 0]], "share": [0.6, 0.3], "explained": 0.4, "permuted": 0.1, "p": p}
            for p in (0.005, 0.2, None)
        ]
        found = {"groups": ["A", "B"], "group": [0, 1], "layers": layers}
        return {"observed": {"one_epoch": found, "early_stopping": found}}

    panel = panel_of("figure6", row, lambda config: 0.8, extra)
    runs = 4 * 2
    assert states.grouped(panel, panel.cells) == (runs, 2 * runs)
    assert states.outcome(panel).data.count("<td>in 2 of 4 layers</td>") == len(panel.cells)
    assert "<td>90.0 %</td><td>40.0 %</td><td>10.0 %</td><td>0.005</td>" in states.table(panel).data
    assert [axis.get_title() for axis in states.figure(panel, panel.cells[0]).axes] == ["layer 1", "layer 2", "layer 3"]


def test_stability_counts_diverged_runs_by_version_and_safeguards(row):
    def extra(config):
        bad = not config.damping and config.learning_rate == 0.02
        loss = None if bad and config.clip_norm is None else 50.0 if bad else 0.7
        return {"history": [{"epoch": 1, "worst_batch_loss": loss}], "status": "diverged" if bad else "ok"}

    panel = panel_of("stability", row, lambda config: 0.78, extra)
    assert len(panel.cells) == 3 * ((2 + 3 + 3) * len(SAFEGUARDS) + 2)
    lines = stability.table(panel).data.split("<tr>")[2:]
    assert "<td>0 of 3</td><td>0 of 6</td><td>0 of 9</td><td>0 of 9</td>" in lines[0]
    assert "<td></td><td>2 of 6</td><td>3 of 9</td><td>3 of 9</td>" in lines[2]
    found = stability.runs(panel)
    assert stability.worst(found["v4 K = 2", "glorot, not damped, not clipped", 0.02]) == math.inf
    written = [text.get_text() for text in stability.figure(panel, "v4").axes[3].texts]
    assert written == ["78.0", "78.0", "78.0\ndiv."] * 3


def test_stability_varies_nothing_but_what_it_names(row):
    panel = Panel(suite=get_suite("stability"), plan=PLAN, pool={})
    varied = {"version", "rank", "over", "init", "damping", "clip_norm", "learning_rate", "rows", "max_epochs"}
    assert {name for cell in panel.cells for name in cell.options} == varied
    assert report.outcome([panel]).data.count("<li>") == 2
