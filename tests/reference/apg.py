"""Equations 1 to 7 of the paper, and those of the layers beside it, for one instance: functions over explicit weights.

M inputs, N outputs, D size of the condition, K rank, P width of the over-parameterisation. G, ``g``, is a function,
such as ``generate`` with given layers. Whatever else an equation takes has the name that the layer has for it. A bias
is added to every output, which the paper does not mention.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Mlp = list[tuple[Tensor, Tensor]]
Generate = Callable[[Tensor], Tensor]


def generate(z: Tensor, layers: Mlp) -> Tensor:
    """MLP(z), Eq. 1: (weight, bias) pairs with ReLU between them."""
    for number, (weight, bias) in enumerate(layers):
        z = weight @ z + bias
        if number < len(layers) - 1:
            z = torch.clamp(z, min=0)
    return z


def matrix(values: Tensor, rows: int, columns: int) -> Tensor:
    """reshape, row by row."""
    return torch.stack([values[row * columns : (row + 1) * columns] for row in range(rows)])


def v1(x: Tensor, z: Tensor, g: Generate, bias: Tensor) -> Tensor:
    """y = W_i x, W_i = reshape(G(z_i)); Eq. 1 and 2."""
    w = matrix(g(z), len(bias), len(x))
    return w @ x + bias


def factors(x: Tensor, z: Tensor, g: Generate, n: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """U_i, S_i, V_i = reshape(G(z_i)); Eq. 3."""
    m = len(x)
    values = g(z)
    u, s, v = values[: n * k], values[n * k : n * k + k * k], values[n * k + k * k :]
    return matrix(u, n, k), matrix(s, k, k), matrix(v, k, m)


def v2(x: Tensor, z: Tensor, g: Generate, bias: Tensor, rank: int) -> Tensor:
    """y = (U_i S_i V_i) x; Eq. 3."""
    u, s, v = factors(x, z, g, len(bias), rank)
    return ((u @ s) @ v) @ x + bias


def v3(x: Tensor, z: Tensor, g: Generate, bias: Tensor, rank: int) -> Tensor:
    """y = U_i (S_i (V_i x)); Eq. 4."""
    u, s, v = factors(x, z, g, len(bias), rank)
    return u @ (s @ (v @ x)) + bias


def v4(x: Tensor, z: Tensor, g: Generate, bias: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """y = U (S_i (V x)), S_i = reshape(G(z_i)); Eq. 5 and 6."""
    k = u.shape[1]
    s = matrix(g(z), k, k)
    return u @ (s @ (v @ x)) + bias


def v5(
    x: Tensor, z: Tensor, g: Generate, bias: Tensor, u_left: Tensor, u_right: Tensor, v_left: Tensor, v_right: Tensor
) -> Tensor:
    """As v4 with U = U^l U^r and V = V^l V^r; Eq. 7."""
    return v4(x, z, g, bias, u_left @ u_right, v_left @ v_right)


def gate(x: Tensor, z: Tensor, g: Generate, bias: Tensor, weight: Tensor) -> Tensor:
    """y = (W x + b) ⊙ 2 / (1 + exp(−G(z_i))); Chang et al., 2023."""
    return (weight @ x + bias) * 2 / (1 + torch.exp(-g(z)))


def film(x: Tensor, z: Tensor, g: Generate, bias: Tensor, weight: Tensor) -> Tensor:
    """y = (1 + γ_i) ⊙ (W x + b) + β_i, (γ_i, β_i) = G(z_i); Perez et al., 2018."""
    values, n = g(z), len(bias)
    return weight @ x + bias + values[:n] * (weight @ x + bias) + values[n:]


def adapter(x: Tensor, z: Tensor, g: Generate, bias: Tensor, weight: Tensor, rank: int) -> Tensor:
    """y = (W + A_i B_i) x + b, (A_i, B_i) = reshape(G(z_i)); Hu et al., 2022."""
    values, n, m = g(z), len(bias), len(x)
    a, b = matrix(values[: n * rank], n, rank), matrix(values[n * rank :], rank, m)
    return (weight + a @ b) @ x + bias
