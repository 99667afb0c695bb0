"""A stranger's project on the package `pytorch_lightning`; run as a script, it sweeps itself."""

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.cli import LightningCLI
from torch.utils.data import DataLoader, TensorDataset

from nnhp_torch import Sweep, main
from nnhp_torch.article.config import TrialConfig


class Net(pl.LightningModule):
    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Linear(3, 1)

    def training_step(self, batch, batch_idx):
        assert isinstance(self.trainer, pl.Trainer)
        loss = torch.nn.functional.mse_loss(self.net(batch[0]), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", torch.nn.functional.mse_loss(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr)


class Data(pl.LightningDataModule):
    def __init__(self, batch_size: int = 16) -> None:
        super().__init__()
        self.batch_size = batch_size
        x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
        self.rows = TensorDataset(x, x.sum(1, keepdim=True))

    def train_dataloader(self):
        return DataLoader(self.rows, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.rows, 64)


def start():
    LightningCLI(Net, Data)


def build(config):
    return Net(config.lr), Data(), [EarlyStopping("val_loss", patience=9)]


SWEEP = Sweep("pl", TrialConfig(max_epochs=2), {"lr": [0.1, 0.01]}, build, monitor="val_loss")

if __name__ == "__main__":
    main(SWEEP)
