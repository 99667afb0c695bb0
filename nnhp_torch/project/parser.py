"""A project's own parser: it checks and completes each configuration of a sweep before anything is trained."""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentError
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from typing import Any

import lightning as L
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser

from nnhp_torch.cli.arguments.parser import load_bounded
from nnhp_torch.cli.arguments.refusal import refusal
from nnhp_torch.core.spec.names import flat
from nnhp_torch.project import keys
from nnhp_torch.project.capture import command_line_of
from nnhp_torch.project.importing import NoProject, module_name
from nnhp_torch.project.trainer import FLAGS, UNUSED, refuse

# Of their keys, those that stand in no configuration: they change no result, or are fields and flags of the sweep's.
_ELSEWHERE = {*keys.OURS, *(f"trainer.{name}" for name in (*FLAGS, *UNUSED, "min_epochs")), "config", "weights_only"}

# Likewise, but a trial has them all the same: a module may ask how often something is logged.
_ASIDE = ("trainer.logger.", "trainer.log_every_n_steps.")


class Settings:
    """One configuration of a project: frozen, named by their dotted keys.

    `vars()` of it are `cli` (where it comes from), `seed`, `max_epochs`, and whatever departs from the defaults of the
    project's own code. Any other of their keys is an attribute too. Loggers stand aside: they change no result.

    Example:
        >>> train = project("train.py:main")
        >>> settings = train.settings(train.parse(["--model.lr=0.1", "--trainer.max_epochs=5"]))
        >>> getattr(settings, "model.lr"), getattr(settings, "trainer.gradient_clip_val")
        (0.1, None)
    """

    __slots__ = ("__dict__", "aside")

    def __init__(
        self,
        cli: str = "",
        seed: int | None = None,
        max_epochs: int | None = None,
        *,
        aside: Mapping[str, Any] | None = None,
        **theirs: Any,
    ) -> None:
        object.__setattr__(self, "aside", dict(aside or {}))
        vars(self).update(cli=cli, seed=seed, max_epochs=max_epochs, **theirs)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Settings, **vars(self), aside=self.aside), ()

    @property
    def theirs(self) -> dict[str, Any]:
        """The settings that depart from the defaults of the project's code, by dotted key."""
        return {name: value for name, value in vars(self).items() if name not in ("cli", *keys.OURS.values())}

    def cli_config(self) -> str:
        """Return all of it as YAML, for `--config` of the project's own `fit`."""
        return project(self.cli).written(self)

    @property
    def script_modules(self) -> list[str]:
        """The module of the script that makes the command line; of classes there is none."""
        return [] if self.cli.startswith("--model ") else [module_name(self.cli.partition(":")[0])]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a configuration is frozen: {name} cannot be set")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not vars(self).get("cli"):
            raise AttributeError(name)
        return project(self.cli).value(self, name)

    def __replace__(self, **changes: Any) -> Settings:
        return project(self.cli).changed(self, changes)

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


@cache
def project(cli: str) -> Project:
    """Return the project that a name stands for, opened once in a process."""
    return Project(cli)


