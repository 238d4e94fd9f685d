"""What frames a page."""

from dataclasses import replace

import pytest

from apg_repro import catalogue
from apg_repro.experiments import get_suite
from apg_repro.report import foot as module
from apg_repro.report.foot import banner, foot
from apg_repro.rows.evidence import Evidence
from apg_repro.suite import Plan
from tests.conftest import FULL, ORIGIN, evidence_of

COMMAND = "python -m apg_repro run table4"


def empty(dataset="movielens", profile="full"):
    """Table 4 without rows."""
    return Evidence(suite=get_suite("table4"), plan=Plan(profile=profile, dataset=dataset, seeds=(1,)))


@pytest.fixture
def base_alone(row):
    """Table 4 with base alone, on two seeds."""
    return evidence_of(
        "table4", row, lambda config: 0.8 if config.version == "base" and not config.base_damping else None
    )


def facts(found):
    """What the foot says, by name."""
    return module.facts([row for evidence in found for row in evidence.rows], found)


def test_the_foot_says_where_rows_come_from_and_how_to_make_them_again(base_alone, monkeypatch):
    monkeypatch.setattr(module, "why_stale", lambda row: "")
    html = str(foot([base_alone], COMMAND))
    ids = sorted(base_alone.runs)
    for part in (
        "<dt>rows</dt><dd>2, finished 2026-11-24 00:00 to 2026-11-24 00:00 UTC</dd>",
        f'<code class="apg-ids">{" ".join(ids)}</code>',
        "<dt>files</dt><dd>full/runs/movielens.jsonl</dd>",
        "<dt>seeds</dt><dd>1, 2</dd>",
        "<dt>machine</dt><dd>a CPU, 2 cores, 4 GB, 1 thread per run</dd>",
        "<dt>commit</dt><dd>abc</dd>",
        "<dt>code</dt><dd>golden runs show that this checkout",
        f"<code>{COMMAND}</code>",
        f"<code>{COMMAND} --again 2</code>",
    ):
        assert part in html


def test_the_foot_names_the_runs_that_had_another_number_of_threads(base_alone):
    assert facts([base_alone])["other threads"] == ""
    first = next(iter(base_alone.runs.values()))
    runs = {**base_alone.runs, first.id: replace(first, origin=replace(first.origin, threads=2))}
    others = [replace(first, config=replace(first.config, seed=seed)) for seed in (3, 4)]
    odd = runs[first.id]
    assert module.facts([odd, *others], [replace(base_alone, runs=runs)])["other threads"] == f"{first.id} (2)"


def test_the_foot_names_the_runs_that_are_compared_with_runs_of_another_machine(row):
    found = evidence_of("table4", row, lambda config: 0.8 if config.version in ("base", "v1") else None)
    assert facts([found])["compared with another machine"] == ""
    moved = next(run for run in found.runs.values() if run.config.version == "v1")
    runs = {**found.runs, moved.id: replace(moved, origin=replace(moved.origin, device="another CPU"))}
    assert facts([replace(found, runs=runs)])["compared with another machine"] == moved.id


def test_the_foot_folds_away_how_cells_are_declared_and_judged(base_alone):
    html = str(foot([base_alone], COMMAND))
    assert html.count('<details class="apg-code">') == 2
    for code in (
        "printed(&quot;v4&quot;, options={&quot;version&quot;: &quot;v4&quot;}",
        "return &quot;contradicted&quot; if high",
    ):
        assert code in html
    assert "apg-code" not in str(foot([base_alone, replace(base_alone, suite=get_suite("table2"))], COMMAND))


def test_the_foot_counts_stale_rows_by_their_reason(base_alone, monkeypatch):
    monkeypatch.setattr(module, "why_stale", lambda row: "its data have changed since" if row.config.seed == 2 else "")
    assert facts([base_alone])["code"] == "1 of these rows is stale: its data have changed since"


def test_the_foot_tells_of_uncommitted_changes_and_of_rows_made_outside_of_git(base_alone):
    first, second = base_alone.runs.values()
    assert "uncommitted" not in facts([base_alone])["commit"]
    changed = [replace(first, origin=replace(ORIGIN, dirty=True)), replace(second, origin=replace(ORIGIN, commit=None))]
    found = replace(base_alone, runs={row.id: row for row in changed})
    assert facts([found])["commit"] == "abc (with uncommitted changes)"


def test_the_foot_names_the_cells_that_were_not_run_and_where(base_alone):
    assert "<dt>not run yet</dt><dd>damped base; v1; v2" in foot([base_alone], "").html
    everything = evidence_of("table4", next(iter(base_alone.runs.values())), lambda config: 0.8)
    elsewhere = replace(base_alone, plan=replace(FULL, dataset="frappe"), runs={})
    assert "not run yet" not in foot([everything], "").html
    text = foot([everything, elsewhere], "").html
    assert "base (Frappe); damped base (Frappe); v1 (Frappe)" in text
    assert "damped base (2 of 3 parts)" in foot([everything, elsewhere, elsewhere], "").html


def test_a_run_that_two_parts_of_a_page_show_counts_once(base_alone):
    assert "<dt>rows</dt><dd>2, " in str(foot([base_alone, base_alone], COMMAND))


def test_a_page_without_rows_says_how_to_make_them():
    assert f"There are no rows. To make them: <code>{COMMAND}</code>" in str(foot([empty()], COMMAND))


def test_a_page_of_full_results_on_real_data_has_no_banner():
    assert not banner([empty()])


def test_a_banner_says_that_quick_numbers_are_no_results():
    assert "Quick profile" in str(banner([empty(), empty(profile="quick")]))


def test_a_banner_says_whether_synthetic_data_stand_in_for_real_ones(monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "DATA", tmp_path)
    assert "No real data were found" in str(banner([empty("synthetic")]))
    (tmp_path / "amazon").mkdir()
    (tmp_path / "amazon" / "manifest.json").write_text("{}")
    assert "No real data were found" not in (html := str(banner([empty("synthetic")])))
    assert "Synthetic data" in html


def test_a_banner_warns_of_shape_twins():
    twin = Evidence(suite=get_suite("table6"), plan=replace(FULL, dataset="amazon_twin"))
    assert "random values" in str(banner([empty(), twin]))
