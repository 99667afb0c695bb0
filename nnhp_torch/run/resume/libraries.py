"""What a trial's code may put into other people's libraries: functions and classes of its own, hooks, other flags.

It is looked for in the modules that one's own code names, in their classes, and in the dictionaries that these hold, as
torch does its global hooks. What libraries note there for themselves is left alone.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType, MethodType, ModuleType
from typing import Any

from nnhp_torch.core.spec.imports import is_installed, loaded, statements
from nnhp_torch.core.spec.provenance import is_own
from nnhp_torch.run.resume.object_graph import Same, held, is_own_module, own_modules

# Whether or not one's own code names them, since other people's may do so for it.
ALWAYS = (
    *("torch", "torch.nn", "torch.nn.functional", "torch.nn.init", "torch.optim", "torch.optim.lr_scheduler"),
    *("torch.utils.data", "lightning", "numpy", "random", "builtins"),
    *("torch.nn.modules.module", "torch.optim.optimizer"),  # their hooks run in every module, in every step
)

_FLAGS = {bool, int, float, str, type(None)}
_MISSING = object()
_IMMUTABLE = 1 << 8  # Python's flag of a class that takes no attribute
_DOTTED = re.compile(rb"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


@dataclass(eq=False)
class _Registry:
    """A dictionary that a library holds; two are the same if it is the same one."""

    entries: dict[Any, Any]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Registry) and other.entries is self.entries

    def __hash__(self) -> int:
        return id(self.entries)


_libraries: dict[ModuleType, None] = {}
_taken: dict[str, set[str]] = {}  # package → what one's own code names beside it
_searched: list[Same] = [Same([])]  # among which modules, and what stood in one's own
_last: list[dict[Any, dict[Any, Any]]] = [{}]


def search() -> None:
    """Find the libraries that one's own code names; before a trial begins."""
    there = Same([*sys.modules, *(thing for _, module in own_modules() for thing in (module, *vars(module).values()))])
    if there == _searched[0]:
        return
    _searched[0] = there
    _libraries.clear()
    _libraries.update(dict.fromkeys(map(import_module, ALWAYS)))
    for _, module in own_modules():
        _add(module)


def look(imported: Iterable[str]) -> None:
    """Find those that an import within a trial has brought; of a library that nobody names it may be one of dozens."""
    brought = {name: sys.modules[name] for name in imported if name in sys.modules}
    for name in [name for name, module in brought.items() if is_own_module(name, module)]:
        _add(brought.pop(name))
    if named := {name: module for name, module in brought.items() if name.partition(".")[0] in _taken}:
        for _, module in own_modules():
            _add(module)
    for name, module in named.items():  # `from package import Net` may lead to a module that nobody names
        things = (vars(module).get(taken) for taken in _taken[name.partition(".")[0]])
        if any(issubclass(type(thing), (FunctionType, type)) and thing.__module__ == name for thing in things):
            _libraries[module] = None


def names() -> dict[Any, dict[Any, Any]]:
    """Return what stands under each name, by the module, class or dictionary that has it; not to be changed.

    It is the very dictionary of the last time while all is as it was: an import in a trial asks twice.
    """
    entries, last = _entries_in(tuple(_libraries), sum(map(len, map(vars, _libraries)))), _last[0]
    if not _equal(entries, last):
        _last[0] = {
            owner: last[owner] if owner in last and _equal(here, last[owner]) else dict(here)
            for owner, here in entries.items()
        }
    return _last[0]


def put_back(values: dict[Any, dict[Any, Any]]) -> None:
    """Put back functions, classes and public flags; of what has been added take out code of the user's own."""
    for owner, before in values.items():
        now = _entries(owner).copy()
        for name in (name for name in {**before, **now} if before.get(name, _MISSING) is not now.get(name, _MISSING)):
            then, thing = before.get(name, _MISSING), now.get(name, _MISSING)
            if then is _MISSING:
                if _is_own_code(thing):
                    _entries(owner).pop(name) if isinstance(owner, _Registry) else delattr(owner, name)
            elif callable(then) or callable(thing) or _is_flag(owner, name, then, thing):
                _entries(owner).update({name: then}) if isinstance(owner, _Registry) else setattr(owner, name, then)
    _last[0] = values  # nor are the trial's things held on to


