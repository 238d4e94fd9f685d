"""The paper's layer: dense layers whose weights are generated for every instance (Sections 3.1 and 3.2).

Each class is one version (v5 has a second one, for large K) and is called as a static dense layer is, with (x, z): x
the layer's input, z the instance's condition. With ``d_condition=None`` the layer is *self-wise* (Section 3.1.1): its
condition is x.

Every layer adds a bias b that all instances share; the paper does not mention biases.

Initialisation (the paper is silent). ``static_bias``, the default: G starts Glorot-uniform, as most frameworks start
any layer, but for the bias of its last layer, which is the weight matrix, or the factors, that a static layer would
start with; S starts around the identity. So every version starts near a static layer, and its weights depend on z from
the first step. Factors start Glorot-uniform where one matrix stands alone (v1) and with variance 1 / inputs where
they multiply, which keeps the scale of x. ``static_start``: the same with weights of 0 in the last layer of G, so
that z makes no difference at first. ``glorot``: every matrix starts Glorot-uniform and every bias at 0; v2 and v3 then
multiply three small generated matrices and hardly leave that saddle. ``suites.starts`` sets the three side by side.

Damping, the safeguard (the paper is silent). Adam moves each weight by about the learning rate, however small
its gradient. An entry of W_i that G makes is a sum of D products, so one step moves it by up to D |z| times the
learning rate, and one of U = U^l U^r by up to P times; U_i S_i V_i multiplies three such entries, three layers
multiply again, and training can diverge: ``suites.stability`` counts where. Hence a weight that n terms are
summed over to make another weight learns at 1/sqrt(n) of the learning rate: sqrt as for a sum of independent
terms. n is D for the weights of G, P for the factors of v5, and 3 D K^2 for the weights of G in v2 and v3: an
entry of W_i is then a sum of K^2 products of which all three factors move (with D alone, single batches of
later epochs cost 1e3 to 1e12 nats). ``damped_parameters`` names these weights and their n for the trainer; the
equations are untouched. It is the same rule for all versions, empty for a static layer, and can be switched off
(``RunConfig.damping``) to see the divergence.

Shapes: B batch, I inputs (the paper's M), O outputs (N), D size of the condition, K rank, P width of the
over-parameterisation.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from math import sqrt

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import nn

from apg_repro.config import Init

Input = Float[torch.Tensor, "B I"]
Output = Float[torch.Tensor, "B O"]
Condition = Float[torch.Tensor, "B D"] | None
MakeGenerator = Callable[[int, int, int], nn.Module]  # called with (D, generated parameters, layers), as Generator is


class Generator(nn.Module):
    """G: an MLP from the condition to ``n_outputs`` generated parameters (Eq. 1); one layer by default.

    Layers before the last have ``d_hidden`` units and ReLU (the paper gives neither; 32 and ReLU here).
    """

    def __init__(self, d_condition: int, n_outputs: int, layers: int = 1, d_hidden: int = 32) -> None:
        super().__init__()
        sizes = [d_condition, *[d_hidden] * (layers - 1)]
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.last = nn.Linear(sizes[-1], n_outputs)

    def start(self, init: Init, start: Float[torch.Tensor, " n"]) -> None:
        """Initialises G so that it first generates ``start``, around it, or around 0: see the module's docstring."""
        for linear in [*self.hidden, self.last]:
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        if init == "static_start":
            nn.init.zeros_(self.last.weight)
        if init != "glorot":
            with torch.no_grad():
                self.last.bias.copy_(start)

    def terms(self) -> dict[nn.Parameter, int]:
        """The weights that make the generated parameters, and over how many terms each is summed to do so."""
        return {self.last.weight: self.last.in_features}  # pyright: ignore[reportReturnType]

    def forward(self, z: Float[torch.Tensor, "B D"]) -> Float[torch.Tensor, "B n"]:
        for linear in self.hidden:
            z = F.relu(linear(z))
        return self.last(z)


def check_sizes(init: str, **sizes: int | None) -> None:
    """Refuses what no layer can be made of."""
    from typing import get_args  # here: what only refuses stands in no digest

    if init not in get_args(Init):
        raise ValueError(f"init {init!r} is unknown; choose one of {', '.join(get_args(Init))}")
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise ValueError(f"{name} must be at least 1, not {size}")


