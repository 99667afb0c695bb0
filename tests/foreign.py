"""A stranger's project: a LightningModule, its data, and command lines of every kind that LightningCLI knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import lightning as L
import torch
import yaml
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader, TensorDataset


class Net(L.LightningModule):
    def __init__(self, width: int = 4, lr: float = 0.1, features: int = 3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.net = torch.nn.Sequential(torch.nn.Linear(features, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))

    def _step(self, batch, stage):
        x, y = batch
        loss = torch.nn.functional.mse_loss(self.net(x), y)
        self.log(f"{stage}_loss", loss)
        return loss

    def training_step(self, batch, batch_idx):
        return self._step(batch, "train")

    def validation_step(self, batch, batch_idx):
        self._step(batch, "val")

    def test_step(self, batch, batch_idx):
        self._step(batch, "test")

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.hparams.lr)


class Deep(Net):
    def __init__(self, depth: int = 2, lr: float = 0.1) -> None:
        super().__init__(lr=lr)
        self.net = torch.nn.Sequential(*[torch.nn.Linear(3, 3) for _ in range(depth)], torch.nn.Linear(3, 1))


class Head(torch.nn.Linear):
    def __init__(self, width: int = 3) -> None:
        super().__init__(width, 1)


class Composed(Net):
    def __init__(self, head: Head, lr: float = 0.1) -> None:
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(3, head.in_features), head)


class Wordy(Net):
    """Arguments whose values can be read in more than one way."""

    def __init__(
        self,
        width: int = 4,
        norm: str = "batch",
        share: float | int | None = None,  # an order that typing may also give back for [int, float]
        sizes: list[int] = [8],  # noqa: B006
        modes: list[str] = [],  # noqa: B006
        head: Head | None = None,
    ) -> None:
        super().__init__(width)


class Partials(Net):
    """A module of those that Hydra makes: it is given its optimizer's class, with arguments and without parameters."""

    def __init__(self, optimizer: torch.optim.Optimizer, scheduler: torch.optim.lr_scheduler) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)

    def configure_optimizers(self):
        optimizer = self.hparams.optimizer(params=self.parameters())
        if self.hparams.scheduler is None:
            return optimizer
        return [optimizer], [self.hparams.scheduler(optimizer=optimizer)]


class Data(L.LightningDataModule):
    def __init__(self, batch_size: int = 16, features: int = 3) -> None:
        super().__init__()
        self.batch_size = batch_size
        x = torch.randn(64, features, generator=torch.Generator().manual_seed(0))
        self.rows = TensorDataset(x, x.sum(1, keepdim=True))

    def train_dataloader(self):
        return DataLoader(self.rows, self.batch_size, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.rows, 64)

    test_dataloader = val_dataloader


class OwnCLI(LightningCLI):
    def add_arguments_to_parser(self, parser):
        parser.add_lightning_class_args(EarlyStopping, "early_stopping")
        parser.set_defaults({"early_stopping.monitor": "val_loss", "early_stopping.patience": 50})
        parser.add_optimizer_args(torch.optim.AdamW)
        parser.add_lr_scheduler_args(torch.optim.lr_scheduler.CosineAnnealingLR)
        parser.link_arguments("trainer.max_epochs", "lr_scheduler.T_max")
        parser.link_arguments("data.features", "model.features")


def with_subcommands():
    LightningCLI(Net, Data, trainer_defaults={"max_epochs": 2})


def without():
    cli = LightningCLI(Net, Data, run=False, seed_everything_default=7)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    cli.trainer.test(ckpt_path="best", datamodule=cli.datamodule)


def subclass():
    OwnCLI(Net, Data, save_config_kwargs={"overwrite": True})


def any_class():
    LightningCLI(Net, L.LightningDataModule, subclass_mode_model=True, subclass_mode_data=True)


def composed():
    LightningCLI(Composed, Data)


def with_files():
    kwargs = {"fit": {"default_config_files": ["defaults.yaml"]}}
    LightningCLI(Net, Data, parser_kwargs=kwargs, auto_configure_optimizers=False)


class NotedCLI(LightningCLI):
    """Notes the configuration that it makes its classes of."""

    seen: ClassVar[list] = []

    def before_instantiate_classes(self):
        config = self.config[self.subcommand] if self.subcommand else self.config
        self.seen.append(yaml.safe_load(self._parser(self.subcommand).dump(config)))


