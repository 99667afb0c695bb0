"""Checks of single settings. Those that refuse raise ValueError: the setting, what would be right, what was given."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def choice(name: str, value: object, choices: Iterable[object], *, also: str = "") -> None:
    """Refuse a value that is none of the choices, with the nearest of them.

    Args:
        also: what may be given beside them, as a sentence's part: ` or torch.optim.<Name>`.
    """
    if value in (allowed := tuple(choices)):
        return
    by_lower = {str(one).lower(): one for one in allowed}
    near = get_close_matches(str(value).lower(), by_lower, n=1)
    hint = f"; did you mean {by_lower[near[0]]}?" if near else ""
    raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}{also}, not {value!r}{hint}")


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
    """Whether all are finite and at least 0."""
    return all(0 <= value < float("inf") for value in values)
