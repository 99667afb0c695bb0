"""What a trial keeps beside its state_dict: a sampler's counter, which weights learn, a buffer that is not persistent.

What has changed since training began goes into the checkpoint and is put back. Of all that is around the loaders a
digest tells whether it is again what it was.
"""

from __future__ import annotations

import functools
import types
from ast import literal_eval
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.core.mixins.hparams_mixin import HyperparametersMixin
from lightning.pytorch.loops.fit_loop import _FitLoop
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader
from torchmetrics import Metric, SumMetric

from nnhp_torch.core.spec.provenance import is_own
from nnhp_torch.run.resume.generators import LONG
from nnhp_torch.run.resume.object_graph import has_state, inside, keeps_itself, walk
from nnhp_torch.run.resume.plain_values import digest, is_value, pack, unpack

_WHOLE = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}  # by the bytes of a number
MOST = 2**26  # bytes of a tensor that a checkpoint takes in after every epoch
# Their own attributes stand under the name without the dot.
_PARTS = ("module.", "datamodule.", "callbacks.", "optimizers.", "schedulers.")
LEARNING = "requires_grad"  # stands for which of a module's weights learn

# What callbacks change in a Trainer while it trains.
TRAINER = (
    *("accumulate_grad_batches", "gradient_clip_algorithm", "gradient_clip_val", "check_val_every_n_epoch"),
    *("limit_train_batches", "limit_val_batches", "reload_dataloaders_every_n_epochs", "val_check_batch"),
)


def owners_of(trainer: Any, loaders: Mapping[str, Any], *, of_parts: bool = True) -> dict[str, Any]:
    """Return everything that may have a place, by its path: the loaders, a fit's parts, and all that these reach.

    Args:
        trainer: with the trial's module, data module and callbacks; typed as Any, as everywhere.
        loaders: by the name that a note gives them.
        of_parts: without the fit's parts it is what is around the loaders alone.
    """
    modules = dict(trainer.lightning_module.named_modules(prefix="module"))
    in_state_dict = {id(part) for module in modules.values() for part in (module._parameters, module._buffers)}
    parts: dict[str, Any] = {"datamodule": trainer.datamodule, "trainer": trainer, "loop": trainer.fit_loop}
    stepping = {"optimizers": trainer.optimizers, "schedulers": [c.scheduler for c in trainer.lr_scheduler_configs]}
    for kind, steppers in stepping.items():  # a person's own may have more than their state_dict says
        parts |= {f"{kind}.{index}": thing for index, thing in enumerate(steppers) if is_own(type(thing))}
    for index, callback in enumerate(trainer.callbacks):
        if not keeps_itself(callback):
            parts[f"callbacks.{index}"] = callback
        for name, held in vars(callback).items():  # such as an average of the module
            if isinstance(held, nn.Module) and held is not trainer.lightning_module:
                modules |= held.named_modules(prefix=f"callbacks.{index}.{name}")
    parts |= modules
    in_parts = parts if of_parts else {}
    held = {f"{path}.{name}": thing for path, part in in_parts.items() for name, thing in _held(part)}
    reached = walk({**loaders, **held}, in_state_dict | set(map(id, parts.values())))
    of_hparams = [(path, part) for path, part in in_parts.items() if isinstance(part, HyperparametersMixin)]
    hparams = {f"{path}.hparams": part.hparams for path, part in of_hparams}
    return in_parts | hparams | {path: thing for path, thing in reached if not is_value(thing)}


