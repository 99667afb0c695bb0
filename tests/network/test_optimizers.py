from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from nnhp_torch.network.optimizers import SGD, Adagrad, Adam, RMSprop, make_optimizer
from nnhp_torch.network.schedules import constant, cosine, exponential, make_schedule, step

KERAS = ("Adam", "Adagrad", "RMSprop", "SGD")
START = np.array([[0.3, -0.7, 1.1], [0.0, 2.0, -1.5]])
# Gradients of very different sizes, zero among them: a small one shows where epsilon stands.
GRADIENTS = [
    np.array([[1e-6, -0.2, 3.0], [0.0, 5e-4, -1e-8]]),
    np.array([[2e-6, 0.1, -1.0], [0.0, 4e-4, 3e-8]]),
    np.array([[-1e-6, 0.3, 2.0], [1e-3, 0.0, 2e-8]]),
    np.array([[5e-7, -0.5, 0.1], [2e-7, 1e-4, 0.0]]),
]


def by_hand(name, lrs, momentum=None):
    """The weights after each step, by the formulas of Keras's optimizers in float64."""
    w = START.copy()
    m, v, u = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    a = np.full_like(w, 0.1)
    after = []
    for t, (g, lr) in enumerate(zip(GRADIENTS, lrs, strict=True), 1):
        if name == "Adam":
            b1 = 0.9 if momentum is None else momentum
            m = b1 * m + (1 - b1) * g
            v = 0.999 * v + 0.001 * g**2
            w = w - m * lr * math.sqrt(1 - 0.999**t) / (1 - b1**t) / (np.sqrt(v) + 1e-7)
        elif name == "Adagrad":
            a = a + g**2
            w = w - lr * g / np.sqrt(a + 1e-7)
        elif name == "RMSprop":
            v = 0.9 * v + 0.1 * g**2
            u = (momentum or 0.0) * u + lr * g / np.sqrt(v + 1e-7)
            w = w - u
        else:
            u = (momentum or 0.0) * u - lr * g
            w = w + u
        after.append(w)
    return after


def parameter(dtype=torch.float64):
    return torch.nn.Parameter(torch.tensor(START, dtype=dtype))


def advance(optimizer, w, gradients):
    for g in gradients:
        w.grad = torch.tensor(g, dtype=w.dtype)
        optimizer.step()
        yield w.detach().double().numpy().copy()


@pytest.mark.parametrize(
    ("name", "momentum"), [*((name, None) for name in KERAS), ("Adam", 0.5), ("RMSprop", 0.8), ("SGD", 0.9)]
)
def test_steps_are_keras_s(name, momentum):
    w = parameter()
    taken = list(advance(make_optimizer(name, [w], 0.01, momentum=momentum), w, GRADIENTS))
    for got, expected in zip(taken, by_hand(name, [0.01] * 4, momentum), strict=True):
        np.testing.assert_allclose(got - START, expected - START, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("rule", "lr"), [(Adam, 0.001), (Adagrad, 0.001), (RMSprop, 0.001), (SGD, 0.01)])
