"""The claims page: its rules, and that it answers for every claim."""

import math
import re
from collections import Counter
from dataclasses import replace

import pytest

from apg_repro.backbones import PAPER_BACKBONES
from apg_repro.catalogue import data_set
from apg_repro.claims import claims, headline, measured, overview, page, rules
from apg_repro.claims.claims import MEMORY, TIME, all_claims, cost_claim
from apg_repro.claims.measured import GroupDistance
from apg_repro.claims.picture import COLOURS, claims_figure
from apg_repro.claims.rules import Alike, AllOf, Better, Finding, judge_alike
from apg_repro.config import PROTOCOLS
from apg_repro.experiments import SUITES, get_suite
from apg_repro.experiments.table5.plan import CASES, WIDEST
from apg_repro.report.comparison import compare
from apg_repro.report.statistics import Estimate
from apg_repro.report.tables import PROTOCOL_HEADS, Markup, judgement_text, plain
from apg_repro.rows.evidence import Evidence
from apg_repro.rows.row import TrainedRow
from apg_repro.rows.store import Store
from apg_repro.suite import Plan, configure
from tests.conftest import evidence_of, measured_of, scores
from tests.measured import on_both

PLAN = Plan(profile="full", dataset="movielens", seeds=(1, 2, 3, 4, 5))
TWIN = Plan(profile="full", dataset="iaac_twin", seeds=(1,))


@pytest.fixture(scope="module")
def committed():
    """The committed rows."""
    return page.committed(Store())


@pytest.fixture
def empty(tmp_path):
    """A store without rows."""
    return page.committed(Store(tmp_path))


def difference(mean, half, n=5):
    return Estimate(mean=mean, half=half, n=n)


def claim_with(words):
    (claim,) = [claim for claim in all_claims() if claim.words == words]
    return claim


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (difference(0.02, 0.05), "reproduced"),
        (difference(-0.04, 0.05), "reproduced"),
        (difference(0.06, 0.05), "undecided"),
        (difference(0.3, 0.15), "contradicted"),
        (difference(0.0, math.nan, n=1), "undecided"),
        (difference(math.nan, math.nan, n=0), "not run"),
    ],
)
def test_alike_means_that_the_whole_interval_lies_within_the_threshold(found, verdict):
    assert judge_alike(found).verdict == verdict


@pytest.mark.parametrize(
    ("verdicts", "verdict"),
    [
        (["reproduced"] * 3, "reproduced"),
        (["reproduced", "direction only"], "direction only"),
        (["reproduced", "direction only", "undecided"], "undecided"),
        (["undecided", "no difference"], "no difference"),
        (["no difference", "contradicted", "undecided"], "contradicted"),
        (["reproduced", "not run"], "not run"),
        ([], "not run"),
    ],
)
def test_in_all_cases_means_every_case(verdicts, verdict):
    assert rules.all_verdicts(verdicts) == verdict


def test_a_claim_about_several_cases_shows_how_many_have_which_verdict():
    found = rules.all_findings([Finding(verdict="reproduced"), Finding(verdict="not run")])
    assert "1 reproduced" in str(found.ours)
    assert "1 not run" in str(found.ours)
    assert rules.all_findings([Finding(verdict="not run")]).ours == ""


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([("reproduced", "†"), ("reproduced", "")], "reproduced †"),
        ([("direction only", "‡"), ("reproduced", "†")], "direction only †‡"),
        ([("contradicted", "†"), ("contradicted", "")], "contradicted"),
        ([("contradicted", "†"), ("reproduced", "‡")], "contradicted †"),
        ([("undecided", ""), ("reproduced", "†")], "undecided"),
    ],
)
def test_a_mark_stays_if_the_verdict_on_all_depends_on_it(parts, text):
    assert rules.all_findings([Finding(verdict=verdict, marks=marks) for verdict, marks in parts]).text == text


def test_a_claim_about_a_tables_cell_has_the_marks_of_its_table(committed):
    """The same test cannot survive Holm's correction on one page and not on another."""
    n_marked = 0
    for backbone in PAPER_BACKBONES:
        evidence = committed["table2", "movielens"]
        for protocol in PROTOCOLS:
            line = compare(evidence, protocol)[backbone, "apg"]
            finding = page.look_up(claim_with(f"{backbone} improves"), committed, protocol)
            assert finding.text == judgement_text(line)
            n_marked += bool(finding.marks)
    assert n_marked


