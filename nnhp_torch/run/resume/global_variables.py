"""Global variables of a person's own files: no trial shall feel what another one in its process has made of them.

They are those of modules and classes, and what these hold: lists, objects of the person's own classes, networks. What
another trial has changed cannot be put back, since nobody has a copy: the next trial gets another process.
"""

from __future__ import annotations

import dis
import functools
from collections import deque
from collections.abc import Container
from dataclasses import dataclass, field
from types import CodeType, FunctionType, ModuleType, NoneType
from typing import Any

from torch import nn
from torchmetrics import Metric

from nnhp_torch.core.spec.provenance import is_own
from nnhp_torch.run.resume.data_position import sums, values_of
from nnhp_torch.run.resume.object_graph import (
    defaults_of,
    has_closure,
    held,
    inside,
    is_own_class,
    own_variables,
    while_it_holds_the_same,
)
from nnhp_torch.run.resume.plain_values import digest, is_value

_first: dict[str, dict[str, str]] = {}  # owner's path → name → digest, when it was first seen in this process
_made_anew: set[tuple[str, str]] = set()  # module, name: what each trial makes for itself


def made_anew(module: str, block: CodeType) -> None:
    """Leave out what a script's main block assigns, as its `model`: it runs for each trial."""
    _made_anew.update((module, step.argval) for step in dis.get_instructions(block) if step.opname == "STORE_NAME")


def begin() -> None:
    """Take them for what they are at the beginning: later trials of this process are held against this."""
    _first.clear()
    look()


def look() -> None:
    """Take those of modules that were not imported before for what they are at the beginning."""
    _first.update(digests(known=_first))


def forget() -> None:
    """Empty what a person's own functions have cached: who gets a data set from there may have changed it."""
    for path, owner in own_variables().items():
        for cached in _variables(path, owner).caches:
            cached.cache_clear()


def changed() -> list[str]:
    """Return the names of those that are no more what they were."""
    now = digests()
    found = [
        f"{path}.{name}" if name else path
        for path, then in _first.items()
        for name in {**then, **now.get(path, {})}
        if then.get(name) != now.get(path, {}).get(name)
    ]
    return [name for name in found if not name.startswith(tuple(f"{other}." for other in found))]


def digests(known: Container[str] = ()) -> dict[str, dict[str, str]]:
    """Return a digest of each, by owner and name; of a network one of its weights, without a name.

    Args:
        known: owners, by path, of which none is needed.
    """
    found: dict[str, dict[str, str]] = {}
    seen: set[int] = set()
    stack = list(own_variables().items())[::-1]
    while stack:
        path, thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        static = isinstance(thing, (ModuleType, type))
        fixed, parts = _variables(path, thing).now() if static else ({}, dict(_inside(thing)))
        if path not in known:
            if static:
                values = {name: part for name, part in parts.items() if not name.startswith("__")}
            else:
                values = parts if isinstance(thing, FunctionType) else values_of(thing)
            of = {name: digest(value) for name, value in values.items() if name in parts and is_value(value)}
            found[path] = fixed | of
            if isinstance(thing, nn.Module):
                found[path][""] = digest([sums(thing), *_counted(thing)])
        stack += [(f"{path}.{name}", inner) for name, inner in parts.items() if _may_change(inner)][::-1]
    return found


@dataclass
class _Variables:
    """Those of a module or a class, and its functions.

    Attributes:
        fixed: the digests of those that are what they are as long as they stand there, such as numbers.
        others: all that may be others while they stand there, as a list.
        functions: those that hold nothing; attributes may come.
        caches: functions that remember what they have answered.
    """

    fixed: dict[str, str] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)
    functions: dict[str, FunctionType] = field(default_factory=dict)
    caches: list[Any] = field(default_factory=list)

    def now(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the digests that stay, and what has to be looked at."""
        return self.fixed, self.others | {name: of for name, of in self.functions.items() if vars(of)}


@while_it_holds_the_same
def _variables(path: str, owner: Any) -> _Variables:
    found = _Variables()
    for name, part in _inside(owner):
        if (path, name) in _made_anew:
            continue
        if isinstance(part, FunctionType):
            holds = has_closure(part) or not all(map(_is_fixed, defaults_of(part)))
            (found.others if holds else found.functions).update({name: part} if _is_own(part) else {})
        elif isinstance(part, functools._lru_cache_wrapper):
            found.caches += [part] if _is_own(part) else []
        elif name.startswith("__"):  # Python's, as __annotations__
            continue
        elif _is_fixed(part):
            found.fixed[name] = digest(part)
        elif _may_change(part) or isinstance(part, set) or is_value(part):
            found.others[name] = part
    return found


def _is_fixed(part: Any) -> bool:
    if type(part) in (tuple, frozenset):
        return all(map(_is_fixed, part))
    return type(part) in (int, float, complex, bool, str, bytes, NoneType)


def _inside(thing: Any) -> list[tuple[Any, Any]]:
    """Return the parts of a thing; of a class and a function all that they keep from call to call."""
    if isinstance(thing, type):
        return [(name, getattr(part, "__func__", part)) for name, part in vars(thing).items()]
    return [*held(thing), *vars(thing).items()] if isinstance(thing, FunctionType) else inside(thing)


def _counted(module: nn.Module) -> list[Any]:
    metrics = (part for part in module.modules() if isinstance(part, Metric))
    return [getattr(metric, name) for metric in metrics for name in metric._defaults]


def _may_change(thing: Any) -> bool:
    if isinstance(thing, type):  # those of one's own have been found already
        return False
    if isinstance(thing, FunctionType):
        return bool(thing.__closure__ or thing.__defaults__ or thing.__kwdefaults__ or vars(thing)) and _is_own(thing)
    return isinstance(thing, (list, tuple, dict, deque, nn.Module)) or is_own_class(type(thing))


def _is_own(function: Any) -> bool:
    return isinstance(function.__module__, str) and is_own(function)
