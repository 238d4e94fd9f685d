"""How long v4's hidden layers take on a GPU: static, plain and fused, forward and backward.

    python benchmarks/fused.py                       # the widths of Table 5, K 4 and 8, D 32 and self-wise
    python benchmarks/fused.py --width 1024-512-256 --step
    python benchmarks/fused.py --device cpu --quick  # tiny, in Triton's interpreter: only shows that everything runs

Every contender is captured in a CUDA graph. Contenders take turns, round by round, and a ratio is that of a contender
to the static layers of the same round. Printed are medians, with the 10th and 90th percentile in brackets. With
``--step`` a whole training step is timed as well: embeddings of twelve fields and nine numbers, the hidden layers, a
logit, the loss, clipping, and fused Adam.

"TF32": all matrix products round their factors to TF32. "TF32x3": the fused layers multiply the rest as well, which is
nearly float32.

Shapes: B batch, I inputs, D size of the condition, K rank, E embedding size.
"""

import argparse
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from apg_repro.experiments.table5.plan import N_INPUTS, WIDTHS
from apg_repro.nn import fused
from apg_repro.nn.apg import ApgV4
from apg_repro.nn.dense import DeepPart, StaticDense
from apg_repro.training.graphs import Work, captured
from apg_repro.training.timing import Effort, clock, take_turns

BATCH, D, RANKS = 1024, 32, (4, 8)
N_NUMBERS, E, N_IDS = 9, 32, 10_000  # of the whole step: its 393 inputs are 12 embeddings and 9 numbers
QUICK_INPUTS = E + N_NUMBERS


