"""What this machine has for trials: cores and GPUs, counted without torch, which takes seconds to import."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import platform
import sys
from pathlib import Path


def cores() -> int:
    """CPU cores that this process may use, a container's quota included."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, math.floor(int(quota) / int(period))))
    return count


def gpus() -> int:
    """GPUs that this process may use: NVIDIA's, AMD's, or Apple's one."""
    if sys.platform == "darwin":
        return int(platform.machine() == "arm64")
    there = _nvidia() or _amd()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not there:
        return there
    chosen = [name.strip() for name in visible.split(",")]
    bad = [place for place, name in enumerate(chosen) if not name or name.startswith("-")]  # all from there on
    return len(chosen[: bad[0]] if bad else chosen)


def trials_on_gpus(accelerator: str, devices: int | tuple[int, ...] | list[int]) -> int:
    """Return how many trials can have GPUs to themselves; 0 if trials run on the CPU, which they share."""
    there = 0 if accelerator == "cpu" else gpus() if accelerator == "auto" else max(gpus(), 1)
    each = devices if isinstance(devices, int) else max(there, 1)  # those that are named are the same for all
    return max(there // each, min(there, 1))


@functools.cache
def _nvidia() -> int:
    count = ctypes.c_uint(0)
    with contextlib.suppress(OSError, AttributeError):  # there is no driver, or an old one
        nvml = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
        if nvml.nvmlInit_v2() == 0:
            nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
    return count.value


@functools.cache
def _amd() -> int:
    found = 0
    for node in Path("/sys/class/kfd/kfd/topology/nodes").glob("*/gpu_id"):
        with contextlib.suppress(OSError, ValueError):
            found += int(node.read_text()) != 0  # 0 is a CPU
    return found
