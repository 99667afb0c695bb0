"""Everything that can be reached from some things by attributes, items and closures, each once, by its path."""

from __future__ import annotations

import functools
import io
import itertools
import logging
import operator
import os
import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, TypeVar, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.optim.optimizer import Optimizer
from torch.utils.data.dataloader import _BaseDataLoaderIter

from nnhp_torch.core.spec.imports import is_installed
from nnhp_torch.core.spec.provenance import is_own
from nnhp_torch.run.resume.generators import GENERATORS, LONG
from nnhp_torch.run.resume.plain_values import is_table

T = TypeVar("T")

# Not looked into: values, code, files, what Lightning keeps itself or makes anew in each epoch.
_CLOSED = (
    *(str, bytes, int, float, type(None), torch.Tensor, np.ndarray, np.generic),
    *(type, types.ModuleType, types.BuiltinFunctionType, io.IOBase, random.SystemRandom, logging.Logger, Logger, Enum),
    *(L.Trainer, Checkpoint, LightningOptimizer, _BaseDataLoaderIter),
)


def walk(roots: Mapping[str, Any], seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Walk over all that the roots reach, with its path; a thing before its parts.

    Args:
        seen: ids of what is to be left out; those of what is found are added.
    """
    stack = list(roots.items())[::-1]
    while stack:
        path, thing = stack.pop()
        if id(thing) in seen or _is_closed(type(thing)):
            continue
        seen.add(id(thing))
        yield path, thing
        # Most parts are values: they need no path.
        parts = [(name, inner) for name, inner in inside(thing) if not _is_closed(type(inner))]
        if path.endswith("_hooks"):  # torch numbers those of all modules in a row
            parts = [*enumerate(inner for _, inner in parts)]
        stack.extend([(f"{path}.{name}", inner) for name, inner in parts][::-1])


_is_closed: Callable[[Any], bool] = functools.cache(lambda kind: issubclass(kind, _CLOSED) or is_table(kind))


def inside(thing: Any) -> list[tuple[Any, Any]]:
    """Return the parts directly in a thing, by name."""
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
        case Optimizer():  # the state_dict of torch's is all that they have
            own = vars(thing).items() if is_own(type(thing)) else ()
            return [(name, inner) for name, inner in own if name not in _of_optimizers()]
    attributes = {**getattr(thing, "__dict__", {}), **_slots(thing)}
    return [(name, inner) for name, inner in attributes.items() if not name.startswith("__")]  # Lightning's


@functools.cache
def _of_optimizers() -> frozenset[str]:
    return frozenset(vars(torch.optim.SGD([nn.Parameter(torch.empty(1))], 1.0)))


def _slots(thing: Any) -> dict[str, Any]:
    """What an object of a user's class has in slots."""
    kind: Any = type(thing)
    return {name: member.__get__(thing) for name, member in _slots_of(kind).items() if hasattr(thing, name)}


@functools.lru_cache(maxsize=10_000)
def _slots_of(kind: Any) -> dict[str, types.MemberDescriptorType]:
    members = [member for part in kind.__mro__ if is_own(part) for member in vars(part).items()]
    return {name: member for name, member in members if isinstance(member, types.MemberDescriptorType)}


def has_state(thing: Any) -> bool:
    """Whether it gives its state and takes it back; Lightning itself asks modules, data modules and callbacks."""
    methods = (getattr(type(thing), name, None) for name in ("state_dict", "load_state_dict"))
    return all(map(callable, methods)) and not isinstance(thing, nn.Module | L.LightningDataModule | L.Callback)


def keeps_itself(thing: Any) -> bool:
    """Whether it is a callback that gives a checkpoint all its state: Lightning's do, a person's own may not."""
    kinds = type(thing).__mro__[:-1]
    return isinstance(thing, L.Callback) and all(k.__module__.startswith(("lightning.", "nnhp_torch.")) for k in kinds)


def own_generators() -> dict[str, Any]:
    """Return the generators that stand in modules which are not installed, such as the user's script, by path.

    They are global variables, or are held by one: a list, an object or a class of the user's, a function's closure or
    defaults, a partial.
    """
    found, seen = {}, set()
    for name, module in own_modules():
        # Only what may hold one gets a path: there are thousands of things, in every epoch.
        stack = [(name, module)]
        while stack:
            path, thing = stack.pop()
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            if isinstance(thing, GENERATORS):
                found[path] = thing
                continue
            static = isinstance(thing, (types.ModuleType, type))
            holders = _holders_in(path, thing) if static else _holders(thing)
            stack.extend([(f"{path}.{part}", inner) for part, inner in holders][::-1])
    return found


def own_variables() -> dict[str, Any]:
    """What holds variables that no trial has to itself: the modules that are not installed, and their classes."""
    found: dict[int, tuple[str, Any]] = {}  # by identity: the script has two names
    for name, module in own_modules():
        for owner in (module, *_classes_in(name, module)):
            found.setdefault(id(owner), (f"{name}.{owner.__name__}" if isinstance(owner, type) else name, owner))
    return dict(found.values())


class Same:
    """A key of a cache: two are equal if the same things stand in them, in the same order."""

    def __init__(self, things: list[Any]) -> None:
        self._things = things

    def __eq__(self, other: object) -> bool:
        ours, theirs = self._things, cast(Same, other)._things
        return len(ours) == len(theirs) and all(map(operator.is_, ours, theirs))

    def __hash__(self) -> int:
        return len(self._things)


def while_it_holds_the_same(make: Callable[[str, Any], T]) -> Callable[[str, Any], T]:
    """Ask anew of a module or a class, by its path, only if other things stand in it than when it was last asked."""
    known: dict[str, tuple[Same, T]] = {}

    def ask(path: str, owner: Any) -> T:
        values = Same(list(vars(owner).values()))
        if path not in known or known[path][0] != values:
            known[path] = values, make(path, owner)
        return known[path][1]

    return ask


@while_it_holds_the_same
def _classes_in(name: str, module: types.ModuleType) -> list[type]:
    return [thing for thing in vars(module).values() if isinstance(thing, type) and thing.__module__ == name]


@while_it_holds_the_same
def functions_in(_: str, owner: Any) -> dict[str, Any]:
    """Return the functions and classes that stand in a module or a class, by name; not to be changed."""
    kinds = (types.FunctionType, staticmethod, classmethod, property, type)
    return {name: thing for name, thing in vars(owner).items() if issubclass(type(thing), kinds)}


@while_it_holds_the_same
def _holders_in(path: str, thing: Any) -> list[tuple[Any, Any]]:
    return _holders(thing)


def _holders(thing: Any) -> list[tuple[Any, Any]]:
    parts = inside(thing) if isinstance(thing, types.ModuleType) else held(thing)
    return [(name, inner) for name, inner in parts if _may_hold(inner)]


_own: dict[str, types.ModuleType] = {}
_seen: list[Any] = ["", None, 0]  # the module that was imported last, by name and itself, and how many there were


def own_modules() -> list[tuple[str, types.ModuleType]]:
    """Return the modules that are not installed, such as the user's script, by name.

    Only new ones are looked at: there are thousands. A script may take the place of `__main__`, or of another.
    """
    last, module, count = _seen
    new = list(itertools.takewhile(lambda name: name != last, reversed(sys.modules)))
    if len(new) != len(sys.modules) - count or sys.modules.get(last) is not module:  # some have been taken out
        new = list(sys.modules)
    for name in {*new, *_own, "__main__"}:
        module = sys.modules.get(name)
        if isinstance(module, types.ModuleType) and is_own_module(name, module):
            _own[name] = module
        else:
            _own.pop(name, None)
    last = next(reversed(sys.modules))
    _seen[:] = last, sys.modules[last], len(sys.modules)
    return sorted(_own.items())


def is_own_module(name: str, module: Any) -> bool:
    """Return whether a module is neither installed nor this package's."""
    return _is_own_file(getattr(module, "__file__", None)) and name.partition(".")[0] != "nnhp_torch"


@functools.cache
def _is_own_file(path: str | None) -> bool:
    return path is not None and os.path.isabs(path) and not is_installed(path)  # torch's operators have no real file


def _may_hold(thing: Any) -> bool:
    """Return whether it is a generator or may hold one; most things are functions that hold nothing."""
    kind: Any = type(thing)
    if not _of_its_kind_may_hold(kind):
        return False
    if kind is types.FunctionType:
        return has_closure(thing) or any(_may_hold(default) for default in defaults_of(thing))
    if kind is types.BuiltinFunctionType:
        return isinstance(thing.__self__, GENERATORS)
    return not isinstance(thing, type) or is_own_class(thing)


@functools.cache
def _of_its_kind_may_hold(kind: type) -> bool:
    if issubclass(kind, random.SystemRandom):
        return False
    functions = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial)
    always = (type, *functions, staticmethod, classmethod, list, tuple, deque, dict, *GENERATORS)
    return issubclass(kind, always) or (is_own(kind) and not issubclass(kind, _CLOSED))


is_own_class: Callable[[Any], bool] = functools.lru_cache(maxsize=10_000)(is_own)


def held(thing: Any) -> list[tuple[Any, Any]]:
    """The parts of a thing, by name; of a class its attributes, of a function its defaults, of an object its class."""
    kind: Any = type(thing)
    match thing:
        case type():
            return list(vars(thing).items())
        case staticmethod() | classmethod():
            return [("func", thing.__func__)]
        case types.BuiltinFunctionType():  # as random.Random(1).random
            return [("self", thing.__self__)]
        case types.FunctionType():
            return [*inside(thing), *((f"default{i}", value) for i, value in enumerate(defaults_of(thing)))]
    return [*inside(thing), ("class", kind)]


def defaults_of(function: types.FunctionType) -> list[Any]:
    """Return the defaults of its arguments."""
    return [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]


def has_closure(function: types.FunctionType) -> bool:
    """Return whether it holds variables of a function around it; a method that calls super() has its class alone."""
    return function.__code__.co_freevars not in ((), ("__class__",))