@dataclass
class Positions:
    """The positions of a fit, as far as they are known.

    Attributes:
        begun: owner's path → name → digest, when it was first seen.
        variables: the same of global variables.
        put: what was put back, or changed as loaders were made, and so has changed since training began.
    """

    begun: dict[str, dict[str, str]] = field(default_factory=dict)
    variables: dict[str, Mapping[str, str]] = field(default_factory=dict)
    put: set[tuple[str, str]] = field(default_factory=set)

    def look(self, owners: Mapping[str, Any], variables: Mapping[str, Mapping[str, str]]) -> None:
        """Take what was not there before for what it is at the beginning; later on, around the loaders alone."""
        if not self.begun:
            self.variables = dict(variables)
        self.begun |= digests_of(owners, [path for path in owners if path not in self.begun])

    def look_again(self, owners: Mapping[str, Any], before: Mapping[str, Mapping[str, str]]) -> None:
        """Take values for changed that making the first loaders has changed: a resumed fit makes more of them.

        Args:
            before: owner's path → name → digest, from before they were made.
        """
        for path, found in before.items():
            values = values_of(owners[path]) if path in owners else {}
            self.put |= {(path, name) for name in values if found.get(name) != self.begun[path].get(name)}

    def state(self, owners: Mapping[str, Any], variables: Mapping[str, Mapping[str, str]]) -> dict[str, dict[Any, Any]]:
        """The digests of all positions; of those that have changed the values, or in words why they cannot be kept."""
        state: dict[str, dict[Any, Any]] = {"digests": digests_of(owners, owners), "values": {}, "lost": {}}
        state["variables"] = {}  # of a person's global ones those that have changed
        for path, found in variables.items():
            begun = self.variables.setdefault(path, found)
            state["variables"] |= {(path, name): now for name, now in found.items() if begun.get(name) != now}
        for path, owner in owners.items():
            digests = state["digests"][path]
            late = {} if path.startswith(_PARTS) else digests  # what a part has made since it began is a change
            begun = self.begun.setdefault(path, late)
            gone = [name for name in begun if name not in digests]
            state["lost"].update({f"{path}.{name}": "was taken out in training" for name in gone})
            changed = [name for name in digests if begun.get(name) != digests[name] or (path, name) in self.put]
            values = values_of(owner) if changed else {}
            for name in changed:
                if name not in values:
                    state["lost"][f"{path}.{name}"] = "is another object, function or class since some epoch"
                    continue
                try:
                    state["values"].setdefault(path, {})[name] = (_is_on_device(values[name]), _packed(values[name]))
                except TypeError as error:
                    state["lost"][f"{path}.{name}"] = f"holds a {error}, which cannot be kept"
        return state

    def put_back(
        self,
        state: Mapping[str, Any],
        trainer: Any,
        loaders: Mapping[str, Any],
        variables: Callable[[], Mapping[str, Mapping[str, str]]],
        renewed: tuple[str, ...] = (),
    ) -> list[str]:
        """Give each place the value that the state has of it; in words, what is not what it was all the same.

        Args:
            variables: gives the digests of a person's global variables, by owner and name.
            renewed: the loaders that are about to be made anew.
        """
        owners = owners_of(trainer, loaders)
        device, weights = trainer.strategy.root_device, _places(trainer.lightning_module)
        missing = [path for path in state["values"] if path not in owners and path.startswith(_PARTS)]
        for path, values in state["values"].items():
            for name, (on_device, packed) in values.items() if path in owners else ():
                value = unpack(packed)
                try:
                    _set(owners[path], name, _moved(value, device) if on_device else value, weights)
                except (ValueError, SyntaxError, TypeError):  # its key is an object, or it does not let itself be set
                    missing.append(f"{path}.{name}")
                self.put.add((path, name))
        # Digests are compared around the loaders alone: elsewhere hooks that have run by now may have set things anew.
        around_loaders = tuple(loaders)
        doubts = [f"{path} was made in training, and is not there" for path in missing]
        owners, there = owners_of(trainer, loaders), variables()
        doubts += [
            f"{path}.{name}".rstrip(".") + " is a variable that changes in training and belongs to no trial"
            for (path, name), then in state.get("variables", {}).items()
            if there.get(path, {}).get(name) != then
        ]
        digests, lost = digests_of(owners, owners), state["lost"]
        for path in {**state["digests"], **digests}:
            if path.startswith(renewed):
                continue
            then, now = state["digests"].get(path, {}), digests.get(path, {})
            unlike = [name for name in {**then, **now} if then.get(name) != now.get(name)]
            compared = path.startswith(around_loaders)
            doubts += [
                f"{path}.{name} {lost.get(f'{path}.{name}', 'is not what it was when the checkpoint was made')}"
                for name in unlike
                if f"{path}.{name}" in lost or (compared and not _sets_itself(owners.get(path), name))
            ]
        return doubts


def _held(part: Any) -> list[tuple[str, Any]]:
    """What a part of the trial holds, as far as it may have a place in it: torch and Lightning keep the rest."""
    if isinstance(part, (L.Trainer, _FitLoop)):
        return []
    known = _internal() if isinstance(part, (nn.Module, L.LightningDataModule)) else frozenset()
    return [(name, thing) for name, thing in inside(part) if name not in known or (name.endswith("_hooks") and thing)]


def values_of(owner: Any) -> dict[str, Any]:
    """Return the values that an owner has, by name; of a list too long to be looked into, whatever it is."""
    match owner:
        case L.Trainer():
            return {name: value for name, value in vars(owner).items() if name in TRAINER}
        case _FitLoop():
            return {name: vars(owner)[name] for name in ("max_epochs", "min_epochs")}
    of_module = _of_module(owner) if isinstance(owner, nn.Module) else {}
    return of_module | {name: part for name, part in _attributes(owner).items() if _is_kept(owner, part)}


