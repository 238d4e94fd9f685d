"""The fused layer against the layer's equation in double precision, and what must hold of its kernels.

On a machine without a GPU, Triton's interpreter runs the kernels on the CPU.
"""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from apg_repro.nn import fused
from apg_repro.nn.apg import ApgV4, ApgV5
from apg_repro.paths import ROOT

if not find_spec("triton"):
    pytest.skip("Triton is not installed", allow_module_level=True)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu" and tuple(map(int, version("triton").split(".")[:2])) < (3, 7):
    pytest.skip("the interpreter of Triton before 3.7 does not go with NumPy 2.4", allow_module_level=True)
with pytest.MonkeyPatch.context() as patch:
    if DEVICE == "cpu":
        patch.setenv("TRITON_INTERPRET", "1")  # Triton reads it when kernels are imported, too: see conftest.py
    from apg_repro.nn import kernels

FORWARD = ["project", "expand"]
BACKWARD = ["outputs_backward", "rows_backward", "inputs_backward", "add_parts"]
NAMES = ["x", "z", "v", "generator_weight", "generator_bias", "u", "bias"]
# (B, I, O, K, D): widths below, at and above those of a block, and ranks that are powers of two and are not.
SIZES = [
    (1, 3, 1, 1, 1), (7, 17, 5, 2, 6), (33, 65, 70, 3, 32), (130, 17, 5, 4, 32), (33, 3, 70, 5, 1), (7, 65, 1, 8, 6),
    (33, 17, 5, 9, 32), (130, 17, 5, 8, 32), (1, 65, 70, 4, 6),
]  # fmt: skip
BF16 = 2.0**-8  # the largest relative error of rounding to bfloat16


@pytest.fixture(autouse=True)
def interpreter(monkeypatch: pytest.MonkeyPatch):
    """Lets kernels run on the CPU, and fills memory that is not initialised with NaN."""
    if DEVICE == "cpu":
        monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which torch demands of deterministic plain layers
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


def make(b: int, i: int, o: int, k: int, d: int | None, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Random arguments of ``apg_product``, on which gradients are wanted; d is None in a self-wise layer."""
    random = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        made = torch.randn(shape, generator=random) / shape[-1] ** 0.5
        return made.to(DEVICE, dtype).requires_grad_()

    x = normal(b, i)
    z = x if d is None else normal(b, d)
    return [x, z, normal(k, i), normal(k * k, z.shape[1]), normal(k * k), normal(o, k), normal(o)]


def by_the_equation(x, z, v, generator_weight, generator_bias, u, bias) -> Tensor:
    """y = U (S_i (V x_i)) + b, S_i = reshape(Wg z_i + bg)."""
    s = torch.einsum("qd,bd->bq", generator_weight, z) + generator_bias
    return torch.einsum("ok,bkc,ci,bi->bo", u, s.unflatten(1, (len(v), len(v))), v, x) + bias


def doubled(tensors: list[Tensor]) -> list[Tensor]:
    """The same numbers in double precision; what is one tensor remains one tensor."""
    made = {id(tensor): tensor.detach().cpu().double().requires_grad_() for tensor in tensors}
    return [made[id(tensor)] for tensor in tensors]


def assert_near(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5) -> None:
    """Equal but for errors that are small relative to the largest number."""
    scale = theirs.abs().max().item() if theirs.numel() else 0.0
    torch.testing.assert_close(ours.cpu().double(), theirs, rtol=0, atol=tolerance * scale)


def assert_right(tensors: list[Tensor], tolerance: float = 1e-5, precision: fused.Precision = "ieee") -> None:
    """Output and all gradients are those of the equation."""
    copies = doubled(tensors)
    ours, theirs = fused.apg_product(*tensors, precision=precision), by_the_equation(*copies)
    assert ours.dtype == tensors[0].dtype
    assert_near(ours, theirs, tolerance)
    above = torch.randn(theirs.shape, generator=torch.Generator().manual_seed(2))
    ours.backward(above.to(ours))
    theirs.backward(above.to(ours.dtype).double())
    for name, tensor, copy in zip(NAMES, tensors, copies, strict=True):
        assert tensor.grad is not None, name
        assert copy.grad is not None
        assert_near(tensor.grad, copy.grad, tolerance)


class Log:
    """Takes the kernels' places, writes down what is launched, and launches it if ``runs``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runs: bool = True) -> None:
        self.launched: list[tuple[str, tuple[int, ...]]] = []
        for name in FORWARD + BACKWARD:
            monkeypatch.setattr(kernels, name, Logged(name, getattr(kernels, name), self, runs))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.launched]


