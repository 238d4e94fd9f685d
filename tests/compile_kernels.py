"""Compiles the kernels of the fused layer for a GPU that need not be there; prints one line of JSON per kernel.

    python tests/compile_kernels.py 90

The argument is a compute capability without its dot. Triton's interpreter, which runs the kernels in the tests, accepts
what the compiler refuses, and knows nothing of registers and shared memory.
"""

import json
import re
import subprocess
import sys
import tempfile
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from apg_repro.nn import fused, kernels

DTYPES = {torch.float32: "*fp32", torch.bfloat16: "*bf16"}
# (B, I, O, K, D or None if self-wise, precision, dtype): the widest layers, with and without tensor cores; a K for
# which S is divided among programs; the largest K; sizes of 1, which Triton treats as constants.
CASES = [
    (1024, 393, 1024, 4, 32, "ieee", torch.float32),
    (1024, 1024, 512, 8, None, "ieee", torch.float32),
    (1024, 1024, 512, 9, None, "tf32", torch.float32),
    (70, 37, 19, 32, 32, "tf32x3", torch.float32),
    (7, 1, 1, 1, 1, "bf16", torch.bfloat16),
]


class Recorder:
    """Takes a kernel's place and keeps what it is called with."""

    def __init__(self, kernel: Any, calls: list[tuple[Any, tuple, dict]]) -> None:
        self.kernel, self.calls = kernel, calls

    def __getitem__(self, grid: tuple[int, ...]):
        return lambda *arguments, **options: self.calls.append((self.kernel, arguments, options))


def compile_for(target: GPUTarget, kernel: Any, arguments: tuple, options: dict[str, Any]):
    """The kernel, specialised to these arguments as a launch would do it."""
    warps = options.pop("num_warps")
    signature, constants, attributes = {}, dict(options), {}
    for position, (name, value) in enumerate(zip(kernel.arg_names, arguments, strict=False)):
        specialised = name not in (kernel.do_not_specialize or ())
        if isinstance(value, torch.Tensor):
            signature[name] = DTYPES[value.dtype]
            divisible = value.data_ptr() % 16 == 0
        elif value == 1 and specialised:
            constants[name], divisible = 1, False
        else:
            signature[name] = "i32"
            divisible = value % 16 == 0 and specialised
        if divisible:
            attributes[(position,)] = [["tt.divisibility", 16]]
    signature |= dict.fromkeys(constants, "constexpr")
    source = ASTSource(kernel, {name: signature[name] for name in kernel.arg_names}, constants, attributes)
    return triton.compile(source, target=target, options={"num_warps": warps})


def stack_bytes(cubin: bytes) -> int:
    """Bytes per thread that did not fit into registers."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        tool = triton.knobs.nvidia.cuobjdump.path
        usage = subprocess.run([tool, "--dump-resource-usage", file.name], check=True, capture_output=True, text=True)
    found = re.search(r"STACK:(\d+)", usage.stdout)
    if not found:
        raise ValueError(usage.stdout)
    return int(found[1])


def main() -> None:
    calls: list[tuple[Any, tuple, dict]] = []
    for name in ("project", "expand", "outputs_backward", "rows_backward", "inputs_backward", "add_parts"):
        setattr(kernels, name, Recorder(getattr(kernels, name), calls))
    for b, i, o, k, d, precision, dtype in CASES:
        x = torch.empty(b, i, dtype=dtype)
        z = x if d is None else torch.empty(b, d, dtype=dtype)
        shapes = {"v": (k, i), "weight": (k * k, z.shape[1]), "g_bias": (k * k,), "u": (o, k), "bias": (o,)}
        w = {name: torch.empty(shape, dtype=dtype) for name, shape in shapes.items()}
        fused.fused_forward(x, z, *w.values(), precision, save=False)
        y, *saved = fused.fused_forward(x, z, *w.values(), precision, save=True)
        needs = (True, d is not None, *[True] * 5)
        z = None if d is None else z
        fused.fused_backward(y, x, z, w["v"], w["weight"], w["u"], *saved, needs, precision)
    for kernel, arguments, options in calls:
        compiled = compile_for(GPUTarget("cuda", int(sys.argv[1]), 32), kernel, arguments, options)
        found = {
            "kernel": kernel.__name__,
            "stack_bytes": stack_bytes(compiled.asm["cubin"]),
            "shared_bytes": compiled.metadata.shared,
        }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