def test_defaults_are_keras_s(rule, lr):
    """The rates; and the decays, the epsilon and what a sum starts at, as `by_hand` has them."""
    w = parameter()
    optimizer = rule([w])
    assert optimizer.defaults["lr"] == lr
    for got, expected in zip(advance(optimizer, w, GRADIENTS), by_hand(rule.__name__, [lr] * 4), strict=True):
        np.testing.assert_allclose(got - START, expected - START, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", KERAS)
def test_steps_in_float32(name):
    w = parameter(torch.float32)
    taken = list(advance(make_optimizer(name, [w], 0.01), w, GRADIENTS))
    for got, expected in zip(taken, by_hand(name, [0.01] * 4), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)


def test_epsilon_s_place_shows():
    """With gradients near 1e-6 torch's Adam goes three times as far at first."""
    ours, theirs = parameter(), parameter()
    (first,) = advance(make_optimizer("Adam", [ours], 0.01), ours, GRADIENTS[:1])
    (other,) = advance(make_optimizer("torch.optim.Adam", [theirs], 0.01), theirs, GRADIENTS[:1])
    assert abs(other - START)[0, 0] > 3 * abs(first - START)[0, 0]


@pytest.mark.parametrize("name", ["RMSprop", "SGD"])
def test_the_rate_is_inside_the_velocity(name):
    """So a falling rate does not shrink what earlier steps put into it."""
    lrs = [0.1, 0.01, 0.001, 0.0001]
    w = parameter()
    optimizer = make_optimizer(name, [w], 0.1, momentum=0.9)
    for g, lr, expected in zip(GRADIENTS, lrs, by_hand(name, lrs, 0.9), strict=True):
        optimizer.param_groups[0]["lr"] = lr
        (got,) = advance(optimizer, w, [g])
        np.testing.assert_allclose(got - START, expected - START, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", KERAS)
def test_a_restored_optimizer_goes_on_exactly(name, tmp_path):
    w = parameter(torch.float32)
    optimizer = make_optimizer(name, [w], 0.01)
    list(advance(optimizer, w, GRADIENTS[:2]))
    torch.save(optimizer.state_dict(), tmp_path / "state")
    other = torch.nn.Parameter(w.detach().clone())
    restored = make_optimizer(name, [other], 0.5)
    restored.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    for one, two in zip(advance(optimizer, w, GRADIENTS[2:]), advance(restored, other, GRADIENTS[2:]), strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("name", KERAS)
def test_a_closure_is_evaluated_with_gradients_and_its_value_returned(name):
    w = parameter()
    optimizer = make_optimizer(name, [w], 0.01)

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    first, second = optimizer.step(closure).item(), optimizer.step(closure).item()
    assert first == pytest.approx((START**2).sum())
    assert second < first


@pytest.mark.parametrize("name", KERAS)
def test_weights_without_gradient_stay(name):
    w, idle = parameter(), parameter()
    optimizer = make_optimizer(name, [w, idle], 0.01)
    list(advance(optimizer, w, GRADIENTS))
    assert np.array_equal(idle.detach().numpy(), START)
    make_optimizer(name, [parameter()], 0.01).step()  # none at all


def test_hooks_run_once_a_step_and_copies_work():
    torch.optim.Adam([parameter()])  # torch wraps the step of every class that has been used
    w = parameter()
    optimizer = Adam([w])
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    list(advance(optimizer, w, GRADIENTS))
    assert len(calls) == 4
    twin = copy.deepcopy(optimizer)
    assert twin.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]


def test_momentum_reaches_the_optimizer():
    assert make_optimizer("Adam", [parameter()], 0.01, momentum=0.5).param_groups[0]["betas"] == (0.5, 0.999)
    assert make_optimizer("Adam", [parameter()], 0.01).param_groups[0]["betas"] == (0.9, 0.999)
    assert make_optimizer("Adam", [parameter()], 0.01, momentum=0.0).param_groups[0]["betas"] == (0.0, 0.999)
    assert make_optimizer("RMSprop", [parameter()], 0.01, momentum=0.5).param_groups[0]["momentum"] == 0.5
    assert make_optimizer("SGD", [parameter()], 0.01).param_groups[0]["momentum"] == 0
    assert make_optimizer("torch.optim.NAdam", [parameter()], 0.01, momentum=0.5).param_groups[0]["betas"] == (
        0.5,
        0.999,
    )
    assert make_optimizer("torch.optim.SGD", [parameter()], 0.01, momentum=0.5).param_groups[0]["momentum"] == 0.5


@pytest.mark.parametrize("name", ["Adagrad", "torch.optim.Adagrad", "torch.optim.LBFGS"])
def test_momentum_is_refused_where_there_is_none(name):
    with pytest.raises(ValueError, match="has no momentum"):
        make_optimizer(name, [parameter()], 0.01, momentum=0.9)


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan, math.inf])
def test_a_bad_rate_is_refused(lr):
    with pytest.raises(ValueError, match="lr must be"):
        make_optimizer("SGD", [parameter()], lr)


@pytest.mark.parametrize("momentum", [1.0, -0.1, math.nan])
@pytest.mark.parametrize("name", ["Adam", "SGD", "torch.optim.AdamW"])
def test_a_bad_momentum_is_refused(name, momentum):
    with pytest.raises(ValueError, match="momentum must be at least 0 and below 1"):
        make_optimizer(name, [parameter()], 0.01, momentum=momentum)


@pytest.mark.parametrize(
    "make",
    [
        lambda w: Adam([w], betas=(1.0, 0.999)),
        lambda w: Adam([w], betas=(0.9, 1.0)),
        lambda w: RMSprop([w], rho=-0.1),
        lambda w: RMSprop([w], momentum=1.5),
        lambda w: SGD([w], momentum=1.0),
    ],
)
def test_a_decay_that_never_ends_is_refused(make):
    with pytest.raises(ValueError, match="must be at least 0 and below 1"):
        make(parameter())


def test_schedules():
    assert [constant(t) for t in (0, 0.5, 0.99)] == [1, 1, 1]
    assert [step(t) for t in (0, 0.49, 0.5, 0.74, 0.75, 0.99)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    assert [exponential(t) for t in (0, 0.5)] == pytest.approx([1, 0.1])
    assert [cosine(t) for t in (0, 1 / 3, 0.5, 2 / 3)] == pytest.approx([1, 0.75, 0.5, 0.25])


def test_a_schedule_sets_the_rate_of_each_epoch():
    w = parameter()
    optimizer = SGD([w], lr=2.0)
    schedule = make_schedule("step", optimizer, 4)
    rates = []
    for g in GRADIENTS:
        rates.append(optimizer.param_groups[0]["lr"])
        list(advance(optimizer, w, [g]))
        schedule.step()
    assert rates == pytest.approx([2.0, 2.0, 0.2, 0.02])


@pytest.mark.parametrize("max_epochs", [None, -1])
def test_a_schedule_needs_to_know_how_long(max_epochs):
    with pytest.raises(ValueError, match="max_epochs"):
        make_schedule("cosine", SGD([parameter()]), max_epochs)