def test_every_claim_has_one_way_to_a_verdict():
    assert len(all_claims()) == 111
    for claim in all_claims():
        assert bool(claim.verdict) != bool(claim.rule), claim.words
        assert bool(claim.suite) == bool(claim.rule), claim.words


def test_a_rule_speaks_of_cells_that_its_suite_has(empty):
    n_cells = [len(claim.rule.cells(page.evidence_of(claim, empty))) for claim in all_claims() if claim.rule]
    assert sum(n > 0 for n in n_cells) > 50


def test_no_claim_is_judged_without_rows(empty):
    for claim in all_claims():
        expected = claim.verdict or (data_set(claim.dataset).absent if claim.dataset else "not run")
        for protocol in PROTOCOLS:
            assert page.look_up(claim, empty, protocol).verdict == expected, claim.words


def test_a_claim_about_other_data_is_judged_once_there_are_rows(empty, row):
    claim = next(claim for claim in all_claims() if (claim.suite, claim.dataset) == ("table4", "amazon"))
    assert page.is_protocol_independent(claim, empty)
    assert [line.when for line in page.lines(empty) if line.claim == claim] == [page.NO_PROTOCOL]
    plan = replace(PLAN, dataset="amazon")
    run = evidence_of("table4", row, lambda config: 0.79 if config.version == "base" else 0.80, plan=plan)
    found = {**empty, ("table4", "amazon"): run}
    assert [line.when for line in page.lines(found) if line.claim == claim] == list(PROTOCOL_HEADS.values())
    assert page.look_up(claim, found, "one_epoch").verdict == "reproduced"
    assert page.look_up(claim, found, "early_stopping").verdict == "not run"  # v1 trains for one epoch


def test_what_was_added_when_results_were_known_is_marked(committed):
    table = page.claims_table(committed)
    is_marked = table.data["Claim"].str.endswith("*")
    assert set(table.data["Claim"][is_marked].str.split(" with").str[0]) == {
        "APG is better than MMoE", "APG is better than Star",
    }  # fmt: skip
    assert "* Added when the other rows were known." in table.caption


def test_the_numbers_beside_the_claims_are_the_papers(empty):
    numbers = {claim.words: page.number(claim, empty) for claim in all_claims()}
    assert numbers["WDL improves"] == "+0.52"
    assert numbers["DCN improves"] == "+0.33"
    assert numbers["APG significantly improves a variety of models (average of seven)"] == "+0.24"
    assert numbers["APG is better than Star with fine domains"] == "+0.30"
    assert numbers["v1 and v2 do not differ much"] == "−0.02"
    assert numbers["v1 and v2 do not differ much on Amazon"] == "−0.09"
    assert numbers["input aggregation is better than output aggregation"] == "+0.04"
    assert numbers["self-wise is the best"] == "+0.12 to +0.28"
    assert numbers["APG reduces the time cost (v4, widest layers), on a GPU"] == "−38.7 % (0.61 × base)"
    # As printed, where its cells give 2,142.0 %:
    assert numbers["v1 takes more memory than base"] == "+2,160.1 % to +3,146.4 % (22.4 to 32.5 × base)"
    smallest = numbers["v2 takes more memory than base in the two smallest models"]
    assert smallest == "+1.7 % to +50.0 % (1.02 to 1.48 × base)"
    assert numbers["v3 takes less time than v2, on a CPU"] == "−54.4 % to −98.9 % (0.011 to 0.46 × v2)"
    assert numbers["rare users gain more AUC than frequent ones"] == ""
    (iaac,) = [claim for claim in all_claims() if (claim.suite, claim.dataset) == ("table2", "iaac")]
    assert page.number(iaac, empty) == "+0.53 to +1.61"


def test_what_the_paper_says_to_be_better_on_movielens_is_so_in_its_cells(empty):
    """``Better`` expects a difference above 0, whatever the cells say."""
    for claim in all_claims():
        if not claim.dataset and isinstance(claim.rule, (Better, AllOf)):
            rule = claim.rule.rules[0] if isinstance(claim.rule, AllOf) else claim.rule
            printed = claim.rule.printed(page.evidence_of(claim, empty))
            is_figure = claim.suite.startswith("figure")  # whose values the paper does not print
            assert bool(printed) != is_figure, claim.words
            assert isinstance(rule, Alike) or all(value > 0 for value in printed), claim.words


