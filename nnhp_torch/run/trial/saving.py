"""How a checkpoint is written: in one step, and so that it can be loaded again without trust."""

from __future__ import annotations

import logging
import os
import pickle
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lightning as L
import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from nnhp_torch.core.ledger.files import replacing
from nnhp_torch.run.resume.plain_values import is_plain, pack, unpack
from nnhp_torch.run.resume.untrusted import LEFT_OUT, digest_of, fill

# The checkpoint is loaded again without trust, so nothing in it may need more.
RESUMABLE = "resumable"
PACKED = "packed"  # which of its parts `read` unpacks

# Without these no fit goes on.
_VITAL = ("state_dict", "optimizer_states", "lr_schedulers", "loops", "random_state")


@contextmanager
def saves_are_heard() -> Iterator[None]:
    """Have torch.save announce the file that it writes, as `open` does: it opens it out of Python's hearing."""
    save = torch.save

    @wraps(save)
    def heard(thing: object, file: Any, *args: Any, **options: Any) -> None:
        if isinstance(file, (str, os.PathLike)):
            sys.audit("open", file, "wb", os.O_WRONLY)
        save(thing, file, *args, **options)

    with patch.object(torch, "save", heard), patch.object(torch.serialization, "save", heard):
        yield


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint in one step: a kill leaves the old one whole.

    Lightning stages in TMPDIR instead, and moving a file from another filesystem is no single step. A checkpoint that
    is saved as RESUMABLE leaves out what is no plain value: hyperparameters, which no fit needs to go on, and what a
    module or a callback has added, which is said once. When it is loaded, the fresh ones' hooks give that.

    Args:
        trainer: gives the Trainer that it saves and loads for; only such a one leaves out, and gives again.
    """

    def __init__(self, trainer: Callable[[], Any] = lambda: None) -> None:
        super().__init__()
        self._trainer = trainer
        self._said = False

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        if storage_options == RESUMABLE:
            checkpoint = self._without_objects(checkpoint)
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

    def load_checkpoint(self, path: Any, *args: Any, **settings: Any) -> dict[str, Any]:
        checkpoint, trainer = read(Path(path)), self._trainer()
        if trainer is not None:
            fill(checkpoint, trainer.lightning_module, trainer.callbacks, trainer)
        return checkpoint

    def _without_objects(self, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """Return the checkpoint without what only trust could load."""
        checkpoint = dict(checkpoint)
        for kind in (L.LightningModule, L.LightningDataModule):
            checkpoint.pop(kind.CHECKPOINT_HYPER_PARAMS_TYPE, None)  # a class
            if (hyperparameters := kind.CHECKPOINT_HYPER_PARAMS_KEY) in checkpoint:
                kept = {name: value for name, value in checkpoint[hyperparameters].items() if is_plain(value)}
                checkpoint[hyperparameters] = kept
        callbacks = checkpoint["callbacks"] = dict(checkpoint.get("callbacks", {}))
        packed, left_out = checkpoint.setdefault(PACKED, []), {}
        for part in (callbacks, checkpoint):
            for name in [name for name, value in part.items() if not is_plain(value)]:
                try:
                    part[name] = pack(part[name])
                    packed.append(name)
                except TypeError as error:
                    words = f"{name.partition('{')[0]} (with a {error})"
                    left_out[name] = (words, digest_of(part[name], self._trainer().lightning_module))
                    if name not in _VITAL:
                        del part[name]
        if left_out:
            checkpoint[LEFT_OUT] = left_out
            self._say([words for words, _ in left_out.values()])
        return checkpoint

    def _say(self, left_out: list[str]) -> None:
        if not self._said:
            whole = any(name.startswith(_VITAL) for name in left_out)
            cost = "starts over" if whole else "goes on with what build makes of it"
            what = ", ".join(left_out)
            logging.getLogger(__name__).warning("No checkpoint can keep %s: a trial that is stopped %s", what, cost)
        self._said = True


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint, with `weights_only`, so that nothing in it is executed.

    Raises:
        OSError: it is not there, or may not be read.
        ValueError: it is damaged, or no checkpoint; the message says what is wrong, in a line.
    """
    path.open("rb").close()  # what the system has against it is no damage
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if damaged := archive.testzip():  # torch.load does not look at the checksums
                    raise ValueError(f"the checksum of {damaged} is wrong")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(checkpoint, dict):
            raise ValueError("it is no checkpoint")
        callbacks = checkpoint.get("callbacks", {})
        for name in checkpoint.pop(PACKED, ()):
            part = callbacks if name in callbacks else checkpoint
            part[name] = unpack(part[name])
    except Exception as error:  # an OSError too: damaged places in a file that are none
        raise ValueError(_reason(error)) from error
    return checkpoint


def _reason(error: Exception) -> str:
    """Say why a checkpoint cannot be read, in a line."""
    if found := re.search(r"Unsupported global: GLOBAL (\S+)", str(error)):
        return f"{found[1]} in it would have to be executed"
    if isinstance(error, pickle.UnpicklingError):  # torch advises to load it all the same
        return "what is in it would have to be executed, or is no checkpoint"
    return (str(error) or type(error).__name__).splitlines()[0]
