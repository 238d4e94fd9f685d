"""A pretended GPU, for tests where there is none: its tensors lie in ordinary memory, but are kept apart.

``PretendedCuda`` remembers which tensors were made on "cuda" or computed from such. They say that this is their device,
and an operation that mixes them with others raises, as does an index made from a Python list, which a real GPU
would silently copy. Everything is computed, so whole trainings run, shapes that depend on data among them. Torch's own
fake tensors would not do: a CPU build of torch ends the process when a gradient is asked for on a fake CUDA device.
"""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from apg_repro.training.graphs import Graphed

aten = torch.ops.aten
FETCHES = {aten._local_scalar_dense.default, aten.nonzero.default, aten.equal.default}  # their results go to the CPU
FRESH = {aten.lift_fresh.default, aten.lift_fresh_copy.default, aten.lift.default}


class WrongDeviceError(RuntimeError):
    """What a GPU would refuse, or a graph."""


class PretendedCuda(TorchFunctionMode):
    """A context in which there is a device "cuda".

    Attributes:
        captures: operations are refused that wait for the GPU, as while a graph is recorded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.storages: set[int] = set()
        self.captures = False
        self.watch = Watch(self)

    def __enter__(self):
        self.group = torch._C._group_tensors_by_device_and_dtype
        torch._C._group_tensors_by_device_and_dtype = self.grouped  # C++ asks no mode for a tensor's device
        self.watch.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self.watch.__exit__(*error)
        torch._C._group_tensors_by_device_and_dtype = self.group

    def grouped(self, lists, with_indices=False):
        groups = self.group(lists, with_indices)
        return {(found[0][0][0].device, dtype): found for (_, dtype), found in groups.items()}

    def holds(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is on the pretended GPU."""
        return key(tensor) in self.storages

    def place(self, tensors, on_cuda: bool):
        """Notes where tensors are; returns them."""
        for tensor in tree_leaves(tensors):
            if isinstance(tensor, torch.Tensor):
                (self.storages.add if on_cuda else self.storages.discard)(key(tensor))
        return tensors

    @contextmanager
    def recording(self):
        """While a graph is recorded."""
        self.captures = True
        try:
            yield
        finally:
            self.captures = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func == torch.Tensor.device.__get__:
            return torch.device("cuda", 0) if self.holds(args[0]) else func(*args)
        if func == torch.Tensor.is_cuda.__get__:
            return self.holds(args[0])
        if func == torch.Tensor.is_cpu.__get__:
            return not self.holds(args[0])
        if func is torch.Tensor.cpu:
            return self.move(args[0], False) if self.holds(args[0]) else args[0]
        if func in (torch.Tensor.numpy, torch.Tensor.__array__) and self.holds(args[0]):
            raise WrongDeviceError("can't convert cuda:0 device type tensor to numpy")
        if func is torch.Tensor.to:
            return self.to(*args, **kwargs)
        device = kwargs.get("device")
        if device is not None and torch.device(device).type == "cuda":
            return self.place(func(*args, **{**kwargs, "device": "cpu"}), True)
        found = func(*args, **kwargs)
        if func in (torch.tensor, torch.from_numpy, torch.as_tensor):
            self.place(found, False)
        return found

    def to(self, tensor, *args, **kwargs):
        device, dtype, _, _ = torch._C._nn._parse_to(*args, **kwargs)
        if dtype is not None:
            tensor = torch.Tensor.type(tensor, dtype)
        on_cuda = self.holds(tensor) if device is None else device.type == "cuda"
        return tensor if on_cuda == self.holds(tensor) else self.move(tensor, on_cuda)

    def move(self, tensor, on_cuda: bool):
        if self.captures:
            raise WrongDeviceError("a copy between CPU and GPU while a graph is recorded")
        return self.place(tensor.clone(), on_cuda)


class Watch(TorchDispatchMode):
    """Sees every operation, those of backward passes and optimisers too."""

    def __init__(self, cuda: PretendedCuda) -> None:
        super().__init__()
        self.cuda = cuda

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if func in FRESH:  # made from Python's data, on the CPU; its storage may be where another was
            return self.cuda.place(func(*args, **kwargs), False)
        on = [tensor for tensor in inputs if self.cuda.holds(tensor)]
        # As on a GPU, a number may come from the CPU.
        off = [tensor for tensor in inputs if tensor.dim() > 0 and not self.cuda.holds(tensor)]
        if on and off and func is not aten.set_.source_Tensor:
            raise WrongDeviceError(f"{func} of tensors on cuda and on the CPU")
        if on and self.cuda.captures and (func in FETCHES or "unique" in str(func)):
            raise WrongDeviceError(f"{func} waits for the GPU while a graph is recorded")
        out = func(*args, **kwargs)
        return out if func in FETCHES and not isinstance(out, torch.Tensor) else self.cuda.place(out, bool(on))


def key(tensor: torch.Tensor) -> int:
    """Which memory a tensor has: views share it."""
    with torch._C.DisableTorchFunction():
        return (tensor._values() if tensor.is_sparse else tensor).untyped_storage()._cdata


def without_gpu(cuda: PretendedCuda) -> type[Graphed]:
    """Graphs on the pretended GPU: what they record is run again, and refuses what a recording would."""

    class Recorded(Graphed):
        def run_aside(self):
            self.next_step()

        def record(self):
            def replay() -> None:
                with cuda.recording():
                    self.next_step()

            return replay

    return Recorded
