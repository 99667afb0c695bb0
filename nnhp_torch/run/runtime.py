"""Where and how trials run: of this the kind and number of devices may change digits, nothing else does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from nnhp_torch.core.spec.objective import Objective

Keep = Literal["winner", "best", "last", "all"]


USUAL = Objective("val_accuracy", "max")


@dataclass(frozen=True)
class Runtime:
    """The settings that every trial of a sweep shares.

    Args:
        folder: the sweep's folder, absolute from here on: a module may change the working directory. Each trial
            writes to a folder of its own beneath.
        accelerator, devices, strategy: Trainer's own; `devices` is a number, or a list of device indices.
        objective: the validation metric that says which epoch was best, and its direction.
        test: whether the test images are scored when a trial has ended.
        repeated: fields that tell the trials of a cell apart, if it has several: columns of TensorBoard's HParams tab.
        environment: variable → what the trials find in it, also on another machine.
    """

    folder: str
    accelerator: str = "auto"
    devices: int | tuple[int, ...] = 1
    strategy: str = "auto"
    objective: Objective = USUAL
    test: bool = True
    repeated: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", os.path.abspath(self.folder))

    @property
    def world_size(self) -> int:
        """Processes that train one trial."""
        return self.devices if isinstance(self.devices, int) else len(self.devices)
