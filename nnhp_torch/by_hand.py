"""`python -m nnhp_torch fit|validate|test|predict`: one trial by hand, through LightningCLI."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback

from nnhp_torch.cli.arguments.parser import HelpFormatter, Spoken
from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.mnist.datamodule import MNISTDataModule as MNISTDataModule
from nnhp_torch.mnist.digits import DigitImages as DigitImages  # imported, so that --data knows both by these names
from nnhp_torch.mnist.digits import sheet
from nnhp_torch.network.module import MLPClassifier
from nnhp_torch.run.callbacks import EpochSeed
from nnhp_torch.run.launch.process import quiet_lightning
from nnhp_torch.run.trial.hardware import prefer_onednn
from nnhp_torch.run.trial.saving import read

LOGS = "lightning_logs"
SEEN = Path(LOGS) / "seen.png"
LAST = "lightning_logs/fit/version_0/checkpoints/last.ckpt"

EXAMPLES = {
    "fit": "--model.dropout 0.2 --trainer.max_epochs 5",
    "validate": f"--ckpt_path {LAST}",
    "test": f"--ckpt_path {LAST}",
    "predict": f"--ckpt_path {LAST} --data DigitImages --data.folder my_digits",
}


class TrialParser(Spoken, LightningArgumentParser):
    """Lightning's parser; its --help begins with the network and the data, and it refuses in a line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": HelpFormatter, **settings})

    def known(self) -> dict[str, str]:
        return super().known() | {f"--data.{name}": "" for name in inspect.signature(MNISTDataModule).parameters}

    def place(self, group: Any) -> int:
        return super().place(group) + 2 * any(action.dest.startswith("trainer") for action in group._group_actions)


class TrialCLI(LightningCLI):
    """LightningCLI with fits that can be repeated; it says so if a checkpoint and a flag disagree."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.set_defaults(
            {"data": {"class_path": "nnhp_torch.mnist.datamodule.MNISTDataModule", "init_args": {"batch_size": 2000}}}
        )

    def _parse_ckpt_path(self) -> None:
        """Take the network from the checkpoint. Lightning would let it override the command line's in silence.

        No public hook stands there. The first test to break is
        test_a_checkpoint_brings_its_network_and_a_flag_against_it_is_refused.
        """
        path, subcommand = self._chosen.get("ckpt_path"), self.config.subcommand
        if path is None:
            if subcommand != "fit":
                self.parser.error(f"--ckpt_path is needed: without it {subcommand} would use random weights")
            return
        try:
            checkpoint = read(Path(path))
        except (OSError, ValueError) as error:
            self.parser.error(f"{path} cannot be read: {error}")
        usual, given = vars(self._parser(subcommand).get_defaults().model), vars(self._chosen.model)
        flags = {name: value for name, value in given.items() if value != usual[name]}
        try:
            made = {name: value for name, value in checkpoint["hyper_parameters"].items() if not name.startswith("_")}
            module = MLPClassifier(**made)
            module.load_state_dict(checkpoint["state_dict"])
            for needed in ("optimizer_states", "loops", "epoch", "global_step") if subcommand == "fit" else ():
                checkpoint[needed]
        except Exception as error:  # whatever a stranger's file makes of it
            why = " ".join(str(error).split())[:200]
            self.parser.error(f"{path} is no checkpoint of an MLPClassifier that {subcommand} can use ({why})")
        try:
            flags = {name: MLPClassifier(**{**made, **flags}).hparams[name] for name in flags}
        except ValueError as error:
            self.parser.error(str(error))
        for name, value in flags.items():
            if value != (is_made := module.hparams[name]):
                self.parser.error(
                    f"the checkpoint was made with {name}={is_made}: leave --model.{name} out, or start without it"
                )
        super()._parse_ckpt_path()

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
        if isinstance(trainer.accelerator, CPUAccelerator):
            prefer_onednn()
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
    """A line per image: its name or number, and the two digits that the network finds likeliest, with how likely.

    Of a person's own pictures it also shows what the network saw of them.
    """

    def on_predict_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.names = iter(getattr(trainer.datamodule, "names", None) or count())  # type: ignore[attr-defined]
        self.captions: list[str] = []

    def on_predict_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *_: Any) -> None:
        for (chance, less), (digit, other) in zip(*(part.tolist() for part in outputs.topk(2)), strict=True):
            name = next(self.names)
            print(f"{name}\t{digit}\t{chance:.1%}\tor {other}\t{less:.1%}")
            self.captions.append(f"{name}\n{digit} {chance:.0%}, or {other} {less:.0%}")

    def on_predict_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        pictures = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(pictures, DigitImages) and trainer.is_global_zero:
            SEEN.parent.mkdir(parents=True, exist_ok=True)
            with replacing(SEEN) as written:
                sheet(pictures.images, self.captions).save(written, "png")
            print(f"Seen     {SEEN}, the pixels that the network saw")


def main(prog: str, about: Mapping[str, str]) -> None:
    """Run the command that this process was started with, such as `python -m nnhp_torch fit`.

    Args:
        prog: what the commands are called by; about: what each of them does, in a sentence.
    """
    texts = {
        name: {
            "usage": f"{prog} {name} [--option value …]",
            "description": f"{about[name]}\n\nExample: {prog} {name} {example}",
        }
        for name, example in EXAMPLES.items()
    }
    quiet_lightning()
    # Said of every checkpoint that is loaded, because the new run has a folder of its own.
    warnings.filterwarnings("ignore", message=".*The dirpath has changed.*")
    warnings.filterwarnings("ignore", message="left out: ")  # said at the end
    checkpoint = ModelCheckpoint(filename="last", enable_version_counter=False)
    trial = TrialCLI(
        MLPClassifier,
        L.LightningDataModule,
        subclass_mode_data=True,
        save_config_callback=SaveConfig,
        seed_everything_default=123,
        auto_configure_optimizers=False,
        parser_class=TrialParser,
        parser_kwargs={"prog": prog, **texts},
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
    if refused := getattr(trial.datamodule, "refused", ()):
        for why in refused:
            print(f"{prog} predict: {why}", file=sys.stderr)
        raise SystemExit(1)
