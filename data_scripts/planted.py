"""Prepares the data sets of the study of planted truth, one per setting, as ``data/planted-hH-gG-nN/`` and
``data/planted-hH-gG-nN-tT/``.

    python data_scripts/planted.py

H is the share of the preferences' variance that is a group's own, N the share of labels that a fair coin decides, both
in percent, G the number of groups, and T, where users have a long tail, 100 times its exponent: see ``Planted`` in
``apg_repro/data/planted.py``, which also says how the rows come about. The squares of ``common`` and ``heterogeneity``
add up to 1, so preferences are as strong in every setting. Items, impressions (but for the users of a long tail),
common weights and the random numbers behind the clicks are the same in all of them.

Models see group, item and category. Two further fields serve as conditions of the controls: ``shuffled``, the groups
permuted at random between users, and ``everyone``, one group for all. The probabilities stay in ``rows.parquet``,
where no model finds them.
"""

import sys
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd

from apg_repro.data.planted import N_ITEMS, N_ROWS, N_USERS, PLANTED, Planted, best_auc, blind_auc, checksum, generate
from apg_repro.data.prepare import main, write_dataset
from apg_repro.paths import DATA

FEATURES = {"default": {"inputs": ["group", "item", "category"], "numbers": [], "bags": {}}}


def make(setting: Planted, n_rows: int) -> pd.DataFrame:
    """The rows of a setting, with the fields of the controls."""
    table = generate(
        n_rows=n_rows, n_groups=setting.groups, heterogeneity=sqrt(setting.heterogeneity / 100),
        common=sqrt(1 - setting.heterogeneity / 100), noise=setting.noise / 100,
        tail=setting.tail / 100,
    )  # fmt: skip
    shuffled_of = np.random.default_rng(0).permutation(np.arange(N_USERS) % setting.groups)
    return table.assign(shuffled=shuffled_of[table["user"]].astype("int32"), everyone=np.int32(0))


def prepare(root: Path = DATA, n_rows: int = N_ROWS) -> None:
    """Generates and writes all settings."""
    for name, setting in PLANTED.items():
        table = make(setting, n_rows)
        write_dataset(
            name, table, fields=["user", "group", "item", "category", "shuffled", "everyone"], features=FEATURES,
            source={"file": Path(__file__).name, "sha256": checksum(table), "official": True},
            counts={"users": N_USERS, "items": N_ITEMS},
            extra={"best_auc": round(best_auc(table), 6), "blind_auc": round(blind_auc(table), 6)}, root=root,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main("planted", __doc__, prepare))
