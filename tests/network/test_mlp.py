from __future__ import annotations

import copy
import math
import pickle

import pytest
import torch
from torch import nn

from nnhp_torch.network.mlp import MLP, BatchNorm


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        # 784·128 + 128 + 2·(128·128 + 128) + 128·10 + 10: the article's network as its prose means it
        ({}, 100_480 + 2 * 16_512 + 1_290),
        ({"hidden_sizes": (5, 3), "in_features": 4, "num_classes": 2}, 25 + 18 + 8),
        ({"hidden_sizes": (5, 3), "in_features": 4, "num_classes": 2, "batch_norm": True}, 25 + 18 + 8 + 10 + 6),
        ({"hidden_sizes": ()}, 7_850),
    ],
)
def test_parameter_count(arguments, parameters):
    assert count(MLP(**arguments)) == parameters


def test_a_worked_forward_pass():
    net = MLP(2, 2, (2,))
    layer = net.hidden[0].linear
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -1.0], [2.0, 0.5]]))
        layer.bias.copy_(torch.tensor([0.5, -1.0]))
        net.output.weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
        net.output.bias.copy_(torch.tensor([0.0, 10.0]))
    logits, hidden = net(torch.tensor([[1.0, 2.0], [3.0, 1.0]]), return_hidden=True)
    assert hidden[0].tolist() == [[0.0, 2.0], [2.5, 5.5]]  # relu of (-0.5, 2) and (2.5, 5.5)
    assert logits.tolist() == [[4.0, 12.0], [13.5, 13.0]]
    assert torch.equal(net(torch.tensor([[1.0, 2.0], [3.0, 1.0]])), logits)


def test_examples_are_flattened_and_counted():
    net = MLP(12, 3, (4,))
    x = torch.randn(5, 1, 3, 4)
    assert net(x).shape == (5, 3)
    assert torch.equal(net(x), net(x.reshape(5, 12)))
    with pytest.raises(ValueError, match=r"has 13 features.*in_features=12"):
        net(torch.randn(5, 13))


def test_initial_weights_are_keras_s():
    torch.manual_seed(0)
    net = MLP(300, 10, (200,))
    kernel = net.hidden[0].linear.weight
    limit = math.sqrt(6 / (300 + 200))
    assert kernel.abs().max() <= limit
    assert kernel.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.01)
    assert net.output.weight.abs().max() <= math.sqrt(6 / 210)
    assert all(not bias.any() for name, bias in net.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", lambda z: max(z, 0.0)),
        ("sigmoid", lambda z: 1 / (1 + math.exp(-z))),
        ("tanh", math.tanh),
        ("linear", lambda z: z),
        ("gelu", lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2),
        ("silu", lambda z: z / (1 + math.exp(-z))),
        ("leaky_relu", lambda z: z if z > 0 else 0.01 * z),
        ("elu", lambda z: z if z > 0 else math.exp(z) - 1),
    ],
)
def test_activations(activation, expected):
    net = MLP(3, 2, (4,), activation=activation).double()
    x = torch.randn(6, 3, dtype=torch.float64)
    z = net.hidden[0].linear(x)
    _, (hidden,) = net(x, return_hidden=True)
    wanted = [[expected(value) for value in row] for row in z.tolist()]
    torch.testing.assert_close(hidden, torch.tensor(wanted, dtype=torch.float64), rtol=1e-12, atol=1e-14)


def test_dropout_of_each_layer():
    torch.manual_seed(0)
    net = MLP(4, 2, (1000, 1000, 1000), activation="linear", dropout=(0.0, 0.25, 0.75))
    for layer, share in zip(net.hidden, (0.0, 0.25, 0.75), strict=True):
        dropped, activated = layer(torch.ones(20, layer.linear.in_features))
        assert (dropped == 0).float().mean().item() == pytest.approx(share, abs=0.02)
        kept = dropped != 0
        torch.testing.assert_close(dropped[kept], activated[kept] / (1 - share))
    net.eval()
    x = torch.randn(3, 4)
    assert torch.equal(net(x), net(x))
    assert [layer.dropout.p for layer in MLP(4, 2, (3, 3), dropout=0.5).hidden] == [0.5, 0.5]


