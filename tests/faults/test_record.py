"""The committed record of faults, and the page that is made of it."""

import re

from apg_repro import faults
from tests.faults.record import declared


def test_the_record_lists_the_faults_that_the_tests_declare_and_no_others():
    """After a change: ``python -m pytest -m fault --record-faults``."""
    recorded = [{name: each[name] for name in ("fault", "expected", "test")} for each in faults.read()]
    assert recorded == declared()


def test_every_fault_is_declared_once_and_ended_as_it_must():
    assert len({each["fault"] for each in declared()}) == len(declared())
    for each in faults.read():
        assert each["outcome"] in ("passed", "skipped"), each["test"]
        assert each["cases"] > 0
        assert re.fullmatch(r"[0-9a-f]{12}", each["commit"])


def test_the_page_has_a_line_per_fault_and_says_what_failed():
    found = faults.read()
    found[0] |= {"outcome": "failed", "fault": "<b>", "expected": "`make test` names it"}
    html = faults.summary(found) + faults.table(found)._repr_html_()
    assert "1 failed" in html
    assert "&lt;b&gt;" in html
    assert "<code>make test</code> names it" in html
    assert html.count('<th scope="row">') == len(found)