def _entries(owner: Any) -> Any:
    return owner.entries if isinstance(owner, _Registry) else vars(owner)


def _is_flag(owner: Any, name: str, then: Any, now: Any) -> bool:
    """Return whether it is a flag that users set, as PIL's LOAD_TRUNCATED_IMAGES, but not torch.cuda._initialized."""
    return not isinstance(owner, _Registry) and not name.startswith("_") and {type(then), type(now)} <= _FLAGS


def _is_own_code(thing: Any, depth: int = 3) -> bool:
    """Return whether it is called and the user's own, be it by way of a library's function around it."""
    kind: Any = type(thing)
    if kind in (functools.partial, FunctionType, MethodType, staticmethod, classmethod):
        around = [thing.func] if kind is functools.partial else [inner for _, inner in held(thing)]
        file = thing.__code__.co_filename if hasattr(thing, "__code__") else ""
        own = os.path.isabs(file) and not is_installed(file)  # Python's own may be frozen
        return own or (depth > 0 and any(_is_own_code(inner, depth - 1) for inner in around))
    return callable(thing) and is_own(thing if issubclass(kind, type) else kind)


def _equal(entries: Mapping[Any, Any], others: Mapping[Any, Any]) -> bool:
    """Return whether two hold the same: of thousands of names, in each import, hence not one by one."""
    try:
        return entries == others
    except Exception:  # arrays, which are not compared as a whole
        return False


def _add(module: ModuleType) -> None:
    """Add the libraries that one of one's own modules names."""
    _libraries.update(dict.fromkeys(filter(None, map(_library_of, _named(module)))))
    source = _source(module)
    for target, level, names_of in statements(source):
        if not level:
            _taken.setdefault(target.partition(".")[0], set()).update(names_of)
    for first, *others in _dotted(source):
        thing: Any = vars(module).get(first)
        package = thing.__name__.partition(".")[0] if issubclass(type(thing), ModuleType) else first
        if package in _taken:
            _taken[package].update(others)


@functools.lru_cache(maxsize=1)
def _entries_in(libraries: tuple[ModuleType, ...], _size: int) -> dict[Any, Any]:
    """Return their names, their classes' and those of their dictionaries, by these; sought anew if they hold more."""
    named = (thing for library in libraries for thing in vars(library).copy().values())
    things = (thing for thing in named if issubclass(type(thing), type))  # isinstance wakes torch's deprecated names
    classes = dict.fromkeys(base for thing in things for base in thing.__mro__ if not base.__flags__ & _IMMUTABLE)
    owners = [*libraries, *classes]
    found = [(name, thing) for owner in owners for name, thing in vars(owner).copy().items()]
    held = {id(thing): thing for name, thing in found if type(thing) in (dict, OrderedDict) and name[:2] != "__"}
    for of_imports in (sys.modules, sys.path_importer_cache):  # each import changes them
        held.pop(id(of_imports), None)
    return {owner: _entries(owner) for owner in (*owners, *map(_Registry, held.values()))}


def _source(module: ModuleType) -> bytes:
    return loaded(module) if str(module.__file__).endswith(".py") else b""


def _named(module: ModuleType) -> Iterator[Any]:
    """Yield the modules, functions and classes that a module's code names, and other things."""
    source = _source(module)
    yield from vars(module).copy().values()
    for target, level, names_of in statements(source):
        if not level:  # not in one's own package
            yield sys.modules.get(target)
            for name in names_of:
                yield sys.modules.get(f"{target}.{name}") or vars(sys.modules.get(target, sys)).get(name)
    for first, *others in _dotted(source):
        thing = vars(module).get(first, sys.modules.get(first))
        for name in others:
            yield thing
            thing = vars(thing).get(name) if issubclass(type(thing), ModuleType) else None
        yield thing


@functools.cache
def _dotted(source: bytes) -> list[list[str]]:
    return [word.decode().split(".") for word in {*_DOTTED.findall(source)}]


def _library_of(thing: Any) -> ModuleType | None:
    """Return a module, or that of a function or a class, if it is other people's."""
    if issubclass(type(thing), (FunctionType, type)):
        thing = sys.modules.get(str(thing.__module__))
    if not issubclass(type(thing), ModuleType) or thing.__name__.partition(".")[0] in ("nnhp_torch", "__main__"):
        return None
    return thing if is_installed(getattr(thing, "__file__", None)) else None
