"""A call that may take long, made beside the one who waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


def beside(call: Callable[..., T], *args: Any, **options: Any) -> Future[T]:
    """Call in a thread of its own, which nobody waits for at the process's end; what it raises, `result()` raises."""
    future: Future[T] = Future()
    threading.Thread(target=_fulfil, args=(future, partial(call, *args, **options)), daemon=True).start()
    return future


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # it is raised where the result is awaited
        future.set_exception(error)
