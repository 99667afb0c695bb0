"""A trial of somebody's project: what their own code makes of its configuration."""

from __future__ import annotations

import os
from typing import Any

import lightning as L
from jsonargparse import Namespace
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers import Logger

from nnhp_torch.core.errors import WrongUsage
from nnhp_torch.core.spec import read_files
from nnhp_torch.project.capture import Fit, fit_of
from nnhp_torch.project.importing import NoProject
from nnhp_torch.project.keys import SUBCOMMAND, fit_parser, without_files
from nnhp_torch.project.parser import Settings, configuration
from nnhp_torch.project.trainer import departures, refuse
from nnhp_torch.run.setup import SETTINGS, Setup


def build(settings: Settings) -> Setup:
    """Model, data, callbacks and Trainer's settings, as the project's own command would make them.

    Raises:
        WrongUsage: its code never comes to a fit, or to one that a sweep cannot make its own.
    """
    trainer = _Trainer()

    def parse(cli: LightningCLI, parser: Any, args: Any) -> None:
        of_fit = fit_parser(cli)
        without_files(cli.parser, of_fit)
        parsed = configuration(of_fit, settings)
        read_files.named(parsed)
        _move_loggers(parsed["trainer"])
        cli.config = parsed if of_fit is cli.parser else Namespace(subcommand=SUBCOMMAND, **{SUBCOMMAND: parsed})  # type: ignore[no-untyped-call]
        cli.save_config_callback = None  # the configuration is in the ledger; it refuses a second run
        cli.trainer_class = trainer

    try:
        fit = fit_of(settings.cli, parse)
        refuse({}, fit.ckpt_path)
        if fit.trainer is not trainer.made:
            raise NoProject(
                f"{settings.cli} fits with a Trainer of its own: a sweep trains by the settings of cli.trainer"
            )
    except NoProject as error:
        raise WrongUsage(str(error)) from error
    callbacks = [callback for callback in fit.trainer.callbacks if callback not in trainer.added]  # type: ignore[attr-defined]
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint):
            callback.dirpath = None  # the trial's folder, or trials side by side would share one
    return Setup(
        fit.model,
        _data(fit),
        callbacks,
        trainer.said(),
        trainer.loggers,
    )


class _Trainer:
    """Stands in for the class: it makes a Trainer that their code may ask and change, and that trains nothing."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.added: list[L.Callback] = []  # those that Lightning adds to everybody's
        self.loggers: list[Logger] = []
        self.made: L.Trainer | None = None
        self.begun: dict[str, Any] = {}  # what it was made with, as it calls that itself

    def __call__(self, **settings: Any) -> L.Trainer:
        self.settings = settings
        loggers = settings["logger"] if isinstance(settings["logger"], list) else [settings["logger"]]
        self.loggers = [logger for logger in loggers if isinstance(logger, Logger)]
        own = list(settings["callbacks"] or ())  # a copy: Lightning adds to the list itself
        used = {name: value for name, value in settings.items() if name in (*SETTINGS, "callbacks", "max_epochs")}
        self.made = L.Trainer(accelerator="cpu", devices=1, logger=self.loggers, **used)
        callbacks: list[L.Callback] = self.made.callbacks  # type: ignore[attr-defined]
        self.added = [callback for callback in callbacks if callback not in own]
        self.begun = self._now()
        return self.made

    def said(self) -> dict[str, Any]:
        """Return the settings of the Trainer, with what their code has set in it since it was made.

        Raises:
            WrongUsage: it has set how long a fit is.
        """
        changed = {name: v for name, v in self._now().items() if repr(v) != repr(self.begun[name])}  # 1 is not 1.0
        if lasts := changed.keys() - set(SETTINGS):
            raise WrongUsage(f"its code sets the Trainer's {min(lasts)} after it was made: --max_epochs says how long")
        given = {name: value for name, value in departures(self.settings).items() if name in SETTINGS}
        return given | changed

    def _now(self) -> dict[str, Any]:
        return {name: getattr(self.made, name, None) for name in (*SETTINGS, "max_epochs")}


def _move_loggers(trainer: Namespace) -> None:
    """Have loggers write to the trial's folder, or trials side by side would share theirs."""
    loggers = trainer.get("logger")
    for logger in loggers if isinstance(loggers, list) else [loggers]:
        if isinstance(logger, Namespace) and "save_dir" in logger.get("init_args", ()):
            logger.init_args.save_dir = os.path.join(os.environ.get("NNHP_TRIAL_DIR", ""), "loggers")


def _data(fit: Fit) -> Any:
    if fit.datamodule is not None or isinstance(fit.train_dataloaders, L.LightningDataModule):
        return fit.datamodule or fit.train_dataloaders
    return {"train": fit.train_dataloaders, "val": fit.val_dataloaders}
