"""The options of the command line: the settings of a run, and the values of the sweep (ValueError if one is wrong)."""

from __future__ import annotations

import argparse
import dataclasses
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]

from nnhp_torch.cli.arguments.parser import PAIRS, VALUES
from nnhp_torch.core.spec.base import SweepBase, change
from nnhp_torch.run.launch.request import RUNNING, TRAINING, Request
from nnhp_torch.search.request import SearchRequest
from nnhp_torch.search.space import Range

Settings = dict[str, tuple[Any, Any, str]]  # name → type, default, help text
P = TypeVar("P", bound=SweepBase)


def kind(sweep: SweepBase) -> type[Request]:
    """Return the class of the request: a sweep's, or a search's."""
    return SearchRequest if sweep.sampled else Request


def add_options(parser: ArgumentParser, top: Settings, of: type[Request] = Request, *, config: bool = True) -> None:
    """The options of every sweep: how trials are trained, and what the sweep does.

    Args:
        top: settings of the configuration that have a flag of their own.
        of: the dataclass; its fields are flags.
        config: whether a file may have them.
    """
    groups = {title: parser.add_argument_group(title) for title in (RUNNING, TRAINING)}
    for field in _flags(of):
        add_field(groups.setdefault(field.metadata["group"], groups[RUNNING]), field.name, of)
    for name, (hint, default, help) in top.items():
        groups[TRAINING].add_argument(f"--{name}", type=hint, default=default, help=help)
    parser.add_argument("--dry_run", action="store_true", help="list the trials and do nothing")
    parser.add_argument(
        "--check",
        action="store_true",
        help="train a few epochs of the first cell twice, once stopped and resumed, and compare the digits",
    )
    if config:
        parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of these options")


def add_field(group: Any, name: str, of: type[Request] = Request) -> None:
    """The option of a request's field."""
    field, hint = next(field for field in _flags(of) if field.name == name), typing.get_type_hints(of)[name]
    settings = {"action": "store_true"} if hint is bool else {"type": hint}
    settings |= {"metavar": PAIRS} if name == "baseline" else {}
    default = {} if field.default is dataclasses.MISSING else field.default
    group.add_argument(f"--{name}", default=default, help=field.metadata["help"], **settings)


def add_sweep_options(parser: ArgumentParser, sweep: SweepBase) -> None:
    """The options of every sweep, and the values of this one: `--grid.*` and `--base.*`."""
    settings = _settings(sweep)
    axes = {name: axis for name, axis in sweep.axes.items() if name in settings}
    said = (
        "--grid.NAME VALUE … tries these values alone; --grid.NAME+ VALUE tries one more beside those that stand here, "
        "at its place in their order."
    )
    if sweep.sampled:
        said = "--grid.NAME with two values gives the ends of a range; where words stand here, it gives the choices."
    grid = parser.add_argument_group("what varies", said)
    for name, axis in axes.items():
        hint, _, help = settings[name]
        values = axis.ends if isinstance(axis, Range) else list(axis)
        add_list(grid, f"--grid.{name}", hint, default=values, help=help)
    add_options(parser, {name: settings[name] for name in own_flags(type(sweep.base))}, kind(sweep))
    if not sweep.sampled:
        add_replicates(parser, settings, sweep.replicates)
    base = parser.add_argument_group("what stays the same in every trial")
    for name, (hint, default, help) in settings.items():
        if name not in (*sweep.axes, *own_flags(type(sweep.base)), "seed"):
            base.add_argument(f"--base.{name}", type=hint, default=default, help=help)
    add_environment(parser, sweep.environment)


def add_list(group: Any, option: str, of: Any, **settings: Any) -> None:
    """An option that takes one value or several."""
    group.add_argument(option, type=list[of], metavar=VALUES, **settings)


def own_flags(config: type) -> list[str]:
    """Return the settings of a configuration that have a flag of their own, as their fields' metadata say (`flag`)."""
    fields = dataclasses.fields(config) if dataclasses.is_dataclass(config) else ()
    return ["max_epochs", *(field.name for field in fields if field.metadata.get("flag"))]


