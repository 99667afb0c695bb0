"""Generators and places in the data around a trial's loaders: found, their state taken and put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch.utilities import CombinedLoader
from torch.utils.data import DataLoader, IterableDataset

from nnhp_torch.run.resume.generators import GENERATORS, random_state, set_random_state, set_state, state_of
from nnhp_torch.run.resume.object_graph import has_state, keeps_itself, own_generators, walk
from nnhp_torch.run.resume.plain_values import pack, unpack


def leaves(loaders: Any) -> list[Any]:
    """Return the single loaders of a Trainer's `train_dataloader` or `val_dataloaders`, however they are combined."""
    return [] if loaders is None else CombinedLoader(loaders).flattened


def stop_workers(loaders: Any) -> None:
    """End worker processes that would outlive the epoch, with the random state that they have come to."""
    for loader in leaves(loaders):
        if getattr(loader, "persistent_workers", False):
            CombinedLoader(loader).reset()


def states(
    loaders: Mapping[str, Any], others: Mapping[str, Any], known: Iterable[Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return the states around loaders and of what other things hold; and what cannot be kept, in words.

    Args:
        known: what Lightning keeps: its optimizers. A module may have others, which it steps itself.
    """
    found, doubts = {}, []
    for path, thing in _drawing(loaders, others, known):
        if isinstance(thing, Iterator):
            doubts.append(f"{path} is an iterator, whose place cannot be kept")
            continue
        try:
            found[path] = pack(state_of(thing))
        except TypeError as error:
            doubts.append(f"the state of {path} holds a {error}, which cannot be kept")
    return found, doubts


def put_back(
    found: Mapping[str, Any], loaders: Mapping[str, Any], others: Mapping[str, Any], known: Iterable[Any]
) -> list[str]:
    """Give everything the state that was found in it; in words, what is not there any more or does not take it."""
    left, doubts = dict(found), []
    for path, thing in _drawing(loaders, others, known):
        if path in left:
            try:
                set_state(thing, unpack(left.pop(path)))
            except Exception as error:  # whatever its own code raises, as of an optimizer that has got more groups
                doubts.append(f"{path} does not take its state back ({type(error).__name__})")
    return [*doubts, *(f"{path} had a state and is not there" for path in left)]


@contextmanager
def drawing_as(first: dict[str, Any], things: Mapping[str, Any], device: torch.device) -> Iterator[None]:
    """Have the block draw what the first one drew, from all generators there are; the draws after it are not its.

    Args:
        first: the random state before the first block; filled by it.
        things: what may hold generators of its own, by name.
    """
    held = {path: thing for path, thing in _drawing({}, things) if isinstance(thing, GENERATORS)}
    before = {path: state_of(thing) for path, thing in held.items()}, random_state(device)
    if not first:
        first["held"], first["process"] = before
        yield
        return
    for path, thing in held.items():
        if path in first["held"]:
            set_state(thing, first["held"][path])
    set_random_state(first["process"], device)
    try:
        yield
    finally:
        for path, thing in held.items():
            set_state(thing, before[0][path])
        set_random_state(before[1], device)


def unseen(loaders: Any) -> list[str]:
    """Return the loaders that show nobody their place in their data, in words."""
    return [reason for loader in leaves(loaders) if (reason := _unseen(loader))]


def _unseen(loader: Any) -> str:
    if has_state(loader):
        return ""
    if not isinstance(loader, DataLoader):
        return f"{type(loader).__name__} is no DataLoader and has no state_dict"
    # With workers, the dataset that is iterated is each epoch's copy.
    if isinstance(loader.dataset, IterableDataset) and loader.num_workers == 0 and not has_state(loader.dataset):
        return f"{type(loader.dataset).__name__} is iterable and has no state_dict"
    return ""


def _drawing(
    loaders: Mapping[str, Any], others: Mapping[str, Any], known: Iterable[Any] = ()
) -> Iterator[tuple[str, Any]]:
    """Generators wherever they are; iterators and whatever has a state_dict, but in what gives all that itself."""
    seen = set(map(id, known))
    for root, thing in {**loaders, **others}.items():
        kinds = GENERATORS if keeps_itself(thing) else (*GENERATORS, Iterator)
        for path, found in walk({root: thing}, seen):
            if isinstance(found, kinds) or (has_state(found) and not keeps_itself(thing)):
                yield path, found
    yield from ((path, thing) for path, thing in own_generators().items() if id(thing) not in seen)
