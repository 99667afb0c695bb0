"""The parser of every command: it refuses in one line, and before a YAML's aliases fill the memory."""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml
from jsonargparse import ArgumentParser, DefaultHelpFormatter, Namespace, _typehints, get_loader, set_loader

from nnhp_torch.cli import exit_status
from nnhp_torch.cli.arguments.refusal import in_words
from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.files import disk_full, read_only
from nnhp_torch.core.spec.renamed import RENAMED
from nnhp_torch.report.terminal.console import Terminal

MOST_VALUES = 1_000_000  # that a YAML may stand for, its aliases written out


VALUES = "VALUE …"  # how --help shows an option that takes a list, and
PAIRS = "NAME=VALUE …"  # one that takes names with values


class HelpFormatter(DefaultHelpFormatter):
    """Help for people: paragraphs as they were written, defaults, and no types of Python."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, **{"max_help_position": 32, **settings})  # type: ignore[no-untyped-call]

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(super(HelpFormatter, self)._fill_text(part, width, indent) for part in text.split("\n\n"))

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        return "VALUE"

    def _get_help_string(self, action: argparse.Action) -> str:
        said, usual = action.help or "", action.default
        unexplained = usual in (None, [], {}, "", argparse.SUPPRESS) and "null" not in said
        if not action.option_strings or action.nargs == 0 or unexplained or isinstance(usual, Namespace):
            return said
        default = f"(default: {_typed(usual)})"
        return said if default in said else f"{said} {default}"

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Leave `--grid.lr+` to the group's text: it stands beside each `--grid.lr`."""
        shown = super()._format_action_invocation(action)
        return re.sub(r", --\S+\+ .*", "", shown)


def _typed(value: Any) -> str:
    """Return a value as one would type it: `true`, `null`, `0.1 0.01`."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(_typed, value))
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)


class Spoken(ArgumentParser):
    """Refuses in one line (argparse would print the whole usage), and says what a wrong name may stand for."""

    def error(self, message: str, ex: Exception | None = None) -> typing.NoReturn:
        line = in_words(str(message), self.known(), self.choices())
        command = self.prog.replace(" [options]", "")
        Terminal(sys.stderr).print(f"{command}: {line} (--help lists the options)", soft_wrap=True)
        raise SystemExit(exit_status.WRONG_USAGE)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Say in a line what is wrong with what was given (exit status 2), or that it cannot be written (1)."""
        try:
            yield
        except (LedgerError, ValueError) as error:
            self.error(str(error))
        except OSError as error:
            if not (read_only(error) or disk_full(error) or isinstance(error, (FileNotFoundError, NotADirectoryError))):
                raise
            Terminal(sys.stderr).print(f"{self.prog}: {error}", soft_wrap=True)
            raise SystemExit(exit_status.FAILED) from error

    def known(self) -> dict[str, str]:
        """Option → its help text."""
        return {
            option: action.help or ""
            for action in self._actions
            for option in action.option_strings
            if action.help != argparse.SUPPRESS and option.startswith("--") and not option.endswith("+")
        }

    def choices(self) -> dict[str, tuple[str, ...]]:
        """Option → the words that it takes, of those that take no others."""
        hints = {option: getattr(a, "_typehint", None) for a in self._actions for option in a.option_strings}
        return {option: typing.get_args(of) for option, of in hints.items() if typing.get_origin(of) is typing.Literal}

    def place(self, group: Any) -> int:
        """Where --help has a group, among others of the same number in their order: what every command has is last."""
        return int(group is self._optionals)

    def format_help(self, *formatter: Any) -> str:
        self._action_groups = sorted(self._action_groups, key=self.place)
        return super().format_help(*formatter)


