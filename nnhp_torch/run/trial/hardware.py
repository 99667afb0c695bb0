"""What a result was made with, as far as digits depend on it: versions, hardware, what multiplies on a CPU."""

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
from nnhp_torch.run.resume.isolation import kept_precisions

EXACT = 1e-6  # relative error of a float32 product; bfloat16's is near 2e-3


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
    """Say why two devices may give other digits, as far as both are known; empty if they will not."""
    names = [name for name in DIGITS if name in before and name in now and before[name] != now[name]]
    return " and ".join(f"{before[name]} before, {now[name]} after" for name in names)


@cache
def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def prefer_onednn() -> bool:
    """Send this process's float32 products on the CPU to oneDNN, if they stay float32 there; return whether it did.

    torch sends them to MKL, which reaches half of oneDNN's speed on some CPUs. Nothing is changed where somebody has
    chosen a precision already.
    """
    with suppress(AttributeError):  # torch before 2.9 has no such switch
        backend: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
        if backend.fp32_precision == "none" and _stays_float32():
            _permit()
            return True
    return False


def _permit() -> None:
    """Permit bfloat16, the one switch there is to oneDNN; CPUs with AMX make use of that.

    It is torch's setting for all devices, so this is for a process that trains on its CPU: where one backend alone has
    another precision, torch.get_float32_matmul_precision raises, whoever calls it.
    """
    torch.set_float32_matmul_precision("medium")


@cache
def _stays_float32() -> bool:
    """Try a product: precision decides, never speed, which would differ from run to run and with it the last digits."""
    with kept_precisions():
        _permit()
        generator = torch.Generator().manual_seed(0)
        of: Any = {"generator": generator, "dtype": torch.float32, "device": "cpu"}
        a, b = torch.rand(512, 256, **of), torch.randn(256, 128, **of)
        exact = a.double() @ b.double()
        return bool((a @ b - exact).norm() < EXACT * exact.norm())
