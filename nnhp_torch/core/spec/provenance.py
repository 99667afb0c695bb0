"""Who made a result: a build and a configuration's class, by name, and the source that they stand in."""

from __future__ import annotations

import ast
import functools
import hashlib
import re
import sys
from collections.abc import Iterable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, TypeGuard

from nnhp_torch.core.spec.imports import imported, is_installed, loaded
from nnhp_torch.core.spec.read_files import READ, file_digest

# Former module → where what it held is now, so that earlier results stay one's own.
MOVED = {
    "nnhp_torch.config": "nnhp_torch.article.config",
    "nnhp_torch.experiment": "nnhp_torch.article.experiment",
    "nnhp_torch.module": "nnhp_torch.network.module",
}

MAIN = ("__main__", "__mp_main__")  # what Python calls the script that it runs, and a worker process likewise
WHOLE = "whole:"  # before a digest that counts a script's main block, too
APART = "apart:"  # before a digest that leaves out the configuration's defaults and the script's sweeps


def name_of(made: Any) -> str:
    """Return `package.module:name` of a function or a class, as who imports it knows it; a name stands for itself.

    Those of a script are called the same whether it is run or imported; a notebook's are in `__main__`.
    """
    if isinstance(made, str):
        return made
    made = getattr(made, "func", made)  # a partial's
    if not hasattr(made, "__qualname__"):
        made = type(made)
    return f"{_module(made)}:{made.__qualname__}"


def is_same(recorded: str, today: str) -> bool:
    """Return whether a recorded name and today's are of one function or class.

    Its module may have moved since, was `__main__` in a script's earlier records, and lacks its package if
    `python package/script.py` has made it.

    >>> is_same("__main__:build", "mine:build"), is_same("mine:build", "pack.mine:build"), is_same("a:build", "b:build")
    (True, True, False)
    """
    (one, _, name), (other, _, name_today) = recorded.partition(":"), today.partition(":")
    if name != name_today:
        return False
    one = MOVED.get(one, one)
    return "__main__" in (one, other) or f".{one}".endswith(f".{other}") or f".{other}".endswith(f".{one}")


def as_of(record: Mapping[str, Any], provenance: tuple[str, str]) -> dict[str, Any] | None:
    """Return who made a record by the names that it has today; None if it is another."""
    names = list(zip((record["name"], record["config"]), provenance, strict=True))
    if not all(is_same(*pair) for pair in names):
        return None
    modules = {recorded.partition(":")[0]: today.partition(":")[0] for recorded, today in reversed(names)}
    sources = {modules.get(module, module): digest for module, digest in record["sources"].items()}
    return {**record, "name": provenance[0], "config": provenance[1], "sources": sources}


def sources(build: Any, made: Iterable[Any], config: str = "", scripts: Iterable[str] = ()) -> dict[str, str]:
    """Module → digest of the source that it was imported from: a build's, what it has made, and all that these import.

    Args:
        build: the function.
        made: a LightningModule first, then its parts, data and callbacks; classes that are installed, as Lightning's,
            are left out, and so is what their modules and this package's import.
        config: name of the configuration's class.
        scripts: modules with a main block that counts as well, since that is what makes a project's command line.
    """
    build = getattr(build, "func", build)
    build = build if hasattr(build, "__qualname__") else type(build)
    first, *others = made
    own = [base for base in type(first).__mro__[1:] if not is_installed(_file(base))]
    own += [base for kind in dict.fromkeys(map(type, others)) for base in kind.__mro__ if is_own(base)]
    modules = {_module(thing): _home(thing) for thing in (build, type(first), *own)}
    scripts = [name for name in scripts if name in sys.modules]
    for name in imported([thing.__module__ for thing in (build, type(first), *own)] + scripts):
        modules.setdefault(_imported_as(name) if name in MAIN else name, sys.modules[name])
    digests = {}
    for name, module in modules.items():
        whole = name in scripts
        if (source := loaded(module)) and (digest := _digest(source, config, whole)):
            digests[name] = f"{WHOLE if whole else APART}{digest}"
    return digests


