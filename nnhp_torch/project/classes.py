"""A LightningModule and its data, by class: the command line that they would have if they had one."""

from __future__ import annotations

import shlex

from lightning.pytorch.cli import LightningCLI

from nnhp_torch.project.loading import NoProject, load


def fit_classes(source: str) -> None:
    """Fits what `--model package.Net --data package.Data` names, on arguments from its own LightningCLI."""
    named = dict(zip(*[iter(shlex.split(source))] * 2, strict=True))
    model, data = (_find(named[flag]) if flag in named else None for flag in ("--model", "--data"))
    cli = LightningCLI(model, data, save_config_callback=None, run=False)
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def _find(name: str) -> type:
    """The class behind `package.Net` or `file.py:Net`."""
    where, _, attribute = name.rpartition(":" if ":" in name else ".")
    found = getattr(load(where), attribute, None) if where else None
    if not isinstance(found, type):
        raise NoProject(f"there is no class {name}: it is named as package.module.Net, or as file.py:Net")
    return found
