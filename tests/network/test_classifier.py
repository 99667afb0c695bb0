"""Any network under a Classifier: what it needs of the network, and that it says so when that is missing."""

from __future__ import annotations

import inspect

import pytest
import torch
from mlps import examples, make, trainer
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch import Classifier, GaussianNoise, WeightConstraint
from nnhp_torch.network import chunks
from nnhp_torch.network.mlp import MLP
from nnhp_torch.network.optimizers import make_optimizer


class ConvNet(nn.Module):
    """Two convolutions and a linear layer, for images of 8 × 8."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3)
        self.second = nn.Conv2d(4, 8, 3)
        self.head = nn.Linear(8, 2)

    def forward(self, x, return_hidden=False):
        h1 = self.first(x).relu()
        h2 = self.second(h1).relu()
        logits = self.head(h2.amax((2, 3)))
        return (logits, [h1, h2]) if return_hidden else logits

    def kernels(self):
        return [self.first.weight, self.second.weight]


def bars(n=200):
    """Images of a horizontal or a vertical bar, and which of them it is."""
    generator = torch.Generator().manual_seed(0)
    y, place = torch.randint(2, (n,), generator=generator), torch.randint(8, (n,), generator=generator)
    x = torch.zeros(n, 1, 8, 8)
    for image, label, at in zip(x, y, place, strict=True):
        (image[0].T if label else image[0])[at] = 1
    return x, y


def test_a_convolutional_network_learns_under_every_setting_and_the_callbacks():
    torch.manual_seed(0)
    settings = {"reg": [1e-4, 1e-3], "activity_reg": 1e-4, "class_weights": [1, 2], "label_smoothing": 0.05}
    module = Classifier(ConvNet(), 2, lr=0.01, lr_decay="cosine", log_sparsity=True, **settings)
    data = DataLoader(TensorDataset(*bars()), 50)
    fit = trainer(20, callbacks=[GaussianNoise(0.05), WeightConstraint("max_norm", pattern=r"^net\.head")])
    fit.fit(module, data, data)
    assert fit.callback_metrics["val_accuracy"] > 0.95
    assert 0 < fit.callback_metrics["val_sparsity"] < 1


def test_a_network_without_kernels_of_its_own_is_penalized_on_every_trained_weight_of_two_dimensions():
    x, y = examples()
    net = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.LayerNorm(5), nn.Linear(5, 3))
    net[0].weight.requires_grad_(False)
    loss, logits = Classifier(net, 3, reg=0.1).loss_and_logits(x, y)
    torch.testing.assert_close(loss, F.cross_entropy(logits, y) + 0.1 * net[3].weight.square().sum())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"activity_reg": 0.1}, "activity_reg needs a network whose forward.*and Linear has no such argument"),
        ({"log_sparsity": True}, "log_sparsity needs a network whose forward"),
        ({"reg": [0.1, 0.2]}, "reg must be one number or one for each of Linear's 1 kernels"),
        ({"reg": -1}, "reg and activity_reg must be finite numbers of at least 0"),
    ],
)
def test_what_a_network_cannot_do_is_refused_in_a_sentence(settings, message):
    with pytest.raises(ValueError, match=message):
        Classifier(nn.Linear(6, 3), 3, **settings)


class Headless(nn.Linear):
    """It knows of hidden activations and of kernels, and has none."""

    def forward(self, x, return_hidden=False):
        return (super().forward(x), []) if return_hidden else super().forward(x)

    def kernels(self):
        return []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reg": 0.1}, "reg=0.1 has nothing to lie on: Headless has no kernels"),
        ({"activity_reg": 0.1}, "activity_reg: Headless gives no hidden activations"),
    ],
)
def test_a_penalty_on_nothing_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Classifier(Headless(6, 3), 3, **settings).loss_and_logits(*examples())


def test_logits_of_another_number_of_classes_are_refused():
    with pytest.raises(ValueError, match=r"logits of shape \(50, 3\) for 50 examples of 3 classes, not \(50, 4\)"):
        Classifier(nn.Linear(6, 4), 3).loss_and_logits(*examples())


def test_a_network_that_does_not_say_that_it_looks_at_examples_alone_gets_the_whole_batch(monkeypatch):
    class Compares(nn.Linear):
        def forward(self, x):
            self.sizes.append(len(x))
            return super().forward(x - x.mean(0))

    class Alone(Compares):
        takes_chunks = True

    monkeypatch.setattr(chunks, "CHUNK", 20)
    data = DataLoader(TensorDataset(*examples()), 50)
    for kind, sizes in ((Compares, [50]), (Alone, [20, 20, 10])):
        net = kind(6, 3)
        net.sizes = []
        trainer(1, num_sanity_val_steps=0).fit(Classifier(net, 3), data, data)
        assert net.sizes == sizes * 2


def test_a_checkpoint_is_loaded_with_a_network_to_put_the_weights_into(tmp_path):
    module = Classifier(ConvNet(), 2, reg=0.1)
    data = DataLoader(TensorDataset(*bars()), 200)
    fit = trainer(1)
    fit.fit(module, data, data)
    fit.save_checkpoint(tmp_path / "last.ckpt")
    loaded = Classifier.load_from_checkpoint(tmp_path / "last.ckpt", net=ConvNet(), weights_only=True)
    x, _ = bars()
    assert torch.equal(loaded.eval()(x), module.eval()(x))
    assert loaded.reg == 0.1


def test_an_mlp_classifier_takes_all_that_a_classifier_takes_with_the_same_defaults():
    general = inspect.signature(Classifier).parameters
    settings = {name: general[name].default for name in general if name not in ("net", "num_classes")}
    assert settings | {"reg": [0.0, 0.0]} == {name: make().hparams[name] for name in settings}
    assert make(label_smoothing=0.2).label_smoothing == 0.2
    with pytest.raises(TypeError, match="unexpected keyword argument 'nodes'"):
        make(nodes=4)


@pytest.mark.parametrize("norm", [0.01, 1e6])
def test_a_clipped_step_in_chunks_is_that_of_a_bare_loop(norm, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 20)
    x, y = examples()
    module = make(optimizer="SGD", lr=0.5)
    torch.manual_seed(1)
    net = MLP(6, 3, (5, 4))
    optimizer = make_optimizer("SGD", net.parameters(), 0.5)
    for _ in range(3):
        optimizer.zero_grad()
        for some_x, some_y in zip(x.split(20), y.split(20), strict=True):
            (F.cross_entropy(net(some_x), some_y) * (len(some_y) / len(y))).backward()
        nn.utils.clip_grad_norm_(net.parameters(), norm)
        optimizer.step()
    data = DataLoader(TensorDataset(x, y), 50)
    trainer(3, gradient_clip_val=norm).fit(module, data, data)
    torch.testing.assert_close(tuple(module.net.parameters()), tuple(net.parameters()), rtol=1e-5, atol=1e-7)
