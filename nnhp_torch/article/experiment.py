"""The article's use of the sweeper: a TrialConfig becomes a network, its data and its callbacks."""

from __future__ import annotations

import inspect
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping

from nnhp_torch import Setup
from nnhp_torch.article import printed
from nnhp_torch.article.config import TrialConfig
from nnhp_torch.callbacks import GaussianNoise, RestoreBestWeights, WeightConstraint, WeightSparsity
from nnhp_torch.mnist.datamodule import MNISTDataModule
from nnhp_torch.network.classifier import Classifier
from nnhp_torch.network.module import MLPClassifier


def build(config: TrialConfig) -> Setup:
    """Fresh module, data module, callbacks and Trainer's settings for one trial.

    The article has one plain hidden layer first, then `n_layers` more with the penalty and the dropout on
    those alone.
    """
    module: L.LightningModule
    if config.protocol == "printed":
        module, callbacks = printed.build(config)
    else:
        callbacks = []
        settings = arguments_of(Classifier, config) | arguments_of(MLPClassifier, config)
        settings |= {
            "hidden_sizes": [config.n_nodes] * (1 + config.n_layers),
            "dropout": [0.0] + [config.dropout] * config.n_layers,
            "reg": [0.0] + [config.reg] * config.n_layers,
        }
        module = MLPClassifier(in_features=28 * 28, num_classes=10, **settings)
    split = "holdout" if config.protocol == "holdout" else "article"
    datamodule = MNISTDataModule(
        batch_size=config.batch_size,
        split=split,
        dataset=config.dataset,
        seed=config.seed,
        fold=config.fold,
        as_bytes=True,  # the module scales them, a chunk at a time
    )
    if config.noise > 0:
        callbacks.append(GaussianNoise(config.noise))
    if config.weight_constraint != "none":
        callbacks.append(WeightConstraint(config.weight_constraint))
    if config.reg > 0 and config.n_layers > 0 and config.protocol != "printed":
        callbacks.append(WeightSparsity(r"net\.hidden\.(?!0\.)"))  # of the layers that have the penalty
    if config.patience is not None:
        callbacks.append(EarlyStopping("val_accuracy", mode="max", patience=config.patience))
    if config.restore_best:
        callbacks.append(RestoreBestWeights("val_accuracy", mode="max"))
    trainer = {} if config.gradient_clip is None else {"gradient_clip_val": config.gradient_clip}
    return Setup(module, datamodule, callbacks, trainer, score_training=True)


def arguments_of(made: type, config: Any) -> dict[str, Any]:
    """Return the settings of a configuration that a class takes under the same names."""
    return {name: getattr(config, name) for name in inspect.signature(made).parameters if hasattr(config, name)}