def test_the_tally_counts_claims_on_auc_under_each_protocol_and_the_others_once(committed):
    table = page.tally(committed)
    counts = table.data.set_index("Verdict")
    n_once = sum(page.is_protocol_independent(claim, committed) for claim in all_claims())
    totals = [len(all_claims()) - n_once, len(all_claims()) - n_once, n_once]
    assert list(counts.loc[page.TOTAL]) == totals
    assert list(counts.drop(index=page.TOTAL).sum()) == totals
    assert f"{n_once} that no protocol changes" in table.caption


def test_what_is_said_to_be_the_same_under_both_protocols_is(committed):
    for claim in all_claims():
        if page.is_protocol_independent(claim, committed):
            early, late = (page.look_up(claim, committed, protocol) for protocol in PROTOCOLS)
            assert early == late, claim.words


def test_the_lines_of_the_table_add_up_to_the_tally(committed):
    """Verdict by verdict and protocol by protocol, whatever marks there are besides the one that counts apart."""
    shown = page.claims_table(committed).data
    words = shown["Verdict"].str.replace("[‡§]", "", regex=True).str.strip()
    counts = page.tally(committed).data.set_index("Verdict").drop(index=page.TOTAL)
    for verdict, line in counts.iterrows():
        for when, n in line.items():
            assert ((words == verdict) & (shown["Protocol"] == when)).sum() == n, (verdict, when)
    assert counts.to_numpy().sum() == len(shown)


def test_a_claim_has_one_anchor_of_its_section_and_its_number(committed):
    html = page.claims_table(committed)._repr_html_()
    anchors = re.findall(r'<a id="(claim-[\w-]+-\d+)" href="#\1">', html)
    assert len(anchors) == len(set(anchors)) == len(all_claims())
    named = {line.number: line.claim.words for line in page.lines(committed)}
    assert named["4.3-1"] == "v1 is better than base"
    assert named["C-5"] == "self-wise is the best"
    assert named["1-1"].startswith("APG significantly improves a variety of models")


def test_the_table_of_claims_can_be_filtered_and_escapes_its_words(committed):
    html = page.claims_table(committed)._repr_html_()
    assert 'data-filter="Verdict|Protocol|Section"' in html
    assert '<a href="table2.ipynb">Table 2</a></td>' in html
    assert '<span class="apg-verdict apg-reproduced">✓\u00a0reproduced' in html
    assert page.ours_html(Finding(verdict="reproduced", ours="1 < 2")).html == "1 &lt; 2"
    assert page.ours_html(Finding(verdict="", ours=Markup("<b>1</b>"))).html == "<b>1</b>"


def test_the_committed_rows_answer_figure_1_and_table_1(committed):
    found = [page.look_up(claim, committed, "one_epoch") for claim in all_claims()
             if claim.suite in ("figure1", "table1")]  # fmt: skip
    assert len(found) == 4
    assert all(finding.verdict != "not run" and finding.ours for finding in found)


def test_the_foot_rests_on_every_suite_that_a_claim_cites(committed):
    assert {evidence.suite.name for evidence in page.cited(committed)} == {
        claim.suite for claim in all_claims() if claim.suite
    }


def test_new_rows_show_without_a_new_kernel(tmp_path, row):
    """Nothing of the store is kept but what its file held when it was read."""
    store, claim = Store(tmp_path), claim_with("v4 is better than base")
    assert page.look_up(claim, page.committed(store), "one_epoch").verdict == "not run"
    found = evidence_of("table4", row, lambda config: 0.80 if config.version == "v4" else 0.79, plan=PLAN)
    for run in found.runs.values():
        store.append("full", run)
    assert page.look_up(claim, page.committed(store), "one_epoch").verdict == "reproduced"


