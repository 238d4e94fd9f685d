"""v4's layer as a few GPU kernels: two forward and four backward, written in Triton (see ``nn.kernels``).

    y = U (S_i (V x_i)) + b,  S_i = reshape(Wg z_i + bg)    (Eq. 5 and 6, with one linear layer as G)

On a GPU a training step is bound by the number of its kernels rather than by arithmetic, and the plain layer takes
about thirty of them. ``apg_product`` can be differentiated once, gives the same bits every time, and can be captured in
a CUDA graph once it has run. Outside of a graph, launching the kernels from Python takes longer than they run.

Triton is optional. Without it, on a CPU, in double precision or for a large K, ``apg_product`` takes the plain path. So
do layers on a GPU on which the kernels have not given the plain layer's numbers: ``is_sound`` tries that once.

Shapes: B batch, I inputs, O outputs, D size of the condition, K rank.
"""

import functools
import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from math import prod
from typing import Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from apg_repro.errors import in_a_line, out_of_memory

HAS_TRITON = find_spec("triton") is not None

# To what the factors of a product are rounded before they are multiplied and added up in float32: not at all; to TF32;
# to TF32 with the rest multiplied as well, which is nearly float32; to bfloat16, as tensors in bfloat16 always are.
Precision = Literal["ieee", "tf32", "tf32x3", "bf16"]


class Blocks(NamedTuple):
    """How the work of a kernel is divided among programs: each takes some rows and a span of inputs or outputs."""

    rows: int
    spans: int = 1  # about so many
    most: int | None = None  # inputs or outputs in a span


# A batch of 1,024 makes (1024 / rows) x spans = 256 programs: about two for each of a large GPU's 132 multiprocessors.
# The blocks do not depend on the batch, so a smaller last batch compiles nothing new, and an instance's output is the
# same in any batch.
PROJECT = Blocks(rows=32, spans=8)
PROJECT_STEP = 32  # inputs at once in a program's loop over its span
EXPAND = Blocks(rows=16, spans=4, most=256)  # few and wide: each program adds up h and S for itself
EXPAND_COLUMNS = 8  # columns of S at once
OUTPUTS_BACKWARD = Blocks(rows=32, spans=8, most=64)  # more than 64 outputs do not fit into registers
ROWS_BACKWARD = Blocks(rows=4)
INPUTS_BACKWARD = Blocks(rows=64, spans=16, most=64)  # many rows: each block leaves one part of dWg, as large as Wg
INPUTS_STEP = 16  # terms of a product at once: more do not fit into registers
ADD_PARTS, ADD_COLUMNS = 16, 32  # a program loads 16 parts at once, and 32 columns: one line of the cache
MAX_GROUPS = 32  # parts of a gradient of weights: bounds their memory in a large batch, which has larger groups of rows
MAX_Q = 64  # entries of S per row and program: more do not fit into registers
MIN_DOT = 16  # the shortest side of a matrix product in Triton
MAX_K = 32  # beyond, the products with K² columns are large enough for torch's own
WARPS = 4  # of 32 threads, per program


def apg_product(
    x: Float[Tensor, "B I"],
    z: Float[Tensor, "B D"],
    v: Float[Tensor, "K I"],
    generator_weight: Float[Tensor, "K*K D"],
    generator_bias: Float[Tensor, " K*K"],
    u: Float[Tensor, "O K"],
    bias: Float[Tensor, " O"],
    precision: Precision = "ieee",
) -> Float[Tensor, "B O"]:
    """y = U (S_i (V x_i)) + b, S_i = reshape(Wg z_i + bg): fused where that ``is_available``, plain elsewhere.

    Args:
        z: the condition; in a self-wise layer x itself, which is then read once for both.
        precision: of the factors in fused products. The plain path follows torch's own settings.

    Raises:
        ValueError: shapes that do not fit each other, or an unknown precision, where the product would be fused.
        RuntimeError: in a fused backward pass that is to be differentiated itself (``create_graph=True``).
    """
    tensors = (x, z, v, generator_weight, generator_bias, u, bias)
    if not is_available(*tensors) or any(tensor.numel() == 0 for tensor in tensors):
        return plain(*tensors)
    check(*tensors, precision)
    if not torch.is_grad_enabled() or not any(tensor.requires_grad for tensor in tensors):
        return fused_forward(*tensors, precision, save=False)[0]
    return ApgProduct.apply(x, None if z is x else z, v, generator_weight, generator_bias, u, bias, precision)


