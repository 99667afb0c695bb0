"""A LightningModule and its data, by class: the command line that they would have if they had one."""

from __future__ import annotations

import inspect
import shlex
from typing import Any, Optional

from lightning.pytorch.cli import LightningCLI, LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.model_helpers import is_overridden

from nnhp_torch.project.loading import NoProject, load

_SCHEDULER = Optional[LRSchedulerCallable]  # noqa: UP045  # such a union's `|` fails on Python 3.10
FACTORIES = {
    "Optimizer": OptimizerCallable,
    **dict.fromkeys(("lr_scheduler", "LRScheduler", "_LRScheduler"), _SCHEDULER),
}


def fit_classes(source: str) -> None:
    """Fits what `--model package.Net --data package.Data` names, on arguments from its own LightningCLI.

    Raises:
        NoProject: there is no such class, or nothing to train on.
    """
    named = dict(zip(*[iter(shlex.split(source))] * 2, strict=True))
    model, data = _find(named["--model"]), _find(named["--data"]) if "--data" in named else None
    _expect_factories(model)
    # Its hyperparameters are what it is given, as if it were made by hand, not the configuration of that.
    cli = LightningCLI(model, data, run=False, save_config_callback=None, load_from_checkpoint_support=False)
    if data is None and not is_overridden("train_dataloader", cli.model):
        raise NoProject(f"{model.__name__} has no train_dataloader of its own: name its LightningDataModule by --data")
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def _find(name: str) -> type:
    """The class behind `package.Net` or `file.py:Net`."""
    where, _, attribute = name.rpartition(":" if ":" in name else ".")
    found = getattr(load(where), attribute, None) if where else None
    if not isinstance(found, type):
        raise NoProject(f"there is no class {name}: it is named as package.module.Net, or as file.py:Net")
    return found


def _expect_factories(model: Any) -> None:
    """Reads `optimizer: Optimizer` as what it can only mean before there are parameters: a class with arguments.

    The same holds of a scheduler. Such modules are usually given partials, as Hydra makes them.
    """
    for name, parameter in inspect.signature(model.__init__).parameters.items():
        hint = parameter.annotation  # a class, a module (torch.optim.lr_scheduler), or the name of one
        last = str(getattr(hint, "__name__", hint)).rpartition(".")[2]
        if last in FACTORIES:
            model.__init__.__annotations__[name] = FACTORIES[last]
