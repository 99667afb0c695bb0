"""Refusals of a project's parser in a line: which key, which value, and what would be right."""

from __future__ import annotations

import difflib
import re
from argparse import ArgumentError
from collections.abc import Iterable

from lightning.pytorch.cli import LightningArgumentParser


def refusal(parser: LightningArgumentParser, error: ArgumentError, args: Iterable[str]) -> str:
    """One line of what their parser says in many.

    Args:
        args: those that were parsed, as `--key=value`.
    """
    message = str(error)
    given = dict(arg[2:].partition("=")[::2] for arg in args if arg.startswith("--"))
    if unknown := _unknown(message, given):
        known = _known(parser, [arg for arg in args if not arg.startswith(f"--{unknown}=")])
        close = difflib.get_close_matches(unknown, known, n=1, cutoff=0.4)
        return f"no key is called {unknown!r}" + (f"; the nearest is {close[0]!r}" if close else "")
    words = dict.fromkeys(re.findall(r"Expected an? (.+?)\.? Got value", message))
    expected = [_type(word) for word in words if "NoneType" not in word]
    if expected and (key := _refused(message, given)):
        return f"{key} should be {' or '.join(expected)}, not {given[key]!r}"
    return " ".join(message.split())


def _unknown(message: str, given: dict[str, str]) -> str:
    """The key that the parser does not know; empty if it refuses something else."""
    if found := re.search(r"unrecognized arguments: --([^=\s]+)", message):
        return found[1]
    if found := re.search(r"Option '(\S+)' is not accepted", message):
        return next((key for key in given if key.endswith(f".{found[1]}")), "")
    return ""


def _refused(message: str, given: dict[str, str]) -> str:
    """The key whose value the parser refuses, as it was given."""
    found = re.search(r'Parser key "(\S+)"', message)
    inner = re.search(r"NestedArg\(key='([^']+)'", message)
    names = [found[1], f"{found[1]}.{inner[1]}" if inner else ""] if found else []
    return next((key for key in given if key in names), "")


def _known(parser: LightningArgumentParser, args: list[str]) -> list[str]:
    """All keys there are, also without `init_args`, which may be left out."""
    try:
        parsed = parser.parse_args(args)
    except ArgumentError:
        parsed = parser.get_defaults()
    keys = list(parsed.keys())
    return [*keys, *(key.replace(".init_args.", ".") for key in keys if ".init_args." in key)]


def _type(words: str) -> str:
    return re.sub(r"<class '(?:.*\.)?(\w+)'>", r"\1", words)
