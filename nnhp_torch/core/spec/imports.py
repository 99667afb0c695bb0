"""Which of a person's own files others import: read from their sources, among the modules that are imported."""

from __future__ import annotations

import ast
import functools
import importlib.util
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FunctionType, ModuleType

NEAREST = 200  # of a company's thousands of files, those that a training is made of
# Not from sysconfig, which opens a file when it is first asked: what hears of each opening would ask it once more.
_STDLIB = os.path.join(os.path.dirname(os.__file__), "")


def imported(roots: Iterable[str]) -> list[str]:
    """Return the names of these modules and of all that they import in turn, the nearest first.

    Installed packages and this one are no person's own. `from package import Net` leads to the file that defines Net.
    """
    found = dict.fromkeys(name for name in roots if _is_own(name))
    queue = list(found)
    for name in queue:  # which grows
        new = [other for other in dict.fromkeys(_imports(name)) if other not in found and _is_own(other)]
        found.update(dict.fromkeys(new))
        queue += new
        if len(queue) >= NEAREST:
            break
    return queue[:NEAREST]


def _imports(name: str) -> Iterator[str]:
    module = sys.modules[name]
    for target, level, names in statements(loaded(module)):
        package = getattr(module, "__package__", None) or ""
        try:
            base = importlib.util.resolve_name("." * level + target, package) if level else target
        except ImportError:  # a script that is no package's
            continue
        if not names:
            yield base
        for inner in names:
            yield from _of(base, inner)


def _of(base: str, name: str) -> Iterator[str]:
    """Where what `from base import name` brings stands."""
    if (below := f"{base}.{name}") in sys.modules:
        yield below
        return
    thing = getattr(sys.modules.get(base), name, None)
    where = thing.__module__ if isinstance(thing, (type, FunctionType)) else ""
    yield where if _is_own(where) else base


def loaded(module: ModuleType | None) -> bytes:
    """Return the source that a module runs by; empty if there is none that can be read.

    It is read once for each import: trials run by what was imported, whatever is written to the file meanwhile.
    """
    spec, path = getattr(module, "__spec__", None), getattr(module, "__file__", None) or ""
    key = getattr(module, "__name__", ""), path
    if key not in _loaded or _loaded[key][0] is not spec:  # a reload gives the module another spec
        try:
            _loaded[key] = spec, Path(path).read_bytes()
        except OSError:
            _loaded[key] = spec, b""
    return _loaded[key][1]


_loaded: dict[tuple[str, str], tuple[ModuleSpec | None, bytes]] = {}


@functools.cache
def statements(source: bytes) -> list[tuple[str, int, tuple[str, ...]]]:
    """Each import's module, its leading dots, and the names that are taken from it; none: the module itself."""
    statements: list[tuple[str, int, tuple[str, ...]]] = []
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            statements += [(alias.name, 0, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            statements.append((node.module or "", node.level, tuple(alias.name for alias in node.names)))
    return statements


def _is_own(name: str) -> bool:
    if not name or name.partition(".")[0] == "nnhp_torch":
        return False
    file = getattr(sys.modules.get(name), "__file__", None)
    return bool(file) and not is_installed(file)


@functools.cache
def is_installed(path: str | None) -> bool:
    """Return whether a file is of an installed package or of Python's own."""
    if path is None:
        return True
    # Not by pathlib: each worker asks of some thousand modules before its first trial.
    return not {"site-packages", "dist-packages"}.isdisjoint(path.split(os.sep)) or path.startswith(_STDLIB)