def check_input(layer: nn.Module, inputs: tuple[object, ...], named: dict[str, object]) -> None:
    """Refuses an x that is not (B, I): one of three dimensions could broadcast to something else."""
    x: torch.Tensor = inputs[0] if inputs else named["x"]  # pyright: ignore[reportAssignmentType]
    if x.dim() != 2 or x.shape[1] != layer.d_in:
        raise ValueError(f"x must be (B, {layer.d_in}), not {tuple(x.shape)}: flatten leading dimensions first")


class ApgLayer(nn.Module, ABC):
    """What the five versions share: sizes, the generator, the bias, self-wise conditions.

    Args:
        d_in: I. d_out: O.
        n_generated: how many parameters G makes for an instance.
        d_condition: D, or None for a self-wise layer (then D = I).
        layers: layers of G.
        init: see the module's docstring.
        make_generator: makes G; another than ``Generator`` joins the outputs of several (see ``nn.mix``).

    Raises:
        ValueError: a size below 1, an unknown init; when called, an x that is not (B, I).
    """

    def __init__(
        self, d_in: int, d_out: int, n_generated: int, d_condition: int | None, layers: int, init: Init,
        make_generator: MakeGenerator,
    ) -> None:  # fmt: skip
        check_sizes(init, inputs=d_in, outputs=d_out, D=d_condition, generated=n_generated, layers=layers)
        super().__init__()
        self.register_forward_pre_hook(check_input, with_kwargs=True)
        self.d_in, self.d_out, self.d_condition, self.init = d_in, d_out, d_condition, init
        self.generator = make_generator(d_in if d_condition is None else d_condition, n_generated, layers)
        self.bias = nn.Parameter(torch.empty(d_out))

    def generated(self, x: Input, z: Condition) -> Float[torch.Tensor, "B n"]:
        """G(z); the condition of a self-wise layer is x."""
        if self.d_condition is None:
            return self.generator(x)
        if z is None:
            raise ValueError("this layer was built for a condition of size D, but called without one")
        return self.generator(z)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.bias)
        with torch.no_grad():
            self.generator.start(self.init, self.start())  # pyright: ignore[reportCallIssue]

    def damped_parameters(self) -> dict[nn.Parameter, int]:
        """The weights that make weights, and over how many terms n each is summed to do so."""
        return self.generator.terms()  # pyright: ignore[reportCallIssue]

    @abstractmethod
    def start(self) -> Float[torch.Tensor, " n"]:
        """The generated parameters, flat, of a static layer at its start; initialises the shared ones too."""

    @abstractmethod
    def forward(self, x: Input, z: Condition = None) -> Output: ...


class ApgV1(ApgLayer):
    """y = W_i x + b,  W_i = reshape(G(z_i))    (Eq. 1 and 2: the basic model)."""

    def __init__(
        self, d_in: int, d_out: int, *, d_condition: int | None = None, layers: int = 1, init: Init = "static_bias",
        make_generator: MakeGenerator = Generator,
    ) -> None:  # fmt: skip
        super().__init__(d_in, d_out, d_out * d_in, d_condition, layers, init, make_generator)
        self.reset_parameters()

    def start(self) -> Float[torch.Tensor, " n"]:
        return nn.init.xavier_uniform_(torch.empty(self.d_out, self.d_in)).flatten()

    def forward(self, x: Input, z: Condition = None) -> Output:
        w = self.generated(x, z).view(-1, self.d_out, self.d_in)  # (B, O, I)
        return torch.einsum("boi,bi->bo", w, x) + self.bias


