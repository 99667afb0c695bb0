"""No trial feels the one before it: what it changes in its process is put back, but for what imports have done."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from types import ModuleType
from unittest.mock import patch

from nnhp_torch.core.spec.imports import is_installed
from nnhp_torch.run.resume.process_state import ENVIRONMENT, PRODUCTS, START_METHOD, Part, Values, parts

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

    That is the random state of python, NumPy, torch and of the generators in global variables of the user's, and what
    process_state.py lists. A module is imported once, whichever trial comes to it: what its import changes stays, and
    it draws the same random numbers wherever that happens, none of which are the trial's.
    """
    import torch

    from nnhp_torch.run.resume.generators import random_state, set_random_state

    with ExitStack() as stack:
        for part in parts():
            stack.enter_context(_kept(part))
        stack.enter_context(patch.object(SourceFileLoader, "exec_module", _import))
        cpu = torch.device("cpu")
        stack.callback(set_random_state, random_state(cpu), cpu)
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
        yield


@contextmanager
def before_trials() -> Iterator[None]:
    """Have what is imported before any trial draw what it would draw in one, and set no start method for them."""
    with _kept(START_METHOD), patch.object(SourceFileLoader, "exec_module", _import):
        yield


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
        self.before.update({name: value for name, value in now.items() if name not in then or then[name] != value})
        for name in then.keys() - now.keys():
            self.before.pop(name, None)


_open: list[_Kept] = []


@contextmanager
def _kept(part: Part) -> Iterator[None]:
    get, put_back = part
    kept = _Kept(part, get())
    _open.append(kept)
    try:
        yield
    finally:
        _open.remove(kept)
        if get() != kept.before:
            put_back(kept.before)


_exec_module = SourceFileLoader.exec_module
_importing: list[ModuleType] = []  # the module that is imported now, whose import may import others


def _import(loader: SourceFileLoader, module: ModuleType) -> None:
    """Import a module, in place of Python's own method."""
    if _importing:
        _exec_module(loader, module)
        return
    import torch

    from nnhp_torch.run.resume import global_variables
    from nnhp_torch.run.resume.generators import random_state, seed_all, set_random_state

    then, cpu = [kept.part[0]() for kept in _open], torch.device("cpu")
    drawn = random_state(cpu)
    _importing.append(module)
    try:
        seed_all(0, -1, 0)
        _exec_module(loader, module)
        for kept, values in zip(_open, then, strict=True):
            kept.take(values, kept.part[0]())
    finally:
        _importing.pop()
        set_random_state(drawn, cpu)
    if not is_installed(module.__file__):
        global_variables.look()