def _attributes(owner: Any) -> dict[str, Any]:
    """Return what an owner has, by name, but for what is kept by other means."""
    if (has_state(owner) or isinstance(owner, Metric)) and not is_own(type(owner)):
        return {}
    internal: frozenset[str] = frozenset()
    if isinstance(owner, (nn.Module, DataLoader, L.LightningDataModule)):
        internal = _internal()
    if isinstance(owner, Metric):
        internal |= _of_metrics() | owner._defaults.keys()
    return {_named(owner, name): part for name, part in inside(owner) if name not in internal}


def _is_kept(owner: Any, part: Any) -> bool:
    return is_value(part) or _is_long(part) or _is_weight(owner, part)


def _kinds(path: str, owner: Any, paths: Mapping[int, str]) -> dict[str, str]:
    """Say what the parts of an owner are that are no values: which function, which class, an object of which class.

    Args:
        path: the owner's.
        paths: where things have been found, by identity: the one that an attribute stands for may be another's too.
    """
    match owner:
        case _FitLoop():
            return {}
        case L.Trainer():
            return {"callbacks": " ".join(type(callback).__qualname__ for callback in owner.callbacks)}  # type: ignore[attr-defined]
    parts = _attributes(owner) | (owner._modules if isinstance(owner, nn.Module) else {})
    if path.endswith("_hooks"):  # torch numbers those of all modules in a row
        parts = {str(index): part for index, part in enumerate(parts.values())}
    weights = owner._parameters if isinstance(owner, nn.Module) else {}
    hooks = {f"{name}._backward_hooks": w._backward_hooks for name, w in weights.items() if w is not None}
    kinds = {name: (_kind(part), paths.get(id(part), "")) for name, part in parts.items() if not _is_kept(owner, part)}
    return {name: f"{kind} {of * (of != f'{path}.{name}')}" for name, (kind, of) in kinds.items()} | {
        name: str(len(of)) for name, of in hooks.items() if of
    }


def _kind(thing: Any) -> str:
    match thing:
        case types.MethodType():
            return _kind(thing.__func__)
        case types.FunctionType():
            return f"{thing.__qualname__}:{thing.__code__.co_firstlineno}"
        case type() | types.BuiltinFunctionType():
            return thing.__qualname__
        case Enum():
            return str(thing)
    kind: type = getattr(type(thing), "cls_to_become", None) or type(thing)  # of a layer that is lazy as yet
    return kind.__qualname__


def _sets_itself(owner: Any, name: str) -> bool:
    """Return whether an attribute may be another one for a while, before an epoch begins or an iterator is made."""
    return has_state(owner) or (name == "epoch" and hasattr(owner, "set_epoch"))


def _named(owner: Any, key: Any) -> str:
    """Return the name of a part: a dict's key that is no text stands in brackets, as in `seen.[3]`."""
    return f"[{key!r}]" if isinstance(owner, dict) and not isinstance(key, str) else str(key)


def _key(owner: Any, name: str) -> Any:
    """Return what a part is called by its owner, which may lack it until it is put there.

    Raises:
        ValueError: a key that is no plain value, such as an object.
    """
    for key, _ in inside(owner):
        if _named(owner, key) == name:
            return key
    if isinstance(owner, dict) and name.startswith("["):
        return literal_eval(name[1:-1])
    return int(name) if isinstance(owner, (list, deque)) else name


def _is_long(value: Any) -> bool:
    return isinstance(value, (list, deque, dict)) and len(value) > LONG


def _is_weight(owner: Any, value: Any) -> bool:
    """Whether it is one of a module's that is no part of the trial's, such as an average in a list."""
    return isinstance(owner, dict) and isinstance(value, nn.Parameter) and not is_lazy(value)


def _of_module(module: nn.Module) -> dict[str, Any]:
    """What a module's state_dict does not say: which of its weights learn, and its buffers that are not persistent."""
    lasting = {name for name in module._buffers if name not in module._non_persistent_buffers_set}
    buffers = {name: value for name, value in module._buffers.items() if value is not None and name not in lasting}
    return {LEARNING: {name: w.requires_grad for name, w in module._parameters.items() if w is not None}, **buffers}


def sums(module: nn.Module) -> dict[str, int]:
    """One number per weight and buffer, by which a change is seen, after one wait for the device.

    It is the sum of the bits, which has no rounding to depend on an order, and needs no float64.
    """
    named = chain(module.named_parameters(), module.named_buffers())
    found = {name: _bits(w.detach()).sum() for name, w in named if not is_lazy(w)}
    together = [bits.to(next(iter(found.values())).device) for bits in found.values()]
    return dict(zip(found, torch.stack(together).tolist(), strict=True)) if found else {}


