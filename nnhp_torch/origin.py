"""Who made a result: a build and a configuration's class, by name."""

from __future__ import annotations

from typing import Any


def name_of(made: Any) -> str:
    """`package.module:name` of a function or a class; a name stands for itself.

    A script's own are in `__main__`, in whatever process.
    """
    if isinstance(made, str):
        return made
    made = getattr(made, "func", made)  # a partial's
    if not hasattr(made, "__qualname__"):
        made = type(made)
    module = "__main__" if made.__module__ == "__mp_main__" else made.__module__
    return f"{module}:{made.__qualname__}"