def test_apg_is_compared_with_star_where_both_are_trained_row_by_row(row):
    aucs = {"apg_fg": 0.9, "apg_fg by row": 0.79, "star_fg": 0.785}
    found = Evidence(suite=get_suite("table6"), plan=PLAN)
    runs = {
        config.id: replace(row, config=config, scores=scores(aucs[cell.name], aucs[cell.name]))
        for cell in found.cells
        if cell.name in aucs
        for config in found.reported(cell, "one_epoch")
    }
    found = replace(found, runs=runs)
    fine, coarse = (
        claim_with(f"APG is better than {name} domains").rule for name in ("Star with fine", "MMoE with coarse")
    )
    assert fine.judge(found, "one_epoch").ours == f"+0.50 ± 0.00 (n\u00a0=\u00a0{len(PLAN.seeds)})"
    assert coarse.judge(found, "one_epoch").verdict == "not run"


@pytest.mark.parametrize(("n_seeds", "text"), [(2, "2 runs diverged"), (1, "1 run diverged")])
def test_a_claim_says_how_many_of_its_runs_diverged(row, n_seeds, text):
    lost = {"status": "diverged", "history": [{"worst_batch_loss": 20.0}]}
    found = evidence_of(
        "table4", row, lambda config: 0.79, lambda config: lost if config.version == "v3" else {},
        plan=replace(PLAN, seeds=PLAN.seeds[:n_seeds]),
    )  # fmt: skip
    finding = claims.versions()[5].rule.judge(found, "one_epoch")
    assert claims.versions()[5].words.startswith("sharing parameters")
    assert finding.n_diverged == n_seeds
    assert f"(n\u00a0=\u00a0{n_seeds}), {text}" in page.ours_html(finding).html


def test_a_claim_counts_the_diverged_runs_of_the_base_that_it_is_compared_with(row):
    """Damped base is the better one after one epoch, and two runs of it diverged; plain base's are not counted."""
    lost = {"status": "diverged", "history": [{"worst_batch_loss": 20.0}]}
    found = evidence_of(
        "table4", row, lambda config: 0.79 + 0.001 * config.base_damping,
        lambda config: lost if config.version == "base" and config.base_damping == (config.seed < 3) else {},
        plan=replace(PLAN, seeds=(1, 2, 3, 4, 5)),
    )  # fmt: skip
    finding = Better(("v4",)).judge(found, "one_epoch")
    assert "over damped base" in finding.ours
    assert finding.n_diverged == 2


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.05, 0.15, "undecided"), (0.12, 0.15, "contradicted"), (0.05, 0.08, "reproduced")],
)
def test_ages_may_be_alike_after_all(low, high, verdict):
    distances = {"trait": {"distance": 0.1, "low": low, "high": high, "chance": 0.01}}
    found = measured_of("figure1", {"": {"contrasts": [{"distances": distances}]}}, plan=PLAN)
    finding = GroupDistance("trait").judge(found, "one_epoch")
    assert finding.verdict == verdict


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
    return measured_of("table5", {case: {"versions": versions} for case in CASES}, plan=TWIN)


@pytest.mark.parametrize(
    ("version", "widths", "rival", "times", "verdict", "ours"),
    [
        ("v4", [WIDEST], "base", (200, 20, 0.5), "reproduced", "0.50 × base"),
        ("v4", [WIDEST], "base", (200, 20, 0.7), "direction only", "0.70 × base"),
        ("v4", [WIDEST], "base", (200, 20, 1.0), "undecided", "1.00 × base"),
        ("v1", claims.ALL_WIDTHS, "base", (200, 20, 0.5), "reproduced", "200 × base"),
        ("v1", claims.ALL_WIDTHS, "base", (2, 20, 0.5), "direction only", "2.00 × base"),
        ("v2", claims.ALL_WIDTHS, "v1", (200, 160, 0.5), "direction only", "0.80 × v1"),
        ("v2", claims.ALL_WIDTHS, "v1", (200, 190, 0.5), "undecided", "0.95 × v1"),  # up to 1.05
    ],
)
def test_a_cost_is_judged_in_every_width_by_the_rule_of_its_page(version, widths, rival, times, verdict, ours):
    claim = cost_claim("", version, TIME, widths, rival=rival)
    finding = claim.rule.judge(table5(*times), "one_epoch")
    assert (finding.verdict, finding.ours) == (verdict, ours)