def _bits(tensor: Tensor) -> Tensor:
    """Return the numbers that are stored in a tensor, or in this process's part of it, as whole ones."""
    tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    if tensor.layout is not torch.strided:
        tensor = (tensor.coalesce() if tensor.is_sparse else tensor).values()
    tensor = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return tensor.view(_WHOLE[tensor.element_size()])


def structure(module: nn.Module) -> str:
    """Return a digest of the names and kinds of weights and buffers: the same one says that it is the same network."""
    named = chain(module.named_parameters(), module.named_buffers())
    return digest(sorted((name, () if is_lazy(w) else tuple(w.shape)) for name, w in named))


def digests_of(owners: Mapping[str, Any], of: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return of some owners, by name, a digest of each value and what all else is."""
    paths = {id(thing): path for path, thing in owners.items() if path.startswith(_PARTS)}
    return {
        path: {name: digest(value) for name, value in values_of(owners[path]).items()}
        | _kinds(path, owners[path], paths)
        for path in of
    }


@functools.cache
def _internal() -> frozenset[str]:
    """Return the attributes that torch and Lightning keep themselves."""
    bare: list[Any] = [DataLoader([0]), L.LightningModule(), L.LightningDataModule(), nn.LazyLinear(1)]  # type: ignore[arg-type]
    return frozenset(name for thing in bare for name in vars(thing) if name.startswith("_")) | {"_hparams"}


@functools.cache
def _of_metrics() -> frozenset[str]:
    return frozenset(vars(SumMetric()))


def _packed(value: Any) -> Any:
    size = value.numel() * value.element_size() if isinstance(value, Tensor) else getattr(value, "nbytes", 0)
    if size > MOST:
        raise TypeError(f"{type(value).__name__} of {size >> 20} MiB")
    return pack(value)


def _places(module: nn.Module) -> set[int]:
    """Return where in memory the weights and buffers lie that a checkpoint brings back."""
    kept = [
        tensor
        for part in module.modules()
        for name, tensor in chain(part._parameters.items(), part._buffers.items())
        if tensor is not None and name not in part._non_persistent_buffers_set
    ]
    return set(map(_place, kept)) - {0}


def _place(tensor: Tensor) -> int:
    tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return 0 if is_lazy(tensor) or tensor.layout is not torch.strided else tensor.untyped_storage().data_ptr()


def _set(owner: Any, name: str, value: Any, weights: Container[int]) -> None:
    """Give an owner a value: within what is there if it can be, because others may have it too.

    Args:
        weights: where what is there is a weight by another name as yet, as torch's spectral_norm makes it.
    """
    if isinstance(owner, nn.Module) and name == LEARNING:
        for of, weight in owner._parameters.items():
            if weight is not None and of in value:
                weight.requires_grad_(value[of])
        return
    key = _key(owner, name)
    parts = dict(inside(owner)) | (owner._buffers if isinstance(owner, nn.Module) else {})
    match parts.get(key), value:
        case (list() as there, list()):
            there[:] = value
        case (dict() as there, dict()):
            there.clear()
            there.update(value)
        case (np.ndarray() as there, np.ndarray()) if (there.shape, there.dtype) == (value.shape, value.dtype):
            there[...] = value
        case (Tensor() as there, Tensor()) if _place(there) in weights:
            if digest(there) != digest(value):
                _replace(owner, key, value)
        case (Tensor() as there, Tensor()) if (there.shape, there.dtype) == (value.shape, value.dtype):
            with torch.no_grad():
                there.copy_(value)
        case _:
            _replace(owner, key, value)


def _replace(owner: Any, key: Any, value: Any) -> None:
    match owner:
        case tuple() | functools.partial() | types.MethodType():
            return  # cannot be changed, and the digest tells
        case list() | deque() if key == len(owner):
            owner.append(value)
        case list() | deque() | dict():
            owner[key] = value
        case types.FunctionType():
            cell = (owner.__closure__ or ())[owner.__code__.co_freevars.index(key)]
            cell.cell_contents = value
        case nn.Module():
            if key not in owner._parameters:  # or its structure is another, as the sums tell
                setattr(owner, key, value)
        case _:
            object.__setattr__(owner, key, value)  # also of a frozen one, or one with slots


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
        return getattr(value, "_make", type(value))(_moved(inner, device) for inner in value)
    return value.to(device) if isinstance(value, Tensor) else value
