"""Objects that a module or a callback puts into its checkpoint, which only trust could load: the file goes without.

A trial that goes on has those that `build` has made in their place. When all else is put back, digests tell whether
they are what they were.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Mapping
from typing import Any

import lightning as L
import numpy as np
from torch import Tensor, nn

from nnhp_torch.run.resume.plain_values import digest

LEFT_OUT = "left_out"  # what a checkpoint lacks: name → what it is, in words, and its digest
_AS_THEY_ARE = (str, bytes, int, float, complex, type(None), set, frozenset, Tensor, np.ndarray, np.generic)


def left_out(checkpoint: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return what a checkpoint lacks; one of an earlier version has only the words for it."""
    found = checkpoint.get(LEFT_OUT, {})
    return found if isinstance(found, dict) else {words: (words, "") for words in found}


def fill(checkpoint: dict[str, Any], module: Any, callbacks: Iterable[L.Callback] = (), trainer: Any = None) -> None:
    """Give a checkpoint that was read what it lacks, as far as hooks of the fresh module and callbacks write it."""
    if missing := left_out(checkpoint):
        now = _written(checkpoint, module, callbacks, trainer)
        checkpoint.update({name: now[name] for name in missing if name in now and name not in checkpoint})


def changed(checkpoint: Mapping[str, Any], trainer: Any) -> list[str]:
    """Say what a checkpoint lacked that is not what it was, or may not be, now that all else is put back."""
    module = trainer.lightning_module
    now = _written(checkpoint, module, trainer.callbacks, trainer) if left_out(checkpoint) else {}
    now = {**now.get("callbacks", {}), **now}
    return [
        f"its checkpoint could not keep {words}"
        for name, (words, then) in left_out(checkpoint).items()
        if not then or name not in now or digest_of(now[name], module) != then
    ]


def digest_of(thing: Any, module: nn.Module) -> str:
    """Return a short hash of all that is in a thing, by what pickle takes for its state; empty if nobody can tell.

    What is a part of the trial's own module is looked after by other means.
    """
    pickled = io.BytesIO()
    try:
        _Pickler(pickled, module).dump(thing)
    except Exception:  # a lock, a closure, or what its own code raises
        return ""
    return digest(pickled.getvalue())


class _Pickler(pickle.Pickler):
    """Writes the same for the same things in every process: neither a set's order nor who else holds a text."""

    def __init__(self, file: io.BytesIO, module: nn.Module) -> None:
        super().__init__(file, protocol=4)
        self.parts: dict[int, str] = {id(part): name for name, part in module.named_modules(prefix="module")}

    def persistent_id(self, thing: Any) -> str | None:
        if id(thing) in self.parts:
            return self.parts[id(thing)]
        if isinstance(thing, L.Trainer):
            return "trainer"
        if isinstance(thing, type):  # its module has another name when it is the script
            return thing.__qualname__
        return digest(thing) if isinstance(thing, _AS_THEY_ARE) else None


def _written(
    checkpoint: Mapping[str, Any], module: Any, callbacks: Iterable[L.Callback], trainer: Any
) -> dict[str, Any]:
    """Return what hooks write into a checkpoint now; empty if they cannot.

    They may change what they are given, so it is a copy, and the module's own weights.
    """
    lacks = left_out(checkpoint)
    now = {k: dict(v) if isinstance(v, dict) else v for k, v in checkpoint.items() if k not in lacks}
    others = [callback for callback in callbacks if not type(callback).__module__.startswith("nnhp_torch.")]
    try:
        now["state_dict"] = module.state_dict()
        if module.hparams:
            now[module.CHECKPOINT_HYPER_PARAMS_KEY] = dict(module.hparams)
        now["callbacks"] = {callback.state_key: callback.state_dict() for callback in others}
        for callback in others:
            callback.on_save_checkpoint(trainer, module, now)
        module.on_save_checkpoint(now)
    except Exception:  # they ask for what there is in training alone
        return {}
    return now
