"""`python -m nnhp_torch sweep`: a sweep over somebody's project, none of whose files is changed."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from nnhp_torch.cli import options
from nnhp_torch.cli.main import main as main_of_sweep
from nnhp_torch.cli.parser import Parser, load_bounded
from nnhp_torch.core.errors import SweepError
from nnhp_torch.core.grid import Sweep
from nnhp_torch.core.plan import change
from nnhp_torch.project.keys import arguments
from nnhp_torch.run.request import FIRST_SEED
from nnhp_torch.run.worker import quiet_lightning

PROG = "python -m nnhp_torch sweep"
BUILD = "nnhp_torch.project.build:build"


@dataclass(frozen=True)
class Asked:
    """What the command line says of a project.

    Args:
        cli: module, script or function that makes a LightningCLI, or `--model … --data …`.
        configs: its own YAML files.
        axes: its key → values to try.
        over: its key → values that repeat each cell, as seeds do.
        base: its key → a value, as its own command line takes it.
        rest: the options that every sweep has.
    """

    cli: str
    configs: Sequence[str]
    axes: dict[str, list[Any]]
    over: dict[str, list[Any]]
    base: dict[str, str]
    monitor: str
    mode: Any
    name: str
    rest: list[str]


def main(argv: Sequence[str]) -> NoReturn:
    """Runs a sweep over a project, and leaves with its exit status; the arguments are those after `sweep`."""
    parser = _parser()
    if {"-h", "--help"} & set(argv):
        parser.print_help()
        raise SystemExit(0)
    try:
        asked = read(argv)
        sweep, flags = sweep_of(asked)
        if not asked.monitor:
            raise ValueError(ask(sweep, [*asked.rest, *flags]))
    except (ValueError, SweepError) as error:
        parser.error(str(error))
    main_of_sweep(sweep, argv=[*asked.rest, *flags])


def ask(sweep: Sweep, argv: Sequence[str]) -> str:
    """What to ask of somebody who has not said what ranks the cells, once a first epoch has shown what there is."""
    from nnhp_torch.project.metrics import metrics_of, question

    parser = Parser(prog=PROG)
    options.add_sweep_options(parser, sweep)
    args = parser.parse_args(argv)
    request = options.read(sweep, args)
    if args.dry_run or request.world_size > 1 or request.cluster:
        return "what ranks the cells? Give --monitor, as the model logs it: val_loss, val/acc, …"
    return question(metrics_of(sweep, request))


def read(argv: Sequence[str]) -> Asked:
    """Raises ValueError if something is missing or cannot be read."""
    own = _Own(prog=PROG, add_help=False, allow_abbrev=False)
    add_own_options(own)
    given, rest = own.parse_known_args(_joined(argv))
    keys: dict[str, dict[str, str]] = {"grid": {}, "over": {}, "base": {}}
    for option in [option for option in rest if re.match(r"--(grid|over|base)\.", option)]:
        rest.remove(option)
        kind, _, setting = option[2:].partition(".")
        key, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--{kind}.{key} needs a value")
        keys[kind][key] = value
    if bool(given.cli) == bool(given.model or given.data):
        raise ValueError("a project is named by --cli, or by its classes, --model and --data")
    if given.max_epochs:
        keys["base"]["trainer.max_epochs"] = given.max_epochs
    classes = " ".join(f"--{name} {shlex.quote(vars(given)[name])}" for name in ("model", "data") if vars(given)[name])
    if not given.cli and not given.model:
        raise ValueError("--data needs a --model beside it")
    if not keys["grid"]:
        raise ValueError("there is nothing to vary: give at least one --grid.KEY '[value, value]'")
    axes, over = ({key: _values(key, text) for key, text in keys[kind].items()} for kind in ("grid", "over"))
    name = given.name or Path((given.cli or given.model).partition(":")[0]).name.removesuffix(".py").split(".")[-1]
    return Asked(given.cli or classes, given.config, axes, over, keys["base"], given.monitor, given.mode, name, rest)


def sweep_of(asked: Asked) -> tuple[Sweep, list[str]]:
    """The sweep, and the options that their configuration has for it (`--accelerator` and the like).

    Raises:
        ValueError: their parser refuses a key or a value, or the sweep does.
    """
    from nnhp_torch.project.parser import project
    from nnhp_torch.project.trainer import flags, refuse_axis

    quiet_lightning()
    for key in (*asked.axes, *asked.over):
        refuse_axis(key)
    theirs = project(asked.cli)
    files = [f"--config={path}" for path in asked.configs]
    first = {key: values[0] for key, values in asked.axes.items()}
    parsed = theirs.parse([*files, *arguments({**asked.base, **first})])
    base = theirs.settings(parsed)
    if base.max_epochs is None:
        raise ValueError("for how many epochs? Give --max_epochs, or trainer.max_epochs in the project's configuration")
    seed, base = base.seed, change(base, {"seed": FIRST_SEED if base.seed is None else base.seed})
    axes, over = (
        {key: theirs.typed(base, key, values) for key, values in lists.items()} for lists in (asked.axes, asked.over)
    )
    sweep = Sweep(
        asked.name,
        base,
        axes,
        BUILD,
        f"A sweep over {asked.cli}",
        asked.monitor,
        asked.mode or (None if asked.monitor else "max"),
        replicates=over,
    )
    return sweep, flags(parsed["trainer"], seed, asked.rest)


def add_own_options(parser: Any) -> None:
    """What this command has beside the options of every sweep."""
    group = parser.add_argument_group("the project")
    group.add_argument("--cli", help="what makes a LightningCLI: package.module, package.module:function or file.py")
    group.add_argument("--model", help="or else a LightningModule's class: package.module.Net, or file.py:Net")
    group.add_argument("--data", help="and its LightningDataModule's")
    group.add_argument("-c", "--config", action="append", default=[], help="a YAML file of the project; repeatable")
    group.add_argument("--max_epochs", help="epochs per trial: the same as --base.trainer.max_epochs")
    group.add_argument(
        "--monitor", default="", help="the metric that ranks the cells, as the model logs it: val_loss, val/acc, …"
    )
    group.add_argument("--mode", choices=["max", "min"], help="which is better; default: what the metric's name tells")
    group.add_argument("--name", help="the folder under --log_dir; default: the project's last name")


def _parser() -> Parser:
    """Says what there is; what is read of it, is read in two steps."""
    usage = f"{PROG} --cli train.py [-c train.yaml] --grid.KEY '[value, value]' [--base.KEY value] --monitor METRIC"
    parser = Parser(prog=PROG, usage=usage, description=__doc__)
    add_own_options(parser)
    group = parser.add_argument_group("its keys, as its YAML has them: model.lr, trainer.max_epochs")
    group.add_argument("--grid.KEY", help="a list of values to try; several make their product")
    group.add_argument("--base.KEY", help="one value for all trials")
    group.add_argument("--over.KEY", help="a list of values: each cell is repeated for each of them, as for each seed")
    return parser


class _Own(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _joined(argv: Sequence[str]) -> list[str]:
    """`--grid.key value` as one word."""
    words: list[str] = []
    for word in argv:
        if words and re.fullmatch(r"--(grid|over|base)\.[^=]+", words[-1]) and not word.startswith("--"):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _values(key: str, text: str) -> list[Any]:
    try:
        values = load_bounded(text)
    except yaml.YAMLError as error:
        raise ValueError(f"--grid.{key} cannot be read: {error}") from error
    if not isinstance(values, list) or not values:
        raise ValueError(f"--grid.{key} needs a list with at least one value, such as '[0.1, 0.01]', not {text!r}")
    return values