class PlainV4(ApgV4):
    """v4 by torch's own operations, even where the fused layer is available."""

    def forward(self, x: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
        return fused.plain(*arguments(self, x, z))


class FusedV4(ApgV4):
    """v4 fused."""

    precision: fused.Precision = "ieee"

    def forward(self, x: torch.Tensor, z: torch.Tensor | None = None) -> torch.Tensor:
        tensors = arguments(self, x, z)
        if not fused.is_available(*tensors):
            raise RuntimeError("the fused layer is not available for these tensors on this machine")
        return fused.apg_product(*tensors, precision=self.precision)


def arguments(layer: ApgV4, x: torch.Tensor, z: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
    """What ``apg_product`` is called with."""
    last: nn.Linear = layer.generator.last  # pyright: ignore[reportAssignmentType]
    return x, x if z is None else z, layer.v, last.weight, last.bias, layer.u, layer.bias


@dataclass(frozen=True)
class Contender:
    """One way to compute the hidden layers.

    Attributes:
        layer: the class of the layers.
        tf32: whether torch's own products are rounded to TF32.
        precision: of the fused layers' products.
    """

    layer: type[nn.Module]
    tf32: bool = False
    precision: fused.Precision = "ieee"


CONTENDERS = {
    "static": Contender(StaticDense),
    "v4 plain": Contender(PlainV4),
    "v4 fused": Contender(FusedV4),
    "v4 fused, TF32x3": Contender(FusedV4, precision="tf32x3"),
    "static, TF32": Contender(StaticDense, tf32=True),
    "v4 plain, TF32": Contender(PlainV4, tf32=True),
    "v4 fused, TF32": Contender(FusedV4, tf32=True, precision="tf32"),
}


@dataclass(frozen=True)
class Sizes:
    """What is timed: B, I, the widths, D or None for self-wise layers, and K."""

    batch: int
    n_inputs: int
    hidden: tuple[int, ...]
    d: int | None
    rank: int


class Model(nn.Module):
    """Embeddings, hidden layers and a logit; the condition is the first field's embedding, or None if self-wise."""

    def __init__(self, sizes: Sizes, deep: DeepPart) -> None:
        super().__init__()
        self.self_wise = sizes.d is None
        self.table = nn.Parameter(torch.randn(n_fields(sizes) * N_IDS, E))
        self.deep = deep
        self.logit = nn.Linear(sizes.hidden[-1], 1)

    def forward(self, fields: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        embedded = self.table.index_select(0, fields.flatten()).view(len(fields), -1, E)  # (B, fields, E)
        x = torch.cat([embedded.flatten(1), numbers], dim=1)
        return self.logit(self.deep(x, None if self.self_wise else embedded[:, 0])).squeeze(1)


def n_fields(sizes: Sizes) -> int:
    return (sizes.n_inputs - N_NUMBERS) // E


def hidden_layers(contender: Contender, sizes: Sizes) -> DeepPart:
    def make(d_in: int, d_out: int) -> nn.Module:
        if contender.layer is StaticDense:
            return StaticDense(d_in, d_out)
        layer = contender.layer(d_in, d_out, rank=sizes.rank, d_condition=sizes.d)
        if isinstance(layer, FusedV4):
            layer.precision = contender.precision
        return layer

    return DeepPart(sizes.n_inputs, sizes.hidden, make)


def hidden_work(contender: Contender, sizes: Sizes, device: str) -> Work:
    """Forward and backward of the hidden layers, down to the gradients of x, z and all weights."""
    deep = hidden_layers(contender, sizes).to(device)
    x = torch.randn(sizes.batch, sizes.n_inputs, device=device, requires_grad=True)
    z = None if sizes.d is None else torch.randn(sizes.batch, sizes.d, device=device, requires_grad=True)
    above = torch.randn(sizes.batch, sizes.hidden[-1], device=device)
    inputs = [x, *deep.parameters()]
    if z is not None and contender.layer is not StaticDense:
        inputs.append(z)
    return lambda: torch.autograd.grad(deep(x, z), inputs, above)


def step_work(contender: Contender, sizes: Sizes, device: str) -> Work:
    """A training step on one batch."""
    model = Model(sizes, hidden_layers(contender, sizes)).to(device)
    fields = torch.randint(N_IDS, (sizes.batch, n_fields(sizes)), device=device)
    fields += torch.arange(n_fields(sizes), device=device) * N_IDS
    numbers = torch.randn(sizes.batch, N_NUMBERS, device=device)
    labels = torch.randint(2, (sizes.batch,), device=device).float()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True, capturable=device == "cuda")

    def work() -> None:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(fields, numbers), labels).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return work


@contextmanager
def products(tf32: bool) -> Iterator[None]:
    """Lets torch's own products round to TF32 or not."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def spread(values: np.ndarray, digits: int) -> str:
    """The median with the 10th and 90th percentile."""
    low, median, high = (f"{value:.{digits}f}" for value in np.percentile(values, (10, 50, 90)))
    return f"{median} [{low}, {high}]"


def compare(
    title: str, make: Callable[[Contender, Sizes, str], Work], sizes: Sizes, options: argparse.Namespace
) -> None:
    """Times all contenders and prints a table."""
    works: dict[str, Work] = {}
    for name, contender in CONTENDERS.items():
        with products(contender.tf32):
            work = make(contender, sizes, options.device)
            works[name] = captured(work) if options.device == "cuda" else work
    clocks = {name: clock(work, options.times, options.device) for name, work in works.items()}
    rounds = take_turns(clocks, Effort(rounds=options.rounds, at_least=options.rounds))
    costs = {name: 1e6 * np.array(seconds) for name, seconds in rounds.items()}
    condition = "self-wise" if sizes.d is None else f"D {sizes.d}"
    print(f"\n{title}, {'-'.join(map(str, sizes.hidden))}, B {sizes.batch}, K {sizes.rank}, {condition}")
    print(f"{'':18}{'µs':>28}{'relative to static':>28}")
    for name, values in costs.items():
        print(f"{name:18}{spread(values, 1):>28}{spread(values / costs['static'], 3):>28}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny layers and one round")
    parser.add_argument("--width", choices=WIDTHS, action="append", help="of Table 5; all of them by default")
    parser.add_argument("--step", action="store_true", help="time a whole step too")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--times", type=int, default=50, help="goes per contender and round")
    options = parser.parse_args()
    if options.device == "cpu" and not options.quick:
        parser.error("on a CPU Triton's kernels run in its interpreter, which is for tests: add --quick")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here: add --device cpu --quick")
    if not fused.HAS_TRITON:
        parser.error("Triton is not installed: pip install triton")
    if options.device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"
    import triton  # pyright: ignore[reportMissingImports]

    device = torch.cuda.get_device_name() if options.device == "cuda" else platform.processor() or platform.machine()
    print(f"{device}, torch {torch.__version__}, triton {triton.__version__}, CUDA {torch.version.cuda}")
    batch, n_inputs, widths = BATCH, N_INPUTS, {name: WIDTHS[name] for name in options.width or WIDTHS}
    ranks = RANKS
    if options.quick:
        options.rounds = options.times = 1
        batch, n_inputs, widths, ranks = 5, QUICK_INPUTS, {"8-4": (8, 4)}, RANKS[:1]
    if options.device == "cpu":
        print("Triton's interpreter runs the kernels: these times say nothing about a GPU's.")
    for hidden in widths.values():
        for rank in ranks:
            for d in (D, None):
                sizes = Sizes(batch, n_inputs, hidden, d, rank)
                compare("hidden layers, forward and backward", hidden_work, sizes, options)
                if options.step:
                    compare("whole step", step_work, sizes, options)


if __name__ == "__main__":
    main()
