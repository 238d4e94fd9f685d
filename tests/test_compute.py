"""What the committed results took to compute."""

from dataclasses import replace

import pytest

from apg_repro.experiments import get_suite
from apg_repro.experiments.compute import page
from apg_repro.report.tables import MISSING, plain
from apg_repro.rows.evidence import gather
from apg_repro.rows.store import Store
from apg_repro.suite import Plan


def test_hours_are_the_sum_of_the_rows_and_runs_that_two_pages_show_count_once_in_all():
    found = page.by_page()
    every = page.trained([evidence for of_suite in found for evidence in of_suite])
    assert len({row.id for row in every}) == len(every) > 1_000
    assert page.hours(every) == pytest.approx(sum(row.seconds for row in every) / 3600)
    shown = page.costs_table(found).data
    assert sum(float(hours) for hours in shown["Hours"] if hours != MISSING) > page.hours(every)
    assert f"{len(every):,} runs of training" in page.total(found)


def test_measurements_on_every_kind_of_device_count():
    found = gather(get_suite("table5"), Plan(profile="full", dataset="iaac_twin"), Store())
    on_gpu = replace(found, measured={}, elsewhere={"cuda": found.measured})
    counts = [list(page.costs_table([[one]]).data["Measurements"]) for one in (on_gpu, found)]
    assert counts[0] == counts[1] != [MISSING]


def test_every_page_with_rows_has_its_command():
    shown = page.costs_table(page.by_page()).data
    commands = [one for one in shown["Command"] if "run table4 --profile full --datasets movielens" in one]
    assert len(commands) == 1


def test_the_status_says_what_is_complete_and_what_was_not_run(tmp_path):
    table = page.status_table().data
    lines = {(plain(line["Page"]), line["Data set"]): line for line in table.to_dict("records")}
    title = get_suite("table4").title
    (absent,) = (line for (page_of, _), line in lines.items() if (page_of, line["State"]) == (title, "not run"))
    assert {"Amazon", "IAAC"} <= set(absent["Data set"].split(", "))
    assert len(lines) == len(table)  # settings of one family have names of their own
    assert lines[title, "MovieLens-1M"]["State"] in ("complete", "partly")
    assert set(page.status_table(Store(tmp_path)).data["State"]) == {"not run"}
