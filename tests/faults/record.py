"""The faults that tests declare by ``@pytest.mark.fault``, and what came of them: ``pytest -m fault --record-faults``.

The record, ``results/faults.json``, is what the book's page shows. Tests of faults may stand in any file.
"""

import ast
import json
import platform
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from apg_repro.faults import RECORD, read
from apg_repro.paths import ROOT
from apg_repro.rows import provenance

ORDER = ("passed", "skipped", "failed")  # of several cases, the last counts


def declared() -> list[dict[str, str]]:
    """Each fault that a test in ``tests/`` declares, and that test, read from the source."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            for marker in getattr(function, "decorator_list", []):
                if isinstance(marker, ast.Call) and ast.unparse(marker.func) == "pytest.mark.fault":
                    what, expected = map(ast.literal_eval, marker.args)
                    test = f"{path.relative_to(ROOT).as_posix()}::{function.name}"  # pyright: ignore
                    found.append({"fault": what, "expected": expected, "test": test})
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option."""
    parser.addoption("--record-faults", action="store_true", help="write what comes of all faults to results/")


def pytest_configure(config: pytest.Config) -> None:
    """Records if asked to."""
    if config.getoption("--record-faults"):
        config.pluginmanager.register(Recorder())


class Recorder:
    """Collects what comes of each test of a fault."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        report: Any = yield
        outcomes = self.found.setdefault(item.nodeid.partition("[")[0], [])
        if report.when == "setup":
            outcomes.append(report.outcome)
        else:
            outcomes[-1] = max(outcomes[-1], report.outcome, key=ORDER.index)
        return report

    def pytest_sessionfinish(self) -> None:
        """Writes what came of the faults that were tried; of the others, what is recorded stays."""
        commit, dirty = provenance.commit()
        origin = {
            "date": time.strftime("%Y-%m-%d", time.gmtime()), "commit": commit, "dirty": dirty,
            "python": platform.python_version(), "platform": f"{sys.platform} {platform.machine()}",
        }  # fmt: skip
        known = {each["test"]: each for each in read()} if RECORD.exists() else {}
        faults = []
        for each in declared():
            if found := self.found.get(each["test"]):
                faults.append({**each, "cases": len(found), "outcome": max(found, key=ORDER.index), **origin})
            elif each["test"] in known:
                faults.append(known[each["test"]] | each)
        lines = ",\n".join(f" {json.dumps(each, ensure_ascii=False)}" for each in faults)
        RECORD.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        missing = {each["test"] for each in declared()} - {each["test"] for each in faults}
        print(f"\n{len(faults)} faults are recorded", *(f"and not {test}" for test in sorted(missing)), sep="\n")
