"""Whether the fused kernels are used, and what they refuse: what needs no Triton. The kernels: ``test_fused.py``."""

import math
import os
import subprocess
import sys

import pytest
import torch

from apg_repro.nn import fused
from apg_repro.paths import ROOT

NAMES = ["x", "z", "v", "generator_weight", "generator_bias", "u", "bias"]


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad], ids=["inference", "no gradients"])
def test_whether_the_kernels_are_sound_does_not_hang_on_who_asks_first(mode, monkeypatch):
    """Without Triton the plain layer is compared with itself, backward as well."""
    monkeypatch.setattr(fused, "AGREEING", {})
    with mode():
        assert fused.is_sound(torch.device("cpu"))


def test_kernels_whose_gradients_are_no_numbers_are_not_sound(monkeypatch):
    """``max`` of Python would lose a NaN that is not the first."""

    def broken(*tensors):
        tensors[-1].register_hook(lambda gradient: gradient * math.nan)
        return fused.plain(*tensors)

    monkeypatch.setattr(fused, "AGREEING", {})
    monkeypatch.setattr(fused, "apg_product", broken)
    assert math.isnan(fused.distance_from_plain(torch.device("cpu")))
    with pytest.warns(UserWarning, match="differ from the plain layer by nan"):
        assert not fused.is_sound(torch.device("cpu"))


def test_triton_is_optional():
    code = """
import sys
sys.modules["triton"] = None
import torch
from apg_repro.nn import fused
from apg_repro.nn.apg import ApgV4, ApgV5
tensors = [torch.ones(shape) for shape in [(2, 3), (2, 1), (1, 3), (1, 1), (1,), (4, 1), (4,)]]
assert not fused.is_available(*tensors)
assert (fused.apg_product(*tensors) == 7).all()
"""
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("value", "is_on"), [("0", False), ("1", True), (None, True)])
def test_a_variable_of_the_environment_leaves_the_kernels_out_in_every_thread(value, is_on):
    code = """
import threading
from apg_repro.nn import fused
found = [fused.SWITCH.is_on]
thread = threading.Thread(target=lambda: found.append(fused.SWITCH.is_on))
thread.start()
thread.join()
print(found)
"""
    environment = {name: text for name, text in os.environ.items() if name != "APG_FUSED"} | {"PYTHONPATH": str(ROOT)}
    environment |= {} if value is None else {"APG_FUSED": value}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == str([is_on, is_on])


@pytest.mark.parametrize("name", NAMES)
def test_tensors_that_do_not_fit_are_refused(name):
    tensors = [torch.empty(shape) for shape in [(2, 3), (2, 6), (4, 3), (16, 6), (16,), (5, 4), (5,)]]
    fused.check(*tensors, "ieee")
    at = NAMES.index(name)
    tensors[at] = torch.empty([size + 1 for size in tensors[at].shape])
    with pytest.raises(ValueError, match="must be"):
        fused.check(*tensors, "ieee")


def test_an_unknown_precision_is_refused():
    tensors = [torch.empty(shape) for shape in [(2, 3), (2, 6), (4, 3), (16, 6), (16,), (5, 4), (5,)]]
    with pytest.raises(ValueError, match="'half' is unknown; choose one of ieee, tf32"):
        fused.check(*tensors, "half")
