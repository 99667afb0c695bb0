"""Where two things that were made alike differ first, by the path that leads there."""

from __future__ import annotations

import pickle
import random
import types
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
import torch

from nnhp_torch.run.resume.generators import GENERATORS, LONG, state_of
from nnhp_torch.run.resume.object_graph import inside
from nnhp_torch.run.resume.plain_values import digest, is_value, pack

_WHOLE = (type, types.ModuleType, types.CodeType, torch.dtype)  # the same, or different
_CONTAINERS = (list, tuple, deque, dict, set, frozenset)


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first difference between things of the same names and all that is in them, in words; empty if there is none.

    Example:
        >>> difference({"module": [80, "relu"]}, {"module": [160, "relu"]})
        'module.0 is 160 instead of 80'
    """
    stack = [(name, one[name], other[name]) for name in one][::-1]
    met: dict[tuple[int, int], Any] = {}  # with the things themselves, or others might get their ids
    while stack:
        path, a, b = stack.pop()
        if a is b or isinstance(a, L.Trainer) or (id(a), id(b)) in met:
            continue
        met[id(a), id(b)] = (a, b)
        if type(a) is not type(b):
            return f"{path} is a {type(b).__name__} instead of a {type(a).__name__}"
        if isinstance(a, GENERATORS) and not isinstance(a, random.SystemRandom):
            a, b = pack(state_of(a)), pack(state_of(b))
        if _is_compared_as_it_is(a):
            if digest(a) != digest(b):
                short = len(repr(a)) < 30 and len(repr(b)) < 30
                return f"{path} is {b!r} instead of {a!r}" if short else f"{path} is another"
            continue
        within, there = _within(a), _within(b)
        if within is None or there is None or within.keys() != there.keys():
            return f"{path} is another"
        stack += [(_joined(path, name), within[name], there[name]) for name in within][::-1]
    return ""


def _joined(path: str, name: Any) -> str:
    return path if name in ("_modules", "_parameters") else f"{path}.{name}"  # torch's own


def _is_compared_as_it_is(thing: Any) -> bool:
    if isinstance(thing, _CONTAINERS):
        return isinstance(thing, (set, frozenset)) or len(thing) > LONG
    return isinstance(thing, torch.Tensor) or is_value(thing)


def _within(thing: Any) -> dict[Any, Any] | None:
    """Return the parts of a thing, by name; None if nobody can see whether another one has the same."""
    found = dict(inside(thing))
    match thing:
        case _ if isinstance(thing, _WHOLE):
            return None
        case types.FunctionType():
            return {"code": thing.__code__, "defaults": (thing.__defaults__, thing.__kwdefaults__), **found}
        case types.MethodType():
            return {"func": thing.__func__, **found}
        case types.BuiltinFunctionType():
            return {"name": thing.__qualname__, "self": thing.__self__}
    if found or isinstance(thing, _CONTAINERS):
        return found
    try:  # slots, and whatever is written in C
        reduced = thing.__reduce_ex__(4)
    except (TypeError, AttributeError, RuntimeError, pickle.PickleError):
        return None if isinstance(thing, Iterator) else {}
    return dict(enumerate(reduced[1:3])) if isinstance(reduced, tuple) else {}
