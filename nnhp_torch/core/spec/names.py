"""Names of values: in tables and figures, and as a trial's folder."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

LETTERS = 120  # of a folder's name, which file systems limit too: to 255 bytes, most of them
BYTES = 200

# What a terminal would obey instead of showing it, and halves of characters.
_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def label(values: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> str:
    """`name=value` for each value, joined by commas.

    Args:
        defaults: the fields' defaults, which say of what type a value is usually.
    """
    return ", ".join(f"{name}={text(value, (defaults or {}).get(name))}" for name, value in values.items())


def text(value: Any, default: Any = None) -> str:
    """Return a value as people read it; its type stands behind it if a value of another type reads alike.

    >>> text(0.1), text(0.001234561), text(None), text(1.0), text("1"), text("1", default="adam")
    ('0.1', '0.001234561', 'none', '1.0', '1 (str)', '1')
    """
    if is_plain(value, default):
        return visible(_short(value))
    return repr(value) if isinstance(value, float) else f"{visible(_short(value))} ({type(value).__name__})"


def distinct(value: Any) -> str:
    """Text that tells a value, or the values of a cell, from every other; Python's own `==` and sets do not.

    >>> len({1, 1.0, True}), len({distinct(1), distinct(1.0), distinct(True)})
    (1, 3)
    """
    return repr(dict(value) if isinstance(value, Mapping) else value)


def fingerprint(values: Any, letters: int = 16) -> str:
    """Return the beginning of a hash of plain values, whatever the order of their names."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:letters]


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the dotted keys of mappings in mappings; a mapping with keys that are not words stays whole.

    >>> flat({"model": {"lr": 0.1, "sizes": {"1.5": 2}}})
    {'model.lr': 0.1, 'model.sizes': {'1.5': 2}}
    """
    found: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and value and all(isinstance(k, str) and "." not in k for k in value):
            found.update(flat(value, f"{key}."))
        else:
            found[key] = value
    return found


def once(values: Iterable[Any]) -> list[Any]:
    """Return each value once, in their order."""
    return list({distinct(value): value for value in values}.values())


def enumeration(words: Iterable[str], link: str) -> str:
    """Words as a sentence has them.

    >>> enumeration(["fail", "use", "rerun"], "or"), enumeration(["fail"], "or")
    ('fail, use or rerun', 'fail')
    """
    *first, last = words
    return f"{', '.join(first)} {link} {last}" if first else last


def visible(text: str) -> str:
    """Control characters and lone surrogates as their escapes."""
    return _HIDDEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def file_name(values: Mapping[str, Any], defaults: Mapping[str, Any], key: str) -> str:
    """Return a label that is safe as a folder's name; one that is too long ends in a hash of the rest.

    Args:
        defaults: the fields' defaults, which say of what type a value is usually.
        key: the trial's; its beginning is added if the values cannot be told from others by their letters.
    """
    shorts = {name: _short(value) for name, value in values.items()}
    name = re.sub(r"[^\w.=,+-]", "-", ",".join(f"{n}={short}" for n, short in shorts.items()).replace(", ", ","))
    told = all(
        re.fullmatch(r"[\w.+-]*", shorts[name]) and is_plain(value, defaults.get(name))
        for name, value in values.items()
    )
    if not told:
        name = f"{name},key={key[:8]}"
    if len(name) <= LETTERS and len(name.encode()) <= BYTES:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    beginning = name[: LETTERS - 10].encode()[: BYTES - 9].decode(errors="ignore")  # a letter that is cut is left out
    return f"{beginning}-{digest}"


def folded(value: Any) -> str:
    """Return a value's letters as a file system has them that does not tell their case; of any other type, its own."""
    return unicodedata.normalize("NFKC", value).casefold() if isinstance(value, str) else distinct(value)


def _short(value: Any) -> str:
    """Six digits of a float if they give it back, else all of them."""
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return "none" if value is None else str(value)


def is_plain(value: Any, default: Any) -> bool:
    """Return whether no value of another type has the same letters, in a field with this default."""
    if isinstance(default, str):  # whatever is written there is a string
        return isinstance(value, str)
    if isinstance(value, str):
        return value not in ("", "none", "True", "False") and not re.match(r"[\[({]", value) and not is_number(value)
    if type(value) is int:
        return not isinstance(default, float)
    return isinstance(default, float) or not (isinstance(value, float) and _short(value).lstrip("-").isdigit())


def is_number(letters: str) -> bool:
    """Return whether letters are read as a number."""
    try:
        float(letters)
    except ValueError:
        return False
    return True


def typed(text: str) -> Any:
    """Return a text as the value that it spells.

    >>> [typed(text) for text in ("3", "0.1", "True", "none", "adam", "64_32", "")]
    [3, 0.1, True, None, 'adam', '64_32', None]
    """
    known = {"": None, "none": None, "null": None, "true": True, "false": False}
    if (word := text.strip().lower()) in known:
        return known[word]
    try:  # an int is known by its digits: to raise for every float takes longer
        return text if "_" in word else int(word) if word.lstrip("+-").isdigit() else float(word)
    except ValueError:
        return text
