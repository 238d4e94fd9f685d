"""Our backbones against DeepCTR-Torch's, with the same weights: logits and gradients, in double precision.

    python benchmarks/peers.py benchmarks/crosscheck.py

Our weights are computed from theirs, differentiably. So both models are functions of one set of weights, and their
logits and their gradients with respect to every one of these must agree. Where the two differ by design, configuration
or weights are such that the difference vanishes and the rest is compared; the functions that translate weights say how.

Shapes: J embedded features, E embedding size, Q pairs i < j, H units of the first hidden layer.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import theirs
import torch
from torch import nn
from torch.func import functional_call

from apg_repro.data.dataset import Dataset
from apg_repro.data.schema import Schema
from apg_repro.models import DCN, DIFM, PNN, WDL, AutoInt, DeepFM, FiBiNET
from apg_repro.nn.conditions import SelfWise
from apg_repro.nn.dense import StaticDense

SCHEMA = Schema(
    fields={"user": 23, "item": 17, "shop": 7, "city": 5, "day": 3}, inputs=("user", "item", "shop", "city", "day"),
    numbers=("price", "age", "red", "green", "blue"), bags={"colours": ("red", "green", "blue")},
)  # fmt: skip
EMBEDDED = [*SCHEMA.inputs, "colours"]
J, E, HIDDEN, ROWS = len(EMBEDDED), 12, (10, 7), 64
N_CROSS, N_LAYERS, N_HEADS = 6, 3, 2
TOLERANCE = 1e-10
LEFT, RIGHT = torch.triu_indices(J, J, offset=1)  # the pairs, in both models' order

Weights = dict[str, torch.Tensor]


def same(t: Weights) -> Weights:
    return t


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model of ours and of theirs.

    Attributes:
        ours: our model.
        theirs: makes theirs from its feature columns.
        translate: their weights → ours.
        restrict: their free weights → their weights.
    """

    ours: nn.Module
    theirs: Callable[[list], nn.Module]
    translate: Callable[[Weights], Weights]
    restrict: Callable[[Weights], Weights] = same


@dataclass(frozen=True, kw_only=True)
class Differences:
    """The largest differences, the largest values, and the names of the weights whose gradient is 0."""

    logits: float
    gradients: float
    largest_logit: float
    largest_gradient: float
    idle: list[str]


def main() -> int:
    torch.set_num_threads(1)
    data = random_rows(np.random.default_rng(0))
    print("| model | logits differ by | of up to | gradients differ by | of up to | weights without a gradient |")
    print("|---|---|---|---|---|---|")
    worst = 0.0
    for name, case in CASES.items():
        c = compare(case, data)
        worst = max(worst, c.logits, c.gradients)
        print(
            f"| {name} | {c.logits:.0e} | {c.largest_logit:.2g} | {c.gradients:.0e} | {c.largest_gradient:.2g} "
            f"| {', '.join(c.idle) or 'none'} |"
        )
    print(f"\n{'Agreement' if worst < TOLERANCE else 'NO AGREEMENT'}: the largest difference is {worst:.0e}.")
    return int(not worst < TOLERANCE)


def compare(case: Case, data: Dataset) -> Differences:
    """Both models on the same rows with the same random weights."""
    random = torch.Generator().manual_seed(0)
    peer = case.theirs(theirs.columns(SCHEMA, E)).double()
    free = {
        name: (0.3 * torch.randn(weight.shape, generator=random, dtype=torch.double)).requires_grad_()
        for name, weight in peer.named_parameters()
    }
    arrays = theirs.arrays(data)
    x = torch.cat([torch.as_tensor(arrays[name]).double().view(ROWS, -1) for name in peer.feature_index], dim=1)
    their_logits = functional_call(peer, case.restrict(free), (x,), strict=True).squeeze(1)
    our_weights = dict(case.ours.named_buffers()) | case.translate(case.restrict(free))
    our_logits = functional_call(case.ours, our_weights, (data.fields, data.numbers.double()), strict=True)
    rows = torch.randn(ROWS, generator=random, dtype=torch.double)  # so that no two rows' gradients cancel
    their_gradients, our_gradients = (
        torch.autograd.grad(logits @ rows, list(free.values()), allow_unused=True, materialize_grads=True)
        for logits in (their_logits, our_logits)
    )
    return Differences(
        logits=largest(their_logits - our_logits),
        gradients=max(largest(a - b) for a, b in zip(their_gradients, our_gradients, strict=True)),
        largest_logit=largest(their_logits),
        largest_gradient=max(map(largest, their_gradients)),
        idle=[name for name, gradient in zip(free, their_gradients, strict=True) if not gradient.any()],
    )


