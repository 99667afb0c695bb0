"""The places in its data that a trial keeps in plain attributes, such as a sampler's counter.

What has changed since training began goes into the checkpoint and is put back. Of all that is around the loaders a
digest tells whether it is again what it was.
"""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities.model_helpers import is_overridden
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics import Metric

from nnhp_torch.core.spec.provenance import is_own
from nnhp_torch.run.resume.object_graph import has_state, inside, walk
from nnhp_torch.run.resume.plain import digest, is_value, pack, unpack
from nnhp_torch.run.resume.randomness import LONG

MOST = 2**26  # bytes of a tensor that a checkpoint takes in after every epoch


@dataclass
class Around:
    """Where places are: the loaders and all that can be reached from them, and what else is the user's own.

    Args:
        loaders: by the name that a note gives them.
        module, datamodule, callbacks: the trial's; of these their own attributes alone.
        device: the module's.
    """

    loaders: Mapping[str, Any]
    module: L.LightningModule
    datamodule: L.LightningDataModule | None
    callbacks: list[L.Callback]
    device: torch.device

    def owners(self) -> dict[str, Any]:
        """Everything that may have a place, by its path."""
        modules = list(self.module.named_modules(prefix="module"))
        in_state_dict = {id(part) for _, module in modules for part in (module._parameters, module._buffers)}
        others = [*modules, ("datamodule", self.datamodule)]
        others += [(f"callbacks.{index}", c) for index, c in enumerate(self.callbacks) if not _keeps_itself(c)]
        own = {path: thing for path, thing in others if is_own(type(thing))}
        reached = walk(self.loaders, in_state_dict | set(map(id, own.values())))
        return own | {path: thing for path, thing in reached if not is_value(thing)}


@dataclass
class Places:
    """The places of a fit, as far as they are known.

    Attributes:
        begun: owner's path → name → digest, when it was first seen.
        put: what was put back, and so has changed since training began.
    """

    begun: dict[str, dict[str, str]] = field(default_factory=dict)
    put: set[tuple[str, str]] = field(default_factory=set)

    def look(self, around: Around) -> None:
        """Takes what was not there before for what it is at the beginning."""
        for path, owner in around.owners().items():
            if path not in self.begun:
                self.begun[path] = _digests(owner)

    def keep(self, around: Around) -> dict[str, dict[str, Any]]:
        """The digests of all places, and the values of those that have changed or why they cannot be kept, in words."""
        self.look(around)
        kept: dict[str, dict[str, Any]] = {"digests": {}, "values": {}, "lost": {}}
        for path, owner in around.owners().items():
            values, digests = _values(owner), _digests(owner)
            kept["digests"][path] = digests
            for name, value in values.items():
                if self.begun[path].get(name) == digests[name] and (path, name) not in self.put:
                    continue
                try:
                    kept["values"].setdefault(path, {})[name] = (_is_on_device(value), _packed(value))
                except TypeError as error:
                    kept["lost"][f"{path}.{name}"] = f"holds a {error}, which cannot be kept"
        return kept

    def put_back(self, kept: Mapping[str, Any], around: Around, renewed: tuple[str, ...] = ()) -> list[str]:
        """Gives each place the value that was kept of it; in words, what is not what it was all the same.

        Args:
            renewed: the loaders that are about to be made anew.
        """
        owners = around.owners()
        for path, values in kept["values"].items():
            for name, (on_device, packed) in values.items() if path in owners else ():
                value = unpack(packed)
                _set(owners[path], name, _moved(value, around.device) if on_device else value)
                self.put.add((path, name))
        doubts = []
        for path in {**kept["digests"], **around.owners()}:
            if not path.startswith(tuple(around.loaders)) or path.startswith(renewed):
                continue
            now = _digests(owners[path]) if path in owners else {}
            then = kept["digests"].get(path, {})
            doubts += [
                f"{path}.{name} {kept['lost'].get(f'{path}.{name}', 'is not what it was when the checkpoint was made')}"
                for name in {**then, **now}
                if then.get(name) != now.get(name)
            ]
        return doubts


def _keeps_itself(callback: L.Callback) -> bool:
    return any(is_overridden(name, callback, L.Callback) for name in ("state_dict", "on_save_checkpoint"))


def _values(owner: Any) -> dict[str, Any]:
    """The values that an owner has, by name; of a list too long to be looked into, whatever it is."""
    if has_state(owner) or isinstance(owner, Metric):  # kept by other means
        return {}
    internal = _internal() if isinstance(owner, (nn.Module, DataLoader, L.LightningDataModule)) else frozenset()
    return {
        str(name): value
        for name, value in inside(owner)
        if name not in internal and (is_value(value) or (isinstance(value, (list, deque, dict)) and len(value) > LONG))
    }


def _digests(owner: Any) -> dict[str, str]:
    return {name: digest(value) for name, value in _values(owner).items()}


@functools.cache
def _internal() -> frozenset[str]:
    """The attributes that torch and Lightning keep themselves."""
    bare: tuple[Any, ...] = (DataLoader([0]), L.LightningModule(), L.LightningDataModule())  # type: ignore[arg-type]
    return frozenset(name for thing in bare for name in vars(thing) if name.startswith("_")) | {"training", "_hparams"}


def _packed(value: Any) -> Any:
    if isinstance(value, (Tensor, np.ndarray)) and value.nbytes > MOST:
        raise TypeError(f"{type(value).__name__} of {value.nbytes >> 20} MiB")
    return pack(value)


def _set(owner: Any, name: str, value: Any) -> None:
    """Gives an owner a value: within what is there if it can be, because others may have it too."""
    key: Any = {str(key): key for key, _ in inside(owner)}.get(name, name)
    match dict(inside(owner)).get(key), value:
        case (list() as there, list()):
            there[:] = value
        case (dict() as there, dict()):
            there.clear()
            there.update(value)
        case (np.ndarray() as there, np.ndarray()) if (there.shape, there.dtype) == (value.shape, value.dtype):
            there[...] = value
        case (Tensor() as there, Tensor()) if (there.shape, there.dtype) == (value.shape, value.dtype):
            with torch.no_grad():
                there.copy_(value)
        case _:
            _replace(owner, key, value)


def _replace(owner: Any, key: Any, value: Any) -> None:
    match owner:
        case tuple() | functools.partial() | types.MethodType():
            return  # cannot be changed, and the digest tells
        case list() | deque() | dict():
            owner[key] = value
        case types.FunctionType():
            cell = (owner.__closure__ or ())[owner.__code__.co_freevars.index(key)]
            cell.cell_contents = value
        case _:
            vars(owner)[key] = value


def _is_on_device(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return any(map(_is_on_device, value))
    return isinstance(value, Tensor) and value.device.type != "cpu"


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, dict):
        return type(value)((key, _moved(inner, device)) for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(inner, device) for inner in value)
    return value.to(device) if isinstance(value, Tensor) else value
