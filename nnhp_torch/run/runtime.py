"""Where and how trials run: of this the kind and number of devices may change digits, nothing else does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nnhp_torch import checks
from nnhp_torch.core.spec.objective import Objective

Keep = Literal["winner", "best", "last", "all"]
Build = str | Callable[..., Any]  # what makes a trial of its configuration; or its name, package.module:function
OnEpoch = Callable[[int, Mapping[str, float]], str | None]  # epoch (from 1), metrics → a reason to end a trial there

USUAL = Objective("val_accuracy", "max")

# Trainer's short names for a precision, and what they mean.
SHORT = {"16": "16-mixed", "bf16": "bf16-mixed", "32": "32-true", "64": "64-true"}
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true")

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps", "tpu")  # Lightning's


def check_device(accelerator: str, precision: str) -> None:
    """Raise ValueError if a Trainer has no such accelerator, or no such precision."""
    checks.choice("precision", precision, (*SHORT, *PRECISIONS))
    if accelerator not in ACCELERATORS:
        from lightning.pytorch.accelerators import AcceleratorRegistry  # which may have somebody's own

        registered = AcceleratorRegistry.available_accelerators()
        checks.choice("accelerator", accelerator, dict.fromkeys((*ACCELERATORS, *registered)))


@dataclass(frozen=True)
class Runtime:
    """The settings that every trial of a sweep shares.

    Args:
        folder: the sweep's folder, absolute from here on: a module may change the working directory. Each trial
            writes to a folder of its own beneath.
        accelerator, devices, strategy: Trainer's own; `devices` is a number, or a list of device indices.
        objective: the validation metric that says which epoch was best, and its direction.
        test: whether the test images are scored when a trial has ended.
        keeps_best: whether a trial keeps the checkpoint of its best epoch, beside the last one.
        each_epoch: whether each epoch has a checkpoint, and not one a second.
        repeated: fields that tell the trials of a cell apart, if it has several: columns of TensorBoard's HParams tab.
        environment: variable → what the trials find in it, also on another machine.
    """

    folder: str
    accelerator: str = "auto"
    devices: int | tuple[int, ...] = 1
    strategy: str = "auto"
    objective: Objective = USUAL
    test: bool = True
    keeps_best: bool = True
    each_epoch: bool = False
    repeated: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", os.path.abspath(self.folder))

    @property
    def world_size(self) -> int:
        """Processes that train one trial."""
        return self.devices if isinstance(self.devices, int) else len(self.devices)