def largest(values: torch.Tensor) -> float:
    return float(values.detach().abs().max())


def random_rows(random: np.random.Generator) -> Dataset:
    fields = [random.integers(size, size=ROWS) for size in SCHEMA.fields.values()]
    numbers = [random.normal(size=(ROWS, 2)), random.integers(2, size=(ROWS, 3))]
    return Dataset(
        name="random", schema=SCHEMA, checksum="", labels=torch.zeros(ROWS),
        fields=torch.tensor(np.stack(fields, axis=1), dtype=torch.int32),
        numbers=torch.tensor(np.concatenate(numbers, axis=1), dtype=torch.float32),
    )  # fmt: skip


# Our weights, from theirs.


def shared(t: Weights, hidden: str = "dnn") -> Weights:
    """What all models have: embeddings and hidden layers. Row 0 of their bags is padding."""
    layers = {
        f"deep.layers.{i}.{part}": t[f"{hidden}.linears.{i}.{part}"]
        for i in range(len(HIDDEN))
        for part in ("weight", "bias")
    }
    return layers | tables(t, "embedding_dict", "features")


def tables(t: Weights, peer: str, ours: str) -> Weights:
    """Their tables, one per field, as our single table and one per bag."""
    return {
        f"{ours}.embedding.weight": torch.cat([t[f"{peer}.{name}.weight"] for name in SCHEMA.fields]),
        f"{ours}.bags.0.weight": t[f"{peer}.colours.weight"][1:],
    }


def output(t: Weights) -> Weights:
    """The last unit, with their one bias."""
    return {"output.weight": t["dnn_linear.weight"], "output.bias": t["out.bias"]}


def wide(t: Weights) -> Weights:
    """The linear part. Our second bias is 0."""
    linear = tables(t, "linear_model.embedding_dict", "linear")
    numbers = torch.cat([t["linear_model.weight"], linear["linear.bags.0.weight"]]).squeeze(1)
    return {
        "wide.ids.weight": linear["linear.embedding.weight"],
        "wide.numbers": numbers,
        "wide.bias": numbers.new_zeros(()),
    }


def wide_and_deep(t: Weights) -> Weights:
    return shared(t) | output(t) | wide(t)


def inner_pnn(t: Weights) -> Weights:
    """Our products i = i get the weight 0."""
    embedded, products, plain = first_layer(t)
    rows, columns = torch.triu_indices(J, J)
    ours = products.new_zeros(len(products), len(rows))
    ours[:, rows < columns] = products
    return shared(t) | output(t) | {"deep.layers.0.weight": torch.cat([embedded, plain, ours], dim=1)}


def outer_pnn(t: Weights) -> Weights:
    """A unit's weights for our s s^T: its weight of every pair times that pair's kernel, in the pair's own block."""
    embedded, products, plain = first_layer(t)
    blocks = SUPPORT[LEFT].unsqueeze(2) * SUPPORT[RIGHT].unsqueeze(1)  # (Q, E, E)
    kernels = t["outterproduct.kernel"].permute(1, 2, 0)  # (Q, E, E)
    ours = torch.einsum("hq,qef->hef", products, kernels * blocks).flatten(1)  # (H, E E)
    return shared(t) | output(t) | {"deep.layers.0.weight": torch.cat([embedded, plain, ours], dim=1)}


def first_layer(t: Weights) -> tuple[torch.Tensor, ...]:
    """Their first layer's weights for embeddings, products and plain numbers."""
    return t["dnn.linears.0.weight"].split([J * E, len(LEFT), 2], dim=1)


