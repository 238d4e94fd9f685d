"""Scores of a model: logits, and their AUC and logloss, in float64.

On a GPU the AUC is computed where the logits are: scikit-learn takes 60 to 190 ms for MovieLens on a CPU, as long as a
third of an epoch. On the CPU it stays scikit-learn's.

Shapes: R rows.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from sklearn.metrics import roc_auc_score
from torch import nn

from apg_repro.data.dataset import Rows

EVALUATION_BATCH = 8192  # rows at once


def auc(logits: Float[torch.Tensor, " R"], labels: Float[torch.Tensor, " R"]) -> float:
    """Area under the ROC curve, from 0 to 1; NaN if a logit is not finite or only one class is present."""
    if not torch.isfinite(logits).all() or labels.min() == labels.max():
        return float("nan")
    if labels.is_cuda:
        return sorted_auc(logits, labels)
    return float(roc_auc_score(labels.cpu().numpy(), logits.double().cpu().numpy()))


def sorted_auc(logits: Float[torch.Tensor, " R"], labels: Float[torch.Tensor, " R"]) -> float:
    """The AUC of finite logits of both classes, by sorting, on their device.

    The rank of a logit is the mean of the ranks of those equal to it. Twice a rank is a whole number, so the sum is
    exact, in whatever order a device adds.
    """
    scores, order = logits.double().sort()
    positive = labels.index_select(0, order) > 0.5
    below, up_to = (torch.searchsorted(scores, scores, right=right) for right in (False, True))
    twice_rank = int(((below + up_to + 1) * positive).sum())
    n = int(positive.sum())
    return (twice_rank - n * (n + 1)) / (2 * n * (len(scores) - n))


def logloss(logits: Float[torch.Tensor, " R"], labels: Float[torch.Tensor, " R"]) -> float:
    """Mean binary cross-entropy in nats."""
    return float(F.binary_cross_entropy_with_logits(logits.double(), labels.double()))


@torch.no_grad()
def predict(model: nn.Module, rows: Rows) -> Float[torch.Tensor, " R"]:
    """The logit of every row."""
    model.eval()
    return torch.cat([model(batch.fields, batch.numbers) for batch in rows.batches(EVALUATION_BATCH)])


def evaluate(model: nn.Module, rows: Rows, prefix: str = "") -> dict[str, float]:
    """AUC (0 to 1) and logloss (nats) on these rows."""
    logits = predict(model, rows)
    return {f"{prefix}auc": auc(logits, rows.labels), f"{prefix}logloss": logloss(logits, rows.labels)}
