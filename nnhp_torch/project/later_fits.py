"""Whether a project's code fits once more after its first fit: read from its source, because running it would train."""

from __future__ import annotations

import ast
import builtins
import linecache
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any

import lightning as L
from lightning.pytorch.cli import LightningCLI

import nnhp_torch

_OURS = tuple(f"{Path(module.__file__ or '').parent}/" for module in (L, L.pytorch, nnhp_torch))
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def later_fit(frame: FrameType | None) -> str:
    """Say where the code that has come to a fit will come to another one: `train.py, line 12`; empty if nowhere.

    Each function that is under way is looked at from the line that it has come to, and so is what it calls from there.
    """
    inner = ""
    while frame is not None and frame.f_globals.get("__name__") != "nnhp_torch.project.capture":
        cli = frame.f_locals.get("self")
        if not frame.f_code.co_filename.startswith(_OURS):
            if found := _Reader(frame.f_globals, frame.f_locals).first_fit(_left(frame)):
                return f"{Path(frame.f_code.co_filename).name}, line {found}"
            inner = f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}"
        elif frame.f_code.co_name == "_run_subcommand" and isinstance(cli, LightningCLI):
            if inner:  # its before_fit has come to this one
                return inner
            if found := _Reader({}, {}).in_function(getattr(cli, "after_fit", None)):
                return f"{type(cli).__name__}.after_fit, line {found}"
        frame = frame.f_back
    return ""


def _left(frame: FrameType) -> list[ast.AST]:
    """Return the statements that a function, or a module, may still run."""
    tree = _source(frame.f_code)
    functions = [node for node in ast.walk(tree) if isinstance(node, _SCOPES[:2]) and node.name == frame.f_code.co_name]
    body = next((node.body for node in functions if _holds(node, frame.f_lineno)), getattr(tree, "body", []))
    return list(_after(body, frame.f_lineno))


def _after(body: list[Any], line: int) -> Iterator[ast.AST]:
    """Yield what comes behind the statement at a line; a loop around it comes again."""
    here = next((i for i, statement in enumerate(body) if _holds(statement, line)), None)
    if here is None:
        return
    statement = body[here]
    blocks = [getattr(part, "body", []) for part in getattr(statement, "handlers", getattr(statement, "cases", []))]
    blocks += [getattr(statement, name, []) for name in ("body", "orelse", "finalbody")]
    inside = next((block for block in blocks if any(_holds(part, line) for part in block)), None)
    if inside is not None:
        yield from _after(inside, line)
    if (isinstance(statement, _LOOPS) and inside is statement.body) or (
        inside is None and any(isinstance(node, _COMPREHENSIONS) for node in ast.walk(statement))
    ):
        yield statement
    if isinstance(statement, ast.Try) and inside is not None:
        yield from (*(statement.orelse if inside is statement.body else ()), *statement.finalbody)
    yield from body[here + 1 :]


def _holds(node: Any, line: int) -> bool:
    return bool(node.lineno <= line <= node.end_lineno)


def _source(code: CodeType) -> ast.Module:
    """Return the file of a function, or a notebook's cell; an empty one if there is none."""
    try:
        return ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return ast.Module([], [])


class _Reader:
    """Looks for a fit among statements, and in the functions that they call by a name that is known already.

    Args:
        scopes: the names that are known, global and local.
    """

    def __init__(self, *scopes: dict[str, Any]) -> None:
        self.scopes = scopes
        self.seen: set[CodeType] = set()
        self.trainers: set[str] = set()

    def first_fit(self, statements: Iterable[ast.AST]) -> int:
        """Return the line of the first call that fits; 0 if there is none."""
        nodes = [node for statement in statements for node in _walk(statement)]
        made = [node for node in nodes if isinstance(node, ast.Assign) and "Trainer(" in ast.unparse(node.value)]
        self.trainers.update(ast.unparse(target) for node in made for target in node.targets)
        calls = [node for node in nodes if isinstance(node, ast.Call)]
        return next((call.lineno for call in calls if self._fits(call)), 0)

    def in_function(self, function: Any) -> int:
        """Return the same of a function's whole body, by the names of its own module."""
        function = getattr(function, "__func__", function)
        code = getattr(function, "__code__", None)
        if code is None or code in self.seen or code.co_filename.startswith(_OURS):
            return 0
        self.seen.add(code)
        nodes = [node for node in ast.walk(_source(code)) if isinstance(node, _SCOPES[:2])]
        first = code.co_firstlineno  # a decorator's, if it has one
        body = next((n.body for n in nodes if first in (n.lineno, *(d.lineno for d in n.decorator_list))), [])
        reader = _Reader(function.__globals__)
        reader.seen = self.seen
        return reader.first_fit(body)

    def _fits(self, call: ast.Call) -> bool:
        found = self._find(call.func)
        if isinstance(found, type) and issubclass(found, LightningCLI):
            return not any(word.arg == "run" and ast.unparse(word.value) == "False" for word in call.keywords)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "fit":
            owner = self._find(call.func.value)
            said = ast.unparse(call.func.value)
            known = "trainer" in said.lower() or said in self.trainers
            return isinstance(owner, L.Trainer) or (owner is None and known)
        return isinstance(found, (FunctionType, MethodType)) and bool(self.in_function(found))

    def _find(self, node: ast.AST) -> Any:
        """Return what a name stands for by now, or a dotted one; None if that is not known."""
        if isinstance(node, ast.Attribute):
            return getattr(self._find(node.value), node.attr, None)
        if isinstance(node, ast.Name):
            scopes = (*reversed(self.scopes), vars(builtins))
            return next((scope[node.id] for scope in scopes if node.id in scope), None)
        return None


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and what is in it, but for functions that it only defines, in the order of the text."""
    if isinstance(node, _SCOPES):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _walk(child)
