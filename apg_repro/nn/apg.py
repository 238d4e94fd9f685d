"""The paper's layer: dense layers whose weights are generated for every instance (Sections 3.1 and 3.2).

Each class is one version and is called as a static dense layer is, with (x, z): x the layer's input, z the instance's
condition. With ``d_condition=None`` the layer is *self-wise* (Section 3.1.1): its condition is x.

Every layer adds a bias b that all instances share; the paper does not mention biases.

Initialisation (the paper is silent). ``static_bias``, the default: G starts Glorot-uniform, as most frameworks start
any layer, but for the bias of its last layer, which is the weight matrix, or the factors, that a static layer would
start with; S starts around the identity. So every version starts near a static layer, and its weights depend on z from
the first step. Factors start Glorot-uniform where one matrix is alone (v1) and with variance 1 / inputs where they
multiply, which keeps the scale of x. ``static_start``: the same with weights of 0 in the last layer of G, so that z
makes no difference at first. ``glorot``: every matrix starts Glorot-uniform and every bias at 0; v2 and v3 then
multiply three small generated matrices and hardly leave that saddle.

Damping, the safeguard (the paper is silent). Adam moves each weight by about the learning rate, however small
its gradient. An entry of W_i that G makes is a sum of D products, so one step moves it by up to D |z| times the
learning rate, and one of U = U^l U^r by up to P times; U_i S_i V_i multiplies three such entries, three layers
multiply again, and training can diverge. Hence a weight that n terms are summed over to make another weight learns at
1/sqrt(n) of the learning rate: sqrt as for a sum of independent terms. n is D for the weights of G, P for the factors
of v5, and 3 D K^2 for the weights of G in v2 and v3: an entry of W_i is then a sum of K^2 products of which all three
factors move (with D alone, single batches of later epochs cost 1e3 to 1e12 nats). ``damped_parameters`` names these
weights and their n for the trainer; the equations are untouched. It is the same rule for all versions, empty for a
static layer, and can be switched off (``RunConfig.damping``) to see the divergence.

Shapes: B batch, I inputs (the paper's M), O outputs (N), D size of the condition, K rank, P width of the
over-parameterisation, n generated parameters.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from math import sqrt
from typing import Protocol, get_args, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import nn

from apg_repro.config import Init
from apg_repro.nn import fused
from apg_repro.nn.checks import is_traced, require_choice, require_sizes, require_width

Input = Float[torch.Tensor, "B I"]
Output = Float[torch.Tensor, "B O"]
Condition = Float[torch.Tensor, "B D"]


@runtime_checkable
class ParameterGenerator(Protocol):
    """What a layer asks of its G; ``Generator`` and ``nn.mix.OutputMix`` are such modules."""

    def start(self, init: Init, values: Float[torch.Tensor, " n"]) -> None:
        """Initialises G so that it first generates ``values``, around them, or around 0: see the module's docstring."""
        ...

    def terms(self) -> dict[torch.Tensor, int]:
        """The weights that make the generated parameters, and over how many terms each is summed to do so."""
        ...

    def __call__(self, z: Condition) -> Float[torch.Tensor, "B n"]: ...


MakeGenerator = Callable[[int, int, int], ParameterGenerator]  # called with (D, n, layers), as Generator is


class Generator(nn.Module):
    """G: an MLP from the condition to ``n_outputs`` generated parameters (Eq. 1); one layer by default.

    Layers before the last have ``d_hidden`` units and ReLU (the paper gives neither; 32 and ReLU here).
    """

    def __init__(self, d_condition: int, n_outputs: int, layers: int = 1, d_hidden: int = 32) -> None:
        super().__init__()
        sizes = [d_condition, *[d_hidden] * (layers - 1)]
        self.hidden = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(sizes))
        self.last = nn.Linear(sizes[-1], n_outputs)

    def start(self, init: Init, values: Float[torch.Tensor, " n"]) -> None:
        """See ``ParameterGenerator``."""
        for linear in [*self.hidden, self.last]:
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        if init == "static_start":
            nn.init.zeros_(self.last.weight)
        if init != "glorot":
            with torch.no_grad():
                self.last.bias.copy_(values)

    def terms(self) -> dict[torch.Tensor, int]:
        """See ``ParameterGenerator``."""
        return {self.last.weight: self.last.in_features}

    def forward(self, z: Condition) -> Float[torch.Tensor, "B n"]:
        for linear in self.hidden:
            z = F.relu(linear(z))
        return self.last(z)