def add_environment(parser: ArgumentParser, environment: Mapping[str, str]) -> None:
    """A flag for each variable that the trials read in their environment."""
    for flag, variable in environment.items():
        parser.add_argument(f"--{flag}", type=str | None, default=None, help=f"what the trials find in ${variable}")


def add_replicates(parser: ArgumentParser, settings: Settings, declared: Mapping[str, Sequence[Any]]) -> None:
    """`--over.*` for every setting; --help lists those that the sweep declares."""
    over = parser.add_argument_group(
        "what repeats each combination of values, as seeds do",
        "--over.NAME VALUE …, of any setting that does not vary: each of its values is run with each of the seeds.",
    )
    for name, (hint, _, help) in settings.items():
        values = list(declared[name]) if name in declared else None
        shown = argparse.SUPPRESS if values is None else help
        add_list(over, f"--over.{name}", hint, default=values, help=shown)


def replicates(args: Namespace) -> dict[str, list[Any]]:
    """Field → the values that repeat each cell."""
    return {name: values for name, values in vars(args.over).items() if values is not None}


def _settings(sweep: SweepBase) -> Settings:
    """Field → its type, its value in the sweep's base, its help text."""
    if not dataclasses.is_dataclass(sweep.base):  # it has options of its own
        return {"max_epochs": (int, sweep.base.max_epochs, "epochs per trial")}
    hints = typing.get_type_hints(type(sweep.base))
    return {
        field.name: (hints[field.name], getattr(sweep.base, field.name), field.metadata.get("help", field.name))
        for field in dataclasses.fields(sweep.base)
    }


def changed(sweep: P, args: Namespace) -> P:
    """Return the sweep with what the command line says of its base and its axes."""
    for group in ("base", "grid", "over"):
        if group in args and args[group] is None:  # in a file: a head with nothing below it
            raise ValueError(f"{group} needs settings below it, such as {next(iter(sweep.axes))}")
    base = vars(args.base) if "base" in args else {}
    top = {name: args[name] for name in own_flags(type(sweep.base)) if name in args}
    given = args.grid if "grid" in args else sweep.axes
    axes = {name: _axis(name, axis, given[name]) for name, axis in sweep.axes.items()}
    over: dict[str, Any] = {} if sweep.sampled else {"replicates": {**sweep.replicates, **replicates(args)}}
    return dataclasses.replace(sweep, base=change(sweep.base, {**base, **top}), axes=axes, **over)


def _axis(name: str, axis: Any, given: list[Any]) -> Any:
    """Return the axis to try: the values that are given, or the range between them if the sweep has a range there.

    A number that was added to numbers in their order (`--grid.lr+ 0.03`) stands where that order has it.
    """
    if not isinstance(axis, Range):
        known, added = list(axis), given[len(axis) :]
        if added and given[: len(known)] == known and all(type(value) in (int, float) for value in given):
            order = next((down for down in (False, True) if known == sorted(known, reverse=down)), None)
            return given if order is None else sorted(given, reverse=order)
        return given
    if len(given) != 2:
        raise ValueError(f"axis {name} is a range and needs its two ends, not {given}")
    return dataclasses.replace(axis, low=given[0], high=given[1])


def read(sweep: SweepBase, args: Namespace, **own: Any) -> Request:
    """Return how the command line asks for a sweep to be run.

    Args:
        own: what a script gives beside it: callbacks, launch, chooser.
    """
    of = kind(sweep)
    environment = {name: args[flag] for flag, name in sweep.environment.items() if args[flag] is not None}
    return of(**{field.name: args[field.name] for field in _flags(of)}, environment=environment, **own)


def _flags(of: type[Request]) -> list[dataclasses.Field[Any]]:
    """Return the fields of a request that are flags; what the trials read in their environment has flags of its own."""
    return [field for field in dataclasses.fields(of) if field.metadata]
