"""Splits crossed with starts: what is trained, and what the noise is made of, computed here by hand."""

import numpy as np
import pandas as pd
import pytest
import torch

from apg_repro.config import RunConfig
from apg_repro.data.dataset import load, split
from apg_repro.experiments import get_suite
from apg_repro.experiments.crossed import page
from apg_repro.experiments.crossed.plan import N_SPLITS, STARTS
from apg_repro.rows.evidence import Evidence
from apg_repro.study import stored
from apg_repro.suite import Plan
from apg_repro.training.build import build
from apg_repro.training.train import train
from tests.conftest import evidence_of

FULL = Plan(profile="full", dataset="movielens", seeds=tuple(range(1, 11)))
TINY = {"dataset": "synthetic", "rows": 2000, "hidden": (8, 4), "d_embedding": 4, "max_epochs": 1}


def evidence(row, split_part=0.0, start_part=0.0, both_part=0.0, lacking=None):
    """The gain of v5 in points: a half, and what split, start and both add. Base has 80 % in every run."""

    def auc(config):
        split, start = config.seed, config.own_start_seed
        if (config.version, split, start) == lacking:
            return None
        both = (1 if (split + start) % 2 else -1) * both_part
        gain = 0.5 + split_part * split + start_part * start + both
        return 0.8 + (gain / 100 if config.version == "v5" else 0.0)

    return evidence_of("crossed", row, auc, plan=FULL)


def test_the_start_has_a_seed_of_its_own_and_the_split_keeps_the_runs():
    data = load("synthetic", rows=2000)
    config = RunConfig(seed=1, **TINY)
    other = RunConfig(seed=1, start_seed=2, **TINY)
    weights = [build(one, data.schema).state_dict()["output.weight"] for one in (config, other)]
    assert not torch.equal(*weights)
    second = build(RunConfig(seed=2, **TINY), data.schema).state_dict()["output.weight"]
    assert torch.equal(weights[1], second), "as the run has that starts with this seed"
    assert torch.equal(split(data, config.seed)[2].rows, split(data, other.seed)[2].rows)
    assert train(config, data).test != train(other, data).test


def test_a_start_that_is_the_split_s_is_the_usual_run():
    assert RunConfig(seed=2, start_seed=2, **TINY) == RunConfig(seed=2, **TINY)
    assert RunConfig(seed=2, start_seed=2, **TINY).id == RunConfig(seed=2, **TINY).id
    assert RunConfig(seed=2, start_seed=1, **TINY).id != RunConfig(seed=2, **TINY).id


def test_every_split_meets_every_start_and_the_diagonal_is_table_eight_s():
    suite, table8 = get_suite("crossed"), get_suite("table8")
    runs = Evidence(suite=suite, plan=FULL).wanted()
    pairs = {(run.version, run.seed, run.own_start_seed) for run in runs}
    starts = STARTS["full"]
    assert pairs == {(v, s, t) for v in ("base", "v5") for s in range(1, N_SPLITS + 1) for t in starts}
    usual = {run.id for run in Evidence(suite=table8, plan=FULL).wanted()}
    assert sum(run.id in usual for run in runs) == 2 * len(starts)


def test_the_parts_of_the_variance_are_those_of_the_mean_squares():
    """Against the textbook's sums, and a table without noise of one kind."""
    found = np.random.default_rng(0).normal(size=(4, 3)) + np.arange(4)[:, None]
    part = page.components(pd.DataFrame(found, index=[1, 2, 3, 4], columns=[1, 2, 3]))
    mean, rows, columns = found.mean(), found.mean(1), found.mean(0)
    of_split = 3 * ((rows - mean) ** 2).sum() / 3
    of_start = 4 * ((columns - mean) ** 2).sum() / 2
    rest = ((found - rows[:, None] - columns[None] + mean) ** 2).sum() / 6
    parts = [max(0, (of_split - rest) / 3), max(0, (of_start - rest) / 4), rest]
    assert part.sd == pytest.approx(sum(parts) ** 0.5)
    assert [part.split, part.start, part.both] == pytest.approx([one / sum(parts) for one in parts])
    assert part.split > 0.4
    assert part.p_split < 0.05


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"split_part": 0.1, "both_part": 1e-6}, "100 % of the variance of v5 − base is the split's (p < 0.001)"),
        ({"start_part": 0.1, "both_part": 1e-6}, "100 % the start's (p < 0.001)"),
        ({"both_part": 0.1}, "and 100 % the rest, which neither explains alone"),
    ],
)
def test_the_page_says_whose_the_noise_is(row, parts, words):
    """Both protocols have the same AUCs here, so one sentence says it of both."""
    (text,) = page.main_points([evidence(row, **parts)])
    assert text.startswith("After one epoch and with early stopping on MovieLens-1M, ")
    assert words in text


def test_protocols_that_differ_have_a_sentence_each():
    first, second, *_ = page.main_points(stored("crossed"))
    assert first.startswith("After one epoch on MovieLens-1M")
    assert second.startswith("With early stopping on MovieLens-1M")


def test_nothing_is_said_before_every_split_has_met_every_start(row):
    lacking = evidence(row, split_part=0.1, lacking=("v5", 3, 1))
    assert page.main_points([lacking]) == []
    table = page.components_table(lacking).data
    assert list(table["SD of a run"])[:3] == ["0.000", "–", "–"]
    assert "Not run" in page.crossed_figure(lacking).alt


def test_the_figure_has_a_dot_for_every_run_and_says_them_in_words(row):
    picture = page.crossed_figure(evidence(row, split_part=0.1, both_part=0.01))
    axis = picture.figure.axes[0]
    assert [len(line.get_xdata()) for line in axis.lines[:3]] == [4, 4, 4]
    assert "one epoch, by split: +0.59" in picture.alt
