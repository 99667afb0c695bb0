"""Modules and scripts of a project, imported under their own names, although some make a command line on import."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from nnhp_torch.core.spec.imports import loaded
from nnhp_torch.core.spec.provenance import is_main_block
from nnhp_torch.run.resume.isolation import lasting

_unfinished: set[str] = set()  # modules that were left while they were imported: each use imports them anew


class NoProject(ValueError):
    """No command line can be taken from what was named; the message says why, and what would be right."""


class Left(BaseException):
    """Ends somebody's code once it has got far enough; no `except Exception` of theirs may catch it.

    Args:
        reached: what it has come to.
        refused: why that cannot be swept, if it cannot.
    """

    def __init__(self, reached: Any, refused: str = "") -> None:
        self.reached = reached
        self.refused = refused


def load(where: str) -> ModuleType:
    """Return a module (`package.module`) or a script (`file.py`), imported once.

    Raises:
        NoProject: there is no such thing.
        Left: its code was left on import; what it had defined by then stays importable.
    """
    if where == "__main__":  # a notebook's
        return sys.modules[where]
    spec = _spec(where)
    assert spec.loader is not None
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


def expect_command_line(where: str) -> None:
    """Refuse a module or a script that makes no LightningCLI, before any of its code has run but its imports.

    Raises:
        NoProject: neither its source nor that of what it imports names one.
    """
    spec = _spec(where)
    source = _text(spec.origin)
    if "LightningCLI" in source:
        return
    body = ast.parse(source).body
    imports: list[ast.stmt] = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names: dict[str, Any] = {"__name__": spec.name, "__package__": spec.parent}
    exec(compile(ast.Module(imports, []), spec.origin or where, "exec"), names)
    seen: set[str] = set()
    values = list(names.values())
    for _ in range(3):  # a script imports a package's function, and its module the package's command line
        of = {
            value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) for value in values
        }
        modules = [sys.modules[name] for name in of if name in sys.modules and name not in seen and _is_theirs(name)]
        if any("LightningCLI" in _text(getattr(module, "__file__", None)) for module in modules):
            return
        seen.update(module.__name__ for module in modules)
        values = [value for module in modules for value in list(vars(module).values())]
    hydra = any("hydra" in ast.unparse(node) for node in imports)
    why = "is configured by Hydra" if hydra else "makes no LightningCLI"
    raise NoProject(f"{where} {why}: give its classes instead, by --model and --data")


def _is_theirs(name: str) -> bool:
    top = name.partition(".")[0]
    return top not in {*sys.stdlib_module_names, "torch", "lightning", "pytorch_lightning", "numpy", "nnhp_torch"}


def _text(file: str | None) -> str:
    return Path(file).read_text(errors="replace") if file and file.endswith(".py") else ""


def main_block(module: ModuleType) -> CodeType:
    """Return the block below `if __name__ == "__main__":`, which runs only if the module is run."""
    file = module.__file__ or ""
    tree = ast.parse(loaded(module))  # of the functions that it calls, whatever the file has become since
    tree.body = [statement for node in tree.body if is_main_block(node) for statement in node.body]
    return compile(tree, file, "exec")


def place(source: str) -> tuple[str, str]:
    """Return the file of a command line and the function that makes it: the same for each way to write them.

    Of a main block that does no more than to call a function, it is that function.

    Raises:
        NoProject: there is no such thing.
    """
    where, _, function = source.partition(":")
    file = str(Path(_spec(where).origin or where).resolve())
    if function:
        return file, function
    match [statement for node in ast.parse(_text(file)).body if is_main_block(node) for statement in node.body]:
        case [ast.Expr(ast.Call(ast.Name(name), [], []))]:
            return file, name
    return file, ""


def module_name(where: str) -> str:
    """Return the name under which `load` imports a module or a script."""
    if where.endswith(".py"):
        return Path(where).stem  # also when its code has changed the working directory
    return where if where == "__main__" else _spec(where).name


def _spec(where: str) -> ModuleSpec:
    spec = _script(where) if where.endswith(".py") else _module(where)
    if spec is None or spec.loader is None:
        raise NoProject(f"there is no {where}: a module is named as package.module, a script as file.py")
    return spec


def _script(where: str) -> ModuleSpec | None:
    path = Path(where).resolve()
    if (path.parent / "__init__.py").is_file() and re.search(r"^\s*from \.", _text(str(path)), re.MULTILINE):
        root = next(folder for folder in path.parents if not (folder / "__init__.py").is_file())
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        raise NoProject(f"{where} imports from its own package: name it as a module of that, {name}")
    _look_in(str(path.parent))
    return importlib.util.spec_from_file_location(path.stem, path) if path.is_file() else None


def _module(where: str) -> ModuleSpec | None:
    """Return a package's `__main__`, as `python -m` has it, or the module itself."""
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
    """Find modules where `python script` and `python -m module` find them."""
    if folder not in sys.path:
        with lasting():
            sys.path.insert(0, folder)
