"""The backbones, by name. Each is one file and one class with the same call: ids and numbers → logits."""

from apg_repro.models.wdl import WDL

BACKBONES = {"WDL": WDL}