class ApgV2(ApgLayer):
    """y = (U_i S_i V_i) x + b,  U_i, S_i, V_i = reshape(G(z_i)), the product formed first    (Eq. 3)."""

    def __init__(
        self, d_in: int, d_out: int, *, rank: int, d_condition: int | None = None, layers: int = 1,
        init: Init = "static_bias", make_generator: MakeGenerator = Generator,
    ) -> None:  # fmt: skip
        check_sizes(init, rank=rank)
        super().__init__(
            d_in, d_out, d_out * rank + rank * rank + rank * d_in, d_condition, layers, init, make_generator
        )
        self.rank = rank
        self.reset_parameters()

    def start(self) -> Float[torch.Tensor, " n"]:
        u = nn.init.normal_(torch.empty(self.d_out, self.rank), std=sqrt(1 / self.rank))
        v = nn.init.normal_(torch.empty(self.rank, self.d_in), std=sqrt(1 / self.d_in))
        return torch.cat([u.flatten(), torch.eye(self.rank).flatten(), v.flatten()])

    def damped_parameters(self) -> dict[nn.Parameter, int]:
        return {weight: 3 * n * self.rank**2 for weight, n in super().damped_parameters().items()}

    def factors(
        self, x: Input, z: Condition
    ) -> tuple[Float[torch.Tensor, "B O K"], Float[torch.Tensor, "B K K"], Float[torch.Tensor, "B K I"]]:
        """U_i, S_i and V_i."""
        o, k, i = self.d_out, self.rank, self.d_in
        u, s, v = self.generated(x, z).split([o * k, k * k, k * i], dim=1)
        return u.reshape(-1, o, k), s.reshape(-1, k, k), v.reshape(-1, k, i)

    def forward(self, x: Input, z: Condition = None) -> Output:
        u, s, v = self.factors(x, z)
        w = u @ s @ v  # (B, O, I)
        return torch.einsum("boi,bi->bo", w, x) + self.bias


class ApgV3(ApgV2):
    """y = U_i (S_i (V_i x)) + b: v2's function, the product never formed    (Eq. 4, decomposed feed-forwarding).

    With one linear layer as G, U_i and V_i need not be formed either. They are sums over the entries of (z_i, 1),
    U_i = Σ_d z_id U^(d), so U_i h = Σ_d U^(d) (z_id h): one product with a matrix that all instances share, of as many
    operations as forming U_i takes, and without B K (I + O) numbers to write and read.
    """

    def forward(self, x: Input, z: Condition = None) -> Output:
        if not isinstance(self.generator, Generator) or self.generator.hidden:
            u, s, v = self.factors(x, z)
            h = torch.einsum("bki,bi->bk", v, x)
            return torch.einsum("bok,bk->bo", u, apply_per_instance(s, h)) + self.bias
        condition = x if self.d_condition is None else z
        if condition is None:
            raise ValueError("this layer was built for a condition of size D, but called without one")
        o, k, i = self.d_out, self.rank, self.d_in
        one = F.pad(condition, (0, 1), value=1.0)  # (B, D+1)
        made = torch.cat([self.generator.last.weight, self.generator.last.bias.unsqueeze(1)], dim=1)  # (n, D+1)
        u, s, v = made.split([o * k, k * k, k * i])
        h = F.linear(x, v.view(k, i, -1).transpose(1, 2).flatten(0, 1)).view(len(x), k, -1)  # (B, K, D+1)
        s = F.linear(condition, s[:, :-1], s[:, -1]).view(-1, k, k)  # (B, K, K)
        h = apply_per_instance(s, (h * one.unsqueeze(1)).sum(2))  # (B, K)
        return F.linear((h.unsqueeze(2) * one.unsqueeze(1)).flatten(1), u.view(o, -1), self.bias)


class ApgV4(ApgLayer):
    """y = U (S_i (V x)) + b,  S_i = reshape(G(z_i)); U and V are shared by all instances    (Eq. 5 and 6)."""

    def __init__(
        self, d_in: int, d_out: int, *, rank: int, d_condition: int | None = None, layers: int = 1,
        init: Init = "static_bias", make_generator: MakeGenerator = Generator,
    ) -> None:  # fmt: skip
        check_sizes(init, rank=rank)
        super().__init__(d_in, d_out, rank * rank, d_condition, layers, init, make_generator)
        self.rank = rank
        self.u = nn.Parameter(torch.empty(d_out, rank))
        self.v = nn.Parameter(torch.empty(rank, d_in))
        self.reset_parameters()

    def start(self) -> Float[torch.Tensor, " n"]:
        for factor in (self.u, self.v):
            start_factor(factor, self.init)  # pyright: ignore[reportArgumentType]
        return torch.eye(self.rank).flatten()

    def forward(self, x: Input, z: Condition = None) -> Output:
        s = self.generated(x, z).view(-1, self.rank, self.rank)  # (B, K, K)
        return F.linear(apply_per_instance(s, F.linear(x, self.v)), self.u, self.bias)


