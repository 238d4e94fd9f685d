"""The committed record of faults, and the page that is made of it."""

import re

from apg_repro import faults
from tests.faults.record import declared


def test_the_record_lists_the_faults_that_the_tests_declare_and_no_others():
    """After a change: ``python -m pytest -m fault --record-faults``."""
    recorded = [{name: each[name] for name in ("fault", "expected", "test")} for each in faults.read()["faults"]]
    assert recorded == declared()


def test_every_fault_is_declared_once_and_ended_as_it_must():
    record = faults.read()
    assert len({each["fault"] for each in declared()}) == len(declared())
    assert {each["outcome"] for each in record["faults"]} <= {"passed", "skipped"}
    assert all(each["cases"] > 0 for each in record["faults"])
    assert re.fullmatch(r"[0-9a-f]{12}", record["commit"])


def test_the_page_has_a_line_per_fault_and_says_what_failed(tmp_path):
    record = faults.read()
    record["faults"][0] |= {"outcome": "failed", "fault": "<b>"}
    html = faults.summary(record) + faults.table(record)._repr_html_()
    assert "1 fails" in html
    assert "&lt;b&gt;" in html
    assert html.count("<tr>") == 1 + len(record["faults"])
