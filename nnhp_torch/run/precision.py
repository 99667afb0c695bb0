"""Which library multiplies float32 matrices on a CPU."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import Any

import torch

from nnhp_torch.run.resume.isolation import kept_precisions

EXACT = 1e-6  # relative error of a float32 product; bfloat16's is near 2e-3


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