def with_files_of_fit():
    NotedCLI(Wordy, Data, parser_kwargs={"fit": {"default_config_files": ["flat.yaml"]}})


def with_files_of_all():
    NotedCLI(Wordy, Data, parser_kwargs={"default_config_files": ["nested.yaml"]})


def with_files_and_no_subcommand():
    cli = NotedCLI(Wordy, Data, run=False, parser_kwargs={"default_config_files": ["flat.yaml"]})
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def sets_its_trainer():
    cli = LightningCLI(Net, Data, run=False, seed_everything_default=7)
    cli.trainer.limit_train_batches = 1
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def sets_its_epochs():
    cli = LightningCLI(Net, Data, run=False)
    cli.trainer.fit_loop.max_epochs = 1
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


class Now(Net):
    """Logs how often its Trainer logs."""

    def on_train_epoch_end(self):
        self.log("interval", float(self.trainer.log_every_n_steps))


def asks_how_often_it_logs():
    LightningCLI(Now, Data)


def with_args():
    LightningCLI(Net, Data, args=["fit", "--trainer.max_epochs=2", "--model.width=5"])


def with_loaders():
    cli = LightningCLI(Net, run=False)
    data = Data()
    cli.trainer.fit(cli.model, data.train_dataloader(), data.val_dataloader())


def from_a_checkpoint():
    cli = LightningCLI(Net, Data, run=False)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path="best.ckpt")


def never():
    LightningCLI(Net, Data, run=False)


def by_hand():
    L.Trainer(max_epochs=1).fit(Net(), Data())


class Diary(L.Callback):
    """Writes down what it sees of its Trainer."""

    seen: ClassVar[list] = []

    def on_fit_end(self, trainer, pl_module):
        self.seen.append((trainer, [type(callback).__name__ for callback in trainer.callbacks]))


class Keeper(L.Callback):
    """Its defaults are objects that no YAML can say."""

    def __init__(
        self,
        device: torch.device = torch.device("cpu"),  # noqa: B008
        of: Callable = lambda net: net,
        weight: torch.Tensor = torch.ones(2),  # noqa: B008
        patience: int = 1,
    ) -> None:
        self.device, self.of, self.weight, self.patience = device, of, weight, patience

    def on_fit_start(self, trainer, pl_module):
        assert isinstance(self.device, torch.device)
        assert callable(self.of)


def with_argument(path):
    LightningCLI(Net, Data)


def twice():
    cli = LightningCLI(Net, Data, run=False)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    cli.model.lr = 0.01
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def in_a_loop():
    cli = LightningCLI(Net, Data, run=False)
    for _ in range(2):
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def _stage(cli):
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def in_stages():
    cli = LightningCLI(Net, Data, run=False)
    with torch.random.fork_rng():
        _stage(cli)
    _stage(cli)


def and_by_hand():
    cli = LightningCLI(Net, Data)
    longer = L.Trainer(max_epochs=9)
    longer.fit(cli.model, datamodule=cli.datamodule)


class TwiceCLI(LightningCLI):
    def after_fit(self):
        self.trainer.fit(self.model, datamodule=self.datamodule)


def in_a_hook():
    TwiceCLI(Net, Data)


class WarmCLI(LightningCLI):
    def before_fit(self):
        self.trainer.fit(self.model, datamodule=self.datamodule)


def in_the_hook_before():
    WarmCLI(Net, Data)


def with_its_own_trainer():
    cli = LightningCLI(Net, Data, run=False)
    L.Trainer(max_epochs=9).fit(cli.model, datamodule=cli.datamodule)


class Scaler:
    def fit(self, rows):
        raise AssertionError("not a training")


def once():
    """Fits once whichever way it goes, and looks at the data and at the untrained model before."""
    cli = LightningCLI(Net, Data, run=False)
    (scores,) = cli.trainer.validate(cli.model, datamodule=cli.datamodule)
    assert scores["val_loss"] > 0
    if cli.trainer.max_epochs > 99:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    else:
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    Scaler().fit(cli.datamodule.rows)
    cli.trainer.test(cli.model, datamodule=cli.datamodule)


def own_loop():
    torch.nn.Linear(2, 2)(torch.ones(1, 2)).sum().backward()
    raise AssertionError("its training went on")


def fabric():
    L.Fabric(accelerator="cpu")
    raise AssertionError("its training went on")
