"""One thread at a time, where a launcher may have several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def in_turn(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """Have a method wait for the object's `lock`, which its other such methods have too."""

    @wraps(method)
    def locked(self: Any, /, *args: P.args, **named: P.kwargs) -> T:
        with self.lock:
            return method(self, *args, **named)

    return locked


class InTurn(Iterator[T]):
    """Things that several threads may take, each of them once; none can take from a generator that another is in."""

    def __init__(self, things: Iterator[T], lock: RLock) -> None:
        self.things = things
        self.lock = lock

    @in_turn
    def __next__(self) -> T:
        return next(self.things)
