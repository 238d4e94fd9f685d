"""The backbones, by name. Each is one class, in the file of its name, with the same call: ids and numbers → logits."""

from importlib import import_module

from torch import nn

from apg_repro import backbones
from apg_repro.models.fm import FM
from apg_repro.models.lr import LR
from apg_repro.models.mmoe import MMoE
from apg_repro.models.star import Star

BACKBONES: dict[str, type[nn.Module]] = {
    name: getattr(import_module(f"apg_repro.models.{name.lower()}"), name) for name in backbones.BACKBONES
}
DOMAIN_MODELS = {"MMoE": MMoE, "Star": Star}  # Table 6's baselines, with weights per domain
FLOORS = {"LR": LR, "FM": FM}  # without hidden layers
