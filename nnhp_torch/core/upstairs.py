"""The methods of public objects whose work is done on a floor above this one, which nothing here imports."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def upstairs(name: str) -> Any:
    """Return a function of another room, imported when a user's call asks for it.

    >>> upstairs("report.words:why_undrawn").__name__
    'why_undrawn'
    """
    module, _, function = name.partition(":")
    return getattr(import_module(f"nnhp_torch.{module}"), function)