def test_a_claim_about_time_is_judged_on_each_kind_of_device_by_its_own_rows():
    both = on_both(table5(200, 20, 0.5), table5(200, 20, 1.3))
    for costs, verdicts in (
        (both, ["reproduced", "contradicted"]),
        (table5(200, 20, 0.5), ["reproduced", "not run"]),
    ):
        found = claims.time_claims("v4 reduces time", "v4", [WIDEST])
        assert [claim.words for claim in found] == ["v4 reduces time, on a CPU", "v4 reduces time, on a GPU"]
        assert [claim.rule.judge(costs, "one_epoch").verdict for claim in found] == verdicts


def test_the_headline_names_each_device(empty):
    both = on_both(table5(200, 20, 0.5), table5(200, 20, 1.1))
    found = {**empty, ("table5", "iaac_twin"): both}
    table = headline.headline(found).data.set_index("APG")
    words = "training time of v4 in the widest layers on a {}, relative to base"
    for device, ours in (("CPU (a CPU)", "0.50 ×"), ("GPU (a GPU)", "1.10 ×")):
        assert list(table.loc[words.format(device)]) == ["0.61 ×", ours, page.SAME]
    assert "0.50 times the time of base on a CPU (a CPU) and 1.10 times" in "".join(map(str, headline.answer(found)))


def test_times_that_were_not_taken_in_turn_are_compared_through_base():
    claim = cost_claim("", "v4", TIME, rival="v2")
    assert claim.rule.judge(table5(200, 20, 0.5), "one_epoch").ours == "0.025 × v2"
    assert claim.rule.judge(table5(200, 20, 17.0), "one_epoch").verdict == "undecided"  # 0.85, up to 1.04


def test_memory_is_counted():
    claim = cost_claim("", "v4", MEMORY, [WIDEST])
    assert claim.rule.judge(table5(200, 20, 2.0), "one_epoch").ours == "0.010 × base"


@pytest.mark.parametrize(
    ("v1", "apg", "verdict", "ours"),
    [
        (0.5, 1.0, "reproduced", "−50.0 % against +0.0 %"),
        (0.8, 1.0, "direction only", "−20.0 % against +0.0 %"),
        (0.5, 0.9, "direction only", "−50.0 % against −10.0 %"),
        (1.0, 1.0, "contradicted", "+0.0 % against +0.0 %"),
    ],
)
def test_page_views_are_judged_against_the_papers_losses(v1, apg, verdict, ours):
    engines = {"eager": {name: {"answered": share} for name, share in {"base": 1.0, "v1": v1, "apg": apg}.items()}}
    found = measured_of("table10", {"1 candidate": {"engines": engines}}, plan=TWIN)
    finding = measured.page_views_lost(found, "one_epoch")
    assert (finding.verdict, finding.ours) == (verdict, ours)


@pytest.mark.parametrize(
    ("served", "verdict"),
    [
        ({"base": 4, "apg_fg": 2, "apg_cg": 1, "mmoe_fg": 9, "star_cg": 3}, "reproduced"),
        ({"base": 4, "apg_fg": 3, "apg_cg": 1, "mmoe_fg": 9, "star_cg": 3}, "contradicted"),  # as much as Star
    ],
)
def test_apg_takes_the_least_memory_if_both_its_models_do(served, verdict):
    models = {name: {"served": millions * 10**6} for name, millions in served.items()}
    found = measured_of("table6", {"": {"models": models}}, plan=PLAN)
    finding = measured.least_memory(found, "one_epoch")
    assert finding.verdict == verdict
    assert finding.ours == f"{12 * max(served['apg_fg'], served['apg_cg'])}.00 M against 36.00 M or more"


