"""No trial feels the one before it: what it changes in its process is put back, but for what imports have done."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from itertools import takewhile
from operator import is_
from types import ModuleType
from typing import Any
from unittest.mock import patch

from nnhp_torch.core.spec.imports import is_installed
from nnhp_torch.run.resume.process_state import ENVIRONMENT, MODES, PRODUCTS, Part, Values, parts

# Whoever started this process may have started others: srun, torchrun, jsrun. A trial has processes of its own.
LAUNCHED_BY_OTHERS = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK"),
    *("WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "PL_GLOBAL_SEED"),
)


@contextmanager
def environment_of_one(values: Mapping[str, str] | None = None) -> Iterator[None]:
    """The environment without another launcher's ranks, and with `values`; put back at the end."""
    with _kept(ENVIRONMENT):
        for name in LAUNCHED_BY_OTHERS:
            os.environ.pop(name, None)
        os.environ.update(values or {})
        yield


@contextmanager
def isolated() -> Iterator[None]:
    """Put back at the end what the block has changed in this process.

    That is the random state of python, NumPy, torch and of the generators in global variables of the user's, what
    process_state.py lists, and what libraries.py finds. A module is imported once, whichever trial comes to it: what
    its import changes stays, and it draws the same random numbers wherever that happens, none of which are the trial's.
    A generator of NumPy's that is made without a seed, for which NumPy asks the system, gets python's next numbers.
    """
    import numpy as np
    import torch

    from nnhp_torch.run.resume import libraries
    from nnhp_torch.run.resume.generators import random_state, set_random_state

    libraries.search()
    with ExitStack() as stack:
        for part in parts():
            stack.enter_context(_kept(part))
        stack.enter_context(patch.object(SourceFileLoader, "exec_module", _import))
        stack.enter_context(standing_in(np.random.bit_generator, "randbits", random.getrandbits))
        cpu = torch.device("cpu")
        stack.callback(set_random_state, random_state(cpu), cpu)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        stack.enter_context(_kept(MODES))  # the first to be put back: what follows calls torch
        yield


@contextmanager
def lasting() -> Iterator[None]:
    """Have what this block changes stay, though a block around it puts back what it has changed."""
    then = {part: part[0]() for part in {kept.part for kept in _open}}
    yield
    now = {part: part[0]() for part in then}
    for kept in _open:
        kept.take(then[kept.part], now[kept.part])


@contextmanager
def standing_in(owner: Any, name: str, function: Any) -> Iterator[None]:
    """Have something else stand under a name for a block, which is not put back as what stood there.

    An import within the block may be the first to name the owner, whose names are those of the block by then.
    """
    own = getattr(owner, name)
    try:
        with patch.object(owner, name, function):
            yield
    finally:
        for names in (kept.before.get(owner) for kept in _open):
            if isinstance(names, dict) and names.get(name) is function:
                names[name] = own


def kept_precisions() -> AbstractContextManager[None]:
    """Put back at the end with which precision torch multiplies."""
    return _kept(PRODUCTS)


@dataclass(eq=False)
class _Kept:
    """What is put back at the end of a block."""

    part: Part
    before: Values

    def take(self, then: Values, now: Values) -> None:
        """Let what has become of it since then be put back, too."""
        if then is now:
            return
        for name, value in now.items():
            if not isinstance(value, dict):
                if name not in then or then[name] != value:
                    self.before[name] = value
            elif name not in then or name not in self.before:
                self.before[name] = value
            elif not _same(old := then[name], value):  # a library's names, of which the trial may have changed others
                here = self.before[name] = self.before[name].copy()
                here.update((inner, thing) for inner, thing in value.items() if old.get(inner, self) is not thing)
                for inner in old.keys() - value.keys():
                    here.pop(inner, None)
        for name in then.keys() - now.keys():
            self.before.pop(name, None)

    def stays(self) -> bool:
        """Return whether all is as it was."""
        try:
            return self.part[0]() == self.before
        except Exception:  # arrays, which are not compared as a whole
            return False


def _same(old: Values, new: Values) -> bool:
    """Return whether the same things stand there in the same order: asked of all names of all libraries."""
    return len(old) == len(new) and all(map(is_, old, new)) and all(map(is_, old.values(), new.values()))


_open: list[_Kept] = []


@contextmanager
def _kept(part: Part) -> Iterator[None]:
    kept = _Kept(part, part[0]())
    _open.append(kept)
    try:
        yield
    finally:
        _open.remove(kept)
        if not kept.stays():
            part[1](kept.before)


_exec_module = SourceFileLoader.exec_module
_importing: list[ModuleType] = []  # the module that is imported now, whose import may import others


def _import(loader: SourceFileLoader, module: ModuleType) -> None:
    """Import a module, in place of Python's own method."""
    if _importing:
        _exec_module(loader, module)
        return
    import torch

    from nnhp_torch.run.resume import global_variables, libraries
    from nnhp_torch.run.resume.generators import random_state, seed_all, set_random_state

    cpu = torch.device("cpu")
    drawn = random_state(cpu)
    _importing.append(module)
    try:
        with lasting():
            seed_all(0, -1, 0)
            try:
                _exec_module(loader, module)
            finally:
                name = module.__name__
                libraries.look([name, *takewhile(lambda other: other != name, reversed(sys.modules))])
    finally:
        _importing.pop()
        set_random_state(drawn, cpu)
    if not is_installed(module.__file__):
        global_variables.look()
