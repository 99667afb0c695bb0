"""The parser of every command: it refuses in one line, and before a YAML's aliases fill the memory."""

from __future__ import annotations

import sys
import typing
from typing import Any

import yaml
from jsonargparse import ArgumentParser, get_loader, set_loader

from nnhp_torch.report.terminal import Terminal

MOST_VALUES = 1_000_000  # that a YAML may stand for, its aliases written out


class Parser(ArgumentParser):
    """Refuses in one line (argparse would print the whole usage), and takes no abbreviation (`--base.lr`)."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, parser_mode="bounded_yaml", **settings)

    def error(self, message: str, ex: Exception | None = None) -> typing.NoReturn:
        line = " ".join(str(message).split())
        Terminal(sys.stderr).print(f"{self.prog}: {line} (--help lists the options)", soft_wrap=True)
        raise SystemExit(2)


def load_bounded(text: str) -> Any:
    """Loads YAML as jsonargparse does, unless a few lines of it stand for too many values.

    Raises:
        YAMLError: an alias stands for itself, or the values are more than MOST_VALUES once its aliases are written out.
    """
    if "&" in text and "*" in text:  # there is no alias without both
        sizes: dict[int, int] = {}
        _size(yaml.compose(text, Loader=yaml.SafeLoader), sizes)
    return get_loader("yaml")(text)


def _size(node: yaml.Node | None, sizes: dict[int, int]) -> int:
    """Counts the values that a node stands for; `sizes` keeps each node's, so that none is walked twice."""
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


set_loader("bounded_yaml", load_bounded, exceptions=(yaml.YAMLError,))
