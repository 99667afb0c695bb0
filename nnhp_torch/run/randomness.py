"""Generators of random numbers: those of the process seeded by (seed, epoch, rank), kept and put back."""

from __future__ import annotations

import functools
import os
import random
import sys
import types
from collections.abc import Iterator
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
    for name, module in sorted(sys.modules.items()):
        if isinstance(module, types.ModuleType) and _is_own(getattr(module, "__file__", None)):
            for path, thing in _in_container(name, dict(vars(module))):
                if isinstance(thing, GENERATORS) and not isinstance(thing, random.SystemRandom):
                    found.setdefault(id(thing), (path, thing))
    return dict(found.values())


def _in_container(path: str, thing: Any, depth: int = 4) -> Iterator[tuple[str, Any]]:
    """A thing, or if it is a list or a dictionary, what is in it."""
    if isinstance(thing, (list, tuple)):
        thing = dict(enumerate(thing)) if len(thing) <= LONG else {}
    if not isinstance(thing, dict):
        yield path, thing
    elif depth and len(thing) <= LONG:
        for name, inner in thing.items():
            if not str(name).startswith("__"):
                yield from _in_container(f"{path}.{name}", inner, depth - 1)


@functools.cache
def _is_own(path: str | None) -> bool:
    return path is not None and os.path.isabs(path) and not is_installed(path)  # torch's operators have no real file
