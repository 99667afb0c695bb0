"""Which library multiplies float32 matrices on a CPU."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import torch

EXACT = 1e-6  # relative error of a float32 product; bfloat16's is near 2e-3


def prefer_onednn() -> bool:
    """Sends this process's float32 products on the CPU to oneDNN, if they stay float32 there; says whether it did.

    torch sends them to MKL, which reaches half of oneDNN's speed on some CPUs. The one switch there is permits
    bfloat16, and CPUs with AMX make use of that. So a product is tried: precision decides, never speed, which would
    differ from run to run and with it the last digits.
    """
    with suppress(AttributeError):  # torch before 2.9 has no such switch
        backend: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
        before = backend.fp32_precision
        backend.fp32_precision = "bf16"
        generator = torch.Generator().manual_seed(0)
        a, b = torch.rand(512, 256, generator=generator), torch.randn(256, 128, generator=generator)
        exact = a.double() @ b.double()
        if bool((a @ b - exact).norm() < EXACT * exact.norm()):
            return True
        backend.fp32_precision = before
    return False
