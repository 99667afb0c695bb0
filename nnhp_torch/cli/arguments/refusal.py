"""A parser's refusals in words: which option, what it needs, and what was meant by one that there is not."""

from __future__ import annotations

import re
from argparse import ArgumentError
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from nnhp_torch.checks import nearest
from nnhp_torch.core.spec.names import enumeration

if TYPE_CHECKING:
    from lightning.pytorch.cli import LightningArgumentParser

ALIKE = 0.7  # names that share so much of their letters are taken for one another
FAR = 0.6  # and those that share less, for nothing

WORDS = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false", "NoneType": "null"}


def in_words(message: str, known: Mapping[str, str], choices: Mapping[str, Sequence[str]] | None = None) -> str:
    """Say a parser's message in one line that needs no Python.

    Args:
        message: what argparse or jsonargparse says.
        known: option → its help text.
        choices: option → the words that it takes, if it takes no others.

    Example:
        >>> in_words("unrecognized arguments: --epochs 3", {"--max_epochs": "epochs"})
        'there is no --epochs: did you mean --max_epochs?'
    """
    line = " ".join(message.split())
    if found := re.search(r"unrecognized arguments: (\S+)", line):
        given = found[1].partition("=")[0]
        return meant(given, known) if given.startswith("--") else f"{found[1]} belongs to no option"
    if found := re.search(r"arguments are required: (.+)", line):
        missing = [f"--{name}" if f"--{name}" in known else name.upper() for name in found[1].split(", ")]
        return f"{enumeration(missing, 'and')} {'is' if len(missing) == 1 else 'are'} missing"
    if found := re.search(r"Option '(\S+)' is not accepted", line):
        return meant(f"--{found[1]}", known)
    if found := re.search(r"argument (--[^/:]+)\S*: expected one argument", line):
        words = (choices or {}).get(found[1], ())
        return f"{found[1]} needs a value" + (f": {enumeration(words, 'or')}" if words else "")
    if found := re.search(r"Errors: - (?!Expected)(.+?)\.? - Expected", line):  # raised where the value was used
        return found[1]
    if found := re.search(r'Parser key "(\S+?)":.*(?:Got value|Given value):(.*)', line):
        needed = [
            _kind(of) for of in re.findall(r"Expected a (<class '\w+'>|list\[\w+\]|typing\.Literal\[.*?\])", line)
        ]
        if needed:
            return f"--{found[1]} needs {enumeration(dict.fromkeys(needed), 'or')}, not {found[2].strip() or 'nothing'}"
    return line


def _kind(of: str) -> str:
    """Return a type as people call it."""
    if of.startswith("typing.Literal"):
        words = re.findall(r"'([\w-]+)'", of)
        return words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    name = of.removeprefix("<class '").removesuffix("'>")
    return WORDS.get(name, "a list")


def meant(given: str, known: Mapping[str, str]) -> str:
    """Say that there is no such option, and which one it may stand for: by its name, else by its help text.

    Args:
        given: as it was typed, `--base.lr`.
        known: option → its help text.
    """
    group, _, name = given.removeprefix("--").rpartition(".")
    words = re.sub("[-_]", " ", name.lower())
    mentioned = re.compile(rf"\b{re.escape(words.removesuffix('s'))}s?\b")
    names = {option: option.removeprefix("--").rpartition(".")[2] for option in known}

    def likeness(option: str) -> tuple[float, bool]:
        said, alike = known[option].lower(), SequenceMatcher(None, names[option].lower(), name.lower()).ratio()
        signs = {
            5.0: names[option] == name,
            4.0: said.partition(";")[0] == words,
            3.0: said.startswith(f"{words} "),
            2 + alike: alike >= ALIKE,
            2.0: mentioned.search(said),
            alike: alike >= FAR,
        }
        same_group = option.startswith(f"--{group}.")
        return max((likely for likely, sign in signs.items() if sign), default=0.0), same_group

    nearest = max(known, key=likeness, default="")
    if not nearest or not likeness(nearest)[0]:
        return f"there is no {given}"
    if names[nearest] == name and (group, nearest) == ("base", f"--grid.{name}"):
        return f"{name} is what varies here: {nearest} gives its values"
    if names[nearest] == name and (group, nearest) == ("grid", f"--base.{name}"):
        return f"{name} does not vary here: {nearest} gives its value in every trial"
    return f"there is no {given}: did you mean {nearest}?"


def refusal(parser: LightningArgumentParser, error: ArgumentError, args: Iterable[str]) -> str:
    """Say in a line what a project's parser says in many: which key, which value, and what would be right.

    Args:
        args: those that were parsed, as `--key=value`.
    """
    message = str(error)
    given = dict(arg[2:].partition("=")[::2] for arg in args if arg.startswith("--"))
    if unknown := _unknown(message, given):
        known = _known(parser, [arg for arg in args if not arg.startswith(f"--{unknown}=")])
        near = nearest(unknown, known, alike=0.4)
        return f"no key is called {unknown!r}" + (f"; the nearest is {near!r}" if near else "")
    words = dict.fromkeys(re.findall(r"Expected an? (.+?)\.? Got value", message))
    expected = [_type(word) for word in words if "NoneType" not in word]
    if expected and (key := _refused(message, given)):
        return f"{key} should be {' or '.join(expected)}, not {given[key]!r}"
    return " ".join(message.split())


def _unknown(message: str, given: dict[str, str]) -> str:
    """Return the key that the parser does not know; empty if it refuses something else."""
    if found := re.search(r"unrecognized arguments: --([^=\s]+)", message):
        return found[1]
    if found := re.search(r"Option '(\S+)' is not accepted", message):
        return next((key for key in given if key.endswith(f".{found[1]}")), "")
    return ""


def _refused(message: str, given: dict[str, str]) -> str:
    """Return the key with the value that the parser refuses, as it was given."""
    found = re.search(r'Parser key "(\S+)"', message)
    inner = re.search(r"NestedArg\(key='([^']+)'", message)
    names = [found[1], f"{found[1]}.{inner[1]}" if inner else ""] if found else []
    return next((key for key in given if key in names), "")


def _known(parser: LightningArgumentParser, args: list[str]) -> list[str]:
    """Return all keys there are, also without `init_args`, which may be left out."""
    try:
        parsed = parser.parse_args(args)
    except ArgumentError:
        parsed = parser.get_defaults()
    keys = list(parsed.keys())
    return [*keys, *(key.replace(".init_args.", ".") for key in keys if ".init_args." in key)]


def _type(words: str) -> str:
    return re.sub(r"<class '(?:.*\.)?(\w+)'>", r"\1", words)