class Logged:
    def __init__(self, name: str, kernel, log: Log, runs: bool) -> None:
        self.name, self.kernel, self.log, self.runs = name, kernel, log, runs

    def __getitem__(self, grid: tuple[int, ...]):
        self.log.launched.append((self.name, grid))
        return self.kernel[grid] if self.runs else lambda *arguments, **options: None


# What it computes.


@pytest.mark.parametrize("self_wise", [False, True], ids=["group", "self"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_outputs_and_gradients_are_those_of_the_equation(sizes, self_wise, monkeypatch):
    log = Log(monkeypatch)
    *shared, d = sizes
    assert_right(make(*shared, None if self_wise else d))
    assert log.names == FORWARD + BACKWARD


@pytest.mark.parametrize("d", [300, None], ids=["group", "self"])
def test_sums_over_several_spans_of_inputs_and_of_the_condition(d):
    assert_right(make(3, 300, 5, 2, d))


@pytest.mark.parametrize("d", [6, None], ids=["group", "self"])
def test_sums_over_several_blocks_of_rows_in_a_group(d, monkeypatch):
    monkeypatch.setattr(fused, "MAX_GROUPS", 2)
    assert_right(make(150, 17, 5, 3, d))


def test_sums_over_more_groups_than_a_program_loads_at_once(monkeypatch):
    monkeypatch.setattr(fused, "ADD_PARTS", 2)
    assert_right(make(150, 17, 5, 3, 6))


def test_a_rank_for_which_a_program_holds_only_some_rows_of_s():
    assert_right(make(3, 17, 5, 32, 6))
    assert_right(make(3, 17, 5, 17, None))


def test_a_condition_that_all_instances_share():
    x, _, *weights = make(33, 17, 5, 4, 6)
    shared = torch.randn(1, 6, device=DEVICE, requires_grad=True)
    copy = shared.detach().cpu().double().requires_grad_()
    x64, *weights64 = doubled([x, *weights])
    ours = fused.apg_product(x, shared.expand(33, -1), *weights)
    theirs = by_the_equation(x64, copy.expand(33, -1), *weights64)
    assert_near(ours, theirs)
    (ours_grad,) = torch.autograd.grad(ours.square().sum(), shared)
    (theirs_grad,) = torch.autograd.grad(theirs.square().sum(), copy)
    assert_near(ours_grad, theirs_grad)


@pytest.mark.parametrize("d", [6, None], ids=["group", "self"])
def test_tensors_of_any_strides(d):
    x, z, *weights = make(33, 17, 5, 4, d)
    x, *weights = (every_second(tensor) for tensor in (x, *weights))
    z = x if d is None else z.detach().t().contiguous().t().requires_grad_()
    assert x.stride() == (34, 2)
    assert d is None or z.stride() == (1, 33)
    assert_right([x, z, *weights])


def every_second(tensor: Tensor) -> Tensor:
    """The same numbers with others between them."""
    return tensor.detach().repeat_interleave(2, dim=-1)[..., ::2].requires_grad_()


@pytest.mark.parametrize("shape", [(1, 1), (33, 1), (1, 5)], ids=str)
def test_a_gradient_from_above_that_is_broadcast(shape):
    tensors = make(33, 17, 5, 4, 6)
    copies = doubled(tensors)
    above = torch.randn(shape)
    fused.apg_product(*tensors).backward(above.to(DEVICE).expand(33, 5))
    by_the_equation(*copies).backward(above.double().expand(33, 5))
    for tensor, copy in zip(tensors, copies, strict=True):
        assert tensor.grad is not None
        assert copy.grad is not None
        assert_near(tensor.grad, copy.grad)


def test_the_gradient_of_a_self_wise_layer_is_that_of_two_equal_inputs():
    """With z another tensor than x, but of the same numbers, both gradients add up to that of the self-wise layer."""
    x, _, *weights = make(7, 17, 5, 3, None)
    copy = x.detach().clone().requires_grad_()
    (whole,) = torch.autograd.grad(fused.apg_product(x, x, *weights).square().sum(), x)
    one, other = torch.autograd.grad(fused.apg_product(x, copy, *weights).square().sum(), [x, copy])
    torch.testing.assert_close(whole, one + other)


@pytest.mark.parametrize("d", [32, None], ids=["group", "self"])
def test_bfloat16_within_its_rounding(d):
    assert_right(make(33, 65, 70, 4, d, dtype=torch.bfloat16), tolerance=6 * BF16)


@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 6 * 2.0**-11), ("tf32x3", 1e-5), ("bf16", 6 * BF16)])
def test_factors_may_be_rounded(precision, tolerance):
    assert_right(make(33, 17, 70, 5, 6), tolerance, precision)
    assert_right(make(33, 17, 70, 3, None), tolerance, precision)