def changed(records: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Module, or file that it reads → how many of these records of who made a result had another than today's.

    Nothing is imported.

    This package's own modules do not count: what changes their digits raises SEMANTICS, which is part of every key.
    """
    counts: dict[str, int] = {}
    today: dict[tuple[str, str | None, bool], str] = {}
    for record in records:
        for module, recorded in record.get("sources", {}).items():
            kind, colon, digest = recorded.rpartition(":")
            if module.startswith("nnhp_torch."):
                continue
            source = module, record["config"] if colon else None, f"{kind}:" == WHOLE
            if f"{kind}:" == READ:
                today[source] = file_digest(module)
            elif source not in today:
                today[source] = digest_of(_find(module), source[1], main=source[2])
            if today[source] not in ("", digest):
                counts[module] = counts.get(module, 0) + 1
    return counts


def digest_of(path: str | None, config: str | None = None, *, main: bool = False) -> str:
    """Digest of a source without its comments, docstrings, formatting and main block; empty if it cannot be read.

    Args:
        config: name of a configuration's class: its defaults and the script's sweeps count no more, because a result
            has its settings beside it. None: as digests were made before that.
        main: have the main block count.
    """
    try:
        return _digest(Path(path or "").read_bytes(), config, main)
    except OSError:
        return ""


@functools.cache
def _digest(source: bytes, config: str | None, main: bool) -> str:
    """Parsing takes longer than a short trial's epoch, and a worker's trials are made of the same files."""
    try:
        return _digest_of_tree(ast.parse(source), config, main)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def _digest_of_tree(tree: ast.Module, config: str | None, main: bool) -> str:
    tree.body = [node for node in tree.body if main or not is_main_block(node)]
    if config is not None:
        tree.body = [node for node in tree.body if not _is_sweep(node)]
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [statement for statement in node.body if not _is_docstring(statement)]
        if config is not None and isinstance(node, ast.ClassDef) and node.name == re.split("[:.]", config)[-1]:
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign):
                    statement.value = None
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest()[:16]


def is_main_block(node: ast.stmt) -> TypeGuard[ast.If]:
    """Return whether a statement is `if __name__ == "__main__":`."""
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def _is_sweep(node: ast.stmt) -> bool:
    """Return whether a statement names a sweep or a search: `SWEEP = Sweep(…)`."""
    call = node.value if isinstance(node, (ast.Assign, ast.AnnAssign)) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] in ("Sweep", "Search")


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _module(made: Any) -> str:
    """Return the module of a function or a class, as who imports it knows it."""
    if made.__module__ not in MAIN:
        return str(made.__module__)
    return _imported_as(made.__module__) if _file(made) else "__main__"  # on a Ray cluster another script is that


def _imported_as(main: str) -> str:
    """Return the name by which a script that is run would be imported."""
    script = sys.modules[main]
    name = getattr(getattr(script, "__spec__", None), "name", "__main__")  # of `python -m`
    file = getattr(script, "__file__", None)
    return Path(file).stem if name == "__main__" and file else str(name)


def _home(made: Any) -> ModuleType | None:
    """Return the module of a function or a class; None if it came by value, as on a Ray cluster."""
    module = sys.modules.get(made.__module__)
    return module if hasattr(module, made.__qualname__.split(".")[0]) else None


def _file(made: Any) -> str | None:
    return getattr(_home(made), "__file__", None)


def _find(module: str) -> str | None:
    """Return the file of a module, found step by step, for importing its package may cost seconds."""
    scripts = [main for main in MAIN if main in sys.modules and _imported_as(main) == module]
    if here := next((name for name in (*scripts, module) if name in sys.modules), ""):
        return getattr(sys.modules[here], "__file__", None)
    path: Any = None
    found = None
    parts = module.split(".")
    for depth, part in enumerate(parts, 1):
        package = sys.modules.get(".".join(parts[:depth]))
        if package is not None and hasattr(package, "__path__"):
            path = list(package.__path__)
            continue
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path, found = spec.submodule_search_locations, spec.origin
    return found


def is_own(made: type) -> bool:
    """Return whether a class is the user's: neither of this package nor of one that is installed."""
    return made.__module__.partition(".")[0] != "nnhp_torch" and not is_installed(_file(made))
