"""The claims page: its rules, and that it answers for every claim."""

import math

import pytest

from apg_repro import claims
from apg_repro.report import Estimate, Panel
from apg_repro.suites import BACKBONES, COST_CASES, PROTOCOLS, SUITES, Plan
from tests.test_pages import panel_of

EVERY = [claim for section in claims.SECTIONS.values() for claim in section]
TWIN = Plan(profile="full", dataset="iaac_twin", seeds=(1,))
PLAN = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3, 4, 5))


def found(mean, half, n=5):
    return Estimate(mean=mean, half=half, n=n)


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (found(0.02, 0.05), "reproduced"),
        (found(-0.04, 0.05), "reproduced"),
        (found(0.06, 0.05), "not reproduced"),
        (found(0.0, math.nan, n=1), "not run"),
        (found(math.nan, math.nan, n=0), "not run"),
    ],
)
def test_alike_means_that_the_whole_interval_lies_within_the_threshold(difference, verdict):
    assert claims.alike(difference).verdict == verdict


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["reproduced"] * 3, "reproduced"),
        (["reproduced", "direction only"], "direction only"),
        (["reproduced", "not reproduced"], "not reproduced"),
        (["reproduced", "not run"], "not run"),
        ([], "not run"),
    ],
)
def test_in_all_cases_means_every_case(verdicts, verdict):
    assert claims.all_of(verdicts).verdict == verdict


def test_every_claim_has_a_way_to_a_verdict():
    for claim in EVERY:
        assert claim.verdict or claim.suite, claim.words
        assert not (claim.verdict and claim.find), claim.words
        assert claim.find is None or claim.suite in SUITES, claim.words


def test_no_claim_is_judged_without_rows(monkeypatch):
    empty = {name: Panel(suite=suite, plan=PLAN, pool={}) for name, suite in SUITES.items()}
    monkeypatch.setattr(claims, "opened", lambda: empty)
    fixed = {claim.verdict for claim in EVERY} - {""}
    for claim in EVERY:
        for protocol in PROTOCOLS:
            assert claims.look_up(claim, protocol).verdict in (fixed if claim.verdict else {"not run"}), claim.words


def test_the_numbers_beside_the_claims_are_the_papers():
    numbers = {claim.words: claim.number for claim in EVERY}
    assert numbers["WDL improves"] == "+0.52"
    assert numbers["APG significantly improves a variety of models (average of seven)"] == "+0.24"
    assert numbers["APG is better than Star, fine"] == "+0.30"
    assert numbers["v1 and v2 do not differ much"] == "−0.02"
    assert numbers["input aggregation is better than output aggregation"] == "+0.04"
    assert numbers["APG reduces the time cost (v4, widest layers)"] == "−38.7 %"
    assert numbers["v1 takes more memory than base"] == "+2,160.1 % to +3,146.4 %"  # as printed: its cells give 2,142.0
    assert numbers["v2 takes more memory than base in the two smallest models"] == "+1.7 % to +50.0 %"
    assert numbers["v3 takes less time than v2"] == "−54.4 % to −98.9 %"
    (dcn,) = [claim for claim in EVERY if claim.words == "DCN improves"]
    assert dcn.number == "+0.33"
    assert "+0.53 to +1.61" in {claim.number for claim in EVERY if claim.suite == "table2"}


def test_the_tally_counts_claims_on_auc_under_each_protocol_and_the_others_once():
    rows = [row for row in claims.tally().data.split("<tr>")[2:] if "of these" not in row]
    columns = [[int(part.partition("<")[0]) for part in row.split("<td>")[2:]] for row in rows]
    once = sum(claim.once for claim in EVERY)
    assert [sum(column) for column in zip(*columns, strict=True)] == [len(EVERY) - once, len(EVERY) - once, once]


def test_what_is_said_to_be_the_same_under_both_protocols_is():
    for claim in EVERY:
        if claim.once:
            early, late = (claims.look_up(claim, protocol) for protocol in PROTOCOLS)
            assert early == late, claim.words


@pytest.mark.parametrize(
    ("difference", "expected", "is_open"),
    [
        (found(0.05, 0.1), 0.3, True),
        (found(-0.05, 0.1), 0.3, False),
        (found(-0.05, 0.1), -0.3, True),
        (found(0.3, 0.1), 0.3, False),  # it is reproduced
        (found(0.3, math.nan, n=1), 0.3, True),
        (found(math.nan, math.nan), 0.3, False),  # all diverged
    ],
)
def test_open_is_what_a_gain_that_matters_is_not_ruled_out_for(difference, expected, is_open):
    assert claims.judged(difference, expected).open == is_open
    assert claims.finding_html(claims.judged(difference, expected)).data.endswith("open") == is_open


