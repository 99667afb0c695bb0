"""A project's settings of the Trainer: which are carried on, which are the sweep's flags, which break a promise."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import lightning as L
from jsonargparse import Namespace

from nnhp_torch.project.importing import NoProject
from nnhp_torch.run.setup import INSTEAD, SETTINGS

# How trials run: flags of the sweep, which are the same for all trials.
FLAGS = ("accelerator", "devices", "strategy", "precision")

# What changes no result; the sweep has its own.
UNUSED = (
    *("enable_autolog_hparams", "enable_checkpointing", "enable_model_summary", "enable_progress_bar"),
    *("default_root_dir", "limit_predict_batches", "log_every_n_steps", "model_registry", "num_sanity_val_steps"),
    "profiler",
)

_USUAL = {name: parameter.default for name, parameter in inspect.signature(L.Trainer.__init__).parameters.items()}
_KEPT = {*SETTINGS, *FLAGS, *UNUSED, "callbacks", "logger", "max_epochs"}


def departures(settings: Mapping[str, Any] | Namespace) -> dict[str, Any]:
    """Return those of the Trainer's arguments that are not Lightning's defaults."""
    given = vars(settings) if isinstance(settings, Namespace) else settings  # its items() go into what is in it
    return {name: value for name, value in given.items() if name not in _USUAL or value != _USUAL[name]}


def refuse(trainer: Mapping[str, Any] | Namespace, ckpt_path: Any = None) -> None:
    """Raise NoProject if a promise of the sweep would not hold under these settings."""
    if ckpt_path is not None:
        raise NoProject("ckpt_path cannot be set: each trial begins anew, and goes on from its own checkpoints")
    for name, value in departures(trainer).items():
        if name in _KEPT or (name == "min_epochs" and value in (0, 1)):
            continue
        why = INSTEAD.get(name, "a sweep does not know it").format(name=name)
        raise NoProject(f"trainer.{name} cannot be {value!r}: {why}")


def refuse_axis(key: str) -> None:
    """Raise ValueError if a key makes no difference to a trial, or is for the sweep to say."""
    name = key.removeprefix("trainer.")
    if key == "seed_everything":
        raise ValueError("seed_everything is not an axis: give several seeds with --seeds")
    if key != name and name in (*FLAGS, *UNUSED, "logger"):
        raise ValueError(f"{key} cannot be an axis: {INSTEAD.get(name, 'it changes no result').format(name=name)}")


def requested(trainer: Mapping[str, Any] | Namespace) -> dict[str, Any]:
    """Return the sweep's own options that their configuration sets."""
    return {name: value for name, value in departures(trainer).items() if name in FLAGS}
