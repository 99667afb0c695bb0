"""What draws random numbers around a trial's loaders, or keeps a place in its data: found, kept, put back."""

from __future__ import annotations

import functools
import io
import random
import types
from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities import CombinedLoader
from torch import nn
from torch.optim.optimizer import Optimizer
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data.dataloader import _BaseDataLoaderIter

from nnhp_torch.run.plain import pack, unpack

_GENERATORS = (torch.Generator, random.Random, np.random.RandomState, np.random.Generator, np.random.BitGenerator)
# Not looked into: values, code, files, what Lightning keeps itself or makes anew in each epoch.
_CLOSED = (
    *(str, bytes, int, float, type(None), torch.Tensor, np.ndarray, np.generic),
    *(type, types.ModuleType, types.BuiltinFunctionType, io.IOBase, random.SystemRandom),
    *(L.Trainer, Checkpoint, Optimizer, _BaseDataLoaderIter),
)
_LONG = 1000  # a longer list is data, and no generator among it


def leaves(loaders: Any) -> list[Any]:
    """The single loaders of a Trainer's `train_dataloader` or `val_dataloaders`, however they are combined."""
    return [] if loaders is None else CombinedLoader(loaders).flattened


def stop_workers(loaders: Any) -> None:
    """Ends worker processes that would outlive the epoch, with the random state that they have come to."""
    for loader in leaves(loaders):
        if getattr(loader, "persistent_workers", False):
            CombinedLoader(loader).reset()


def keep(loaders: Mapping[str, Any], others: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The states around loaders, and of the generators in other things; and what cannot be kept, in words."""
    states, doubts = {}, []
    for path, thing in _drawing(loaders, others):
        if isinstance(thing, Iterator):
            doubts.append(f"{path} is an iterator, whose place cannot be kept")
            continue
        try:
            states[path] = pack(_state(thing))
        except TypeError as error:
            doubts.append(f"the state of {path} holds a {error}, which cannot be kept")
    return states, doubts


def put_back(states: Mapping[str, Any], loaders: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """Gives everything the state that was kept of it; in words, what was kept and is not there any more."""
    left = dict(states)
    for path, thing in _drawing(loaders, others):
        if path in left:
            _set_state(thing, unpack(left.pop(path)))
    return [f"{path} had a state and is not there" for path in left]


def unseen(loaders: Any) -> list[str]:
    """The loaders whose place in their data nobody can see, in words."""
    return [reason for loader in leaves(loaders) if (reason := _unseen(loader))]


def _unseen(loader: Any) -> str:
    if _has_state(loader):
        return ""
    if not isinstance(loader, DataLoader):
        return f"{type(loader).__name__} is no DataLoader and has no state_dict"
    # With workers, the dataset that is iterated is each epoch's copy.
    if isinstance(loader.dataset, IterableDataset) and loader.num_workers == 0 and not _has_state(loader.dataset):
        return f"{type(loader.dataset).__name__} is iterable and has no state_dict"
    return ""


def _has_state(thing: Any) -> bool:
    methods = (getattr(type(thing), name, None) for name in ("state_dict", "load_state_dict"))
    return all(map(callable, methods)) and not isinstance(thing, nn.Module | L.LightningDataModule)


def _state(thing: Any) -> Any:
    match thing:
        case torch.Generator():
            return thing.get_state()
        case random.Random():
            return thing.getstate()
        case np.random.RandomState():
            return thing.get_state()
        case np.random.Generator():
            return thing.bit_generator.state
        case np.random.BitGenerator():
            return thing.state
    return thing.state_dict()


def _set_state(thing: Any, state: Any) -> None:
    match thing:
        case torch.Generator():
            thing.set_state(state)
        case random.Random():
            thing.setstate(state)
        case np.random.RandomState():
            thing.set_state(state)
        case np.random.Generator():
            thing.bit_generator.state = state
        case np.random.BitGenerator():
            thing.state = state
        case _:
            thing.load_state_dict(state)


def _drawing(loaders: Mapping[str, Any], others: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Generators wherever they are; around loaders also iterators, and whatever has a state_dict."""
    seen: set[int] = set()
    for path, thing in _walk(loaders, seen):
        if isinstance(thing, (*_GENERATORS, Iterator)) or _has_state(thing):
            yield path, thing
    for path, thing in _walk(others, seen):
        if isinstance(thing, _GENERATORS):
            yield path, thing


def _walk(roots: Mapping[str, Any], seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Everything that can be reached from the roots, each once, by its path; a thing before what is in it."""
    stack = list(roots.items())[::-1]
    while stack:
        path, thing = stack.pop()
        if isinstance(thing, _CLOSED) or id(thing) in seen:
            continue
        seen.add(id(thing))
        yield path, thing
        stack.extend([(f"{path}.{name}", inner) for name, inner in _inside(thing)][::-1])


def _inside(thing: Any) -> list[tuple[Any, Any]]:
    match thing:
        case list() | tuple():
            return list(enumerate(thing)) if len(thing) <= _LONG else []
        case dict():
            return list(thing.items()) if len(thing) <= _LONG else []
        case functools.partial():
            return [("func", thing.func), ("args", thing.args), ("keywords", thing.keywords)]
        case types.MethodType():
            return [("self", thing.__self__)]
        case types.FunctionType():
            cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
            return [(name, cell.cell_contents) for name, cell in cells if cell != types.CellType()]  # empty ones raise
    attributes = getattr(thing, "__dict__", {})
    return [(name, inner) for name, inner in attributes.items() if not name.startswith("__")]  # Lightning's
