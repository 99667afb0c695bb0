"""A project's configuration as plain values under dotted keys: all of it, or what departs from its code."""

from __future__ import annotations

import json
import re
import warnings
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace, set_dumper

from nnhp_torch.core.spec.names import flat
from nnhp_torch.project.importing import NoProject

if TYPE_CHECKING:
    from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

SUBCOMMAND = "fit"
DESCRIBED = "described_json"  # a form of dump that tells of objects too
_OBJECT = "Unable to serialize instance "  # in jsonargparse's words

# A project's key → the field that every configuration of the sweeper has.
OURS = {"trainer.max_epochs": "max_epochs", "seed_everything": "seed"}


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys as the mappings in mappings that they stand for.

    >>> nested({"model.lr": 0.1, "model.net.width": 4})
    {'model': {'lr': 0.1, 'net': {'width': 4}}}
    """
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def arguments(values: Mapping[str, Any]) -> list[str]:
    """Values as their command line takes them: a class before its arguments."""
    keys = sorted(values, key=lambda key: (key.count("."), not key.endswith(".class_path")))
    return [f"--{key}={text if isinstance(text := values[key], str) else json.dumps(text)}" for key in keys]


def under_name(text: str, package: str) -> str:
    """Return a configuration with Lightning's classes under this name of the package."""
    return re.sub(r"(\bclass_path\W+)(?:lightning\.pytorch|pytorch_lightning)\b", rf"\1{package}", text)


def at(tree: Any, key: str) -> Any:
    """Return the value of a dotted key (it may leave out `init_args`); raise KeyError if there is none."""
    for part in key.split("."):
        if isinstance(tree, list) and part.isdecimal():
            tree = dict(enumerate(tree))[int(part)]
            continue
        branches = [tree, tree.get("init_args")] if isinstance(tree, (Namespace, dict)) else []
        tree = next((branch for branch in branches if branch is not None and part in branch), {})[part]
    return tree


def is_list(tree: dict[str, Any], parts: Sequence[str]) -> bool:
    try:
        return isinstance(at(tree, ".".join(parts)), list)
    except KeyError:
        return False


def put(tree: Any, key: str, value: Any) -> None:
    """Set a value in an item of a list; its key may leave out `init_args`."""
    *path, last = key.split(".")
    for part in path:
        tree = tree[part] if part in tree else tree.setdefault("init_args", {}).setdefault(part, {})
    if "class_path" in tree and last != "class_path" and last != "init_args":
        tree = tree.setdefault("init_args", {})
    tree[last] = value


def without_objects(tree: Any) -> Any:
    """Return a configuration without what its dump can only describe, such as a function."""
    if isinstance(tree, dict):
        return {key: without_objects(value) for key, value in tree.items() if not _is_object(value)}
    return [without_objects(value) for value in tree] if isinstance(tree, list) else tree


def _is_object(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_OBJECT)


def fit_parser(cli: LightningCLI) -> LightningArgumentParser:
    """Return the parser of what a fit needs: the whole one, or that of the subcommand."""
    if not hasattr(cli, "_subcommand_parsers"):  # run=False
        return cli.parser
    if SUBCOMMAND not in cli._subcommand_parsers:
        raise NoProject(f"there is no subcommand {SUBCOMMAND!r}, only {', '.join(cli._subcommand_parsers)}")
    return cli._subcommand_parsers[SUBCOMMAND]


def without_files(*parsers: LightningArgumentParser) -> None:
    """Have parsers read their code's defaults alone: what `default_config_files` say is in the settings already.

    It would come back wherever a setting stands at the code's default.
    """
    for parser in parsers:
        parser.default_config_files = []


def departures(parser: LightningArgumentParser, parsed: Namespace) -> dict[str, Any]:
    """Return the settings that depart from their code's defaults, by dotted key; all if those do not give it back."""
    whole = plain_of(parser, parsed)
    for skip_default in (True, False):
        with suppress(ArgumentError, ValueError):  # jsonargparse skips none beside an argument that has no type
            said = without_objects(plain_of(parser, parsed, skip_default))  # objects are defaults, or cannot be kept
            if plain_of(parser, parser.parse_object(deepcopy(said), env=False)) == whole:
                return flat(said)
    kept = flat(without_objects(whole))
    key = next((key for key, value in flat(whole).items() if kept.get(key) != value), "")
    raise NoProject(f"{key or 'the configuration'} holds an object that no ledger can hold, and is not its default")


def plain_of(parser: LightningArgumentParser, parsed: Namespace, skip_default: bool = False) -> dict[str, Any]:
    """Return a configuration as mappings, lists and plain values; objects are described, by a text."""
    with warnings.catch_warnings():  # of objects, which are looked for in it
        warnings.simplefilter("ignore")
        text = parser.dump(parsed, format=DESCRIBED, skip_default=skip_default, skip_unset=False, skip_validation=True)
    plain: dict[str, Any] = json.loads(under_name(text, "lightning.pytorch"))  # the same, whichever name is at hand
    return plain


set_dumper(DESCRIBED, lambda data: json.dumps(data, default=lambda thing: f"{_OBJECT}{thing!r}"))