class Project:
    """A project's parser, as far as a fit needs it.

    Args:
        cli: module, script or function that makes a LightningCLI; or `--model package.Net --data package.Data`.

    Raises:
        NoProject: there is no LightningCLI behind the name that could be swept.
    """

    def __init__(self, cli: str) -> None:
        self.cli = cli
        made, self.given = command_line_of(cli)
        if made.trainer_class is not L.Trainer:
            raise NoProject(f"{cli} has a Trainer of its own, {made.trainer_class!r}: a sweep has Lightning's")
        self.root, self.parser = made.parser, keys.fit_parser(made)
        self.files = self.root.default_config_files, self.parser.default_config_files
        for parser in (self.root, self.parser):
            parser.exit_on_error = False
            parser.allow_abbrev = False
        self._known: dict[str, Namespace] = {}
        self._changed: dict[str, dict[str, Any]] = {}

    def parse(self, args: list[str]) -> Namespace:
        """Parse arguments as their command line would, with those that their code has given it.

        Raises:
            ValueError: their parser refuses one, or the sweep does.
        """
        self.root.default_config_files, self.parser.default_config_files = self.files
        try:
            if self.given is not None and not isinstance(self.given, list):
                given = flat(dict(self.given).get(keys.SUBCOMMAND, self.given))
                args = [*keys.arguments(given), *args]
            elif self.given:
                args = [*self.given, *args]
            if self.root is self.parser:
                parsed = self.parser.parse_args(args)
            else:
                fit = keys.SUBCOMMAND
                first = [arg for arg in args if _is_of_all_subcommands(arg)]
                rest = [arg for arg in args if arg not in first]
                parsed = self.root.parse_args([*first, *(rest if fit in rest else [fit, *rest])])[fit]
        except ArgumentError as error:
            raise ValueError(refusal(self.parser, error, args)) from error
        finally:
            keys.without_files(self.root, self.parser)
        whole: Namespace = parsed.clone(with_meta=False)  # without the files that parts of it came from
        refuse(whole.get("trainer", {}), whole.get("ckpt_path"))
        return whole

    def settings(self, parsed: Namespace) -> Settings:
        """Return the configuration that the sweeper has of what their parser has made."""
        epochs, seed = (parsed.get(key) for key in keys.OURS)
        found = keys.departures(self.parser, parsed)
        aside = {key: found.pop(key) for key in list(found) if f"{key}.".startswith(_ASIDE)}
        theirs = {key: value for key, value in found.items() if key not in _ELSEWHERE}
        return Settings(self.cli, seed if type(seed) is int else None, epochs, aside=aside, **theirs)

    def changed(self, settings: Settings, changes: Mapping[str, Any]) -> Settings:
        """Return a configuration with other values, which their parser checks as it would on the command line.

        Raises:
            ValueError: there is no such key, its type refuses the value, or the sweep does.
        """
        changes = {keys.OURS.get(name, name): value for name, value in changes.items()}
        ours = {name: changes.pop(name) for name in keys.OURS.values() if name in changes}
        settings = Settings(**{**vars(settings), **ours}, aside=settings.aside)
        if not changes:
            return settings
        text = json.dumps([settings.theirs, changes], sort_keys=True)
        if text not in self._changed:
            self._changed[text] = self._change(settings, keys.arguments(self._whole_lists(settings, changes))).theirs
        return Settings(self.cli, settings.seed, settings.max_epochs, aside=settings.aside, **self._changed[text])

    def _whole_lists(self, settings: Settings, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the changes, with the whole list in place of a key below it: `trainer.callbacks.0.patience`."""
        whole: dict[str, Any] = {}
        plain: dict[str, Any] = {}
        for key, value in changes.items():
            parts = key.split(".")
            if not any(map(str.isdecimal, parts)) and len(parts) < 3:
                whole[key] = value
                continue
            plain = plain or keys.without_objects(keys.plain_of(self.parser, self.parsed(settings)))
            found = next((".".join(parts[:n]) for n in range(1, len(parts)) if keys.is_list(plain, parts[:n])), "")
            if not found:
                whole[key] = value
                continue
            index, _, below = key.removeprefix(f"{found}.").partition(".")
            listed = whole.setdefault(found, keys.at(plain, found))
            if not (index.isdecimal() and int(index) < len(listed) and below):
                near = f"{found}.0.{key.rpartition('.')[2]}"
                raise ValueError(f"{found} is a list of {len(listed)}: name which of it, from 0 on, as {near}")
            keys.put(listed[int(index)], below, value)
        return whole

    def _change(self, settings: Settings, args: list[str]) -> Settings:
        try:
            parsed = self.parser.parse_args(args, namespace=self.parsed(settings), env=False)
        except ArgumentError as error:
            raise ValueError(refusal(self.parser, error, args)) from error
        refuse(parsed.get("trainer", {}), parsed.get("ckpt_path"))
        return self.settings(parsed)

    def typed(self, base: Settings, key: str, value: Any) -> Any:
        """Return a value of an axis as their parser understands it, which checks it.

        Raises:
            ValueError: as `changed`.
        """
        changed = self.changed(base, {key: value})
        made = getattr(changed, key)
        if isinstance(made, (str, int, float)):
            return made
        read = load_bounded(value) if isinstance(value, str) else value
        with suppress(ValueError):
            if self.changed(base, {key: read}).theirs == changed.theirs:
                return read
        # Read as YAML, a word in it would be something else.
        return keys.at(keys.plain_of(self.parser, self.parsed(changed)), key)

    def value(self, settings: Settings, key: str) -> Any:
        """Return the value of one of their keys; raise AttributeError if there is no such key."""
        try:
            return keys.at(self.parsed(settings), key)
        except KeyError:
            raise AttributeError(f"{self.cli} has no key {key!r}") from None

    def parsed(self, settings: Settings) -> Namespace:
        """Return the whole configuration; a copy."""
        text = repr(settings)
        if text not in self._known:
            self._known = {text: configuration(self.parser, settings)}  # most often it is the sweep's base
        return self._known[text].clone()

    def written(self, settings: Settings) -> str:
        """Return the whole configuration as YAML, under the name that the project has for Lightning."""
        text: str = self.parser.dump(self.parsed(settings), skip_unset=False)
        return keys.under_name(text, "pytorch_lightning") if "pytorch_lightning.cli" in sys.modules else text


def configuration(parser: LightningArgumentParser, settings: Settings) -> Namespace:
    """Return the whole configuration that a trial's settings stand for."""
    ours = {key: value for key, name in keys.OURS.items() if (value := vars(settings)[name]) is not None}
    whole = deepcopy(keys.nested({**settings.theirs, **settings.aside, **ours}))  # the parser changes lists in place
    parsed: Namespace = parser.parse_object(whole, env=False)
    return parsed


def _is_of_all_subcommands(arg: str) -> bool:
    """Return whether it names a file that says `fit:` itself, and so stands before the subcommand."""
    option, _, path = arg.partition("=")
    try:
        return option == "--config" and bool(re.search(rf"^{keys.SUBCOMMAND}:", Path(path).read_text(), re.M))
    except (OSError, UnicodeDecodeError):
        return False  # which their parser says
