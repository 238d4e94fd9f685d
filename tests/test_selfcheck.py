"""``apg selfcheck``: what a user runs first on a GPU."""

import subprocess
import sys
import warnings

import pytest
import torch

from apg_repro.__main__ import main
from apg_repro.paths import ROOT
from apg_repro.run import selfcheck
from apg_repro.run.selfcheck import self_check

# A GPU's image has torch and what training needs (``train`` in pyproject.toml), and nothing of these.
ABSENT = [
    "IPython",
    "matplotlib",
    "seaborn",
    "papermill",
    "nbformat",
    "statsmodels",
    "pytest",
    "beartype",
    "jupyter_book",
]


def test_a_cpu_passes_without_any_package_that_a_gpu_image_lacks():
    script = f"""if True:
        import sys
        sys.modules |= dict.fromkeys({ABSENT!r})
        import torch
        torch.set_num_threads(1)
        import apg_repro.run.fleet, apg_repro.run.driver
        from apg_repro.__main__ import main
        sys.exit(main(["selfcheck", "--device", "cpu"]))
    """
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"ok", "skipped"}
    reasons = ("graphs need a CUDA device", "it needs Triton and a GPU")
    assert all(any(reason in line for reason in reasons) for line in lines if line.startswith("skipped"))
    assert sum(line.startswith("ok") for line in lines) == len(selfcheck.GOLDEN) + 3


def test_a_check_that_fails_is_named_and_the_others_go_on(monkeypatch, capsys):
    def broken(device):
        raise RuntimeError("no kernel image")

    some = {
        "a": lambda: (1e-3, 1e-6),
        "b": lambda: broken("cpu"),
        "c": lambda: (float("nan"), 1.0),
        "d": lambda: (0.0, 1e-6),
    }
    monkeypatch.setattr(selfcheck, "checks", lambda device: some)
    assert main(["selfcheck", "--device", "cpu"]) == 1
    found = capsys.readouterr()
    assert [line.split()[0] for line in found.out.splitlines()] == ["failed", "failed", "failed", "ok"]
    assert "RuntimeError: no kernel image" in found.out
    assert "3 checks failed on cpu" in found.err


def test_a_recording_that_fails_side_by_side_is_no_pass(monkeypatch):
    """Losses agree all the same, as such a run goes on step by step."""

    def spoilt(config, rows):
        warnings.warn("steps are launched one by one, as recording failed: it was invalidated", stacklevel=1)

    monkeypatch.setattr(selfcheck, "train", spoilt)
    monkeypatch.setattr(selfcheck, "checks", lambda device: {"side by side": lambda: selfcheck.side_by_side(device)})
    (check,) = selfcheck.self_check("cpu")
    assert check.outcome == "failed"
    assert "as recording failed: it was invalidated" in check.far


def test_a_golden_run_that_has_moved_fails(monkeypatch):
    whole = selfcheck.golden_run

    def moved(config, device):
        return {name: [1.001 * value for value in found] for name, found in whole(config, device=device).items()}

    monkeypatch.setattr(selfcheck, "golden_run", moved)
    far, most = selfcheck.golden(selfcheck.GOLDEN[3], "cpu")
    assert far > most


@pytest.mark.parametrize(
    ("words", "outcome"),
    [("Failed to find C compiler. Please specify via CC environment variable", "skipped"), ("no kernel", "failed")],
)
def test_without_a_c_compiler_the_kernels_are_left_out_and_any_other_error_fails(words, outcome, monkeypatch):
    def raises(*arguments):
        raise RuntimeError(words)

    monkeypatch.setattr(selfcheck.fused, "could_run", lambda device: True)
    monkeypatch.setattr(selfcheck.fused, "distance_from_plain", raises)
    every = selfcheck.checks("cpu")
    chosen = {name: check for name, check in every.items() if name.startswith("fused")}
    monkeypatch.setattr(selfcheck, "checks", lambda device: chosen)
    found = list(selfcheck.self_check("cpu"))
    assert [check.outcome for check in found] == [outcome, outcome]
    assert all(words[:20] in check.far for check in found)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_machine_without_a_gpu_is_told_so(capsys):
    assert main(["selfcheck"]) == 1
    assert "device 'cuda' cannot be used here" in capsys.readouterr().err


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_passes():
    assert {check.outcome for check in self_check("cuda")} == {"ok"}
