"""The backbones, by name. Each is one class, in the file of its name, with the same call: ids and numbers → logits."""

from apg_repro.models.autoint import AutoInt
from apg_repro.models.dcn import DCN
from apg_repro.models.deepfm import DeepFM
from apg_repro.models.difm import DIFM
from apg_repro.models.fibinet import FiBiNET
from apg_repro.models.mmoe import MMoE
from apg_repro.models.pnn import PNN
from apg_repro.models.star import Star
from apg_repro.models.wdl import WDL

BACKBONES = {
    "WDL": WDL,
    "PNN": PNN,
    "FiBiNET": FiBiNET,
    "DIFM": DIFM,
    "DeepFM": DeepFM,
    "DCN": DCN,
    "AutoInt": AutoInt,
}
DOMAIN_MODELS = {"MMoE": MMoE, "Star": Star}  # Table 6's baselines, with weights per domain