class Parser(Spoken):
    """Takes no abbreviation (`--base.lr`), and the values of a list also without brackets (`--grid.lr 0.1 0.01`)."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=HelpFormatter, **settings)

    def parse_args(self, args: Sequence[str] | None = None, *more: Any, **settings: Any) -> Any:  # type: ignore[override]
        takes = {option: action.metavar for action in self._actions for option in action.option_strings}
        words = listed(
            map(self._renamed, sys.argv[1:] if args is None else args), lambda option: takes.get(option) == VALUES
        )
        try:
            words = listed(words, lambda option: takes.get(option) == PAIRS, _mapping)
        except ValueError as error:
            self.error(str(error))
        return super().parse_args(words, *more, **settings)

    def _renamed(self, word: str) -> str:
        """Return an option by the name that it has now."""
        name, equals, value = word.partition("=")
        new = RENAMED.get(name.removeprefix("--"), "") if name.startswith("--") else ""
        if not new:
            return word
        said = f"{name} is called --{new} now; the old name goes with the next version"
        Terminal(sys.stderr).print(said, soft_wrap=True)
        return f"--{new}{equals}{value}"


def _mapping(words: Sequence[str]) -> str:
    """Name with values as a mapping of YAML."""
    if words[0].startswith("{"):
        return " ".join(words)
    pairs = [pair.partition("=") for word in words for pair in re.split(r",\s*(?=[\w.]+=)", word.strip(", "))]
    if unnamed := next((name for name, equals, _ in pairs if not equals), ""):
        raise ValueError(f"{unnamed} should be NAME=VALUE, such as lr=0.01")
    if len({name for name, *_ in pairs}) < len(pairs):
        raise ValueError(f"a name has two values in {' '.join(words)}")
    return f"{{{', '.join(f'{json.dumps(name)}: {value}' for name, _, value in pairs)}}}"


def _list(values: Sequence[str]) -> str:
    """Words as a list of YAML: they are one, with a shell's spaces in it, or each is a value."""
    if values[0].startswith("["):
        return " ".join(values)
    return f"[{', '.join(value.strip(', ') for value in values)}]"


def listed(
    words: Iterable[str], takes_list: Callable[[str], bool], join: Callable[[Sequence[str]], str] = _list
) -> list[str]:
    """Return a command line on which an option that takes a list has all its values in one word, in the form of YAML.

    >>> listed(["--grid.lr", "0.1", "0.01", "--seeds", "5"], lambda option: option.startswith("--grid."))
    ['--grid.lr', '[0.1, 0.01]', '--seeds', '5']
    """
    joined: list[str] = []
    left = list(words)
    while left:
        option, equals, value = left.pop(0).partition("=")
        if not takes_list(option):
            joined.append(option + equals + value)
        elif equals:
            joined.append(f"{option}={join([value])}")
        else:
            values = list(itertools.takewhile(lambda word: not re.match(r"-[^\d.]", word), left))  # -1 is a value
            del left[: len(values)]
            joined += [option, join(values)] if values else [option]
    return joined


def load_bounded(text: str) -> Any:
    """Load YAML as jsonargparse does, unless a few lines of it stand for too many values.

    Raises:
        YAMLError: an alias stands for itself, or the values are more than MOST_VALUES once its aliases are written out.
    """
    if "&" in text and "*" in text:  # there is no alias without both
        sizes: dict[int, int] = {}
        _size(yaml.compose(text, Loader=yaml.SafeLoader), sizes)
    return _LOAD(text)


def _size(node: yaml.Node | None, sizes: dict[int, int]) -> int:
    """Count the values that a node stands for; `sizes` keeps each node's, so that none is walked twice."""
    if node is None or isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in sizes:
        sizes[id(node)] = 0  # not yet known: met again below, it stands for itself
        below = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
        sizes[id(node)] = 1 + sum(_size(part, sizes) for part in below)
    if not sizes[id(node)]:
        raise yaml.YAMLError("an alias in it stands for itself")
    if sizes[id(node)] > MOST_VALUES:
        raise yaml.YAMLError(f"its aliases stand for more than {MOST_VALUES} values")
    return sizes[id(node)]


def _whole_first(sort: Callable[..., Sequence[Any]]) -> Callable[..., Sequence[Any]]:
    """Have `int` tried before `float` if an argument takes both: `limit_train_batches: 1` is one batch, 1.0 is all.

    The parser goes by the order in the annotation, which need not be the one that was written: typing keeps one object
    for `Optional[Union[int, float]]` and `Optional[Union[float, int]]`, that of whoever was imported first.
    """

    def sorted_types(*args: Any) -> Sequence[Any]:
        types = list(sort(*args))
        if int in types and float in types[: types.index(int)]:
            types.remove(int)
            types.insert(types.index(float), int)
        return types

    return sorted_types


_typehints.sort_subtypes_for_union = _whole_first(_typehints.sort_subtypes_for_union)
_LOAD = get_loader("yaml")
set_loader("yaml", load_bounded, exceptions=(yaml.YAMLError,))  # also of a project's own parser, and of Lightning's
