"""What a result was made with: versions and hardware, as far as digits depend on them."""

from __future__ import annotations

import platform
import sys
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from nnhp_torch.core.ledger.result import DIGITS


def versions() -> dict[str, str]:
    """Return the versions that a result depends on."""
    packages = ["nnhp_torch", "lightning", "torchmetrics", *(name for name in ("ray",) if name in sys.modules)]
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{name: metadata.version(name) for name in packages},
    }


def hardware(device: str, world_size: int) -> dict[str, Any]:
    """Return the hardware of a trial: the device's kind and name, and how many of them.

    Also what tells two of the same name apart: a CPU's instructions, and how exactly float32 matrices are multiplied.
    """
    found = {"accelerator": device, "device": _cpu_name(), "world_size": world_size}
    if device == "cuda":
        found["device"] = torch.cuda.get_device_name()
    elif device == "cpu":
        found["instructions"] = torch.backends.cpu.get_cpu_capability()
    with suppress(RuntimeError):  # torch does not tell once somebody has given a backend a precision of its own
        found["float32_matmul"] = torch.get_float32_matmul_precision()
    return found


def differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Say in which way two devices may give other digits, as far as both are known; empty if in none."""
    names = [name for name in DIGITS if name in before and name in now and before[name] != now[name]]
    return " and ".join(f"{before[name]} before, {now[name]} after" for name in names)


@cache
def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
