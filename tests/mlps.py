"""Small MLPs, their data and their Trainers, for tests."""

from __future__ import annotations

import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch.network.module import MLPClassifier

TINY = {"in_features": 6, "num_classes": 3, "hidden_sizes": (5, 4)}


def trainer(max_epochs=2, **options):
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    return L.Trainer(accelerator="cpu", devices=1, max_epochs=max_epochs, **{**quiet, **options})


def examples(n=50, features=6, classes=3):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, features, generator=generator)
    return x, x[:, :classes].argmax(1)


def loader(batch_size=20, **options):
    return DataLoader(TensorDataset(*examples(**options)), batch_size)


def make(**arguments):
    torch.manual_seed(1)
    return MLPClassifier(**{**TINY, **arguments})


def weights_after_fit(max_epochs=2, **arguments):
    module = make(**arguments)
    trainer(max_epochs).fit(module, loader(), loader())
    return torch.cat([p.detach().flatten() for p in module.parameters()])
