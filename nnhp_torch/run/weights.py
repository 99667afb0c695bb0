"""The weights that a trial has left, in the module that its configuration makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch

from nnhp_torch.run.launch.process import import_by_name
from nnhp_torch.run.trial.setup import setup_of


def load(build: str | Callable[[Any], Any], config: Any, path: Path) -> L.LightningModule:
    """The module that `build` makes of a configuration, with a checkpoint's weights, in evaluation mode.

    Raises:
        RuntimeError: the weights are of another network.
    """
    module = setup_of(import_by_name(build)(config)).module
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)  # nothing in the file is executed
    module.load_state_dict(checkpoint["state_dict"])
    return module.eval()