def test_the_headline_has_the_models_that_ran_and_the_costs(empty, row):
    gains = {"WDL": 0.01, "DCN": -0.01, "PNN": 0.0}

    def auc(config):
        gain = gains.get(config.backbone) if config.version == "v5" else 0
        return None if config.backbone not in gains else 0.79 + config.seed / 1000 + gain

    def sizes(config):
        return {"n_hidden": 88768, "n_served": 88768} if config.version == "base" else {"n_hidden": 105216}

    more = {"six_fields": 0.001, "genre_bag": -0.001}
    found = {
        **empty,
        ("table2", "movielens"): evidence_of("table2", row, auc, sizes),
        ("table5", "iaac_twin"): table5(200, 20, 0.5),
        ("encodings", "movielens"): evidence_of(
            "encodings", row, lambda config: 0.79 + more.get(config.features, 0) * (config.version == "v5")
        ),
    }
    table = headline.headline(found).data.set_index("APG")
    ours = ["ahead in 1 of 3, behind in 1"] * 2
    assert list(table.loc["AUC of v5, against base"]) == ["+0.24, ahead in 7 of 7", *ours]
    assert list(table.loc["AUC of v5 in WDL, other encodings"]) == ["–", *ours]
    weights = table.loc["hidden weights of v5 in WDL in training, relative to base"]
    assert list(weights) == ["–", "1.19 ×", "1.19 ×"]
    assert list(table.loc["training time of v4 in the widest layers on a CPU (a CPU), relative to base"]) == [
        "0.61 ×",
        "0.50 ×",
        page.SAME,
    ]
    assert list(table.loc["hidden weights of v4 in the widest layers, relative to base"]) == [
        "0.034 ×", "0.010 ×", page.SAME,
    ]  # fmt: skip
    assert "".join(map(str, headline.answer(found))) == (
        "<p>With hidden layers of 1024, 512 and 256 units, the widest, v4, with the user as its "
        "condition, trains in 0.50 times the time of base on a CPU (a CPU) and has 0.010 times the hidden weights of "
        "base. Its time on a GPU has not been measured yet.</p>"
    )


def test_an_average_is_shown_once_all_models_have_run(empty, row):
    gains = dict.fromkeys(PAPER_BACKBONES, 0.01)

    def auc(config):
        gain = gains.get(config.backbone) if config.version == "v5" else 0
        return None if config.backbone not in gains else 0.79 + config.seed / 1000 + gain

    whole = evidence_of("table2", row, auc)
    assert headline.average_and_standing(whole, "one_epoch", "apg") == "+1.00 ± 0.00 (n\u00a0=\u00a02), ahead in 7 of 7"
    found = {**empty, ("table2", "movielens"): whole}
    answer = "".join(map(str, headline.answer(found)))
    assert "after one epoch is ahead of the better of these two on MovieLens-1M (+1.00 ± 0.00). With early" in answer
    assert "stopping it is ahead of base on MovieLens-1M (+1.00 ± 0.00).</p>" in answer
    assert "in points of AUC (n = 2), APG" in answer
    both = found | {("table2", "tmall"): evidence_of("table2", row, auc, plan=replace(whole.plan, dataset="tmall"))}
    assert "ahead of base on MovieLens-1M (+1.00 ± 0.00) and Tmall (+1.00 ± 0.00)." in "".join(
        map(str, headline.answer(both))
    )
    plain = "they are after one epoch +1.00 ± 0.00 on MovieLens-1M and +1.00 ± 0.00 on Tmall."
    assert plain in "".join(map(str, headline.answer(both)))
    gains |= {"WDL": -0.001, "PNN": 0.0}
    mixed = evidence_of("table2", row, auc)
    assert headline.average_and_standing(mixed, "one_epoch", "apg").endswith("ahead in 5 of 7, behind in 1")
    del gains["AutoInt"]
    most = evidence_of("table2", row, auc)
    assert headline.average_and_standing(most, "one_epoch", "apg") == "ahead in 4 of 6, behind in 1"


def test_the_headline_without_rows_says_so(empty):
    table = headline.headline(empty).data.set_index("APG")
    assert list(table.loc["AUC of v5, against base"]) == ["+0.24, ahead in 7 of 7", "not run", "not run"]
    assert set(table[PROTOCOL_HEADS["one_epoch"]]) == {"not run"}
    assert "".join(map(str, headline.answer(empty))) == "<p>Not all of this has been run.</p>"


def test_the_home_page_lists_every_suite_once_with_a_link_into_the_executed_pages():
    html = overview.verdict_overview(Store()).html
    for suite in SUITES.values():
        assert html.count(f'<a href="executed/{suite.name}.html">') == 1
    table, others = html.split("<p>Other pages: ")
    assert "Table 2: seven backbones" in table
    assert "14 of 42" in table
    assert '<span class="apg-verdict apg-contradicted">' in table
    assert "not reproduced" not in html
    assert "Figure 7" in others


def test_a_cell_that_two_suites_answer_counts_where_the_paper_prints_it(row):
    found = evidence_of("table4", row, lambda config: 0.79 if config.version == "base" else None)
    assert overview.answered(get_suite("table4"), [found]) == "1 of 15"
    assert overview.answered(get_suite("figure7"), []) == ""