@pytest.mark.parametrize("d", [6, None], ids=["group", "self"])
def test_bfloat16_products_see_no_difference_below_its_rounding(d):
    x, z, v, generator_weight, generator_bias, u, bias = make(33, 17, 5, 4, d)
    x, v, generator_weight, u = (tensor.bfloat16().float() for tensor in (x, v, generator_weight, u))
    z = x if d is None else z.bfloat16().float()
    more_x, more_v, more_weight, more_u = (tensor * (1 + BF16 / 16) for tensor in (x, v, generator_weight, u))
    more_z = more_x if d is None else z * (1 + BF16 / 16)
    one, other = (x, z, v, generator_weight), (more_x, more_z, more_v, more_weight)
    for precision, same in (("bf16", True), ("ieee", False)):
        ours = fused.apg_product(*one, generator_bias, u, bias, precision=precision)
        theirs = fused.apg_product(*other, generator_bias, more_u, bias, precision=precision)
        assert torch.equal(ours, theirs) == same


def test_an_empty_batch():
    tensors = make(0, 17, 5, 4, 6)
    y = fused.apg_product(*tensors)
    assert y.shape == (0, 5)
    y.sum().backward()
    for tensor in tensors:
        assert tensor.grad is not None
        assert not tensor.grad.any()


# What must hold of it.


def test_permuting_rows_permutes_outputs():
    x, z, *weights = make(70, 65, 70, 4, 6)
    order = torch.randperm(70, generator=torch.Generator().manual_seed(3)).to(DEVICE)
    permuted = fused.apg_product(x[order], z[order], *weights)
    torch.testing.assert_close(permuted, fused.apg_product(x, z, *weights)[order], rtol=1e-6, atol=1e-6)


def test_an_output_does_not_depend_on_the_rest_of_the_batch():
    x, z, *weights = make(33, 65, 70, 4, 6)
    whole = fused.apg_product(x, z, *weights)
    torch.testing.assert_close(fused.apg_product(x[:5], z[:5], *weights), whole[:5], rtol=1e-6, atol=1e-6)


def test_the_same_bits_every_time():
    def gradients() -> list[Tensor]:
        tensors = make(70, 17, 5, 4, None)
        fused.apg_product(*tensors).square().sum().backward()
        return [tensor.grad for tensor in tensors if tensor.grad is not None]

    for one, other in zip(gradients(), gradients(), strict=True):
        assert torch.equal(one, other)


