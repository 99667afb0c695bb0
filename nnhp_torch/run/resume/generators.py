"""Generators of random numbers: those of the process seeded by (seed, epoch, rank), kept and put back."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from nnhp_torch.core.chance import mix

LONG = 1000  # a longer list is data, and no generator among it
GENERATORS = (torch.Generator, random.Random, np.random.RandomState, np.random.Generator, np.random.BitGenerator)


def seed_all(seed: int, epoch: int, rank: int) -> None:
    """Seed python's, numpy's and torch's generators, those of all devices too if there are any.

    torch.manual_seed keeps a seed for each kind of device that might still come, with the stack of its caller: a
    millisecond, in every epoch, on a machine that has none.
    """
    mixed = mix(seed, epoch, rank)
    random.seed(mixed)
    np.random.seed(mixed % 2**32)
    torch.manual_seed(mixed) if torch.accelerator.is_available() else torch.default_generator.manual_seed(mixed)


def random_state(device: torch.device) -> dict[str, Any]:
    """Return the state of python's, numpy's, torch's and the device's generators."""
    state = {"python": random.getstate(), "numpy": np.random.get_state(), "torch": torch.get_rng_state()}
    if device.type != "cpu":
        state["device"] = torch.get_device_module(device).get_rng_state()
    return state


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Put a state back that `random_state` gave."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if device.type != "cpu" and "device" in state:
        torch.get_device_module(device).set_rng_state(state["device"])


def state_of(thing: Any) -> Any:
    """Return the state of a generator of any kind, or of what else has a `state_dict`."""
    match thing:
        case torch.Generator() | np.random.RandomState():
            return thing.get_state()
        case random.Random():
            return thing.getstate()
        case np.random.Generator():
            return thing.bit_generator.state
        case np.random.BitGenerator():
            return thing.state
    return thing.state_dict()


def set_state(thing: Any, state: Any) -> None:
    """Put a state back that `state_of` gave."""
    match thing:
        case torch.Generator() | np.random.RandomState():
            thing.set_state(state)
        case random.Random():
            thing.setstate(state)
        case np.random.Generator():
            thing.bit_generator.state = state
        case np.random.BitGenerator():
            thing.state = state
        case _:
            thing.load_state_dict(state)
