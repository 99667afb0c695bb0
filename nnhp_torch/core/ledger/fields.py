"""The type of each field of a trial's record, of its checkpoint and of a page: one of another type is refused."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

Type = tuple[str, Callable[[Any], bool]]  # in words, test
Types = Mapping[str, Type]


LARGEST = 1e100  # of a metric: a training's are float32, and whoever adds squares of larger ones finds no number


def check(record: Mapping[str, Any], types: Types) -> None:
    """Raise ValueError, naming the first field that is of another type than it should be.

    Args:
        types: of every field there is.
    """
    for name, value in record.items():
        what, holds = types[name]
        if not holds(value):
            raise ValueError(f"its {name} is not {what}")


def check_epochs(history: Mapping[str, list[float]], epochs: int, max_epochs: int) -> None:
    """Raise ValueError if a history is not one of the first `epochs` epochs of a trial of `max_epochs`."""
    if epochs > max_epochs:
        raise ValueError(f"it is of epoch {epochs}, and the trial has {max_epochs}")
    for name, values in history.items():
        if len(values) != epochs or None in values:
            raise ValueError(f"it is of epoch {epochs}, and its history has {len(values)} of {name}")


def is_number(value: Any) -> bool:
    """Return whether it is a number, and can be a float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return isinstance(value, float) or abs(value) < 1 << 1000  # a larger one is no float


def types_of(hints: Mapping[str, Any], **own: Type) -> Types:
    """Return the types that annotations name; `own` are those of which an annotation would say too little.

    >>> types_of({"notes": Sequence[str]})["notes"][0]
    'a list of texts'
    """
    return {**{name: _type(hint) for name, hint in hints.items()}, **own}


def _type(hint: Any) -> Type:
    args = typing.get_args(hint)
    match typing.get_origin(hint):
        case None:
            return _SCALARS[hint]
        case typing.Literal:
            return f"one of {', '.join(args)}", lambda value: isinstance(value, str) and value in args
    inner, holds = ("a number", _is_metric) if args[-1] is float else _type(args[-1])
    noun, _, rest = inner.removeprefix("a ").partition(" ")
    if typing.get_origin(hint) is Sequence:
        return f"a list of {noun}s {rest}".strip(), lambda value: isinstance(value, list) and all(map(holds, value))
    words = f"a mapping of {noun}s {rest}".strip()
    return words, lambda value: isinstance(value, dict) and all(map(holds, value.values()))


def _is_metric(value: Any) -> bool:
    return value is None or (is_number(value) and not LARGEST < abs(value) < math.inf)


_SCALARS: dict[Any, Type] = {
    str: ("a text", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    float: ("a number", lambda value: is_number(value) and abs(value) <= LARGEST),
    Any: ("a value", lambda value: True),
}


def _is_folder(value: Any) -> bool:
    return isinstance(value, str) and value not in ("", ".", "..") and not set(value) & set("/\\\0")


def _is_provenance(value: Any) -> bool:
    hints = {"name": str, "config": str, "sources": Mapping[str, str]}
    return value == {} or _has(value, hints, trainer=Mapping[str, Any], data=Mapping[str, str])


def _is_proposal(value: Any) -> bool:
    hints = {"ledger": str, "number": float, "level": float, "spread": Any, "key": str}
    return value is None or (_has(value, hints) and _is_metric(value["spread"]))


def _has(value: Any, hints: Mapping[str, Any], **further: Any) -> bool:
    """Return whether it is a mapping with these fields, perhaps with further ones, each of its type."""
    types = types_of({**hints, **further})
    known = isinstance(value, dict) and hints.keys() <= value.keys() <= types.keys()
    return known and all(types[name][1](part) for name, part in value.items())


FOLDER: Type = ("the name of a folder", _is_folder)
PROVENANCE: Type = (
    "a mapping of a name, a config and sources, and perhaps the Trainer's settings and the data's checksums",
    _is_provenance,
)

STATE = types_of(  # what a Recorder keeps in a checkpoint
    {
        **dict.fromkeys(("trial", "sources"), Mapping[str, str]),
        **dict.fromkeys(("trainer", "hardware"), Mapping[str, Any]),
        "history": Mapping[str, Sequence[float]],
        "shown": Mapping[str, Mapping[str, Any]],
        **dict.fromkeys(("asked", "unlogged", "notes"), Sequence[str]),
        **dict.fromkeys(("complete", "stopped", "outdated", "ended", "restored"), bool),
        **dict.fromkeys(("diverged", "pruned"), str),
        **dict.fromkeys(("seconds", "fit_seconds"), float),
    }
)

PAGE = types_of(  # what a page keeps of what its ledger does not hold
    {
        **dict.fromkeys(("monitor", "about", "command"), str),
        "mode": Literal["max", "min"],
        "order": Mapping[str, Sequence[Any]],
        "replicates": Sequence[str],
        **dict.fromkeys(("guessing", "importances"), Mapping[str, float]),
    },
    max_seeds=("a number or null", lambda value: value is None or (type(value) is int and 3 < value < 100_000)),
    baseline=("a mapping or null", lambda value: value is None or isinstance(value, dict)),
    proposal=("a proposal or null", _is_proposal),
    examples=("a number or null", lambda value: value is None or (type(value) is int and value > 0)),
)
