"""A call that may take long, made in the background of the one who waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


def in_background(call: Callable[..., T], *args: Any, **options: Any) -> Future[T]:
    """Call in a thread of its own, which nobody waits for at the process's end; what it raises, `result()` raises."""
    future: Future[T] = Future()

    def fulfil() -> None:
        try:
            future.set_result(call(*args, **options))
        except BaseException as error:  # it is raised where the result is awaited
            future.set_exception(error)

    threading.Thread(target=fulfil, daemon=True).start()
    return future
