"""Generators of random numbers: those of the process seeded by (seed, epoch, rank), kept and put back."""

from __future__ import annotations

import functools
import os
import random
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from nnhp_torch.core.chance import mix
from nnhp_torch.core.origin import is_installed

LONG = 1000  # a longer list is data, and no generator among it
GENERATORS = (torch.Generator, random.Random, np.random.RandomState, np.random.Generator, np.random.BitGenerator)


def seed_all(seed: int, epoch: int, rank: int) -> None:
    """Seeds python's, numpy's and torch's generators (those of all devices too)."""
    mixed = mix(seed, epoch, rank)
    random.seed(mixed)
    np.random.seed(mixed % 2**32)
    torch.manual_seed(mixed)


def random_state(device: torch.device) -> dict[str, Any]:
    """The state of python's, numpy's, torch's and the device's generators."""
    state = {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}
    if device.type != "cpu":
        state["device"] = torch.get_device_module(device).get_rng_state()
    return state


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Puts a state back that `random_state` gave."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if device.type != "cpu" and "device" in state:
        torch.get_device_module(device).set_rng_state(state["device"])


def state_of(generator: Any) -> Any:
    """The state of a generator of any kind."""
    match generator:
        case torch.Generator():
            return generator.get_state()
        case random.Random():
            return generator.getstate()
        case np.random.RandomState():
            return generator.get_state()
        case np.random.Generator():
            return generator.bit_generator.state
    return generator.state


def set_state(generator: Any, state: Any) -> None:
    """Puts a state back that `state_of` gave."""
    match generator:
        case torch.Generator():
            generator.set_state(state)
        case random.Random():
            generator.setstate(state)
        case np.random.RandomState():
            generator.set_state(state)
        case np.random.Generator():
            generator.bit_generator.state = state
        case _:
            generator.state = state


def own_generators() -> dict[str, Any]:
    """The generators in global variables of modules that are not installed, such as the user's script, by path."""
    found: dict[int, tuple[str, Any]] = {}
    for name, module in _own_modules(frozenset(sys.modules), sys.modules.get("__main__")):
        for path, generator in _generators_in(name, dict(vars(module))):
            found.setdefault(id(generator), (path, generator))
    return dict(found.values())


@functools.lru_cache(maxsize=1)
def _own_modules(names: frozenset[str], main: Any) -> list[tuple[str, types.ModuleType]]:
    """Sought again when another is imported, or when a script takes the place of `__main__`: there are thousands."""
    modules = [(name, sys.modules.get(name)) for name in sorted(names)]
    return [
        (name, module)
        for name, module in modules
        if isinstance(module, types.ModuleType) and _is_own(getattr(module, "__file__", None))
    ]


def _generators_in(path: str, things: Mapping[Any, Any], depth: int = 4) -> Iterator[tuple[str, Any]]:
    """The generators in a dictionary, and in the lists and dictionaries in it."""
    for name, thing in things.items():
        kind: Any = type(thing)
        if _may_hold(kind) and not str(name).startswith("__"):
            if issubclass(kind, GENERATORS):
                yield f"{path}.{name}", thing
            elif depth > 1 and len(thing) <= LONG:
                inner = thing if issubclass(kind, dict) else dict(enumerate(thing))
                yield from _generators_in(f"{path}.{name}", inner, depth - 1)


@functools.cache
def _may_hold(kind: type) -> bool:
    """Whether things of a type may be generators, or hold some."""
    return issubclass(kind, (list, tuple, dict, *GENERATORS)) and not issubclass(kind, random.SystemRandom)


@functools.cache
def _is_own(path: str | None) -> bool:
    return path is not None and os.path.isabs(path) and not is_installed(path)  # torch's operators have no real file
