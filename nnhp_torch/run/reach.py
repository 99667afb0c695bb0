"""Everything that can be reached from some things by attributes, items and closures, each once, by its path."""

from __future__ import annotations

import functools
import io
import random
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint
from torch import nn
from torch.optim.optimizer import Optimizer
from torch.utils.data.dataloader import _BaseDataLoaderIter

from nnhp_torch.run.randomness import LONG

# Not looked into: values, code, files, what Lightning keeps itself or makes anew in each epoch.
_CLOSED = (
    *(str, bytes, int, float, type(None), torch.Tensor, np.ndarray, np.generic),
    *(type, types.ModuleType, types.BuiltinFunctionType, io.IOBase, random.SystemRandom),
    *(L.Trainer, Checkpoint, Optimizer, _BaseDataLoaderIter),
)


def walk(roots: Mapping[str, Any], seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Walk over all that the roots reach, with its path; a thing before its parts.

    Args:
        seen: ids of what is to be left out; those of what is found are added.
    """
    stack = list(roots.items())[::-1]
    while stack:
        path, thing = stack.pop()
        if isinstance(thing, _CLOSED) or id(thing) in seen:
            continue
        seen.add(id(thing))
        yield path, thing
        stack.extend([(f"{path}.{name}", inner) for name, inner in inside(thing)][::-1])


def inside(thing: Any) -> list[tuple[Any, Any]]:
    """The parts directly in a thing, by name."""
    match thing:
        case list() | tuple() | deque():
            return list(enumerate(thing)) if len(thing) <= LONG else []
        case dict():
            return list(thing.items()) if len(thing) <= LONG else []
        case functools.partial():
            return [("func", thing.func), ("args", thing.args), ("keywords", thing.keywords)]
        case types.MethodType():
            return [("self", thing.__self__)]
        case types.FunctionType():
            cells = zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=True)
            return [(name, cell.cell_contents) for name, cell in cells if cell != types.CellType()]  # empty ones raise
    attributes = getattr(thing, "__dict__", {})
    return [(name, inner) for name, inner in attributes.items() if not name.startswith("__")]  # Lightning's


def has_state(thing: Any) -> bool:
    """Whether it gives its state and takes it back; Lightning itself asks modules, data modules and callbacks."""
    methods = (getattr(type(thing), name, None) for name in ("state_dict", "load_state_dict"))
    return all(map(callable, methods)) and not isinstance(thing, nn.Module | L.LightningDataModule | L.Callback)
