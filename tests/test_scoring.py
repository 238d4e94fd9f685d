"""AUC and logloss by hand."""

import math

import pytest
import torch
from sklearn.metrics import roc_auc_score

from apg_repro.training.scoring import auc, logloss, sorted_auc


def test_auc_is_the_share_of_pairs_in_the_right_order_ties_half():
    logits, labels = torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([0.0, 0.0, 1.0, 1.0])
    assert auc(logits, labels) == (2 + 1 + 0.5) / 4


def test_auc_does_not_lose_precision_where_sigmoids_saturate():
    assert auc(torch.tensor([40.0, 41.0, 42.0]), torch.tensor([0.0, 1.0, 1.0])) == 1.0


def test_auc_of_one_class_or_of_infinite_logits_is_not_a_number():
    assert math.isnan(auc(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0])))
    assert math.isnan(auc(torch.tensor([1.0, float("inf")]), torch.tensor([0.0, 1.0])))


def test_logloss_of_no_information_is_log_2():
    assert abs(logloss(torch.zeros(4), torch.tensor([0.0, 1.0, 1.0, 0.0])) - math.log(2)) < 1e-12


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_auc_by_sorting_equals_scikit_learns_whatever_the_ties(seed, dtype):
    random = torch.Generator().manual_seed(seed)
    n = int(torch.randint(2, 400, (), generator=random))
    steps = int(torch.randint(1, 2 * n, (), generator=random))  # from all equal to hardly any tie
    logits = (torch.randint(steps, (n,), generator=random) / 7 - 1).to(dtype)
    labels = torch.randint(2, (n,), generator=random).to(dtype)
    labels[0], labels[-1] = 0, 1  # both classes
    assert abs(sorted_auc(logits, labels) - roc_auc_score(labels.numpy(), logits.numpy())) < 1e-12


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_auc_and_logloss_on_a_gpu_equal_those_on_the_cpu():
    random = torch.Generator().manual_seed(0)
    logits, labels = (
        torch.randint(500, (20_000,), generator=random) / 100,
        torch.randint(2, (20_000,), generator=random),
    )
    labels = labels.float()
    assert abs(auc(logits.cuda(), labels.cuda()) - auc(logits, labels)) < 1e-12
    assert abs(logloss(logits.cuda(), labels.cuda()) - logloss(logits, labels)) < 1e-9
