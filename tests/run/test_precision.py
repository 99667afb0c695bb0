from __future__ import annotations

import pytest
import torch

from nnhp_torch.run.precision import prefer_onednn


def test_float32_products_stay_float32():
    backend = getattr(torch.backends.mkldnn, "matmul", None)
    if backend is None:
        pytest.skip("this torch has no switch to try")
    before = backend.fp32_precision
    try:
        kept = prefer_onednn()
        assert backend.fp32_precision == ("bf16" if kept else before)
        torch.manual_seed(1)
        for shape in ((300, 784, 128), (2000, 128, 10), (128, 2500, 784)):
            a, b = torch.rand(shape[0], shape[1]), torch.randn(shape[1], shape[2])
            exact = a.double() @ b.double()
            assert (a @ b - exact).norm() < 2e-6 * exact.norm()
    finally:
        backend.fp32_precision = before