def test_a_second_derivative_is_refused():
    x, *others = make(7, 3, 5, 2, 6)
    y = fused.apg_product(x, *others)
    with pytest.raises(RuntimeError, match="only once"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


def test_a_tensor_changed_before_the_backward_pass_is_noticed():
    x, *others = make(7, 3, 5, 2, 6)
    y = fused.apg_product(x * 1, *others)
    with torch.no_grad():
        others[1].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_gradients_of_weights_may_be_changed_in_place():
    """They share their memory, but no number."""
    tensors = make(7, 3, 5, 2, 6)
    fused.apg_product(*tensors).sum().backward()
    before = [tensor.grad.clone() for tensor in tensors if tensor.grad is not None]
    for tensor in tensors:
        assert tensor.grad is not None
        tensor.grad.mul_(2)
    for tensor, grad in zip(tensors, before, strict=True):
        torch.testing.assert_close(tensor.grad, 2 * grad)


# Which kernels it takes.


@pytest.mark.parametrize(
    ("wanted", "launched"),
    [
        (["x"], BACKWARD[:3]), (["z"], BACKWARD[:3]), (["v"], BACKWARD), (["generator_weight"], BACKWARD),
        (["generator_bias"], BACKWARD), (["u"], [BACKWARD[0], BACKWARD[3]]), (["bias"], [BACKWARD[0], BACKWARD[3]]),
        (NAMES[2:], BACKWARD), (["x", "bias"], BACKWARD), (["z", "u", "v"], BACKWARD),
    ],
    ids=str,
)  # fmt: skip
def test_gradients_that_nobody_wants_are_skipped(wanted, launched, monkeypatch):
    tensors = make(7, 17, 5, 3, 6)
    whole = torch.autograd.grad(fused.apg_product(*tensors).square().sum(), tensors)
    for name, tensor in zip(NAMES, tensors, strict=True):
        tensor.requires_grad_(name in wanted)
    log = Log(monkeypatch)
    fused.apg_product(*tensors).square().sum().backward()
    assert log.names == FORWARD + launched
    for name, tensor, grad in zip(NAMES, tensors, whole, strict=True):
        if name in wanted:
            assert tensor.grad is not None
            assert torch.equal(tensor.grad, grad)
        else:
            assert tensor.grad is None


@pytest.mark.parametrize("wanted", ["x", "v", "generator_weight", "u"])
def test_so_they_are_in_a_self_wise_layer(wanted):
    tensors = make(7, 17, 5, 3, None)
    tensor = tensors[NAMES.index(wanted)]
    (grad,) = torch.autograd.grad(fused.apg_product(*tensors).square().sum(), tensor)
    for other in tensors:
        other.requires_grad_(other is tensor)
    fused.apg_product(*tensors).square().sum().backward()
    assert tensor.grad is not None
    assert torch.equal(tensor.grad, grad)


def test_without_gradients_nothing_is_kept(monkeypatch):
    log = Log(monkeypatch)
    tensors = make(7, 3, 5, 2, 6)
    with torch.no_grad():
        y = fused.apg_product(*tensors)
    assert_near(y, by_the_equation(*doubled(tensors)).detach())
    assert not y.requires_grad
    _, *saved = fused.fused_forward(*[tensor.detach() for tensor in tensors], "ieee", save=False)
    assert not any(tensor.numel() for tensor in saved)
    assert log.names == FORWARD * 2


@pytest.mark.parametrize("k", [4, 8])
@pytest.mark.parametrize("d", [32, None], ids=["group", "self"])
@pytest.mark.parametrize(("i", "o"), [(393, 1024), (1024, 512), (512, 256)])
def test_a_batch_of_1024_occupies_132_multiprocessors(i, o, d, k, monkeypatch):
    log = Log(monkeypatch, runs=False)
    fused.apg_product(*make(1024, i, o, k, d)).backward(torch.empty(1024, o, device=DEVICE))
    assert log.names == FORWARD + BACKWARD
    programs = {name: torch.tensor(grid).prod().item() for name, grid in log.launched}
    del programs["add_parts"]  # adds up as little as 4,000 numbers
    assert min(programs.values()) >= 132


def test_every_kernel_compiles_for_a_gpu_within_its_registers(tmp_path):
    """The interpreter accepts what the compiler refuses."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT), "TRITON_DEFAULT_FP_FUSION": "1"}
    command = [sys.executable, str(Path(__file__).with_name("compile_kernels.py")), "90"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["kernel"] for each in found} == {*FORWARD, *BACKWARD}
    assert max(each["stack_bytes"] for each in found) <= 64  # more would be a tile that does not fit
    assert max(each["shared_bytes"] for each in found) <= 48 * 1024  # several programs per multiprocessor


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
@pytest.mark.parametrize("d", [32, None], ids=["group", "self"])
def test_a_cuda_graph_gives_the_same_bits(d):
    tensors = make(1024, 393, 256, 4, d)
    inputs = list(dict.fromkeys(tensors))

    def step() -> list[Tensor]:
        y = fused.apg_product(*tensors)
        return [y, *torch.autograd.grad(y.square().sum(), inputs)]

    eager = step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = step()
    graph.replay()
    torch.cuda.synchronize()
    for one, other in zip(eager, captured, strict=True):
        assert torch.equal(one, other)


# When it is used.


def test_it_is_available_for_these_dtypes_only(monkeypatch):
    log = Log(monkeypatch)
    for dtype in (torch.float32, torch.bfloat16):
        assert fused.is_available(*make(7, 3, 5, 2, 6, dtype))
    tensors = make(7, 3, 5, 2, 6, torch.double)
    assert not fused.is_available(*tensors)
    torch.testing.assert_close(fused.apg_product(*tensors), by_the_equation(*tensors))
    assert not log.names


def test_it_is_not_available_where_a_kernel_could_not_run(monkeypatch):
    from torch._subclasses.fake_tensor import FakeTensorMode

    tensors = make(7, 3, 5, 2, 6)
    assert fused.is_available(*tensors)
    assert not fused.is_available(*tensors[:-1], tensors[-1].double())
    assert not fused.is_available(*make(7, 3, 5, 33, 6))
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        assert not fused.is_available(*tensors)
    assert torch.func.vmap(lambda x: x.new_tensor(fused.is_available(*tensors)))(torch.zeros(2)).eq(0).all()
    with FakeTensorMode():
        assert not fused.is_available(*(torch.empty(tensor.shape, device=DEVICE) for tensor in tensors))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert not fused.is_available(*(tensor.cpu() for tensor in tensors))


@pytest.mark.parametrize("d", [6, None], ids=["group", "self"])
def test_the_plain_path_is_the_layer_itself(d):
    x, z = torch.randn(7, 17), None if d is None else torch.randn(7, d)
    v4 = ApgV4(17, 5, rank=4, d_condition=d)
    v5 = ApgV5(17, 5, rank=4, over=8, d_condition=d)
    for layer, v, u in ((v4, v4.v, v4.u), (v5, v5.v_left @ v5.v_right, v5.u_left @ v5.u_right)):
        last = layer.generator.last
        operands = (x, x if z is None else z, v, last.weight, last.bias, u, layer.bias)
        with fused.plain_layers():
            assert torch.equal(fused.plain(*operands), layer(x, z))


@pytest.mark.parametrize("d", [6, None], ids=["group", "self"])
def test_layers_are_fused_where_the_kernels_have_been_found_sound(d, monkeypatch):
    monkeypatch.setattr(fused, "AGREEING", {})
    x, z = torch.randn(7, 17, device=DEVICE), None if d is None else torch.randn(7, d, device=DEVICE)
    for layer in (ApgV4(17, 5, rank=4, d_condition=d), ApgV5(17, 5, rank=4, over=8, d_condition=d)):
        layer.to(DEVICE)
        with fused.plain_layers():
            expected = layer(x, z)
        assert fused.is_usable(x.device)
        log = Log(monkeypatch)
        found = layer(x, z)
        assert log.names == FORWARD
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        found.sum().backward()
        assert log.names == FORWARD + BACKWARD
    assert {x.device: True} == fused.AGREEING


def test_layers_take_the_plain_path_where_the_kernels_are_wrong_and_say_so(monkeypatch):
    monkeypatch.setattr(fused, "AGREEING", {})
    right = fused.fused_forward

    def wrong(*args, **options):
        y, *rest = right(*args, **options)
        return y * 1.01, *rest

    monkeypatch.setattr(fused, "fused_forward", wrong)
    layer, x = ApgV4(17, 5, rank=4).to(DEVICE), torch.randn(7, 17, device=DEVICE)
    with fused.plain_layers():
        expected = layer(x)
    with pytest.warns(UserWarning, match="the fused kernels are not used on .*: they differ from the plain layer by"):
        assert torch.equal(layer(x), expected)
    assert torch.equal(layer(x), expected)  # said once

    def broken(*args, **options):
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(fused, "AGREEING", {})
    monkeypatch.setattr(fused, "fused_forward", broken)
    with pytest.warns(UserWarning, match="RuntimeError: no kernel image is available"):
        assert torch.equal(layer(x), expected)


def test_a_large_rank_takes_the_plain_path():
    tensors = make(7, 3, 5, 33, 6, torch.float32)
    assert_near(fused.apg_product(*tensors).detach(), by_the_equation(*doubled(tensors)).detach())
