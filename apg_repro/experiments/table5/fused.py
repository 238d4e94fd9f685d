"""v4 and v5 with the fused kernels of ``nn.fused``, in place of the layers of a model that is built already.

Where there are no such kernels, in this checkout or for this device, there is nothing to measure.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from apg_repro.nn.apg import ApgV4, ApgV5, single_layer
from apg_repro.nn.dense import DeepPart

KERNELS = "apg_repro.nn.fused"


class FusedLayer(nn.Module):
    """A v4 or v5 layer whose product U (S_i (V x)) + b is made by ``nn.fused.apg_product``; weights are the layer's."""

    def __init__(self, layer: ApgV4 | ApgV5) -> None:
        super().__init__()
        self.layer = layer
        self.product: Any = import_module(KERNELS).apg_product

    def forward(self, x: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
        """(B, I), and (B, D) if the layer takes a condition → (B, O)."""
        return self.product(*self.operands(x, z))

    def operands(self, x: torch.Tensor, z: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """What ``apg_product`` takes, in its order."""
        layer, linear = self.layer, single_layer(self.layer.generator)
        if linear is None:
            raise ValueError("only a G of one linear layer is fused")
        if isinstance(layer, ApgV5):
            u, v = layer.u_left @ layer.u_right, layer.v_left @ layer.v_right
        else:
            u, v = layer.u, layer.v
        return x, layer.condition_of(x, z), v, linear.weight, linear.bias, u, layer.bias


def deep_part(model: nn.Module) -> DeepPart:
    """The hidden layers of a model."""
    deep = model.get_submodule("deep")
    assert isinstance(deep, DeepPart)
    return deep


def fuse(deep: DeepPart) -> None:
    """Replaces the layers of a deep part, in place."""
    deep.layers = nn.ModuleList(FusedLayer(layer) for layer in deep.layers if isinstance(layer, ApgV4 | ApgV5))


def can_fuse(deep: DeepPart, device: torch.device) -> bool:
    """Whether these layers, moved to the device, would run fused."""
    if find_spec(KERNELS) is None or not all(isinstance(layer, ApgV4 | ApgV5) for layer in deep.layers):
        return False
    layer = deep.layers[0]
    assert isinstance(layer, ApgV4 | ApgV5)
    with torch.no_grad():
        x = torch.zeros(1, layer.d_in)
        z = None if layer.d_condition is None else torch.zeros(1, layer.d_condition)
        operands = FusedLayer(layer).operands(x, z)
        return import_module(KERNELS).is_available(*(tensor.to(device) for tensor in operands))
