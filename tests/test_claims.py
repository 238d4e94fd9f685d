"""The claims page: its rules, and that it answers for every claim."""

import math

import pytest

from apg_repro import claims
from apg_repro.report import Estimate, Panel
from apg_repro.suites import PROTOCOLS, SUITES, Plan

EVERY = [claim for section in claims.SECTIONS.values() for claim in section]
PLAN = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3, 4, 5))


def found(mean, half, n=5):
    return Estimate(mean=mean, half=half, n=n)


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (found(0.02, 0.05), "reproduced"),
        (found(-0.04, 0.05), "reproduced"),
        (found(0.06, 0.05), "not reproduced"),
        (found(0.0, math.nan, n=1), "not reproduced"),
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


def test_a_measurement_of_an_absent_suite_is_not_run(monkeypatch):
    monkeypatch.setattr(claims, "opened", dict)
    claim = claims.measured("faster", "", "table99")
    assert claims.look_up(claim, "one_epoch").verdict == "not run"


def test_the_numbers_beside_the_claims_are_the_papers():
    numbers = {claim.words: claim.number for claim in EVERY}
    assert numbers["WDL improves"] == "+0.52"
    assert numbers["APG significantly improves a variety of models (average of seven)"] == "+0.24"
    assert numbers["APG is better than Star, fine"] == "+0.30"
    assert numbers["v1 and v2 do not differ much"] == "−0.02"
    assert numbers["input aggregation is better than output aggregation"] == "+0.04"
    (dcn,) = [claim for claim in EVERY if claim.words == "DCN improves"]
    assert dcn.number == "+0.33"
    assert "+0.53 to +1.61" in {claim.number for claim in EVERY if claim.suite == "table2"}


def test_the_tally_counts_every_claim_under_each_protocol():
    rows = claims.tally().data.split("<tr>")[2:]
    columns = [[int(part.partition("<")[0]) for part in row.split("<td>")[2:]] for row in rows]
    assert [sum(column) for column in zip(*columns, strict=True)] == [len(EVERY)] * 2


def test_apg_is_compared_with_star_by_the_gain_over_the_base_that_each_is_trained_like(row):
    scores = {"base": 0.79, "base by row": 0.78, "apg_fg": 0.80, "star_fg": 0.785}
    panel = Panel(suite=SUITES["table6"], plan=PLAN, pool={})
    for cell in panel.cells:
        for config in panel.suite.reported(PLAN, cell, "one_epoch", {}) if cell.variant in scores else ():
            auc = {"one_epoch_test_auc": scores[cell.variant]}
            panel.pool[config.key] = row | config.as_dict() | auc | {"id": config.id}  # pyright: ignore
    claim = claims.over_domains("fg", "star")
    assert claim.find is not None
    assert claim.find(panel, "one_epoch").ours == "+0.50 ± 0.00 (n = 5)"
    assert claims.over_domains("cg", "mmoe").find(panel, "one_epoch").verdict == "not run"
