"""The weights that a trial has left, in the module that its configuration makes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.utilities.model_helpers import is_overridden

from nnhp_torch.run.launch.process import import_by_name
from nnhp_torch.run.resume.untrusted import fill
from nnhp_torch.run.runtime import Build
from nnhp_torch.run.setup import Setup, setup_of
from nnhp_torch.run.trial.saving import AtomicCheckpointIO, read


def load(build: Build, config: Any, path: Path) -> L.LightningModule:
    """Return the module that `build` makes of a configuration, with a checkpoint's weights, in evaluation mode.

    It is loaded as Lightning loads one, by the module's hooks. One that makes layers in its `setup` is set up by a
    Trainer, with the trial's data, as before a fit.

    Raises:
        ValueError: the checkpoint is damaged.
        RuntimeError: the weights are of another network.
    """
    try:
        checkpoint = read(path)
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    module = setup_of(import_by_name(build)(config)).module
    try:
        module.configure_model()
        fill(checkpoint, module)
        module.on_load_checkpoint(checkpoint)
        module.load_state_dict(checkpoint["state_dict"], strict=module.strict_loading)
    except Exception:  # whatever a hook lacks before `setup`; without one it is an error, and raised
        if not is_overridden("setup", module):
            raise
        module = _set_up(setup_of(import_by_name(build)(config)), path, config.max_epochs)
    return module.eval()


def _set_up(setup: Setup, path: Path, max_epochs: int) -> L.LightningModule:
    silent = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary", "num_sanity_val_steps")
    settings: dict[str, Any] = dict.fromkeys(silent, 0)
    saving = AtomicCheckpointIO(lambda: trainer)
    trainer = L.Trainer(accelerator="cpu", max_epochs=max_epochs, plugins=[saving], **settings)
    trainer.fit_loop.run = lambda: None  # type: ignore[method-assign]  # it is set up and loaded by now
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that callbacks and worker processes are missing
        trainer.fit(setup.module, **setup.fit_data(), ckpt_path=path, weights_only=True)
    return setup.module
