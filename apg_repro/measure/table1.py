"""Table 1: multiplications and weights of one layer, counted on the layers themselves.

Layers stand on torch's meta device, where shapes are worked out and nothing is computed: the counts are exact, and
cost nothing at any size.

Shapes: B batch, I inputs (the paper's M), O outputs (N), D size of the condition, K rank, P width of the
over-parameterisation.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from apg_repro.config import Measurement
from apg_repro.data import load_manifest
from apg_repro.nn.apg import ApgLayer, ApgV1, ApgV2, ApgV3, ApgV4, ApgV5
from apg_repro.nn.dense import StaticDense

SQUARE = (256, 1000)  # N = M: our widest hidden layer, and the paper's example of a web-scale one (Section 1)
HIDDEN = (256, 128, 64)  # the hidden layers of WDL (Appendix B.3)
D_CONDITION = 32  # a group-wise condition: one embedding
RANKS = (2, 4, 6, 8)  # K's grid (Appendix B.3)
RANK = 4  # the K of the efficiency tables (Section 4.4)
WIDTHS = (32, 512)  # the ends of P's grid


def measure(measurement: Measurement) -> dict[str, Any]:
    """A list of layers: those with N = M, and WDL's on this data set, group-wise and self-wise."""
    manifest = load_manifest(measurement.dataset)
    wdl = tuple(pairwise((d_input(manifest), *HIDDEN)))
    layers = [
        *(layer for n in SQUARE for layer in versions("square", "group", n, n, (RANK,))),
        *(
            layer
            for condition in ("group", "self")
            for m, n in wdl
            for layer in versions("WDL", condition, m, n, RANKS)
        ),
    ]
    return {"layers": [count(layer) for layer in layers], "data": manifest["source"]["sha256"][:12]}


def d_input(manifest: dict[str, Any]) -> int:
    """How many inputs the first hidden layer has: embedded fields and bags, and plain numbers."""
    view = manifest["features"]["default"]
    in_bags = sum(map(len, view["bags"].values()))
    return 32 * (len(view["inputs"]) + len(view["bags"])) + len(view["numbers"]) - in_bags


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer to count: what it is called, the letters of its formulas, and the module."""

    part: Literal["square", "WDL"]
    condition: Literal["group", "self"]
    version: str
    sizes: dict[str, int]
    module: nn.Module


def versions(
    part: Literal["square", "WDL"], condition: Literal["group", "self"], m: int, n: int, ranks: tuple[int, ...]
) -> list[Layer]:
    """Every version of a layer from m inputs to n outputs; v5 with ``RANK`` only, in training and folded.

    The condition has ``D_CONDITION`` numbers, or is the layer's input.
    """
    d = D_CONDITION if condition == "group" else m
    with torch.device("meta"):
        found: list[tuple[str, dict[str, int], nn.Module]] = [
            ("base", {}, StaticDense(m, n)),
            ("v1", {}, ApgV1(m, n, d_condition=d)),
        ]
        for k in ranks:
            for version, kind in (("v2", ApgV2), ("v3", ApgV3), ("v4", ApgV4)):
                found.append((version, {"K": k}, kind(m, n, rank=k, d_condition=d)))
        for p in WIDTHS:
            trained = ApgV5(m, n, rank=RANK, over=p, d_condition=d)
            found += [("v5", {"K": RANK, "P": p}, trained), ("v5 folded", {"K": RANK, "P": p}, trained.fold())]
    return [
        Layer(part=part, condition=condition, version=version, sizes={"N": n, "M": m, "D": d} | more, module=module)
        for version, more, module in found
    ]


def count(layer: Layer) -> dict[str, Any]:
    """What a layer costs.

    Returns:
        multiplications: of a forward pass, an instance.
        a_batch: those that do not depend on the size of the batch.
        training: multiplications of forward and backward pass together, an instance.
        parameters: weights and biases. biases: of the layer and of G.
        generated: numbers that are made for an instance: what G makes, and for v2 the product U S V; for v3, which
            does not form U and V, S and its K (D + 1) sums on either side.
    """
    (two, both_two), (four, both_four) = (multiplications(layer, batch) for batch in (2, 4))
    parameters = dict(layer.module.named_parameters())
    generated = 0
    if isinstance(layer.module, ApgLayer):
        generated += layer.module.generator.last.out_features  # pyright: ignore
    if layer.version == "v2":
        generated += layer.sizes["N"] * layer.sizes["M"]
    if layer.version == "v3":
        generated = layer.sizes["K"] ** 2 + 2 * layer.sizes["K"] * (layer.sizes["D"] + 1)
    return {
        "part": layer.part,
        "condition": layer.condition,
        "version": layer.version,
        **layer.sizes,
        "multiplications": (four - two) // 2,
        "a_batch": two - (four - two),
        "training": (both_four - both_two) // 2,
        "parameters": sum(parameter.numel() for parameter in parameters.values()),
        "biases": sum(parameter.numel() for name, parameter in parameters.items() if name.endswith("bias")),
        "generated": generated,
    }


def multiplications(layer: Layer, batch: int) -> tuple[int, int]:
    """Multiplications of a forward pass on a batch, and of forward and backward pass.

    Input and condition need gradients, as those of a hidden layer do. Products of matrices are counted by torch, which
    counts a multiplication and an addition as two; the broadcast product S_i h, which it does not see, by its entries.
    """
    x = torch.zeros(batch, layer.sizes["M"], device="meta", requires_grad=True)
    z = torch.zeros(batch, layer.sizes["D"], device="meta", requires_grad=True)
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.mul: entries}) as counter:
        y = layer.module(x, z)
        forward = counter.get_total_flops()
        y.sum().backward()
    return forward // 2, counter.get_total_flops() // 2


def entries(*shapes: Any, out_shape: torch.Size, **options: Any) -> int:
    """Two for each entry of a product of entries, as torch counts."""
    return 2 * out_shape.numel()
