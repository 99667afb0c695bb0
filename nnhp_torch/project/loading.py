"""Modules and scripts of a project, imported under their own names, although some make a command line on import."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

_unfinished: set[str] = set()  # modules that were left while they were imported: each use imports them anew


class NoProject(ValueError):
    """No command line can be taken from what was named; the message says why, and what would be right."""


class Left(BaseException):
    """Ends somebody's code once it has got far enough; no `except Exception` of theirs may catch it."""

    def __init__(self, reached: Any) -> None:
        self.reached = reached


def load(where: str) -> ModuleType:
    """A module (`package.module`) or a script (`file.py`), imported once.

    Raises:
        NoProject: there is no such thing.
        Left: its code was left on import; what it had defined by then stays importable.
    """
    if where == "__main__":  # a notebook's
        return sys.modules[where]
    spec = _script(where) if where.endswith(".py") else _module(where)
    if spec is None or spec.loader is None:
        raise NoProject(f"there is no {where}: a module is named as package.module, a script as file.py")
    known = sys.modules.get(spec.name)
    if known is not None and spec.name not in _unfinished:
        if getattr(known, "__file__", None) != spec.origin:
            raise NoProject(f"{where} has the name of another module that is imported already: {known!r}")
        return known
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    _unfinished.add(spec.name)
    try:
        spec.loader.exec_module(module)
    except Left:
        raise
    except BaseException:
        del sys.modules[spec.name]
        raise
    _unfinished.discard(spec.name)
    return module


def main_block(module: ModuleType) -> CodeType:
    """The block below `if __name__ == "__main__":`, which runs only if the module is run."""
    file = module.__file__ or ""
    tree = ast.parse(Path(file).read_bytes())
    blocks = [node for node in tree.body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)]
    tree.body = [statement for block in blocks for statement in block.body]
    return compile(tree, file, "exec")


def _script(where: str) -> ModuleSpec | None:
    path = Path(where).resolve()
    _look_in(str(path.parent))
    return importlib.util.spec_from_file_location(path.stem, path) if path.is_file() else None


def _module(where: str) -> ModuleSpec | None:
    """A package's `__main__`, as `python -m` has it, or the module itself."""
    _look_in(os.getcwd())
    try:
        found = importlib.util.find_spec(where)
        if found is not None and found.submodule_search_locations:
            found = importlib.util.find_spec(f"{where}.__main__") or found
    except ModuleNotFoundError as error:
        if error.name is None or not where.startswith(error.name):
            raise  # a package that is there imports what is not
        return None
    return found


def _look_in(folder: str) -> None:
    """Finds modules where `python script` and `python -m module` find them."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
