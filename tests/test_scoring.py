"""AUC and logloss by hand."""

import math

import torch

from apg_repro.training.scoring import auc, logloss


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
