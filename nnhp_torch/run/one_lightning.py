"""`pytorch_lightning` and `lightning.pytorch`, one package under two names, as one: a project may import either."""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module, metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PAIRS = {"pytorch_lightning": "lightning.pytorch", "lightning_fabric": "lightning.fabric"}


class OneLightning(MetaPathFinder, Loader):
    """Answers an import of one name with the module of the other.

    Both are the same code, but a class of one is no class of the other: a Trainer takes no module of the other package.

    Args:
        same: the name that is asked for → the name that is imported.
    """

    def __init__(self, same: dict[str, str]) -> None:
        self.same = same
        self._own: dict[str, ModuleSpec | None] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Lead the name of a package, or of a module in it, to the other one's; None if that has no such module."""
        for alias, of in self.same.items():
            if name == alias or (name.startswith(f"{alias}.") and importlib.util.find_spec(self._other(name))):
                return ModuleSpec(name, self, origin=of, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import the module under its own name."""
        module = import_module(self._other(spec.name))
        self._own[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back: the import has put the other name's in its place."""
        if module.__spec__ is not None:
            module.__spec__ = self._own.pop(module.__spec__.name)

    def _other(self, name: str) -> str:
        alias = next(alias for alias in self.same if name == alias or name.startswith(f"{alias}."))
        return self.same[alias] + name.removeprefix(alias)


def unite() -> None:
    """Make both names one package from here on: the one that this process has imported already, or else `lightning`.

    Two that are both there, or are of two versions, stay two; then `build` is told that its module is of the other one.
    """
    same = {}
    for old, new in PAIRS.items():
        if old not in sys.modules:
            same[old] = new
        elif new not in sys.modules and getattr(sys.modules[old], "__version__", "") == metadata.version("lightning"):
            same[new] = old
    sys.meta_path.insert(0, OneLightning(same))
