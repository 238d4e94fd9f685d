"""Data sets that are prepared again, from other rows, between the runs of a suite or while one trains."""

import numpy as np
import pandas as pd
import pytest

from apg_repro.data.prepare import write_dataset
from tests.checkout import ENOUGH, eventually, in_proc

SAID = "were trained on other rows than `python data_scripts/synthetic.py` has prepared since"


@in_proc
@pytest.mark.fault(
    "a data set is prepared again, from other rows, between two commands of a suite or while one trains",
    "one sentence: no table compares runs on different rows; every row says which it was trained on",
)
def test_runs_on_other_rows_are_not_mixed_with_those_that_are_there(checkout):
    def prepare(seed):
        random = np.random.default_rng(seed)
        rows = pd.DataFrame({name: random.integers(20, size=3000, dtype=np.int32) for name in ("user", "item")})
        rows["label"] = random.integers(2, size=3000, dtype=np.int8)
        view = {"inputs": ["user", "item"], "numbers": [], "bags": {}}
        write_dataset(
            "synthetic", rows, fields=["user", "item"], features={"default": view}, counts={"users": 20, "items": 20},
            source={"file": "f", "sha256": "ab" * 32, "official": False}, root=checkout.folder / "data",
        )  # fmt: skip

    (checkout.folder / "data").unlink()
    prepare(1)
    assert checkout.run("--jobs", "1", "--seeds", "1").wait(ENOUGH) == 0, checkout.words()
    before = checkout.rows.read_bytes()
    prepare(2)
    for more in (["--seeds", "1,2"], ["--seeds", "1", "--again", "1"]):
        assert checkout.run("--jobs", "1", *more).wait(ENOUGH) == 1
        assert checkout.rows.read_bytes() == before
        last = checkout.words().splitlines()[-1]
        assert last.startswith("error: ")
        assert SAID in last
    prepare(1)
    driver = checkout.run("--jobs", "1")
    assert eventually(lambda: len(checkout.lines()) > 1), checkout.words()
    prepare(2)
    assert driver.wait(ENOUGH) == 1, checkout.words()
    assert SAID in checkout.words().splitlines()[-1]
    assert len({row["data"] for row in checkout.lines()}) == 1
    prepare(1)
    assert checkout.run("--jobs", "1").wait(ENOUGH) == 0, checkout.words()
    assert [row["seed"] for row in checkout.lines()] == list(range(1, 9))
