"""Checks of single settings. Those that refuse raise ValueError: the setting, what would be right, what was given."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


def require(condition: bool, otherwise: str) -> None:
    """Refuse what does not meet a condition, in these words."""
    if not condition:
        raise ValueError(otherwise)


def choice(name: str, value: object, choices: Iterable[object], *, also: str = "") -> None:
    """Refuse a value that is none of the choices, with the nearest of them.

    Args:
        also: what may be given beside them, as a sentence's part: ` or torch.optim.<Name>`.
    """
    if value in (allowed := tuple(choices)):
        return
    near = nearest(value, allowed)
    hint = f"; did you mean {near}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}{also}, not {value!r}{hint}")


def nearest(given: object, known: Iterable[object], alike: float = 0.6) -> str:
    """Return which of the known names was probably meant, in whatever case it was given; empty if none is near.

    Args:
        alike: the share of letters, of both names together, that they have in common at least.

    Example:
        >>> nearest("adma", ["SGD", "Adam"])
        'Adam'
    """
    by_lower = {str(one).lower(): str(one) for one in known}
    return next((by_lower[near] for near in get_close_matches(str(given).lower(), by_lower, n=1, cutoff=alike)), "")


def file(what: str, name: str) -> None:
    """Refuse a name that is more than one of a file, or a longer one than file systems have."""
    if not re.fullmatch(r"[\w+-][\w.+-]*", name) or len(name.encode()) > 200:
        raise ValueError(f"{what}: at most 200 letters, digits, _ and -, not {name[:40]!r}")


def whole(name: str, value: object, least: int) -> None:
    """Refuse what is no whole number, or one below the least."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {value!r}")


def number(
    name: str, value: object, *, least: float = -float("inf"), above: float = -float("inf"), below: float = float("inf")
) -> None:
    """Refuse what is no finite number, or one out of its bounds: at least `least`, above `above`, below `below`."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not (value >= least and above < value < below):  # type: ignore[operator]
        raise ValueError(f"{name} must be a number {bounds(least, above, below)}, not {value!r}")


def bounds(least: float = -float("inf"), above: float = -float("inf"), below: float = float("inf")) -> str:
    """Bounds in words: `at least 0 and below 1`."""
    said = [
        f"at least {least:g}" if least > -float("inf") else "",
        f"above {above:g}" if above > -float("inf") else "",
        f"below {below:g}" if below < float("inf") else "",
    ]
    return " and ".join(filter(None, said))


def not_negative(*values: float) -> bool:
    """Return whether all are finite and at least 0."""
    return all(0 <= value < float("inf") for value in values)