class Switch(threading.local):
    """Whether layers of this thread may be fused: unless ``APG_FUSED`` is 0 in the environment."""

    is_on = os.environ.get("APG_FUSED", "1") != "0"


SWITCH = Switch()
TRYING = threading.Lock()  # one thread at a time tries the kernels
LAUNCHING = threading.Lock()  # Triton's first launch of a kernel is not safe beside another of the same one
TOLERANCE = 2e-3  # relative; the kernels add in another order than cuBLAS


@contextmanager
def plain_layers() -> Iterator[None]:
    """Layers of this thread take the plain path meanwhile: for a comparison."""
    was, SWITCH.is_on = SWITCH.is_on, False
    try:
        yield
    finally:
        SWITCH.is_on = was


def is_usable(device: torch.device) -> bool:
    """Whether layers on this device are fused, if their dtype and K allow it."""
    return SWITCH.is_on and could_run(device) and is_sound(device)


def could_run(device: torch.device) -> bool:
    """Whether there is Triton, and it has a GPU to compile for there, or its interpreter."""
    return HAS_TRITON and (is_recent(device) if device.type == "cuda" else is_interpreted(device))


def is_used(*tensors: Tensor) -> bool:
    """Whether a layer with these operands of ``apg_product`` is fused: it can be, and its device is sound."""
    return SWITCH.is_on and is_available(*tensors) and is_sound(tensors[0].device)


def is_sound(device: torch.device) -> bool:
    """Whether the kernels have given the plain layer's outputs and gradients on this device; tried once for each.

    Warns where they have not. In a step that is being recorded nothing can be tried: False, unless it has been before.
    """
    with TRYING:
        if device not in AGREEING:
            if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
                return False
            try:  # with gradients, also for a caller without
                with torch.inference_mode(False), torch.enable_grad():
                    apart = distance_from_plain(device)
                why = "" if apart <= TOLERANCE else f"they differ from the plain layer by {apart:.1e}"
            except Exception as error:  # whatever a compiler or a driver may say
                if out_of_memory(error):
                    return False  # the next who asks tries again
                why = in_a_line(error)
            if why:
                warnings.warn(f"the fused kernels are not used on {device}: {why}", stacklevel=2)
            AGREEING[device] = not why
        return AGREEING[device]


AGREEING: dict[torch.device, bool] = {}


def distance_from_plain(device: torch.device, k: int = 4, d: int | None = None) -> float:
    """How far the fused product and all its gradients are from the plain ones, on random numbers; relative.

    Args:
        d: D; None for a self-wise layer.
    """
    n, n_in, n_out = 70, 37, 19
    random = torch.Generator("cpu").manual_seed(0)
    draw = functools.partial(torch.randn, generator=random, dtype=torch.float32, device="cpu")
    shapes = [(n, n_in), (n, d or n_in), (k, n_in), (k * k, d or n_in), (k * k,), (n_out, k), (n_out,)]
    start = [draw(shape) for shape in shapes]
    above, found = draw((n, n_out)).to(device), []
    for product in (apg_product, plain):
        x, z, v, w, g, u, bias = tensors = [tensor.to(device).clone().requires_grad_() for tensor in start]
        y = product(x, x if d is None else z, v, w, g, u, bias)
        y.backward(above)
        found.append([y.detach(), *(tensor.grad for tensor in tensors if tensor.grad is not None)])
    ours, theirs = found
    return largest(
        float((a - b).abs().max() / b.abs().max().clamp(min=1e-12)) for a, b in zip(ours, theirs, strict=True)
    )


def largest(values: Iterable[float]) -> float:
    """The largest of some numbers; NaN if one is NaN, which ``max`` may lose."""
    return float(torch.tensor(list(values), dtype=torch.float64, device="cpu").max())


def is_available(x: Tensor, z: Tensor, v: Tensor, *others: Tensor) -> bool:
    """Whether ``apg_product`` of these tensors, its arguments in their order, is fused.

    That takes Triton; tensors of one dtype, float32 or bfloat16, on one GPU of compute capability 8 or more (or on a
    CPU with TRITON_INTERPRET=1, which is for tests); no autocast, no ``torch.func``; and K up to 32.
    """
    return (
        could_run(x.device)
        and x.dtype in (torch.float32, torch.bfloat16)
        and all(tensor.dtype == x.dtype and tensor.device == x.device for tensor in (z, v, *others))
        and len(v) <= MAX_K
        and not torch.is_autocast_enabled(x.device.type)
        and not torch._C._are_functorch_transforms_active()  # as torch's own ``autograd.Function`` asks
        and not is_fake(x)
    )


