"""Global variables of a person's own files: no trial shall feel what another one in its process has made of them.

They are those of modules and classes, and what these hold: lists, objects of the person's own classes, networks. What
another trial has changed cannot be put back, since nobody has a copy: the next trial gets another process.
"""

from __future__ import annotations

import dis
from collections import deque
from types import CodeType
from typing import Any

from torch import nn

from nnhp_torch.core.spec.provenance import is_own
from nnhp_torch.run.resume.data_position import sums, values_of
from nnhp_torch.run.resume.object_graph import inside, own_variables
from nnhp_torch.run.resume.plain import digest

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
    for path, digests in _digests().items():
        _first.setdefault(path, digests)


def changed() -> list[str]:
    """Return the names of those that are no more what they were."""
    now = _digests()
    found = [
        f"{path}.{name}" if name else path
        for path, then in _first.items()
        for name in {**then, **now.get(path, {})}
        if then.get(name) != now.get(path, {}).get(name)
    ]
    return [name for name in found if not name.startswith(tuple(f"{other}." for other in found))]


def _digests() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    seen: set[int] = set()
    stack = list(own_variables().items())[::-1]
    while stack:
        path, thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        values = {name: digest(value) for name, value in values_of(thing).items() if (path, name) not in _made_anew}
        found[path] = values | ({"": digest(sums(thing))} if isinstance(thing, nn.Module) else {})
        parts = [(name, inner) for name, inner in inside(thing) if (path, name) not in _made_anew]
        stack += [(f"{path}.{name}", inner) for name, inner in parts if _may_change(inner)][::-1]
    return found


def _may_change(thing: Any) -> bool:
    if isinstance(thing, type):  # those of one's own have been found already
        return False
    return isinstance(thing, (list, tuple, dict, deque, nn.Module)) or is_own(type(thing))