class ApgLayer(nn.Module, ABC):
    """What all versions share: sizes, the generator, the bias, self-wise conditions, and what they refuse.

    Args:
        d_in: how many inputs, I.
        d_out: how many outputs, O.
        n_generated: how many parameters G makes for an instance; each version knows its own.
        d_condition: D, or None for a self-wise layer (then D = I).
        layers: layers of G.
        init: "static_bias", "static_start" or "glorot": see the module's docstring.
        make_generator: makes G from (D, n, layers); ``nn.mix.OutputMix`` joins the outputs of several.

    Attributes:
        generates_only_s: G generates S_i and nothing else, so that ``generated`` gives it.

    Raises:
        ValueError: a size is not a whole number of at least 1, or the init is unknown. When called: x is not (B, I); z
            is not (B, D) with the B of x; a self-wise layer gets a z, or another one gets none.
    """

    generates_only_s = False

    def __init__(
        self,
        d_in: int,
        d_out: int,
        n_generated: int,
        d_condition: int | None,
        layers: int,
        init: Init,
        make_generator: MakeGenerator,
    ) -> None:
        d_generator = d_in if d_condition is None else d_condition
        require_sizes(d_in=d_in, d_out=d_out, d_condition=d_generator, layers=layers)
        require_choice("init", init, get_args(Init))
        super().__init__()
        self.d_in, self.d_out, self.d_condition, self.layers = d_in, d_out, d_condition, layers
        self.init: Init = init
        self.generator = make_generator(d_generator, n_generated, layers)
        self.bias = nn.Parameter(torch.empty(d_out))

    def forward(self, x: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
        """y of every instance.

        Args:
            x: (B, I); B may be 0.
            z: (B, D), a row for each row of x; None for a self-wise layer.

        Returns:
            (B, O).
        """
        return self.transform(x, self.condition_of(x, z))

    def generated(self, x: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
        """G(z), the parameters generated for every instance, (B, n); called as the layer is."""
        return self.generator(self.condition_of(x, z))

    def condition_of(self, x: torch.Tensor, z: torch.Tensor | None) -> torch.Tensor:
        """The condition of a call, (B, D): z, or x in a self-wise layer.

        Refuses shapes that do not fit, as some of them would broadcast to wrong numbers without an error.
        """
        if not is_traced():
            require_width("x", x, self.d_in, "d_in")
        if self.d_condition is None:
            if z is not None:
                raise ValueError(
                    "a self-wise layer takes no z: to give it one, build it with d_condition, the size of z"
                )
            return x
        if z is None:
            raise ValueError("this layer needs a z: pass it, or build the layer without d_condition to be self-wise")
        if not is_traced():
            require_width("z", z, self.d_condition, "d_condition")
            if z.shape[0] != x.shape[0]:
                raise ValueError(
                    f"z has {z.shape[0]} rows, but x has {x.shape[0]}: pass one row of z per row of x; "
                    "z.expand(len(x), -1) shares a single z"
                )
        return z

    def reset_parameters(self) -> None:
        """Starts all weights again, as ``init`` says."""
        nn.init.zeros_(self.bias)
        with torch.no_grad():
            self.generator.start(self.init, self.start())

    def damped_parameters(self) -> dict[torch.Tensor, int]:
        """The weights that make weights, and over how many terms n each is summed to do so."""
        return self.generator.terms()

    @abstractmethod
    def start(self) -> Float[torch.Tensor, " n"]:
        """The generated parameters, flat, of a static layer at its start; initialises the shared ones too."""

    @abstractmethod
    def transform(self, x: Input, z: Condition) -> Output:
        """The version's equation."""

    def sizes(self) -> dict[str, int]:
        """The sizes that a version has of its own, by the paper's letters: what ``repr`` shows."""
        return {}

    def __repr__(self) -> str:
        sizes = self.sizes() | ({"layers": self.layers} if self.layers > 1 else {})
        condition = "self-wise" if self.d_condition is None else f"D={self.d_condition}"
        options = [f"{name}={size}" for name, size in sizes.items()]
        return f"{type(self).__name__}({', '.join([f'{self.d_in} → {self.d_out}', *options, condition])})"


class ApgV1(ApgLayer):
    """y = W_i x + b,  W_i = reshape(G(z_i))    (Eq. 1 and 2: the basic model).

    Args and errors: see ``ApgLayer``.
    """

    def __init__(
        self,
        d_in: int,
        d_out: int,
        *,
        d_condition: int | None = None,
        layers: int = 1,
        init: Init = "static_bias",
        make_generator: MakeGenerator = Generator,
    ) -> None:
        super().__init__(d_in, d_out, d_out * d_in, d_condition, layers, init, make_generator)
        self.reset_parameters()

    def start(self) -> Float[torch.Tensor, " n"]:
        return nn.init.xavier_uniform_(torch.empty(self.d_out, self.d_in)).flatten()

    def transform(self, x: Input, z: Condition) -> Output:
        w = self.generator(z).unflatten(1, (self.d_out, self.d_in))  # (B, O, I)
        return add_bias(torch.einsum("boi,bi->bo", w, x), self.bias)


class ApgV2(ApgLayer):
    """y = (U_i S_i V_i) x + b,  U_i, S_i, V_i = reshape(G(z_i)), the product formed first    (Eq. 3).

    Args:
        rank: K, the size of S_i.

    Other args and errors: see ``ApgLayer``.
    """

    def __init__(
        self,
        d_in: int,
        d_out: int,
        *,
        rank: int,
        d_condition: int | None = None,
        layers: int = 1,
        init: Init = "static_bias",
        make_generator: MakeGenerator = Generator,
    ) -> None:
        require_sizes(rank=rank)
        n_generated = d_out * rank + rank * rank + rank * d_in
        super().__init__(d_in, d_out, n_generated, d_condition, layers, init, make_generator)
        self.rank = rank
        self.reset_parameters()

    def start(self) -> Float[torch.Tensor, " n"]:
        u = nn.init.normal_(torch.empty(self.d_out, self.rank), std=sqrt(1 / self.rank))
        v = nn.init.normal_(torch.empty(self.rank, self.d_in), std=sqrt(1 / self.d_in))
        return torch.cat([u.flatten(), torch.eye(self.rank).flatten(), v.flatten()])

    def damped_parameters(self) -> dict[torch.Tensor, int]:
        return {weight: 3 * n * self.rank**2 for weight, n in super().damped_parameters().items()}

    def factors(
        self, z: Condition
    ) -> tuple[Float[torch.Tensor, "B O K"], Float[torch.Tensor, "B K K"], Float[torch.Tensor, "B K I"]]:
        """U_i, S_i and V_i."""
        o, k, i = self.d_out, self.rank, self.d_in
        u, s, v = self.generator(z).split([o * k, k * k, k * i], dim=1)
        return u.unflatten(1, (o, k)), s.unflatten(1, (k, k)), v.unflatten(1, (k, i))

    def transform(self, x: Input, z: Condition) -> Output:
        u, s, v = self.factors(z)
        w = u @ s @ v  # (B, O, I)
        return add_bias(torch.einsum("boi,bi->bo", w, x), self.bias)

    def sizes(self) -> dict[str, int]:
        return {"K": self.rank}


class ApgV3(ApgV2):
    """y = U_i (S_i (V_i x)) + b: v2's function, the product never formed    (Eq. 4, decomposed feed-forwarding).

    With one linear layer as G, U_i and V_i need not be formed either. They are sums over the entries of (z_i, 1),
    U_i = Σ_d z_id U^(d), so U_i h = Σ_d U^(d) (z_id h): one product with a matrix that all instances share, of as many
    operations as forming U_i takes, and without B K (I + O) numbers to write and read.

    Args and errors: see ``ApgV2``.
    """

    def transform(self, x: Input, z: Condition) -> Output:
        linear = single_layer(self.generator)
        if linear is None:
            u, s, v = self.factors(z)
            h = torch.einsum("bki,bi->bk", v, x)
            return add_bias(torch.einsum("bok,bk->bo", u, apply_per_instance(s, h)), self.bias)
        o, k, i = self.d_out, self.rank, self.d_in
        one = F.pad(z, (0, 1), value=1.0)  # (B, D+1)
        made = torch.cat([linear.weight, linear.bias.unsqueeze(1)], dim=1)  # (n, D+1)
        u, s, v = made.split([o * k, k * k, k * i])
        h = F.linear(x, v.view(k, i, -1).transpose(1, 2).flatten(0, 1)).unflatten(1, (k, -1))  # (B, K, D+1)
        s = F.linear(z, s[:, :-1], s[:, -1]).unflatten(1, (k, k))  # (B, K, K)
        h = apply_per_instance(s, (h * one.unsqueeze(1)).sum(2))  # (B, K)
        return F.linear((h.unsqueeze(2) * one.unsqueeze(1)).flatten(1), u.view(o, -1), self.bias)


class ApgV4(ApgLayer):
    """y = U (S_i (V x)) + b,  S_i = reshape(G(z_i)); U and V are shared by all instances    (Eq. 5 and 6).

    Args:
        rank: K, the size of S_i.

    Other args and errors: see ``ApgLayer``.
    """

    generates_only_s = True

    def __init__(
        self,
        d_in: int,
        d_out: int,
        *,
        rank: int,
        d_condition: int | None = None,
        layers: int = 1,
        init: Init = "static_bias",
        make_generator: MakeGenerator = Generator,
    ) -> None:
        require_sizes(rank=rank)
        super().__init__(d_in, d_out, rank * rank, d_condition, layers, init, make_generator)
        self.rank = rank
        self.u = nn.Parameter(torch.empty(d_out, rank))
        self.v = nn.Parameter(torch.empty(rank, d_in))
        self.reset_parameters()

    def start(self) -> Float[torch.Tensor, " n"]:
        for factor in (self.u, self.v):
            start_factor(factor, self.init)
        return torch.eye(self.rank).flatten()

    def transform(self, x: Input, z: Condition) -> Output:
        return feed_shared_factors(x, z, self.generator, self.u, self.v, self.bias)

    def sizes(self) -> dict[str, int]:
        return {"K": self.rank}


class ApgV5(ApgLayer):
    """y = U (S_i (V x)) + b with U = U^l U^r and V = V^l V^r    (Eq. 7, over-parameterisation).

    The products do not depend on the instance, so they are formed once per batch; ``fold`` forms them for good.

    Args:
        rank: K, the size of S_i.
        over: P, at least K.
        allow_narrow: accept a P below K, which lowers the rank of U and V (the paper tries it in Appendix E.1).

    Other args and errors: see ``ApgLayer``.

    Raises:
        ValueError: P is below K without ``allow_narrow``.
    """

    generates_only_s = True

    def __init__(
        self,
        d_in: int,
        d_out: int,
        *,
        rank: int,
        over: int,
        allow_narrow: bool = False,
        d_condition: int | None = None,
        layers: int = 1,
        init: Init = "static_bias",
        make_generator: MakeGenerator = Generator,
    ) -> None:
        require_sizes(rank=rank, over=over)
        if over < rank and not allow_narrow:
            raise ValueError(
                f"over (P = {over}) is below rank (K = {rank}), which lowers the rank of U and V: "
                "choose an over of at least rank, or pass allow_narrow=True"
            )
        super().__init__(d_in, d_out, rank * rank, d_condition, layers, init, make_generator)
        self.rank, self.over = rank, over
        self.u_left = nn.Parameter(torch.empty(d_out, over))
        self.u_right = nn.Parameter(torch.empty(over, rank))
        self.v_left = nn.Parameter(torch.empty(rank, over))
        self.v_right = nn.Parameter(torch.empty(over, d_in))
        self.reset_parameters()

    def start(self) -> Float[torch.Tensor, " n"]:
        for factor in (self.u_left, self.u_right, self.v_left, self.v_right):
            start_factor(factor, self.init)
        return torch.eye(self.rank).flatten()

    def damped_parameters(self) -> dict[torch.Tensor, int]:
        factors = (self.u_left, self.u_right, self.v_left, self.v_right)
        return super().damped_parameters() | dict.fromkeys(factors, self.over)

    def transform(self, x: Input, z: Condition) -> Output:
        u, v = self.u_left @ self.u_right, self.v_left @ self.v_right
        return feed_shared_factors(x, z, self.generator, u, v, self.bias)

    @torch.no_grad()
    def fold(self) -> ApgV4:
        """The v4 layer that computes the same function, U and V multiplied out ("no additional inference cost").

        Raises:
            ValueError: a subclass or a hook computes another function, which folding does not know.
        """
        if type(self).transform is not ApgV5.transform:
            raise ValueError(f"{type(self).__name__} overrides transform, so it cannot be folded: override fold too")
        if has_hooks(self):
            raise ValueError(f"{type(self).__name__} has forward hooks, which folding would lose: remove them first")
        with torch.device("meta"):  # every weight is replaced below, so none is drawn
            folded = ApgV4(
                self.d_in, self.d_out, rank=self.rank, d_condition=self.d_condition, layers=self.layers, init=self.init
            )
        folded.u = nn.Parameter(self.u_left @ self.u_right, requires_grad=self.u_left.requires_grad)
        folded.v = nn.Parameter(self.v_left @ self.v_right, requires_grad=self.v_left.requires_grad)
        folded.bias, folded.generator = deepcopy(self.bias), deepcopy(self.generator)
        return folded.train(self.training)

    def n_saved_by_folding(self) -> int:
        """How many parameters fewer the folded layer has."""
        factors = (self.u_left, self.u_right, self.v_left, self.v_right)
        return sum(factor.numel() for factor in factors) - self.rank * (self.d_out + self.d_in)

    def sizes(self) -> dict[str, int]:
        return {"K": self.rank, "P": self.over}


# By version, as in ``versions.PAPER_VERSIONS``; ``nn/comparators.py`` has those of all versions.
PAPER_LAYERS = {"v1": ApgV1, "v2": ApgV2, "v3": ApgV3, "v4": ApgV4, "v5": ApgV5}


def feed_shared_factors(
    x: Input,
    z: Condition,
    generator: ParameterGenerator,
    u: Float[torch.Tensor, "O K"],
    v: Float[torch.Tensor, "K I"],
    bias: Float[torch.Tensor, " O"],
) -> Output:
    """U (S_i (V x)) + b for every instance, S_i generated from z.

    Where K is larger than O, U S_i has fewer entries than S_i. If G is one linear layer with weights W, U S_i is as
    linear in z_i as S_i is, and U W generates it; with U W formed once, that takes fewer products where
    O (B + K) < B K. On a GPU with Triton the whole is a few kernels: see ``nn.fused``.
    """
    (o, k), linear = u.shape, single_layer(generator)
    if linear is not None and not (torch.compiler.is_compiling() or is_traced()):
        operands = (x, z, v, linear.weight, linear.bias, u, bias)
        if fused.is_used(*operands):
            return fused.apg_product(*operands)
    # An exported or traced program serves batches of any size, so it must not depend on the size of this one.
    if linear is not None and not (torch.compiler.is_exporting() or is_traced()):
        batch = x.shape[0]
        if o * (batch + k) < batch * k:
            weight = (u @ linear.weight.view(k, -1)).view(-1, linear.in_features)  # (O K, D)
            us = F.linear(z, weight, (u @ linear.bias.view(k, k)).flatten()).unflatten(1, (o, k))  # (B, O, K)
            return add_bias(torch.einsum("bok,bk->bo", us, F.linear(x, v)), bias)
    s = generator(z).unflatten(1, (k, k))  # (B, K, K)
    return F.linear(apply_per_instance(s, F.linear(x, v)), u, bias)


def single_layer(generator: ParameterGenerator) -> nn.Linear | None:
    """The one linear layer that a G consists of, to compute with its weights; None if it has to be called.

    Such as one that a user has put an adapter around, quantised, or given a hook.
    """
    if type(generator) is not Generator or generator.hidden or type(generator.last) is not nn.Linear:
        return None
    is_plain = generator.last.bias is not None and not (has_hooks(generator) or has_hooks(generator.last))
    return generator.last if is_plain else None


def has_hooks(module: nn.Module) -> bool:
    """Whether calling a module does more than its ``forward``."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def apply_per_instance(s: Float[torch.Tensor, "B K K"], h: Float[torch.Tensor, "B K"]) -> Float[torch.Tensor, "B K"]:
    """S_i h_i for every instance. A broadcast product: a batched matrix product of such tiny matrices is slower."""
    return (s * h.unsqueeze(1)).sum(2)


def add_bias(y: Output, bias: Float[torch.Tensor, " O"]) -> Output:
    """y + b in the dtype of y: under autocast every version then gives what ``nn.Linear`` gives there."""
    return y + bias.to(y.dtype)


def start_factor(factor: Float[torch.Tensor, "o i"], init: Init) -> None:
    """Variance 1 / inputs, which keeps the scale of what is multiplied, or Glorot-uniform."""
    if init == "glorot":
        nn.init.xavier_uniform_(factor)
    else:
        nn.init.normal_(factor, std=sqrt(1 / factor.shape[1]))


def fold(model: nn.Module) -> nn.Module:
    """Replaces, in place, every v5 layer of a model by its folded v4; returns the model, or what replaces it.

    Raises:
        ValueError: a v5 layer is compiled by itself, or cannot be folded (see ``ApgV5.fold``).
    """
    if isinstance(model, ApgV5):
        return model.fold()
    folded: dict[nn.Module, nn.Module] = {}  # a layer that is used in two places remains one layer
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):
            if isinstance(child, ApgV5):
                if name == "_orig_mod":  # the compiled program would go on with the layer as it was
                    raise ValueError("a compiled ApgV5 cannot be folded: fold the model first, then compile it")
                if child not in folded:
                    folded[child] = child.fold()
                setattr(parent, name, folded[child])
    return model


def count_served(model: nn.Module) -> int:
    """How many parameters a model has when ``fold`` has folded it for serving; the model stays as it is."""
    saved = sum(layer.n_saved_by_folding() for layer in model.modules() if isinstance(layer, ApgV5))
    return sum(parameter.numel() for parameter in model.parameters()) - saved
