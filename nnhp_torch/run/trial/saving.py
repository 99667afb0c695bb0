"""How a checkpoint is written: in one step, and so that it can be loaded again without trust."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.run.resume.plain import is_plain

RESUMABLE = "resumable"  # the checkpoint is loaded again without trust: nothing in it may need more


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint in one step: a kill leaves the old one whole.

    Lightning stages in TMPDIR instead, and moving a file from another filesystem is no single step. A checkpoint that
    is saved as RESUMABLE leaves out the hyperparameters that are objects, which no fit needs to go on.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        if storage_options == RESUMABLE:
            checkpoint = _without_objects(checkpoint)
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with replacing(target) as staged, open(staged, "wb") as file:
                torch.save(checkpoint, file)
        except RuntimeError as error:
            # torch makes it of a failed write; what the system said stands behind it.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def _without_objects(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint without what only trust could load and no fit needs: hyperparameters that are objects."""
    checkpoint = dict(checkpoint)
    for kind in (L.LightningModule, L.LightningDataModule):
        checkpoint.pop(kind.CHECKPOINT_HYPER_PARAMS_TYPE, None)  # a class
        if (hyperparameters := kind.CHECKPOINT_HYPER_PARAMS_KEY) in checkpoint:
            kept = {name: value for name, value in checkpoint[hyperparameters].items() if is_plain(value)}
            checkpoint[hyperparameters] = kept
    return checkpoint
