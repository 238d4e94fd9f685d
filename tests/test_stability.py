"""The page on stability: recomputed here by hand from rows."""

import math

from apg_repro.experiments import get_suite
from apg_repro.experiments.stability import page
from apg_repro.experiments.stability.plan import SAFEGUARDS, SAFEGUARDS_OF_BASE, VERSIONS, Safeguards
from apg_repro.report.tables import MISSING
from apg_repro.rows.evidence import Evidence
from tests.conftest import FULL, evidence_of


def test_without_rows_every_field_says_not_run():
    empty = Evidence(suite=get_suite("stability"), plan=FULL)
    counts, best = page.divergence_table(empty).data, page.best_table(empty).data
    assert {cell for version in VERSIONS for cell in counts[version]} == {"not run"}
    assert sorted(counts["base"]) == [""] * 10 + ["not run"] * 2
    assert {cell for version in ("base", *VERSIONS) for cell in best[version]} == {MISSING}
    maps = page.worst_batch_figure(empty, "v4").axes[: len(SAFEGUARDS)]
    assert [[text.get_text() for text in axis.texts] for axis in maps] == [["not\nrun"] * 9] * len(SAFEGUARDS)


def test_stability_counts_diverged_runs_by_version_and_safeguards(row):
    def extra(config):
        is_bad = not config.damping and config.learning_rate == 0.02
        loss = None if is_bad and config.clip_norm is None else 50.0 if is_bad else 0.7
        history = [{"epoch": 1, "valid_auc": 0.78, "worst_batch_loss": loss}]
        return {"history": history, "status": "diverged" if is_bad else "ok"}

    evidence = evidence_of("stability", row, lambda config: 0.78, extra)
    assert len(evidence.cells) == 3 * ((2 + 3 + 3) * len(SAFEGUARDS) + len(SAFEGUARDS_OF_BASE))
    table = page.divergence_table(evidence).data[["base", *VERSIONS]]
    assert list(table.iloc[0]) == ["0 of 3", "0 of 6", "0 of 9", "0 of 9"]
    assert list(table.iloc[2]) == ["", "2 of 6", "3 of 9", "3 of 9"]
    bare = Safeguards(init="glorot", damped=False, clipped=False)
    (cell,) = evidence.labelled(version="v4", K=2, rate=0.02, safeguards=bare)
    assert page.run_of(evidence, cell).worst_batch_loss(1) == math.inf
    written = [text.get_text() for text in page.worst_batch_figure(evidence, "v4").axes[3].texts]
    assert written == ["78.0", "78.0", "78.0\ndiv."] * 3


def test_runs_are_counted_by_learning_rate_and_by_brake(row):
    """Those of v5 diverge at the highest rate where they are not damped."""

    def extra(config):
        is_bad = config.version == "v5" and not config.damping and config.learning_rate == 0.02
        return {"status": "diverged" if is_bad else "ok", "history": [{"epoch": 1, "worst_batch_loss": 50.0 * is_bad}]}

    evidence = evidence_of("stability", row, lambda config: 0.78, extra)
    table = page.rates_table(evidence).data.set_index(["Version", "Damped"])
    assert list(table.loc["v5", "no"]) == ["0 of 18", "0 of 18", "18 of 18"]
    assert list(table.loc["v5", "yes"]) == ["0 of 18", "0 of 18", "0 of 18"]
    _, brakes, at_the_papers = page.main_points([evidence])
    assert brakes == (
        "Runs of APG that diverge: damped 0 of 144, not damped 18 of 144, clipped 9 of 144, not clipped 9 of 144."
    )
    assert at_the_papers == "Not damped at the paper's learning rate, 0.005: v3 0 of 12, v4 0 of 18, v5 0 of 18."


def test_the_best_setting_is_one_that_did_not_diverge(row):
    def extra(config):
        return {"status": "diverged" if config.learning_rate == 0.02 else "ok"}

    evidence = evidence_of("stability", row, lambda config: 0.7 + config.learning_rate, extra)
    table = page.best_table(evidence).data
    assert table["Safeguards"][0] == "static start, damped, clipped"
    assert table["base"][0] == "70.50 (0.005)"
    assert table["v5"][0] == "70.50 (K = 2, 0.005)"


def test_stability_varies_nothing_but_what_it_names():
    cells = Evidence(suite=get_suite("stability"), plan=FULL).cells
    varied = {"version", "rank", "over", "init", "damping", "clip_norm", "learning_rate", "rows", "max_epochs"}
    assert {name for cell in cells for name in cell.options} == varied