def is_recent(device: torch.device) -> bool:
    """Whether Triton compiles for this GPU; False on a machine without one."""
    return torch.cuda.is_available() and torch.cuda.get_device_capability(device) >= (8, 0)


def is_interpreted(device: torch.device) -> bool:
    """Whether Triton's interpreter takes the place of a GPU."""
    return device.type == "cpu" and os.environ.get("TRITON_INTERPRET") == "1"


def is_fake(x: Tensor) -> bool:
    """Whether x has a shape but no numbers (FakeTensorMode), so that no kernel of ours can run on it."""
    from torch._subclasses.fake_tensor import FakeTensor

    return isinstance(x, FakeTensor)


def check(
    x: Tensor, z: Tensor, v: Tensor, generator_weight: Tensor, generator_bias: Tensor, u: Tensor, bias: Tensor,
    precision: str,
) -> None:  # fmt: skip
    """Refuses shapes with which a kernel would read beyond the end of a tensor, and an unknown precision."""
    if precision not in get_args(Precision):
        raise ValueError(f"precision {precision!r} is unknown; choose one of {', '.join(get_args(Precision))}")
    if any(tensor.dim() != 2 for tensor in (x, z, v, u)) or len(x) != len(z):
        raise ValueError("x must be (B, I), z (B, D), v (K, I) and u (O, K)")
    k, n_out = len(v), len(u)
    for name, tensor, shape in (
        ("v", v, (k, x.shape[1])),
        ("generator_weight", generator_weight, (k * k, z.shape[1])),
        ("generator_bias", generator_bias, (k * k,)),
        ("u", u, (n_out, k)),
        ("bias", bias, (n_out,)),
    ):
        if tensor.shape != shape:
            raise ValueError(f"{name} must be {shape}, not {tuple(tensor.shape)}")


def plain(
    x: Float[Tensor, "B I"],
    z: Float[Tensor, "B D"],
    v: Float[Tensor, "K I"],
    generator_weight: Float[Tensor, "K*K D"],
    generator_bias: Float[Tensor, " K*K"],
    u: Float[Tensor, "O K"],
    bias: Float[Tensor, " O"],
) -> Float[Tensor, "B O"]:
    """``apg_product`` by torch's own operations."""
    s = F.linear(z, generator_weight, generator_bias).view(-1, len(v), len(v))  # (B, K, K)
    h = F.linear(x, v)
    return F.linear((s * h.unsqueeze(1)).sum(2), u, bias)


class ApgProduct(torch.autograd.Function):
    """``apg_product``, fused. Its z is None in a self-wise layer."""

    @staticmethod
    def forward(ctx: Any, x, z, v, generator_weight, generator_bias, u, bias, precision):
        y, h, s, hs = fused_forward(
            x, x if z is None else z, v, generator_weight, generator_bias, u, bias, precision, save=True
        )
        ctx.save_for_backward(x, z, v, generator_weight, u, h, s, hs)
        ctx.precision = precision
        return y

    @staticmethod
    def backward(ctx: Any, dy):
        if torch.is_grad_enabled():
            raise RuntimeError(
                "the fused layer can be differentiated only once: call backward without create_graph, or the layer "
                "within apg_repro.nn.fused.plain_layers()"
            )
        needs = ctx.needs_input_grad[:7]
        return *fused_backward(dy, *ctx.saved_tensors, needs=needs, precision=ctx.precision), None


