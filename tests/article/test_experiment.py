"""Every setting of a TrialConfig reaches what it is named after."""

import dataclasses
import itertools

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.utilities.exceptions import SIGTERMException

from nnhp_torch.article.config import TrialConfig
from nnhp_torch.article.experiment import build
from nnhp_torch.callbacks import GaussianNoise, RestoreBestWeights, WeightConstraint, WeightSparsity
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.run.runtime import Runtime
from nnhp_torch.run.trial.run_trial import run_trial


def _built(**settings):
    setup = build(TrialConfig(**settings))
    return setup.module, setup.data, setup.callbacks


def _linears(module):
    return [layer for layer in module.net.modules() if isinstance(layer, torch.nn.Linear)]


@pytest.mark.parametrize(("n_layers", "n_nodes"), [(0, 3), (2, 64), (4, 256)])
def test_there_is_one_hidden_layer_and_then_n_layers_more_each_n_nodes_wide(n_layers, n_nodes):
    module, _, _ = _built(n_layers=n_layers, n_nodes=n_nodes)
    widths = [784] + [n_nodes] * (1 + n_layers) + [10]
    assert [(layer.in_features, layer.out_features) for layer in _linears(module)] == list(itertools.pairwise(widths))


def test_penalty_and_dropout_lie_on_every_hidden_layer_but_the_first():
    module, _, _ = _built(n_layers=2, reg=0.1, dropout=0.25)
    assert module.reg == [0, 0.1, 0.1]
    dropouts = [layer.p for layer in module.net.modules() if isinstance(layer, torch.nn.Dropout)]
    assert dropouts == [0, 0.25, 0.25]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("activation", "tanh"),
        ("batch_norm", True),
        ("optimizer", "SGD"),
        ("lr", 0.5),
        ("lr_decay", "cosine"),
        ("momentum", 0.5),
        ("loss", "mse"),
        ("reg_type", "l1"),
        ("activity_reg_type", "l2"),
        ("activity_reg", 0.5),
        ("log_sparsity", True),
    ],
)
def test_the_modules_own_settings_reach_it_under_their_names(setting, value):
    module, _, _ = _built(**{setting: value})
    assert module.hparams[setting] == value
    assert _built()[0].hparams[setting] != value, "a value that differs from the default"


def test_batch_size_seed_protocol_and_data_set_reach_the_data_module():
    _, datamodule, _ = _built(batch_size=7, seed=5, protocol="article", dataset="KMNIST")
    assert (datamodule.batch_size, datamodule.seed) == (7, 5)
    assert (datamodule.split, datamodule.dataset) == ("article", "KMNIST")


def test_the_printed_protocol_has_the_articles_split():
    assert _built(protocol="printed")[1].split == "article"


def test_noise_constraint_and_early_stopping_come_in_through_callbacks():
    assert _built()[2] == []
    (noise,) = _built(noise=0.3)[2]
    assert isinstance(noise, GaussianNoise)
    assert noise.std == 0.3
    (constraint,) = _built(weight_constraint="max_norm")[2]
    assert isinstance(constraint, WeightConstraint)
    (restoring,) = _built(restore_best=True)[2]
    assert isinstance(restoring, RestoreBestWeights)
    (stopping,) = _built(patience=4)[2]
    assert isinstance(stopping, EarlyStopping)
    assert (stopping.monitor, stopping.mode, stopping.patience) == ("val_accuracy", "max", 4)


def test_under_a_penalty_the_share_of_small_weights_is_logged_of_the_layers_that_have_it():
    module, _, (sparsity,) = _built(reg=0.1, n_layers=2)
    assert isinstance(sparsity, WeightSparsity)
    matching = [name for name, _ in module.named_parameters() if sparsity.pattern.search(name) and "weight" in name]
    assert matching == ["net.hidden.1.linear.weight", "net.hidden.2.linear.weight"]
    assert _built(reg=0.1, n_layers=0)[2] == [], "without such a layer there is none to look at"


def test_every_trial_gets_fresh_instances():
    config = TrialConfig(noise=0.1, patience=1, weight_constraint="unit_norm")
    first, second = build(config), build(config)
    assert first.module is not second.module
    assert first.data is not second.data
    assert not {id(callback) for callback in first.callbacks} & {id(callback) for callback in second.callbacks}


def test_every_setting_is_used(monkeypatch):
    """A field that build never looks at would be a flag without effect."""
    read = set()

    class Spy(TrialConfig):
        def __getattribute__(self, name):
            read.add(name)
            return super().__getattribute__(name)

    spy = Spy(noise=0.1, patience=1, weight_constraint="unit_norm")
    read.clear()
    build(spy)
    fields = {field.name for field in dataclasses.fields(TrialConfig)}
    assert fields - read <= {"max_epochs"}, "which the Trainer gets"


def _steps(setting):
    """Weights after three steps on the same random images."""
    torch.manual_seed(0)
    config = TrialConfig(n_layers=1, n_nodes=8, max_epochs=3, **setting)
    setup = build(config)
    x, y = torch.rand(32, 1, 28, 28), torch.randint(0, 10, (32,))
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=3,
        callbacks=[callback for callback in setup.callbacks if not isinstance(callback, EarlyStopping)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **setup.trainer,
    )
    loader = torch.utils.data.DataLoader([(x, y)], batch_size=None)
    trainer.fit(setup.module, loader, loader)
    return torch.cat([p.detach().flatten() for p in setup.module.net.parameters()])


