"""Float32 products on a CPU: the faster library where it is as exact, and nobody else feels it."""

from __future__ import annotations

import pytest
import torch
import toy

from nnhp_torch.run.resume.isolation import kept_precisions
from nnhp_torch.run.trial.hardware import prefer_onednn
from nnhp_torch.run.trial.run_trial import run_trial


@pytest.fixture(autouse=True)
def restored():
    with kept_precisions():
        yield


def product():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(300, 784, generator=generator) @ torch.randn(784, 128, generator=generator)


def test_float32_products_stay_float32():
    prefer_onednn()
    torch.manual_seed(1)
    for shape in ((300, 784, 128), (2000, 128, 10), (128, 2500, 784)):
        a, b = torch.rand(shape[0], shape[1]), torch.randn(shape[1], shape[2])
        exact = a.double() @ b.double()
        assert (a @ b - exact).norm() < 2e-6 * exact.norm()


def asked():
    """What Lightning, torch.compile and others ask of a process."""
    return torch.get_float32_matmul_precision(), torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_whoever_asks_for_the_precision_of_products_is_answered_in_a_trial_and_after_it(trial, runtime):
    """torch raises if one backend has another precision than all of them."""
    heard = []

    def build(config):
        module, data, _ = toy.build(config)
        return module, data, [toy.AtEpoch(1, lambda *_: heard.append(asked()))]

    before, plain = asked(), product()
    assert run_trial(trial, build, runtime).reason == ""
    assert len(heard) == 1
    assert asked() == before
    assert torch.equal(product(), plain), "and the process multiplies as it did"


def test_a_precision_that_build_has_chosen_stays(trial, runtime):
    heard = []

    def build(config):
        torch.set_float32_matmul_precision("high")
        module, data, _ = toy.build(config)
        return module, data, [toy.AtEpoch(1, lambda *_: heard.append(asked()[0]))]

    run_trial(trial, build, runtime)
    assert heard == ["high"]


def test_a_build_that_has_changed_the_default_device_and_type_changes_nothing(trial, runtime):
    """The product that is tried is one of the CPU's, and of float32."""

    def build(config):
        made = toy.build(config)
        torch.set_default_device("meta")
        torch.set_default_dtype(torch.bfloat16)
        return made

    from nnhp_torch.run.trial.hardware import _stays_float32

    _stays_float32.cache_clear()
    run_trial(trial, build, runtime)
    there = _stays_float32()
    _stays_float32.cache_clear()
    assert _stays_float32() == there
