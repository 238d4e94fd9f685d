"""Where a row comes from: commit, versions, machine. Imports no torch."""

import functools
import os
import platform
import subprocess
from pathlib import Path

from apg_repro.config import DeviceKind
from apg_repro.paths import ROOT

# The version of the way of timing (``training/timing.py``): raised by hand when that changes.
TIMING = 2
GPU_MAKERS = ("NVIDIA", "AMD Instinct", "AMD Radeon")  # how the names of GPUs begin


@functools.cache
def commit() -> tuple[str | None, bool | None]:
    """The checkout's commit, and whether the package differs from it; (None, None) outside of git.

    Asked once per process: what counts is the code that was imported.
    """
    head, changes = git("rev-parse", "--short=12", "HEAD"), git("status", "--porcelain", "--", "apg_repro")
    return (None, None) if head is None or changes is None else (head, bool(changes))


def git(*arguments: str) -> str | None:
    """What git answers in this checkout; None if it can't: outside of one, without git, or in a folder of another."""
    ask = functools.partial(subprocess.run, cwd=ROOT, check=True, capture_output=True, text=True)
    try:
        is_inside = ask(["git", "rev-parse", "--show-prefix"]).stdout.strip()  # a checkout that is not ours
        return None if is_inside else ask(["git", *arguments]).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def cpu_name() -> str:
    """What the CPU is called."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def kind_named(device: str) -> DeviceKind:
    """Which kind of device a row's machine is, by its name."""
    return "cuda" if device.startswith(GPU_MAKERS) else "cpu"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_gb() -> float | None:
    """The machine's memory in units of 10^9 bytes; None where it cannot be asked."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None
