from __future__ import annotations

import torch

from nnhp_torch.network import catalog
from nnhp_torch.network.losses import l1, l2

W = torch.tensor([[1.0, -2.0], [0.5, 0.0]], requires_grad=True)


def test_worked_matrix():
    assert l1(W).item() == 3.5
    assert l2(W).item() == 5.25


def test_gradients():
    """l2's is 2w: torch's weight_decay would give w."""
    assert torch.autograd.grad(l1(W), W)[0].tolist() == [[1, -1], [1, 0]]
    assert torch.autograd.grad(l2(W), W)[0].tolist() == [[2, -4], [1, 0]]


def test_by_name():
    assert catalog.resolve("reg_type", "l1") is catalog.resolve("activity_reg_type", "l1") is l1
    assert catalog.resolve("reg_type", "l2") is catalog.resolve("activity_reg_type", "l2") is l2