def test_the_home_page_without_rows_has_no_verdict(tmp_path):
    html = overview.opening(Store(tmp_path)) + overview.home(Store(tmp_path))
    assert "Not all of this has been run." in html
    assert "apg-reproduced" not in html
    assert "Nothing has been run yet." in html


def test_the_home_page_says_on_which_data_seeds_and_machines_it_rests(committed):
    text = overview.scope(committed).html
    trained = [row for evidence in committed.values() for row in evidence.rows if isinstance(row, TrainedRow)]
    for name in page.REAL_DATASETS:
        is_there = any(row.config.dataset == name for row in trained)
        assert is_there == (
            data_set(name).title in text.partition("Not run:")[0].split(": ")[1].rstrip(". ").split(", ")
        )
    assert "Not run: Amazon and IAAC" in text
    assert f"Seeds 1 to {max(row.config.seed for row in trained)}, fewer" in text
    assert trained[0].origin.device in text


def table4_at(row, v4, seeds=(1, 2, 3), searched=0.0):
    """Table 4 where v2's search chooses K = 4 and v4's K = 8.

    Args:
        v4: its AUC with K = 4 on the reported seeds, in excess of v2's; None: not run.
        searched: v4's validation AUC in excess of v2's with every K.
    """
    best = {"v3": 4, "v4": 8}
    plan = replace(PLAN, seeds=seeds)
    found = evidence_of(
        "table4",
        row,
        lambda c: 0.8 + 0.01 * (c.rank == best.get(c.version)) + searched * (c.version == "v4"),
        plan=plan,
    )
    if v4 is None:
        return found
    runs = {}
    for seed in seeds:
        config = configure(plan, found.cell("v4"), seed, {"rank": 4})
        auc = 0.81 + v4 + seed / 10_000
        runs[config.id] = replace(row, config=config, scores=scores(auc, auc))
    return replace(found, runs={**found.runs, **runs})


def test_sharing_is_judged_at_equal_rank(row):
    """v4 with its own K has the AUC of v2; with v2's K it gains 0.4 points."""
    rule = measured.AtEqualRank(("v4",), ("v2",))
    found = table4_at(row, v4=0.004)
    finding = rule.judge(found, "one_epoch")
    assert finding.verdict == "reproduced"
    assert finding.ours.startswith("K = 4: +0.42 ±")
    assert rule.difference(found, "one_epoch").mean == pytest.approx(0.42)


def test_before_there_are_such_runs_the_searches_are_shown_and_decide_nothing(row):
    rule = measured.AtEqualRank(("v4",), ("v2",))
    finding = rule.judge(table4_at(row, v4=None, searched=0.002), "one_epoch")
    assert finding.verdict == "undecided"
    assert finding.ours.startswith("+0.20 for K = 2, −0.80 for K = 4, +0.20 for K = 6, +1.20 for K = 8")
    assert "validation AUC of the searches" in finding.ours
    assert rule.judge(table4_at(row, v4=None), "early_stopping").verdict == "not run"  # v2 is searched for one epoch


def table6_with(row, mmoe, apg, base=0.80):
    """Table 6 with these AUCs of fine domains, row by row."""

    def auc(config):
        by_model = {"MMoE": mmoe, "WDL": apg if config.version == "v5" else base}
        return by_model.get(config.backbone, 0.7) + config.seed / 1000

    return evidence_of("table6", row, auc, plan=PLAN)


@pytest.mark.parametrize(
    ("mmoe", "apg", "note"),
    [
        (0.78, 0.79, "; both are below base by row (−1.00 ± 0.00 and −2.00 ± 0.00)"),
        (0.78, 0.81, ""),
        (0.79, 0.78, ""),
    ],
)
def test_a_model_that_beats_another_below_base_is_said_to_be_below_base(row, mmoe, apg, note):
    claim = claim_with("APG is better than MMoE with fine domains")
    assert claim.rule is not None
    ours = str(claim.rule.judge(table6_with(row, mmoe, apg), "early_stopping").ours)
    assert ours.partition(")")[2] == note