SUPPORT = (torch.arange(E) // (E // J) == torch.arange(J).unsqueeze(1)).double()  # (J, E)


def disjoint(t: Weights) -> Weights:
    """The embeddings of each field in coordinates of its own, so that s s^T has e_i e_j^T in a block of its own."""
    masked = {f"embedding_dict.{name}.weight": SUPPORT[i] for i, name in enumerate(EMBEDDED)}
    return {name: weight * masked[name] if name in masked else weight for name, weight in t.items()}


def fibinet(kind: str, t: Weights) -> Weights:
    """Their one set of bilinear matrices serves as both of ours; theirs are transposed."""
    n = {"all": 1, "each": J - 1, "interaction": len(LEFT)}[kind]
    names = ["Bilinear.bilinear.weight"] if kind == "all" else [f"Bilinear.bilinear.{i}.weight" for i in range(n)]
    matrices = torch.stack([t[name].T for name in names])
    of_senet, of_plain, plain = t["dnn.linears.0.weight"].split([len(LEFT) * E, len(LEFT) * E, 2], dim=1)
    return wide_and_deep(t) | {
        "senet.squeeze": t["SE.excitation.0.weight"],
        "senet.excite": t["SE.excitation.2.weight"],
        "plain_pairs.weight": matrices,
        "senet_pairs.weight": matrices,
        "deep.layers.0.weight": torch.cat([of_plain, of_senet, plain], dim=1),
    }


def difm(t: Weights) -> Weights:
    """Our biases of projections and factors are 0, and so are the bit-wise part's weights of plain numbers."""
    first = t["bit_wise_net.linears.0.weight"]
    return {
        **shared(t, hidden="bit_wise_net"),
        **tables(t, "linear_model.embedding_dict", "weights"),
        **attention(t, "vector_wise_net", "attention"),
        "deep.layers.0.weight": torch.cat([first, first.new_zeros(len(first), 2)], dim=1),
        "numbers": t["linear_model.weight"].squeeze(1),
        "bias": t["out.bias"].squeeze(0),
        "vector_factors.weight": t["transform_matrix_P_vec.weight"],
        "vector_factors.bias": first.new_zeros(J),
        "bit_factors.weight": t["transform_matrix_P_bit.weight"],
        "bit_factors.bias": first.new_zeros(J),
    }


def attention(t: Weights, peer: str, ours: str) -> Weights:
    """The projections of an interacting layer: theirs are transposed and have no bias."""
    names = {"query": "W_Query", "key": "W_key", "value": "W_Value", "residual": "W_Res"}
    weights = {f"{ours}.{name}.weight": t[f"{peer}.{theirs}"].T for name, theirs in names.items()}
    return weights | {f"{ours}.{name}.bias": torch.zeros(E, dtype=torch.double) for name in names}


def autoint(t: Weights) -> Weights:
    layers = [attention(t, f"int_layers.{i}", f"attention.{i}") for i in range(N_LAYERS)]
    return {name: weight for layer in layers for name, weight in layer.items()} | shared(t) | output(t)


def dcn(t: Weights) -> Weights:
    cross = {"weight": t["crossnet.kernels"], "bias": t["crossnet.bias"]}
    layers = {f"cross.{i}.{part}": cross[part][i].squeeze(1) for i in range(N_CROSS) for part in cross}
    return shared(t) | output(t) | layers


def ours(model: Callable[..., nn.Module], **options) -> nn.Module:
    return model(SCHEMA, E, HIDDEN, StaticDense, SelfWise(), **options)


def peer(model: Callable[..., nn.Module], linear: bool = True, **options) -> Callable[[list], nn.Module]:
    """Their model without a last sigmoid, and with or without a linear part."""
    options |= {"dnn_hidden_units": HIDDEN, "task": "regression"}
    return lambda columns: model(columns if linear else [], columns, **options)


def peer_pnn(**options) -> Callable[[list], nn.Module]:
    """Their PNN, the only model that never has a linear part."""
    return lambda columns: theirs.models.PNN(columns, dnn_hidden_units=HIDDEN, task="regression", **options)


models = theirs.models
CASES = {
    "WDL": Case(ours=ours(WDL), theirs=peer(models.WDL), translate=wide_and_deep),
    "PNN, inner": Case(ours=ours(PNN), theirs=peer_pnn(), translate=inner_pnn),
    "PNN, outer": Case(
        ours=ours(PNN, product="outer"),
        theirs=peer_pnn(use_inner=False, use_outter=True),
        translate=outer_pnn,
        restrict=disjoint,
    ),
    **{
        f"FiBiNET, {kind}": Case(
            ours=ours(FiBiNET, bilinear=kind),
            theirs=peer(models.FiBiNET, bilinear_type=kind),
            translate=partial(fibinet, kind),
        )
        for kind in ("all", "each", "interaction")
    },
    "DIFM": Case(ours=ours(DIFM), theirs=peer(models.DIFM), translate=difm),
    "DeepFM": Case(ours=ours(DeepFM), theirs=peer(models.DeepFM), translate=wide_and_deep),
    "DCN": Case(
        ours=ours(DCN, n_cross=N_CROSS), theirs=peer(models.DCN, linear=False, cross_num=N_CROSS), translate=dcn
    ),
    "AutoInt": Case(
        ours=ours(AutoInt, n_layers=N_LAYERS, n_heads=N_HEADS, d_head=E // N_HEADS),
        theirs=peer(models.AutoInt, linear=False, att_layer_num=N_LAYERS, att_head_num=N_HEADS),
        translate=autoint,
    ),
}

if __name__ == "__main__":
    sys.exit(main())
