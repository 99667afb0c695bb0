from __future__ import annotations

import pytest
import torch

from nnhp_torch.network.constraints import max_norm, min_max_norm, non_neg, none, unit_norm

# Rows are output units; their norms are 5, 0.5, 0 and 10.
W = torch.tensor([[3.0, 4.0], [0.3, -0.4], [0.0, 0.0], [-6.0, 8.0]], dtype=torch.float64)


def scaled(*norms):
    """W with these norms, by Keras's w · wanted/(1e-7 + norm)."""
    factors = [wanted / (1e-7 + norm) for wanted, norm in zip(norms, (5, 0.5, 0, 10), strict=True)]
    return W * torch.tensor(factors, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(
    ("constrained", "expected"),
    [
        (max_norm(W), scaled(2, 0.5, 0, 2)),
        (max_norm(W, 7.0), scaled(5, 0.5, 0, 7)),
        (max_norm(W, 0.0), scaled(0, 0, 0, 0)),
        (unit_norm(W), scaled(1, 1, 0, 1)),
        (min_max_norm(W), scaled(1, 0.5, 0, 1)),
        (min_max_norm(W, 1.0, 6.0), scaled(5, 1, 1, 6)),
        (min_max_norm(W, 1.0, 6.0, rate=0.25), scaled(5, 0.625, 0.25, 9)),
        (non_neg(W), torch.tensor([[3, 4], [0.3, 0], [0, 0], [0, 8]], dtype=torch.float64)),
        (none(W), W),
    ],
)
def test_worked_matrices(constrained, expected):
    torch.testing.assert_close(constrained, expected, rtol=1e-13, atol=0)


def test_a_filter_counts_as_one_output_unit():
    w = torch.ones(2, 3, 4, 4)  # (out, in, height, width): each norm is the root of 48
    assert unit_norm(w).flatten(1).norm(dim=1).tolist() == pytest.approx([1, 1])
    torch.testing.assert_close(unit_norm(w), w / 48**0.5)


def test_dim_names_what_a_norm_runs_over():
    torch.testing.assert_close(unit_norm(W, dim=1), unit_norm(W))
    torch.testing.assert_close(unit_norm(W, dim=0), unit_norm(W.T).T)
    torch.testing.assert_close(unit_norm(W, dim=(0, 1)), W / W.norm(), rtol=1e-6, atol=0)


def test_a_vector_has_one_norm():
    torch.testing.assert_close(max_norm(torch.tensor([6.0, 8.0])), torch.tensor([1.2, 1.6]))


@pytest.mark.parametrize("constraint", [max_norm, unit_norm, min_max_norm, non_neg])
def test_a_constraint_met_changes_next_to_nothing_and_leaves_its_argument(constraint):
    torch.manual_seed(0)
    w = torch.randn(50, 20)
    before = w.clone()
    once = constraint(w)
    assert torch.equal(w, before)
    torch.testing.assert_close(constraint(once), once, rtol=1e-6, atol=1e-7)
    assert once.dtype == w.dtype


@pytest.mark.parametrize("bad", [{"min_value": 2.0, "max_value": 1.0}, {"min_value": -1.0}, {"rate": 0}, {"rate": 2}])
def test_impossible_bounds_are_refused(bad):
    with pytest.raises(ValueError, match="must be"):
        min_max_norm(W, **bad)


def test_a_negative_maximum_is_refused():
    with pytest.raises(ValueError, match="bounds"):
        max_norm(W, -1.0)
