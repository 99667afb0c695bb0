"""What a project's parser has made of a configuration, as plain values: all of it, or what departs from its code."""

from __future__ import annotations

import json
import warnings
from argparse import ArgumentError
from contextlib import suppress
from copy import deepcopy
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from nnhp_torch.project.keys import DESCRIBED, flat, under_name, without_objects
from nnhp_torch.project.loading import NoProject

SUBCOMMAND = "fit"


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
    for tree in (plain_of(parser, parsed, skip_default=True), whole):
        said = without_objects(tree)  # which are defaults of their code, or cannot be kept
        with suppress(ArgumentError):
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
