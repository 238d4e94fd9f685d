"""A pytest plugin for an environment without torch, ``-p tests.without_torch``: tests that need torch are skipped."""

from collections.abc import Generator

import pytest

MISSING = "No module named 'torch'"


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skips a file of tests that imports torch, itself or by what it imports."""
    report = yield
    if report.failed and MISSING in str(report.longrepr):
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, "needs torch")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Skips a test that imports torch while it runs, or whose fixtures do."""
    report = yield
    said = (str(report.longrepr), *(text for _, text in report.sections))  # a program that it started may have said so
    if report.failed and any(MISSING in text for text in said):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, "needs torch")
    return report
