"""The article's network in Lightning as it is usually written: torchvision's data set, ToTensor, a DataLoader."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import idx
import lightning as L
import torch
import torch.nn.functional as F
from timing import Timing
from torch import nn
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy
from torchvision import datasets
from torchvision.transforms import ToTensor

from nnhp_torch.mnist import files as mnist
from nnhp_torch.run.launch.process import quiet_lightning


class UsualMLP(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )
        self.train_accuracy = MulticlassAccuracy(10, average="micro")
        self.val_accuracy = MulticlassAccuracy(10, average="micro")

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)
        self.train_accuracy(logits, y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        self.log("train_accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        self.val_accuracy(logits, y)
        self.log("val_loss", F.cross_entropy(logits, y))
        self.log("val_accuracy", self.val_accuracy)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


class EpochClock(L.Callback):
    """Notes when each epoch has ended."""

    def __init__(self):
        self.started = time.perf_counter()
        self.ends = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.ends.append(time.perf_counter() - self.started)


def run(dataset: str, batch_size: int, epochs: int, workers: int, precision: str = "32-true") -> Timing:
    """Trains on the 60,000 training images, validates on the 10,000 test images."""
    quiet_lightning()
    with tempfile.TemporaryDirectory() as root:
        in_torchvision_layout(dataset, Path(root))
        loading = {"batch_size": batch_size, "num_workers": workers, "persistent_workers": workers > 0}
        images = getattr(datasets, dataset)
        train = DataLoader(images(root, train=True, transform=ToTensor()), shuffle=True, **loading)
        val = DataLoader(images(root, train=False, transform=ToTensor()), **loading)
        clock = EpochClock()
        trainer = L.Trainer(
            accelerator="cpu",
            precision=precision,
            max_epochs=epochs,
            callbacks=[clock],
            default_root_dir=root,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(UsualMLP(), train, val)
        return Timing(clock.ends, time.perf_counter() - clock.started)


def in_torchvision_layout(dataset: str, root: Path) -> None:
    """Writes the files where torchvision looks for them, wherever this machine has them: nothing is downloaded."""
    mnist.fetch(dataset, mnist.default_data_dir())
    arrays = mnist.load(dataset, mnist.default_data_dir())
    idx.write([idx.encode(array) for array in arrays], root / dataset / "raw")