def test_batch_norm_s_moving_statistics_are_keras_s():
    torch.manual_seed(0)
    norm = BatchNorm(3).double()
    mean, var = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)
    for n in (5, 2, 8):
        x = 3 * torch.randn(n, 3, dtype=torch.float64, requires_grad=True) + 1
        y = norm(x)
        y.pow(3).sum().backward()  # backward must not mind the corrected buffer
        batch_mean = x.sum(0) / n
        batch_var = ((x - batch_mean) ** 2).sum(0) / n
        torch.testing.assert_close(y, (x - batch_mean) / (batch_var + 1e-3).sqrt(), rtol=1e-11, atol=1e-12)
        mean, var = 0.99 * mean + 0.01 * batch_mean.detach(), 0.99 * var + 0.01 * batch_var.detach()
        torch.testing.assert_close(norm.running_mean, mean, rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(norm.running_var, var, rtol=1e-12, atol=0)
    norm.eval()
    x = torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(norm(x), (x - mean) / (var + 1e-3).sqrt(), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(norm.running_var, var, rtol=1e-12, atol=0)


def test_batch_norm_stands_after_the_activation_and_before_dropout():
    net = MLP(3, 2, (4,), batch_norm=True)
    assert isinstance(net.hidden[0].norm, nn.BatchNorm1d)
    x = torch.randn(50, 3)
    _, (hidden,) = net(x, return_hidden=True)
    assert hidden.min() == 0  # as relu left it
    output, _ = net.hidden[0](x)
    torch.testing.assert_close(output.mean(0), torch.zeros(4), rtol=0, atol=1e-6)
    assert all(isinstance(layer.norm, nn.Identity) for layer in MLP(3, 2, (4,)).hidden)
    dropped, _ = MLP(3, 2, (4,), dropout=0.5, batch_norm=True).hidden[0](x)
    assert 0.3 < (dropped == 0).float().mean() < 0.7  # normalized afterwards, a dropped unit would not be zero


def test_copies_and_pickles():
    net = MLP(3, 2, (4, 4), activation="linear", batch_norm=True).eval()
    x = torch.randn(5, 3)
    assert torch.equal(copy.deepcopy(net)(x), net(x))
    assert torch.equal(pickle.loads(pickle.dumps(net))(x), net(x))


@pytest.mark.parametrize(
    "bad",
    [
        {"hidden_sizes": (3, 0)},
        {"in_features": 0},
        {"num_classes": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": (0.1, 0.1)},
        {"activation": "rleu"},
    ],
)
def test_bad_arguments_are_refused(bad):
    with pytest.raises(ValueError, match=r"must be"):
        MLP(**bad)


def test_a_batch_of_one_is_normalized_to_the_bias_as_in_keras():
    norm = BatchNorm(2)
    x = torch.tensor([[3.0, -1.0]], requires_grad=True)
    y = norm(x)
    y.sum().backward()
    assert torch.equal(y, norm.bias[None])
    assert torch.equal(x.grad, torch.zeros(1, 2))
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.03, -0.01]))
    torch.testing.assert_close(norm.running_var, torch.tensor([0.99, 0.99]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_moving_statistics_keep_their_digits_in_half_precision(dtype):
    torch.manual_seed(0)
    x = (3 + torch.randn(64, 2)).to(dtype)
    norm, exact = BatchNorm(2).to(dtype), BatchNorm(2)
    for _ in range(300):
        y = norm(x)
        exact(x.float())
    assert y.dtype == dtype
    assert norm.to(torch.float32).running_mean is not None
    torch.testing.assert_close(norm.running_mean, exact.running_mean)
    torch.testing.assert_close(norm.running_var, exact.running_var)
    assert BatchNorm(2).double().running_var.dtype == torch.float64
