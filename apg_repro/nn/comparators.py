"""What the paper does not compare with: simpler layers that depend on a condition, called as the paper's are.

Each keeps a static matrix W, which starts as a static layer's, and generates less than weights: a factor for every
output, a factor and a shift, or a small product that is added to W. With the condition 0 each starts as the static
layer, with ``static_start`` whatever the condition is. Condition, G, starts and damping are those of ``nn/apg.py``.

Shapes: B batch, I inputs, O outputs, D size of the condition, K rank, n generated parameters.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import nn

from apg_repro.config import Init
from apg_repro.nn.apg import PAPER_LAYERS, ApgLayer, Condition, Generator, Input, MakeGenerator, Output
from apg_repro.nn.checks import require_sizes


class ModulatedDense(ApgLayer):
    """What the comparators share: W x + b, the same for all instances, and what is generated around it."""

    def __init__(
        self, d_in: int, d_out: int, n_generated: int, d_condition: int | None, layers: int, init: Init,
        make_generator: MakeGenerator,
    ) -> None:  # fmt: skip
        super().__init__(d_in, d_out, n_generated, d_condition, layers, init, make_generator)
        self.n_generated = n_generated
        self.weight = nn.Parameter(torch.empty(d_out, d_in))

    def start(self) -> Float[torch.Tensor, " n"]:
        nn.init.xavier_uniform_(self.weight)
        return torch.zeros(self.n_generated)

    def shared(self, x: Input) -> Output:
        """W x + b."""
        return F.linear(x, self.weight, self.bias)


class GatedDense(ModulatedDense):
    """y = (W x + b) ⊙ 2 σ(G(z_i))    (the gate of PEPNet and PPNet: Chang et al., KDD 2023).

    They gate a layer's output after its ReLU, which is the same, as the gate is above 0. Their G has a hidden layer
    and sees the embeddings beside the condition, without sending a gradient back. Here it has one layer unless
    ``layers`` says more, and sees the condition alone, as the G of all versions.

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
        super().__init__(d_in, d_out, d_out, d_condition, layers, init, make_generator)
        self.reset_parameters()

    def transform(self, x: Input, z: Condition) -> Output:
        return self.shared(x) * (2 * self.generator(z).sigmoid())


class FilmDense(ModulatedDense):
    """y = (1 + γ_i) ⊙ (W x + b) + β_i,  γ_i, β_i = G(z_i)    (FiLM: Perez et al., AAAI 2018).

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
        super().__init__(d_in, d_out, 2 * d_out, d_condition, layers, init, make_generator)
        self.reset_parameters()

    def transform(self, x: Input, z: Condition) -> Output:
        scale, shift = self.generator(z).chunk(2, dim=1)
        return (1 + scale) * self.shared(x) + shift


class AdapterDense(ModulatedDense):
    """y = W x + A_i (B_i x) + b,  A_i, B_i = reshape(G(z_i))    (LoRA per instance: Hu et al., ICLR 2022).

    A_i starts around 0 and B_i around a matrix that keeps the scale of x, as theirs do, which all instances share.

    Damping: an entry of A_i B_i is a sum of K products of which both factors move, so n is 2 D K, by the rule that
    gives 3 D K² for v2.

    Args:
        rank: K, the inner size of A_i B_i.

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
        super().__init__(d_in, d_out, rank * (d_out + d_in), d_condition, layers, init, make_generator)
        self.rank = rank
        self.reset_parameters()

    def start(self) -> Float[torch.Tensor, " n"]:
        generated = super().start()
        nn.init.normal_(generated[self.rank * self.d_out :], std=self.d_in**-0.5)
        return generated

    def damped_parameters(self) -> dict[torch.Tensor, int]:
        return {weight: 2 * n * self.rank for weight, n in super().damped_parameters().items()}

    def transform(self, x: Input, z: Condition) -> Output:
        o, k, i = self.d_out, self.rank, self.d_in
        a, b = self.generator(z).split([o * k, k * i], dim=1)
        h = torch.einsum("bki,bi->bk", b.unflatten(1, (k, i)), x)
        return self.shared(x) + torch.einsum("bok,bk->bo", a.unflatten(1, (o, k)), h)

    def sizes(self) -> dict[str, int]:
        return {"K": self.rank}


# By version, as in ``versions.VERSIONS``; base is ``dense.StaticDense``.
LAYERS = {**PAPER_LAYERS, "gate": GatedDense, "film": FilmDense, "adapter": AdapterDense}