class ApgV5(ApgLayer):
    """y = U (S_i (V x)) + b with U = U^l U^r and V = V^l V^r    (Eq. 7, over-parameterisation).

    The products do not depend on the instance, so they are formed once a batch; ``fold`` forms them for good.
    """

    def __init__(
        self, d_in: int, d_out: int, *, rank: int, over: int, d_condition: int | None = None, layers: int = 1,
        init: Init = "static_bias", make_generator: MakeGenerator = Generator,
    ) -> None:  # fmt: skip
        check_sizes(init, rank=rank, over=over)
        super().__init__(d_in, d_out, rank * rank, d_condition, layers, init, make_generator)
        self.rank, self.over, self.layers = rank, over, layers
        self.u_left = nn.Parameter(torch.empty(d_out, over))
        self.u_right = nn.Parameter(torch.empty(over, rank))
        self.v_left = nn.Parameter(torch.empty(rank, over))
        self.v_right = nn.Parameter(torch.empty(over, d_in))
        self.reset_parameters()

    def start(self) -> Float[torch.Tensor, " n"]:
        for factor in (self.u_left, self.u_right, self.v_left, self.v_right):
            start_factor(factor, self.init)  # pyright: ignore[reportArgumentType]
        return torch.eye(self.rank).flatten()

    def damped_parameters(self) -> dict[nn.Parameter, int]:
        factors = (self.u_left, self.u_right, self.v_left, self.v_right)
        return super().damped_parameters() | dict.fromkeys(factors, self.over)

    def forward(self, x: Input, z: Condition = None) -> Output:
        s = self.generated(x, z).view(-1, self.rank, self.rank)  # (B, K, K)
        h = F.linear(x, self.v_left @ self.v_right)
        return F.linear(apply_per_instance(s, h), self.u_left @ self.u_right, self.bias)

    @torch.no_grad()
    def fold(self) -> ApgV4:
        """The v4 layer that computes the same function, U and V multiplied out ("no additional inference cost")."""
        from copy import deepcopy

        folded = ApgV4(
            self.d_in,
            self.d_out,
            rank=self.rank,
            d_condition=self.d_condition,
            layers=self.layers,
            init=self.init,  # pyright: ignore[reportArgumentType]
        ).to(self.bias)
        folded.u.copy_(self.u_left @ self.u_right)
        folded.v.copy_(self.v_left @ self.v_right)
        folded.bias.copy_(self.bias)
        folded.generator = deepcopy(self.generator)
        return folded


class ApgV5LargeRank(ApgV5):
    """v5's function where K is larger than O: U S_i, of O K entries, is generated in the place of S_i, of K^2.

    With one linear layer as G, whose weights are W, U S_i is as linear in z_i as S_i is; U W generates it. That takes
    fewer products where O (B + K) < B K.
    """

    def forward(self, x: Input, z: Condition = None) -> Output:
        condition, o, k = x if self.d_condition is None else z, self.d_out, self.rank
        one_layer = isinstance(self.generator, Generator) and not self.generator.hidden
        if condition is None or not one_layer or o * (len(x) + k) >= len(x) * k:
            return super().forward(x, z)
        u, g = self.u_left @ self.u_right, self.generator.last
        weight, bias = (
            (u @ g.weight.view(k, -1)).view(-1, g.in_features),  # pyright: ignore
            (u @ g.bias.view(k, k)).flatten(),  # pyright: ignore
        )
        us = F.linear(condition, weight, bias).view(-1, o, k)  # (B, O, K)
        return torch.einsum("bok,bk->bo", us, F.linear(x, self.v_left @ self.v_right)) + self.bias


def apply_per_instance(s: Float[torch.Tensor, "B K K"], h: Float[torch.Tensor, "B K"]) -> Float[torch.Tensor, "B K"]:
    """S_i h_i for every instance. A broadcast product: a batched matrix product of such tiny matrices is slower."""
    return (s * h.unsqueeze(1)).sum(2)


def start_factor(factor: Float[torch.Tensor, "o i"], init: Init) -> None:
    """Variance 1 / inputs, which keeps the scale of what is multiplied, or Glorot-uniform."""
    if init == "glorot":
        nn.init.xavier_uniform_(factor)
    else:
        nn.init.normal_(factor, std=sqrt(1 / factor.shape[1]))


def fold(model: nn.Module) -> nn.Module:
    """Replaces, in place, every v5 layer of a model by its folded v4; returns the model, or what replaces it."""
    if isinstance(model, ApgV5):
        return model.fold()
    folded: dict[nn.Module, nn.Module] = {}  # a layer that stands in two places is one layer afterwards as well
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if isinstance(child, ApgV5):
                if child not in folded:
                    folded[child] = child.fold()
                setattr(parent, name, folded[child])
    return model
