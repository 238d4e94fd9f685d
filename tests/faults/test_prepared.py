"""Data sets that are prepared again, from other rows, between the runs of a suite or while one trains."""

import pytest

from tests.checkout import ENOUGH, eventually, in_proc

PREPARES = """
import sys
import numpy as np
import pandas as pd
from apg_repro.data.prepare import write_dataset

random = np.random.default_rng(int(sys.argv[1]))
rows = pd.DataFrame({name: random.integers(20, size=3000, dtype=np.int32) for name in ("user", "item")})
rows["label"] = random.integers(2, size=3000, dtype=np.int8)
view = {"inputs": ["user", "item"], "numbers": [], "bags": {}}
write_dataset(
    "synthetic", rows, fields=["user", "item"], features={"default": view}, counts={"users": 20, "items": 20},
    source={"file": "f", "sha256": "ab" * 32, "official": False},
)
"""
SAID = "were trained on other rows than `python data_scripts/synthetic.py` has prepared since"


@in_proc
@pytest.mark.fault(
    "a data set is prepared again, from other rows, between two commands of a suite or while one trains",
    "one sentence: no table compares runs on different rows; every row says which it was trained on",
)
def test_runs_on_other_rows_are_not_mixed_with_those_that_are_there(checkout):
    def prepare(seed):
        assert checkout.start("-c", PREPARES, str(seed)).wait(ENOUGH) == 0, checkout.words()

    (checkout.folder / "data").unlink()
    prepare(1)
    assert checkout.run("--jobs", "1", "--seeds", "1").wait(ENOUGH) == 0, checkout.words()
    before = checkout.rows.read_bytes()
    prepare(2)
    assert checkout.run("--jobs", "1", "--seeds", "1,2").wait(ENOUGH) == 1
    assert checkout.rows.read_bytes() == before
    last = checkout.words().splitlines()[-1]
    assert last.startswith("error: ")
    assert SAID in last
    prepare(1)
    driver = checkout.run("--jobs", "1", "--seeds", "1,2,3")
    assert eventually(lambda: len(checkout.lines()) == 2), checkout.words()
    words = (checkout.folder / "words.txt").rename(checkout.folder / "driver.txt")
    prepare(2)
    assert driver.wait(ENOUGH) == 1, words.read_text()
    assert SAID in words.read_text().splitlines()[-1]
    assert len({row["data"] for row in checkout.lines()}) == 1
    prepare(1)
    assert checkout.run("--jobs", "1", "--seeds", "1,2,3").wait(ENOUGH) == 0, checkout.words()
    assert [row["seed"] for row in checkout.lines()] == [1, 2, 3]