@pytest.mark.parametrize(
    "setting",
    [
        {"momentum": 0.1},
        {"lr": 0.1},
        {"lr_decay": "cosine"},
        {"optimizer": "RMSprop"},
        {"activation": "tanh"},
        {"loss": "mse"},
        {"reg": 0.1},
        {"activity_reg": 0.1},
        {"dropout": 0.5},
        {"batch_norm": True},
        {"weight_constraint": "unit_norm"},
        {"noise": 0.5},
        {"label_smoothing": 0.5},
        {"gradient_clip": 0.01},
    ],
    ids=lambda setting: next(iter(setting)),
)
def test_each_setting_changes_what_is_learned(setting):
    usual, changed = _steps({}), _steps(setting)
    assert len(changed) != len(usual) or not torch.allclose(changed, usual, atol=1e-6)


def test_the_fold_that_is_held_out_reaches_the_data():
    assert (_built()[1].fold, _built(fold=2)[1].fold) == (5, 2)


def test_max_norm_bounds_every_units_weights():
    torch.manual_seed(0)
    weights = _steps({"weight_constraint": "max_norm", "lr": 3.0})
    kernel = weights[: 8 * 784].view(8, 784)
    assert kernel.norm(dim=1).max() <= 2 + 1e-5
    assert _steps({"lr": 3.0})[: 8 * 784].view(8, 784).norm(dim=1).max() > 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_nodes": 0}, "n_nodes must be a whole number of at least 1, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of at least 1, not 2.5"),
        ({"batch_size": 50_001}, "batch_size must be at most 50000, the training images of protocol 'holdout'"),
        ({"lr": 0}, "lr must be a number above 0, not 0"),
        ({"lr": float("nan")}, "lr must be a number above 0"),
        ({"dropout": 1.0}, "dropout must be a number at least 0 and below 1"),
        ({"momentum": 1}, "momentum must be a number at least 0 and below 1, not 1"),
        ({"optimizer": "Adagrad", "momentum": 0.5}, "Adagrad has no momentum"),
        ({"optimizer": "adam"}, "did you mean Adam"),
        ({"optimizer": "torch.optim.AdamX"}, "torch.optim.AdamW"),
        ({"activation": "rleu"}, "did you mean relu"),
        ({"loss": "hinge"}, "loss must be one of cross_entropy, kl_divergence, mse"),
        ({"protocol": "other"}, "protocol must be one of holdout, article, printed"),
        ({"dataset": "CIFAR10"}, "dataset must be one of MNIST, FashionMNIST, KMNIST"),
        ({"reg_type": "l3"}, "reg_type must be one of l1, l2"),
        ({"gradient_clip": 0}, "gradient_clip must be a number above 0, not 0"),
        ({"patience": -1}, "patience must be a whole number of at least 0"),
        ({"batch_norm": 1.5}, "batch_norm must be one of True, False"),
        ({"fold": 6}, "fold must be one of 0, 1, 2, 3, 4, 5, not 6"),
        ({"fold": 0, "protocol": "article"}, "protocol 'article' holds no images out: leave fold at 5"),
        ({"fold": 0, "protocol": "printed"}, "protocol 'printed' holds no images out: leave fold at 5"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_what_would(settings, message):
    with pytest.raises(ValueError, match=message):
        TrialConfig(**settings)


def test_the_article_may_have_a_batch_of_all_60000():
    assert TrialConfig(batch_size=60_000, protocol="article").batch_size == 60_000


def test_any_optimizer_of_torch_may_be_named_in_full():
    module, _, _ = _built(optimizer="torch.optim.AdamW")
    assert isinstance(module.configure_optimizers(), torch.optim.AdamW)


@pytest.mark.parametrize(
    ("settings", "without", "said"),
    [
        ({}, (), "3 hidden layers × 128 units, Adam lr=0.01, batch_size=30000, 40 epochs of MNIST"),
        ({"n_layers": 1}, ("n_nodes", "lr", "max_epochs"), "2 hidden layers, Adam, batch_size=30000, of MNIST"),
        ({"max_epochs": 1}, ("n_layers", "n_nodes"), "batch_size=30000, 1 epoch of MNIST"),
        ({"reg": 0.1, "reg_type": "l1"}, ("optimizer", "batch_size", "n_layers", "n_nodes"), "lr=0.01, l1=0.1, 40"),
        ({"activity_reg": 0.1, "patience": 3}, ("n_layers", "n_nodes", "optimizer", "lr"), "activity l1=0.1, patience"),
    ],
)
def test_what_is_trained_is_said_without_what_has_no_effect(settings, without, said):
    assert said in TrialConfig(**settings).in_words(without)


@pytest.mark.parametrize("stop", [1, 2])
def test_a_stopped_trial_of_the_article_goes_on_to_the_same_digits_without_a_doubt(small, tmp_path, monkeypatch, stop):
    def end(epoch, metrics):
        if epoch == stop:
            raise SIGTERMException

    monkeypatch.setenv("NNHP_DATA_DIR", small)
    config = TrialConfig(max_epochs=3, batch_size=16, protocol="article")
    (trial,) = Sweep("own", config, {"lr": [0.01]}, build="nnhp_torch.article.experiment:build").trials()
    whole = run_trial(trial, build, Runtime(str(tmp_path / "whole"), accelerator="cpu"))
    stopped = Runtime(str(tmp_path / "stopped"), accelerator="cpu")
    assert run_trial(trial, build, stopped, on_epoch=end).status == "interrupted"
    again = run_trial(trial, build, stopped)
    assert (again.notes, again.history, again.test) == ([], whole.history, whole.test)
