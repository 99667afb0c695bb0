"""Public arguments that had another name in the version before: it is taken still, and the new one said in a line."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

RENAMED = {
    "verdict": "claim",
    "matters": "smallest_effect",
    "shows": "extra_metrics",
    "then": "next_steps",
}


def renamed(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by the names that they have now.

    >>> renamed({"lr": 0.1})
    {'lr': 0.1}
    """
    for old in given.keys() & RENAMED.keys():
        warnings.warn(f"{old} is called {RENAMED[old]} now; the old name goes with the next version", stacklevel=4)
    new = {name: value for name, value in given.items() if name not in RENAMED}
    return new | {RENAMED[name]: value for name, value in given.items() if name in RENAMED}


class Renaming(type):
    """Makes objects of arguments under their former names, too; `help` shows those that they have now."""

    @property
    def __signature__(cls) -> inspect.Signature:
        signature = inspect.signature(vars(cls)["__init__"])
        return signature.replace(parameters=[*signature.parameters.values()][1:], return_annotation=cls.__name__)

    if not TYPE_CHECKING:  # else an editor takes any argument

        def __call__(cls, *args: Any, **given: Any) -> Any:
            return super().__call__(*args, **renamed(given))
