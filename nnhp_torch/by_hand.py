"""`python -m nnhp_torch fit|validate|test|predict`: one trial by hand, through LightningCLI."""

from __future__ import annotations

import warnings
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from torch import Tensor

from nnhp_torch.mnist.datamodule import MNISTDataModule as MNISTDataModule
from nnhp_torch.mnist.digits import DigitImages as DigitImages  # imported, so that --data knows both by these names
from nnhp_torch.network.module import MLPClassifier
from nnhp_torch.run.callbacks import EpochSeed
from nnhp_torch.run.precision import prefer_onednn
from nnhp_torch.run.worker import quiet_lightning

LOGS = "lightning_logs"


class Parser(LightningArgumentParser):
    """Says what an argument of a configuration that was saved some time ago is called now."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if "'protocol' is not accepted" in message:
            message = "data.init_args.protocol is called split now: rename it in the saved configuration"
        super().error(message, ex)


class OneTrial(LightningCLI):
    """LightningCLI whose fits can be repeated, and which says so if a checkpoint and a flag disagree."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.set_defaults(
            {"data": {"class_path": "nnhp_torch.mnist.datamodule.MNISTDataModule", "init_args": {"batch_size": 2000}}}
        )

    def _parse_ckpt_path(self) -> None:
        """Takes the network from the checkpoint. Lightning would let it override the command line's in silence.

        No public hook stands there. The first test to break is
        test_a_checkpoint_brings_its_network_and_a_flag_against_it_is_refused.
        """
        path = self._chosen.get("ckpt_path")
        if path is None:
            if self.config.subcommand != "fit":
                self.parser.error(
                    f"--ckpt_path is needed: without it {self.config.subcommand} would use random weights"
                )
            return
        if not Path(path).is_file():
            self.parser.error(f"there is no checkpoint at {path}")
        usual = vars(self._parser(self.config.subcommand).get_defaults().model)
        asked = {name: value for name, value in vars(self._chosen.model).items() if value != usual[name]}
        super()._parse_ckpt_path()
        made = MLPClassifier(**self._chosen.model).hparams
        for name, value in asked.items():
            if MLPClassifier(**{**self._chosen.model, name: value}).hparams[name] != made[name]:
                self.parser.error(
                    f"the checkpoint was made with {name}={made[name]}: leave --model.{name} out, or start without it"
                )

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
        except ValueError as error:  # of an argument: nothing has begun
            self.parser.error(str(error))

    @property
    def _chosen(self) -> Any:
        return self.config[self.config.subcommand]

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        trainer = super().instantiate_trainer(**kwargs)
        # First, as it wants to be; so that a fit that goes on draws what an uninterrupted one would.
        seed = self._chosen.seed_everything
        if seed is not False:
            trainer.callbacks.insert(0, EpochSeed(int(seed)))  # type: ignore[attr-defined]
        return trainer

    def after_fit(self) -> None:
        """Print where the weights and the curves are."""
        saved = getattr(self.trainer.checkpoint_callback, "best_model_path", "")
        if saved and self.trainer.is_global_zero:
            print(f"Weights  {saved}\nCurves   tensorboard --logdir {LOGS}")


class SaveConfig(SaveConfigCallback):
    """`config.yaml` beside the curves; under another name if there is one already; none if nothing is logged."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if trainer.logger is None or stage == "predict":
            return
        folder, stem = Path(trainer.log_dir or ""), Path(self.config_filename).stem
        names = (f"{stem}{n}.yaml" for n in ("", *map("-{}".format, range(2, 1_000_000))))
        self.config_filename = next(name for name in names if not (folder / name).exists())
        super().setup(trainer, pl_module, stage)


class PrintEpochs(L.Callback):
    """A line per epoch with what was logged."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        logged = sorted(trainer.callback_metrics.items())
        metrics = "  ".join(f"{name}={value:.4f}" for name, value in logged)
        if trainer.is_global_zero:
            print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {metrics}", flush=True)


class PrintPredictions(L.Callback):
    """A line per image: its name or number, the digit, and the probability that the network gives it."""

    def __init__(self) -> None:
        self.numbers = count()

    def on_predict_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Tensor,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        names = getattr(trainer.datamodule, "names", None)  # type: ignore[attr-defined]
        probabilities, digits = outputs.max(1)
        for probability, digit in zip(probabilities.tolist(), digits.tolist(), strict=True):
            number = next(self.numbers)
            print(f"{names[number] if names else number}\t{digit}\t{probability:.1%}")


def main() -> None:
    """`python -m nnhp_torch fit` and the others."""
    quiet_lightning()
    # Said of every checkpoint that is loaded, because the new run has a folder of its own.
    warnings.filterwarnings("ignore", message=".*The dirpath has changed.*")
    prefer_onednn()
    checkpoint = ModelCheckpoint(filename="last", enable_version_counter=False)
    OneTrial(
        MLPClassifier,
        L.LightningDataModule,
        subclass_mode_data=True,
        parser_class=Parser,
        save_config_callback=SaveConfig,
        seed_everything_default=123,
        auto_configure_optimizers=False,
        load_from_checkpoint_support=False,  # the module keeps its own hyperparameters
        trainer_defaults={
            "max_epochs": 40,
            "devices": 1,
            "num_sanity_val_steps": 0,
            "log_every_n_steps": 1,
            "logger": {
                "class_path": "lightning.pytorch.loggers.TensorBoardLogger",
                "init_args": {"save_dir": LOGS, "name": "fit", "default_hp_metric": False},
            },
            "enable_progress_bar": False,  # rich's, if rich is installed, which vanishes in a batch system's log
            "callbacks": [PrintEpochs(), PrintPredictions(), checkpoint],
        },
    )