def test_a_gain_over_damped_base_has_that_over_base_beside_it(row):
    def auc(config):
        own = {"base": 0.79 + 0.003 * config.base_damping, "v4": 0.792}
        return own.get(config.version)

    claim = claim_with("v4 is better than base")
    assert claim.rule is not None
    found = evidence_of("table4", row, auc, plan=PLAN)
    early, late = (str(claim.rule.judge(found, protocol).ours).partition(")")[2] for protocol in PROTOCOLS)
    assert early == " over damped base, +0.20 ± 0.00 over base"
    assert late == ""


@pytest.mark.parametrize(
    ("base", "note"),
    [
        (0.80, "; all are below base (−0.90 ± 0.00, −1.10 ± 0.00, −1.10 ± 0.00 and −1.10 ± 0.00)"),
        (0.79, ""),
    ],
)
def test_the_best_of_several_that_are_all_below_base_is_said_to_be_below_base(row, base, note):
    def auc(config):
        own = {"base": base, "v5": 0.791 if config.condition == "self" else 0.789}
        return own[config.version] + config.seed / 1000 if config.version in own else None

    claim = claim_with("self-wise is the best")
    assert claim.rule is not None
    finding = claim.rule.judge(evidence_of("table8", row, auc, plan=PLAN), "early_stopping")
    assert finding.verdict == "reproduced"
    assert plain(finding.ours).endswith(f"3 reproduced{note}")


@pytest.mark.parametrize(
    ("base", "note"), [(0.80, "; both are below base (−0.90 ± 0.00 and −1.10 ± 0.00)"), (0.79, "")]
)
def test_a_range_that_beats_another_below_base_is_said_to_be_below_base(row, base, note):
    def auc(config):
        return (base if config.version == "base" else 0.791 if config.over >= 32 else 0.789) + config.seed / 1000

    claim = claim_with("large P is better than small P")
    assert claim.rule is not None
    ours = str(claim.rule.judge(evidence_of("figure7", row, auc, plan=PLAN), "early_stopping").ours)
    assert ours.partition(")")[2] == note


def test_claims_with_one_seed_on_each_of_two_data_sets_are_not_pooled(monkeypatch):
    one_seed = Estimate(mean=0.1, half=math.nan, n=1)
    monkeypatch.setattr(page, "by_dataset", lambda *args: {"MovieLens-1M": one_seed, "Frappe": one_seed})
    said = str(page.across_datasets({}))
    assert "several seeds on fewer than two data sets; there are rows of MovieLens-1M, Frappe." in said


def test_claims_are_pooled_over_the_data_sets_that_have_rows(committed, row):
    alone = {key: evidence for key, evidence in committed.items() if key[1] == "movielens"}
    assert "fewer than two data sets; there are rows of MovieLens-1M." in str(page.across_datasets(alone))

    def gains(dataset, gain):
        plan = replace(PLAN, dataset=dataset)
        return evidence_of(
            "table4", row, lambda c: 0.79 + (gain + c.seed / 10_000 if c.version == "v5" else 0), plan=plan
        )

    found = {**alone, ("table4", "movielens"): gains("movielens", 0.004), ("table4", "iaac"): gains("iaac", 0.002)}
    table = page.across_datasets(found).data.set_index("Claim")
    assert table.loc["v5 is better than base", "Data sets"] == "MovieLens-1M, IAAC"
    assert table.loc["v5 is better than base", "One epoch"].startswith("+0.33 ±")


def test_claims_are_about_the_papers_data_sets():
    assert all(data_set(name).paper for name in claims.OTHER_DATASETS)
    assert set(claims.OTHER_DATASETS) < set(claims.REAL_DATASETS)


def test_the_picture_of_the_claims_has_a_mark_for_every_verdict(committed):
    picture, judged = claims_figure(committed), page.lines(committed)
    marks = [(trace.name, text) for trace in picture.hover.data for text in trace.text]
    assert len(marks) == len(judged)
    (first,) = [text for _, text in marks if text.startswith("3-1: ")]
    assert first.endswith("Independent of protocol<br>held by a test")
    places = {(x, y) for trace in picture.hover.data for x, y in zip(trace.x, trace.y, strict=True)}
    assert len(places) == len(judged), "no mark hides another"
    counts = Counter(line.finding.verdict for line in judged)
    drawn = Counter(word for word, _ in marks)
    assert all(drawn[word] == counts[word] for word in COLOURS)
    assert f"{counts['held by a test']} held by a test" in picture.alt
