"""AUC and logloss, in float64 on the CPU."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from sklearn.metrics import roc_auc_score


def auc(logits: Float[torch.Tensor, " R"], labels: Float[torch.Tensor, " R"]) -> float:
    """Area under the ROC curve, from 0 to 1; NaN if a logit is not finite or only one class is present."""
    if not torch.isfinite(logits).all() or labels.min() == labels.max():
        return float("nan")
    return float(roc_auc_score(labels.cpu().numpy(), logits.double().cpu().numpy()))


def logloss(logits: Float[torch.Tensor, " R"], labels: Float[torch.Tensor, " R"]) -> float:
    """Mean binary cross-entropy in nats."""
    return float(F.binary_cross_entropy_with_logits(logits.double(), labels.double()))