@pytest.mark.parametrize(("second", "is_open"), [(found(0.05, 0.1), True), (found(-0.05, 0.1), False)])
def test_all_of_several_is_open_if_all_that_are_not_reproduced_are(second, is_open):
    parts = [claims.judged(difference, 0.3) for difference in (found(0.3, 0.1), found(0.05, 0.1), second)]
    assert claims.together(parts).open == is_open


@pytest.mark.parametrize(("difference", "is_open"), [(found(0.3, 0.25), True), (found(0.3, 0.15), False)])
def test_open_is_what_may_be_alike_after_all(difference, is_open):
    assert claims.alike(difference).open == is_open


def test_apg_is_compared_with_star_where_both_are_trained_row_by_row(row):
    scores = {"apg_fg": 0.9, "apg_fg by row": 0.79, "star_fg": 0.785}
    panel = Panel(suite=SUITES["table6"], plan=PLAN, pool={})
    for cell in panel.cells:
        for config in panel.suite.reported(PLAN, cell, "one_epoch", {}) if cell.variant in scores else ():
            auc = {"one_epoch_test_auc": scores[cell.variant]}
            panel.pool[config.key] = row | config.as_dict() | auc | {"id": config.id}  # pyright: ignore
    claim = claims.over_domains("fg", "star")  # Star, fine, has two seeds
    assert claim.find is not None
    assert claim.find(panel, "one_epoch").ours == "+0.50 ± 0.00 (n = 2)"
    assert claims.over_domains("cg", "mmoe").find(panel, "one_epoch").verdict == "not run"


def test_a_claim_says_how_many_of_its_runs_diverged(row):
    lost = {"status": "diverged", "history": [{"worst_batch_loss": 20.0}]}
    panel = panel_of("table4", row, lambda config: 0.79, lambda config: lost if config.version == "v3" else {})
    (claim,) = [claim for claim in EVERY if claim.words.startswith("sharing parameters") and claim.find]
    assert claim.find is not None
    found = claim.find(panel, "one_epoch")
    assert found.diverged == len(panel.plan.seeds) == 2
    assert "(n\u00a0=\u00a02), 2 runs diverged" in claims.finding_html(found).data


@pytest.mark.parametrize(("low", "high", "verdict", "is_open"), [
    (0.05, 0.15, "not reproduced", True), (0.12, 0.15, "not reproduced", False), (0.05, 0.08, "reproduced", False),
])  # fmt: skip
def test_ages_may_be_alike_after_all(low, high, verdict, is_open):
    distances = {"trait": {"distance": 0.1, "low": low, "high": high, "chance": 0.01}}
    panel = Panel(suite=SUITES["figure1"], plan=PLAN, pool={}, measured=[{"contrasts": [{"distances": distances}]}])
    found = claims.cold_and_active("trait")(panel, "one_epoch")
    assert (found.verdict, found.open) == (verdict, is_open)


def table5(v1, v2, v4):
    """Every width of Table 5, group-wise, these versions' times; v4 has a hundredth of base's weights.

    v1 and v2 took turns with base and with one another, v4 with base.
    """
    times = {"base": 1.0, "v1": v1, "v2": v2, "v4": v4}
    versions = {
        name: {
            "ratio": {
                rival: {"p10": 0.9 * time / times[rival], "p50": time / times[rival], "p90": 1.1 * time / times[rival]}
                for rival in (("base",) if name == "v4" else ("base", "v1", "v2"))
            },
            "n_hidden": 10 if name == "v4" else 1000,
        }
        for name, time in times.items()
    }
    suite = SUITES["table5"]
    rows = [{"case": name, "versions": versions} for name in COST_CASES]
    return Panel(suite=suite, plan=TWIN, pool={}, measured=rows)


@pytest.mark.parametrize(
    ("version", "widths", "rival", "times", "verdict", "ours"),
    [
        ("v4", [claims.WIDEST], "base", (200, 20, 0.5), "reproduced", "0.50 × base's"),
        ("v4", [claims.WIDEST], "base", (200, 20, 0.7), "direction only", "0.70 × base's"),
        ("v4", [claims.WIDEST], "base", (200, 20, 1.0), "not reproduced", "1.00 × base's"),
        ("v1", [], "base", (200, 20, 0.5), "reproduced", "200 × base's"),
        ("v1", [], "base", (2, 20, 0.5), "direction only", "2.00 × base's"),
        ("v2", [], "v1", (200, 160, 0.5), "direction only", "0.80 × v1's"),
        ("v2", [], "v1", (200, 190, 0.5), "not reproduced", "0.95 × v1's"),  # up to 1.05
    ],
)
def test_a_cost_is_judged_in_every_width_by_the_rule_of_its_page(version, widths, rival, times, verdict, ours):
    claim = claims.of_cost("", version, claims.TIME, *widths, rival=rival)
    assert claim.find is not None
    found = claim.find(table5(*times), "one_epoch")
    assert (found.verdict, found.ours) == (verdict, ours)


