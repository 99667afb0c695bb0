"""Of what type each field of a trial's record is, so that a line which says something else is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

STATUSES = ("completed", "pruned", "diverged", "failed", "interrupted")


def check(record: Mapping[str, Any]) -> None:
    """Raises ValueError, naming the first field that is of another type than it should be."""
    for name, value in record.items():
        what, holds = FIELDS[name]
        if not holds(value):
            raise ValueError(f"its {name} is not {what}")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _folder(value: Any) -> bool:
    return _text(value) and value not in ("", ".", "..") and not set(value) & set("/\\\0")


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) < 1 << 1000  # a larger one is no float


def _finite(value: Any) -> bool:
    return _number(value) and math.isfinite(value)


def _number_or_null(value: Any) -> bool:
    return value is None or _number(value)


def _list(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(of, value))


def _mapping(of: Callable[[Any], bool] = lambda value: True) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(of, value.values()))


FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "key": ("a text", _text),
    "sweep": ("a text", _text),
    "name": ("the name of a folder", _folder),
    "config": ("a mapping of settings", _mapping()),
    "cell": ("a mapping of settings", _mapping()),
    "status": (f"one of {', '.join(STATUSES)}", lambda value: _text(value) and value in STATUSES),
    "reason": ("a text", _text),
    "history": ("a mapping of lists of numbers", _mapping(_list(_number_or_null))),
    "test": ("a mapping of numbers", _mapping(_number_or_null)),
    "seconds": ("a number", _finite),
    "fit_seconds": ("a number", _finite),
    "started": ("a text", _text),
    "versions": ("a mapping of texts", _mapping(_text)),
    "hardware": ("a mapping", _mapping()),
    "build": (
        "a mapping of a name, a config and sources",
        lambda value: (
            value == {}
            or (
                isinstance(value, dict)
                and set(value) == {"name", "config", "sources"}
                and _text(value["name"])
                and _text(value["config"])
                and _mapping(_text)(value["sources"])
            )
        ),
    ),
    "notes": ("a list of texts", _list(_text)),
}
