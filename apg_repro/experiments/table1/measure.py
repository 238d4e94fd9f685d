"""Table 1: multiplications and weights of one layer, counted on the layers themselves.

Layers are on torch's meta device, where shapes are worked out and nothing is computed: the counts are exact, and cost
nothing at any size.

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
from apg_repro.data.dataset import load
from apg_repro.data.schema import Schema
from apg_repro.experiments.table1.plan import D_CONDITION, HIDDEN, RANK, RANKS, SQUARE, WIDTHS, folded
from apg_repro.nn.apg import PAPER_LAYERS, fold
from apg_repro.nn.dense import StaticDense
from apg_repro.nn.embedding import Features
from apg_repro.paper.complexity import evaluate
from apg_repro.suite import Options
from apg_repro.versions import PAPER_VERSIONS

Part = Literal["square", "WDL"]
Condition = Literal["group", "self"]


def measure(measurement: Measurement) -> dict[str, Any]:
    """A list of layers: those with N = M, and WDL's on this data set, group-wise and self-wise."""
    data = load(measurement.dataset)
    wdl = tuple(pairwise((n_inputs(data.schema), *HIDDEN)))
    layers = [
        *(layer for n in SQUARE for layer in versions("square", "group", n, n, (RANK,))),
        *(
            layer
            for condition in ("group", "self")
            for m, n in wdl
            for layer in versions("WDL", condition, m, n, RANKS)
        ),
    ]
    return {"layers": [count(layer) for layer in layers], "data": data.checksum}


def n_inputs(schema: Schema) -> int:
    """How many inputs the first hidden layer of WDL has."""
    with torch.device("meta"):
        return Features(schema, D_CONDITION).d_flat


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer to count.

    Attributes:
        sizes: the letters of its formulas.
        generated: how many numbers it makes for an instance.
    """

    part: Part
    condition: Condition
    version: str
    sizes: dict[str, int]
    generated: int
    module: nn.Module


def versions(part: Part, condition: Condition, m: int, n: int, ranks: tuple[int, ...]) -> list[Layer]:
    """Every version of a layer from m inputs to n outputs.

    The condition has ``D_CONDITION`` numbers, or is the layer's input. What has a P has ``RANK`` alone as K. What is
    served as another version is counted in training, and folded.
    """
    sizes = {"N": n, "M": m, "D": D_CONDITION if condition == "group" else m}
    choices: list[Options] = [{}, *({"rank": k} for k in ranks), *({"rank": RANK, "over": p} for p in WIDTHS)]
    found: list[Layer] = []

    def add(version: str, kind: str, options: Options, module: nn.Module) -> None:
        letters = {letter: options[name] for letter, name in (("K", "rank"), ("P", "over")) if name in options}
        own = sizes | letters
        found.append(
            Layer(part=part, condition=condition, version=version, sizes=own, module=module,
                  generated=evaluate(PAPER_VERSIONS[kind].generated, own))
        )  # fmt: skip

    with torch.device("meta"):
        for options in choices:
            for version, entry in PAPER_VERSIONS.items():
                if set(entry.options) != set(options):
                    continue
                add(version, version, options, make_layer(version, sizes, options))
                if entry.served_as:
                    served = fold(make_layer(version, sizes, options))
                    add(folded(version), entry.served_as, options, served)
    return found


def make_layer(version: str, sizes: dict[str, int], options: Options) -> nn.Module:
    """A layer of a version."""
    if version == "base":
        return StaticDense(sizes["M"], sizes["N"])
    return PAPER_LAYERS[version](sizes["M"], sizes["N"], d_condition=sizes["D"], **options)


def count(layer: Layer) -> dict[str, Any]:
    """What a layer costs.

    Returns:
        multiplications: of a forward pass, per instance.
        a_batch: those that do not depend on the size of the batch.
        training: multiplications of forward and backward pass together, per instance.
        parameters: weights and biases.
        biases: of the layer and of G.
        generated: numbers that are made for an instance.
    """
    (two, both_two), (four, both_four) = (multiplications(layer, batch) for batch in (2, 4))
    parameters = dict(layer.module.named_parameters())
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
        "generated": layer.generated,
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