def fused_forward(
    x: Tensor, z: Tensor, v: Tensor, generator_weight: Tensor, generator_bias: Tensor, u: Tensor, bias: Tensor,
    precision: Precision, save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """(y, h, S, S h); all but y are empty unless they are to be saved for the backward pass."""
    run = kernels()
    (n, n_in), d, k, n_out = x.shape, z.shape[1], len(v), len(u)
    self_wise = z is x
    v, generator_weight, u = v.contiguous(), generator_weight.contiguous(), u.contiguous()
    generator_bias, bias = generator_bias.contiguous(), bias.contiguous()
    precision = "bf16" if x.dtype == torch.bfloat16 else precision
    block_q = min(MAX_Q, dot_width(k * k))
    q_blocks = cdiv(k * k, block_q)
    # Blocks of S are programs too, so that a large K needs fewer spans and leaves fewer parts to add up.
    z_spans = max(1, PROJECT.spans // q_blocks)
    x_span = cdiv(cdiv(n_in, z_spans if self_wise else PROJECT.spans), PROJECT_STEP) * PROJECT_STEP
    z_span = cdiv(cdiv(d, z_spans), PROJECT_STEP) * PROJECT_STEP
    x_parts, z_parts = cdiv(n_in, x_span), cdiv(d, z_span)
    block_out = span(n_out, EXPAND)

    h_parts, s_parts = empty(x, x_parts, n, k), empty(x, z_parts, n, k * k)
    y = x.new_empty(n, n_out)
    h, s, hs = (empty(x, n if save else 0, width) for width in (k, k * k, k))
    with LAUNCHING, torch.cuda.device_of(x):
        run.project[cdiv(n, PROJECT.rows), z_parts * q_blocks + (0 if self_wise else x_parts)](
            x, z, v, generator_weight, h_parts, s_parts, n, n_in, d, *x.stride(), *z.stride(),
            K=k, SELF_WISE=self_wise, X_PARTS=x_parts, Q_BLOCKS=q_blocks, X_SPAN=x_span, Z_SPAN=z_span,
            ROWS=PROJECT.rows, STEP=PROJECT_STEP, K_DOT=dot_width(k), BLOCK_Q=block_q, PRECISION=precision,
            num_warps=WARPS,
        )  # fmt: skip
        run.expand[cdiv(n, EXPAND.rows), cdiv(n_out, block_out)](
            h_parts, s_parts, generator_bias, u, bias, y, h, s, hs, n, n_out,
            K=k, X_PARTS=x_parts, Z_PARTS=z_parts, SAVE=save, ROWS=EXPAND.rows, BLOCK_OUT=block_out,
            K_DOT=dot_width(k), BLOCK_K=min(EXPAND_COLUMNS, power_of_2(k)), PRECISION=precision, num_warps=WARPS,
        )  # fmt: skip
    return y, h, s, hs


def fused_backward(
    dy: Tensor, x: Tensor, z: Tensor | None, v: Tensor, generator_weight: Tensor, u: Tensor, h: Tensor, s: Tensor,
    hs: Tensor, needs: tuple[bool, ...], precision: Precision,
) -> tuple[Tensor | None, ...]:  # fmt: skip
    """The gradients of x, z, V, Wg, bg, U and b: None where not needed, and that of z None in a self-wise layer.

    Those of the weights are slices of one tensor, so that a single kernel can add up all their parts.
    """
    run = kernels()
    self_wise = z is None
    z = x if z is None else z
    (n, n_in), d, k, n_out = x.shape, z.shape[1], len(v), len(u)
    need_x, need_z, need_v, need_w, need_g, need_u, need_bias = needs
    need_inputs = any(needs[:5])
    v, generator_weight, u = v.contiguous(), generator_weight.contiguous(), u.contiguous()
    precision = "bf16" if x.dtype == torch.bfloat16 else precision

    # Parts of gradients of weights: one row per group of rows, for U and b first, then for V, Wg and bg.
    outputs_groups, outputs_rows = groups(n, OUTPUTS_BACKWARD.rows)
    inputs_groups, inputs_rows = groups(n, INPUTS_BACKWARD.rows)
    outputs_shapes = {"u": (n_out, k) if need_u else (0,), "bias": (n_out,) if need_bias else (0,)}
    inputs_shapes = {
        "v": (k, n_in) if need_v else (0,), "w": (k * k, d) if need_w else (0,), "g": (k * k,) if need_g else (0,),
    }  # fmt: skip
    outputs_sizes, inputs_sizes = ([prod(s) for s in shapes.values()] for shapes in (outputs_shapes, inputs_shapes))
    outputs_size, inputs_size = sum(outputs_sizes), sum(inputs_sizes)
    parts = empty(x, outputs_groups * outputs_size + inputs_groups * inputs_size)
    du_parts, db_parts = parts, parts[outputs_sizes[0] :]
    dv_parts = parts[outputs_groups * outputs_size :]
    dw_parts = dv_parts[inputs_sizes[0] :]
    dg_parts = dw_parts[inputs_sizes[1] :]

    block_out = span(n_out, OUTPUTS_BACKWARD)
    out_parts = cdiv(n_out, block_out)
    dhs_parts = empty(x, out_parts if need_inputs else 0, n, k)
    dx = x.new_empty(n if need_x else 0, n_in)
    dz = x.new_empty(n if need_z else 0, d)
    with LAUNCHING, torch.cuda.device_of(x):
        run.outputs_backward[outputs_groups, out_parts](
            dy, u, hs, dhs_parts, du_parts, db_parts, n, n_out, *dy.stride(), outputs_rows, outputs_size,
            K=k, NEED_INPUTS=need_inputs, NEED_U=need_u, NEED_BIAS=need_bias, ROWS=OUTPUTS_BACKWARD.rows,
            BLOCK_OUT=block_out, K_DOT=dot_width(k), PRECISION=precision, num_warps=WARPS,
        )  # fmt: skip
        if need_inputs:
            need_h = need_x or need_v
            need_s = need_z or need_w or need_g or (self_wise and need_x)
            dh, ds = empty(x, n if need_h else 0, k), empty(x, n if need_s else 0, k * k)
            run.rows_backward[(cdiv(n, ROWS_BACKWARD.rows),)](
                dhs_parts, h, s, dh, ds, n, K=k, OUT_PARTS=out_parts, NEED_H=need_h, NEED_S=need_s,
                ROWS=ROWS_BACKWARD.rows, K_PAD=power_of_2(k), num_warps=WARPS,
            )  # fmt: skip
            block_x, block_z = span(n_in, INPUTS_BACKWARD), span(d, INPUTS_BACKWARD)
            block_q = min(MAX_Q, dot_width(k * k))
            row_blocks, q_blocks = cdiv(n, INPUTS_BACKWARD.rows), cdiv(k * k, block_q)
            x_blocks, z_blocks = cdiv(n_in, block_x), cdiv(d, block_z)
            dx_end = row_blocks * x_blocks * need_x
            dv_end = dx_end + inputs_groups * x_blocks * need_v
            dz_end = dv_end + row_blocks * z_blocks * need_z
            dw_end = dz_end + inputs_groups * z_blocks * q_blocks * need_w
            run.inputs_backward[(dw_end + inputs_groups * q_blocks * need_g,)](
                x, z, v, generator_weight, dh, ds, dx, dz, dv_parts, dw_parts, dg_parts, n, n_in, d, *x.stride(),
                *z.stride(), inputs_rows, inputs_groups, inputs_size, dx_end, dv_end, dz_end, dw_end,
                K=k, SELF_WISE=self_wise, ROWS=INPUTS_BACKWARD.rows, BLOCK_X=block_x, BLOCK_Z=block_z,
                STEP=INPUTS_STEP, K_DOT=dot_width(k), BLOCK_Q=block_q, PRECISION=precision, num_warps=WARPS,
            )  # fmt: skip
        sums = x.new_empty(outputs_size + inputs_size)
        if len(sums):
            run.add_parts[(cdiv(outputs_size, ADD_COLUMNS) + cdiv(inputs_size, ADD_COLUMNS),)](
                parts, sums, outputs_groups, inputs_groups, outputs_size, inputs_size,
                PARTS=ADD_PARTS, COLUMNS=ADD_COLUMNS, num_warps=WARPS,
            )  # fmt: skip
    shapes = outputs_shapes | inputs_shapes
    found = dict(zip(shapes, sums.split(outputs_sizes + inputs_sizes), strict=True))
    of_weights = (
        found[name].view(shapes[name]) if needed else None
        for name, needed in zip(("v", "w", "g", "u", "bias"), needs[2:], strict=True)
    )
    return dx if need_x else None, dz if need_z else None, *of_weights


def kernels() -> Any:
    """The kernels, imported when they are first needed: Triton is optional, and takes a while."""
    from apg_repro.nn import kernels

    return kernels


def empty(x: Tensor, *shape: int) -> Tensor:
    """For intermediate results, which are in float32."""
    return torch.empty(shape, device=x.device, dtype=torch.float32)


def groups(n_rows: int, rows: int) -> tuple[int, int]:
    """Into how many groups a sum over rows is divided, and of how many rows each is, a multiple of ``rows``."""
    group_rows = cdiv(cdiv(n_rows, MAX_GROUPS), rows) * rows
    return cdiv(n_rows, group_rows), group_rows


def span(width: int, blocks: Blocks) -> int:
    """How many of so many inputs or outputs a program takes: a power of two."""
    wanted = dot_width(cdiv(width, blocks.spans))
    return wanted if blocks.most is None else min(wanted, blocks.most)


def dot_width(n: int) -> int:
    """How wide a tile is that holds n and enters a matrix product."""
    return max(MIN_DOT, power_of_2(n))


def power_of_2(n: int) -> int:
    """The least power of two that is at least n."""
    return 1 << (n - 1).bit_length()


def cdiv(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)
