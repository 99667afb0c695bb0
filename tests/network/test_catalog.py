from __future__ import annotations

import subprocess
import sys

import pytest

from nnhp_torch.network import catalog

KINDS = ("activation", "loss", "optimizer", "lr_decay", "weight_constraint", "reg_type", "activity_reg_type")


@pytest.mark.parametrize("kind", KINDS)
def test_every_name_stands_for_something(kind):
    for name in catalog.names(kind):
        catalog.check(kind, name)
        assert callable(catalog.resolve(kind, name))


def test_the_article_s_names_are_there():
    assert {"relu", "sigmoid", "tanh", "linear"} <= set(catalog.names("activation"))
    assert set(catalog.names("optimizer")) == {"Adam", "Adagrad", "RMSprop", "SGD"}
    assert set(catalog.names("loss")) == {"cross_entropy", "kl_divergence", "mse"}
    assert set(catalog.names("lr_decay")) == {"constant", "step", "exponential", "cosine"}
    assert {"max_norm", "unit_norm", "min_max_norm", "non_neg"} <= set(catalog.names("weight_constraint"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["nothing_like_it", "", None, 3, ["relu"]])
def test_a_wrong_name_is_refused_with_the_right_ones(kind, name):
    with pytest.raises(ValueError, match=f"{kind} must be one of ") as caught:
        catalog.check(kind, name)
    assert all(right in str(caught.value) for right in catalog.names(kind))


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [
        ("activation", "ReLu", "relu"),
        ("optimizer", "adam", "Adam"),
        ("lr_decay", "cosin", "cosine"),
        ("optimizer", "torch.optim.adamw", "torch.optim.AdamW"),
    ],
)
def test_a_near_miss_gets_a_hint(kind, name, near):
    with pytest.raises(ValueError, match=f"did you mean {near}\\?"):
        catalog.check(kind, name)


def test_any_optimizer_of_torch_goes_by_its_full_name():
    import torch

    assert catalog.resolve("optimizer", "torch.optim.AdamW") is torch.optim.AdamW
    assert catalog.resolve("optimizer", "torch.optim.Adam") is not catalog.resolve("optimizer", "Adam")


@pytest.mark.parametrize("name", ["torch.optim.Optimizer", "torch.optim.lr_scheduler", "torch.optim.", "AdamW"])
def test_what_is_no_optimizer_of_torch_is_refused(name):
    with pytest.raises(ValueError, match="optimizer must be one of"):
        catalog.check("optimizer", name)


def test_checking_a_name_imports_neither_torch_nor_lightning():
    code = (
        "import sys; from nnhp_torch.network import catalog; "
        f"[catalog.check(kind, name) for kind in {KINDS} for name in catalog.names(kind)]; "
        "print([m for m in ('torch', 'lightning', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
