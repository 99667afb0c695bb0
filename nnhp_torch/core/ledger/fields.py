"""The type of each field of a trial's record and of its checkpoint: one of another type is refused."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from nnhp_torch.core.spec.status import STATUSES

Types = Mapping[str, tuple[str, Callable[[Any], bool]]]  # name → in words, test


LARGEST = 1e100  # of a metric: a training's are float32, and whoever adds squares of larger ones finds no number


def check(record: Mapping[str, Any], types: Types | None = None) -> None:
    """Raise ValueError, naming the first field that is of another type than it should be.

    Args:
        types: of every field there is; default: those of a ledger's line.
    """
    types = FIELDS if types is None else types
    for name, value in record.items():
        what, holds = types[name]
        if not holds(value):
            raise ValueError(f"its {name} is not {what}")


def check_epochs(history: Mapping[str, list[float]], epochs: int, max_epochs: int) -> None:
    """Raise ValueError if a history is not one of the first `epochs` epochs of a trial of `max_epochs`."""
    if epochs > max_epochs:
        raise ValueError(f"it is of epoch {epochs}, and the trial has {max_epochs}")
    for name, values in history.items():
        if len(values) != epochs:
            raise ValueError(f"it is of epoch {epochs}, and its history has {len(values)} of {name}")


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _folder(value: Any) -> bool:
    return _text(value) and value not in ("", ".", "..") and not set(value) & set("/\\\0")


def is_number(value: Any) -> bool:
    """Return whether it is a number, and can be a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) < 1 << 1000  # a larger one is no float


def _finite(value: Any) -> bool:
    return is_number(value) and abs(value) <= LARGEST


def _metric(value: Any) -> bool:
    return value is None or (is_number(value) and not LARGEST < abs(value) < math.inf)


def _list(of: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(of, value))


def _maker(value: Any) -> bool:
    needed = {"name", "config", "sources"}
    return (
        isinstance(value, dict)
        and needed <= set(value) <= needed | {"trainer", "data"}
        and _text(value["name"])
        and _text(value["config"])
        and _mapping(_text)(value["sources"])
        and isinstance(value.get("trainer", {}), dict)
        and _mapping(_text)(value.get("data", {}))
    )


def _mapping(of: Callable[[Any], bool] = lambda value: True) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(of, value.values()))


FIELDS: Types = {
    "key": ("a text", _text),
    "sweep": ("a text", _text),
    "name": ("the name of a folder", _folder),
    "config": ("a mapping of settings", _mapping()),
    "cell": ("a mapping of settings", _mapping()),
    "status": (f"one of {', '.join(STATUSES)}", lambda value: _text(value) and value in STATUSES),
    "reason": ("a text", _text),
    "history": ("a mapping of lists of numbers", _mapping(_list(_metric))),
    "test": ("a mapping of numbers", _mapping(_metric)),
    "trained": ("a mapping of numbers", _mapping(_metric)),
    "restored": ("a mapping of numbers", _mapping(_metric)),
    "seconds": ("a number", _finite),
    "fit_seconds": ("a number", _finite),
    "started": ("a text", _text),
    "versions": ("a mapping of texts", _mapping(_text)),
    "hardware": ("a mapping", _mapping()),
    "build": (
        "a mapping of a name, a config and sources, and perhaps the Trainer's settings and the data's checksums",
        lambda value: value == {} or _maker(value),
    ),
    "notes": ("a list of texts", _list(_text)),
}

STATE: Types = {  # what a Recorder keeps in a checkpoint
    "trial": FIELDS["versions"],
    **dict.fromkeys(("trainer", "hardware"), FIELDS["config"]),
    "sources": FIELDS["versions"],
    "history": ("a mapping of lists of numbers", _mapping(_list(is_number))),
    **dict.fromkeys(("asked", "unlogged"), ("a list of texts", _list(_text))),
    **dict.fromkeys(
        ("complete", "stopped", "outdated", "ended", "restored"),
        ("true or false", lambda value: isinstance(value, bool)),
    ),
    "diverged": FIELDS["reason"],
    "pruned": FIELDS["reason"],
    "notes": FIELDS["notes"],
}

PAGE: Types = {  # what a page keeps of what its ledger does not hold
    **dict.fromkeys(("monitor", "about", "command"), FIELDS["reason"]),
    "mode": ("max or min", lambda value: _text(value) and value in ("max", "min")),
    "max_seeds": ("a number or null", lambda value: value is None or (type(value) is int and 3 < value < 100_000)),
    "baseline": ("a mapping or null", lambda value: value is None or _mapping(lambda value: True)(value)),
    "order": ("a mapping of lists", _mapping(_list(lambda value: True))),
    "replicates": ("a list of texts", _list(_text)),
    "guessing": ("a mapping of numbers", _mapping(_finite)),
    "importances": ("a mapping of shares", _mapping(lambda value: _finite(value) and 0 <= value <= 1)),
}
