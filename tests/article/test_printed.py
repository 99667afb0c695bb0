"""The article's code as printed: what grows, what is forgotten, and what has no effect."""

import dataclasses

import idx
import lightning as L
import pytest
import torch

from nnhp_torch.article.config import PRINTED, TrialConfig
from nnhp_torch.article.experiment import build
from nnhp_torch.article.printed import PrintedNet
from nnhp_torch.mnist.datamodule import _tensors
from nnhp_torch.mnist.files import DATASETS
from nnhp_torch.network.mlp import MLP


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """A small set that passes for MNIST."""
    files = idx.contents()
    monkeypatch.setitem(DATASETS, "MNIST", idx.dataset(files))
    monkeypatch.setenv("NNHP_DATA_DIR", str(tmp_path))
    idx.write(files, tmp_path)
    _tensors.cache_clear()
    yield
    _tensors.cache_clear()


def _fit(**settings):
    config = TrialConfig(**{"protocol": "printed", "max_epochs": 2, "batch_size": 60, "n_nodes": 16, **settings})
    torch.manual_seed(0)
    setup = build(config)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=config.max_epochs,
        callbacks=setup.callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(setup.module, datamodule=setup.data)
    return setup.module, trainer


def test_inner_layers_are_784_wide_whatever_n_nodes_is_and_softmaxes_stand_between_the_stages():
    net = PrintedNet(n_nodes=64, stages=3, activation="relu", dropout=0.0)
    shapes = [tuple(parameter.shape) for parameter in net.parameters() if parameter.ndim == 2]
    assert shapes == [(64, 784)] + [(784, 64), (784, 10), (784, 10)] + [(10, 784)] * 3
    x = torch.rand(5, 1, 28, 28)
    h = net.first(x.flatten(1)).relu()
    for stage in range(3):
        logits = net.outputs[stage](net.hidden[stage](h).relu())
        h = logits.softmax(1)
    assert torch.allclose(net(x), logits, atol=1e-6)


def test_every_stage_trains_for_all_epochs_and_the_fit_is_the_last(monkeypatch):
    losses = []
    from nnhp_torch.network.classifier import Classifier

    original = Classifier.loss_and_logits

    def counted(self, x, y):
        if self.training:
            losses.append(self.net.depth)
        return original(self, x, y)

    monkeypatch.setattr(Classifier, "loss_and_logits", counted)
    _, trainer = _fit(n_layers=3)
    # 120 training images make 2 batches an epoch: 2 epochs of each of 3 stages.
    assert losses == [1] * 4 + [2] * 4 + [3] * 4
    assert trainer.current_epoch == 2


def test_each_stage_has_a_new_optimizer():
    module, trainer = _fit(n_layers=2)
    (group,) = trainer.optimizers[0].param_groups
    assert group["t"] == 4, "the last stage's steps alone"
    assert module.net.depth == 2


def test_a_stage_that_is_not_there_yet_is_not_touched(monkeypatch):
    from nnhp_torch.article.printed import EarlierStages

    seen = []
    original = EarlierStages._train

    def spy(self, trainer, module, stage):
        before = module.net.hidden[-1].weight.clone()
        original(self, trainer, module, stage)
        seen.append(torch.equal(before, module.net.hidden[-1].weight))

    monkeypatch.setattr(EarlierStages, "_train", spy)
    _fit(n_layers=2, reg=0.1)
    assert seen == [True], "not by its gradient, nor by the penalty"


def test_momentum_has_no_effect():
    def weights(momentum):
        return torch.cat([p.flatten() for p in _fit(n_layers=2, momentum=momentum)[0].parameters()])

    assert torch.equal(weights(0.99), weights(0.1))


@pytest.mark.parametrize(
    "settings",
    [
        {"n_layers": 0},
        {"batch_norm": True},
        {"activity_reg": 0.1},
        {"activity_reg_type": "l2"},
        {"label_smoothing": 0.1},
        {"lr_decay": "cosine"},
        {"log_sparsity": True},
        {"noise": 0.1},
        {"weight_constraint": "max_norm"},
        {"gradient_clip": 1.0},
        {"patience": 3},
        {"restore_best": True},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_configuration_of_what_the_printed_code_has_no_place_for_is_refused(settings):
    with pytest.raises(ValueError, match=f"the printed code .*{next(iter(settings))}"):
        TrialConfig(protocol="printed", **settings)


def test_what_the_printed_code_has_are_settings():
    assert {*PRINTED} <= {field.name for field in dataclasses.fields(TrialConfig)}, "whatever else there is is refused"


def test_the_initial_weights_stand_where_an_mlps_would_have_ended():
    torch.manual_seed(0)
    MLP(784, 10, [784] * 2)
    expected = PrintedNet(16, 2, "relu", dropout=0.0)
    torch.manual_seed(0)
    net = build(TrialConfig(protocol="printed", n_layers=2, n_nodes=16)).module.net
    assert all(torch.equal(one, two) for one, two in zip(net.parameters(), expected.parameters(), strict=True))