def test_the_headline_has_the_models_that_ran_and_the_costs(monkeypatch, row):
    gains = {"WDL": 0.01, "DCN": -0.01, "PNN": 0.0}

    def auc(config):
        gain = gains.get(config.backbone) if config.version == "v5" else 0
        return None if config.backbone not in gains else 0.79 + config.seed / 1000 + gain

    models = panel_of("table2", row, auc, lambda config: {"n_hidden": 88768 if config.version == "base" else 105216})
    more = {"six_fields": 0.001, "genre_bag": -0.001}
    encodings = panel_of(
        "encodings", row, lambda config: 0.79 + more.get(config.features, 0) * (config.version == "v5")
    )
    found = {"table2": models, "table5": table5(200, 20, 0.5), "encodings": encodings}
    monkeypatch.setattr(claims, "opened", lambda: found)
    text = claims.headline().data
    ours = "<td>ahead in 1 of 3, behind in 1</td>"
    assert f"<td>AUC of v5, against base</td><td>+0.24, ahead in 7 of 7</td>{ours}{ours}" in text
    ours = "<td>ahead in 1 of 3, behind in 1</td>"
    assert f"<td>AUC of v5 in WDL, other encodings</td><td></td>{ours}{ours}" in text
    assert "in training, by base&#x27;s</td><td></td><td>1.19 ×</td><td>1.19 ×</td>" in text
    assert "<td>0.61 ×</td><td>0.50 ×</td><td>0.50 ×</td>" in text
    assert "<td>0.034 ×</td><td>0.010 ×</td><td>0.010 ×</td>" in text
    gains |= dict.fromkeys(BACKBONES, 0.01)
    whole = panel_of("table2", row, auc)
    gains |= {"WDL": -0.001, "PNN": 0.0}
    assert claims.of_models(panel_of("table2", row, auc), "one_epoch", "apg").endswith("ahead in 5 of 7, behind in 1")
    del gains["AutoInt"]
    assert claims.of_models(panel_of("table2", row, auc), "one_epoch", "apg") == "ahead in 4 of 6, behind in 1"
    assert claims.of_models(whole, "one_epoch", "apg") == "+1.00 ± 0.00 (n\u00a0=\u00a02), ahead in 7 of 7"
    models.pool.clear()
    assert "against base</td><td>+0.24, ahead in 7 of 7</td><td>not run</td><td>not run</td>" in claims.headline().data


def test_times_that_were_not_taken_in_turn_are_not_compared():
    claim = claims.of_cost("", "v4", claims.TIME, rival="v2")
    assert claim.find is not None
    assert claim.find(table5(200, 20, 0.5), "one_epoch").verdict == "not run"


def test_memory_is_counted():
    claim = claims.of_cost("", "v4", claims.MEMORY, claims.WIDEST)
    assert claim.find is not None
    assert claim.find(table5(200, 20, 2.0), "one_epoch").ours == "0.010 × base's"


@pytest.mark.parametrize(
    ("v1", "apg", "verdict"),
    [
        (0.5, 1.0, "reproduced"),
        (0.8, 1.0, "direction only"),
        (0.5, 0.9, "direction only"),
        (1.0, 1.0, "not reproduced"),
    ],
)
def test_page_views_are_judged_against_the_papers_losses(v1, apg, verdict):
    engines = {"eager": {name: {"answered": share} for name, share in {"base": 1.0, "v1": v1, "apg": apg}.items()}}
    plan = Plan(profile="full", dataset="iaac_twin", seeds=(1,))
    rows = [{"case": "1 candidate", "engines": engines}]
    assert (
        claims.views_lost(Panel(suite=SUITES["table10"], plan=plan, pool={}, measured=rows), "one_epoch").verdict
        == verdict
    )


def test_the_committed_rows_answer_figure_1_and_table_1():
    found = {claim.words: claims.look_up(claim, "one_epoch") for claim in EVERY if claim.suite in ("figure1", "table1")}
    assert len(found) == 4
    assert all(finding.verdict != "not run" and finding.ours for finding in found.values())
