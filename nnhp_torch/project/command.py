"""`python -m nnhp_torch sweep`: a sweep over somebody's project; none of its files is changed."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import yaml

from nnhp_torch.cli.arguments import options
from nnhp_torch.cli.arguments.parser import Parser, listed, load_bounded
from nnhp_torch.cli.main import main as main_of_sweep
from nnhp_torch.core.errors import SweepError
from nnhp_torch.project.as_sweep import as_recorded, as_sweep, question_of, source_of

PROG = "python -m nnhp_torch sweep"


def main(argv: Sequence[str]) -> NoReturn:
    """Run a sweep over a project, and leave with its exit status; the arguments are those after `sweep`."""
    parser = _parser()
    if {"-h", "--help"} & set(argv):
        parser.print_help()
        raise SystemExit(0)
    try:
        project, rest = read(argv)
        sweep, theirs = as_sweep(**project)
        argv = [*(f"--{name}={value}" for name, value in theirs.items()), *rest]  # the last word counts
        of_sweep = Parser(prog=PROG)
        options.add_sweep_options(of_sweep, sweep)
        args = of_sweep.parse_args(argv)
        request = options.read(sweep, args)
        sweep = as_recorded(sweep, request.folder(sweep))
        if not project["monitor"] and "--check" not in rest:
            raise ValueError(question_of(sweep, request, only_listed=args.dry_run))
    except (ValueError, SweepError) as error:
        parser.error(str(error))
    main_of_sweep(sweep, argv=argv)


def read(argv: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return what makes the sweep, and the options that every sweep has; ValueError if something cannot be read."""
    own = _Own(prog=PROG, add_help=False, allow_abbrev=False)
    add_own_options(own)
    given, rest = own.parse_known_args(_joined(listed(argv, lambda option: option.startswith(("--grid.", "--over.")))))
    keys: dict[str, dict[str, str]] = {"grid": {}, "over": {}, "base": {}}
    for option in [option for option in rest if re.match(r"--(grid|over|base)\.", option)]:
        rest.remove(option)
        kind, _, setting = option[2:].partition(".")
        key, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--{kind}.{key} needs a value")
        keys[kind][key] = value
    if argv[:1] == ["fit"]:
        raise ValueError("leave out fit: each trial of a sweep is one")
    if meant := next((option for option in rest if re.match(r"--(?!slurm\.)[\w-]+\.", option)), None):
        key = meant[2:].partition("=")[0]
        raise ValueError(f"there is no --{key}: --grid.{key} gives its values, --base.{key} one for all trials")
    source, name = source_of(given.cli or "", given.model or "", given.data or "", name=given.name or "")
    if given.max_epochs:
        keys["base"]["trainer.max_epochs"] = given.max_epochs
    axes, over = ({k: _values(f"--{kind}.{k}", text) for k, text in keys[kind].items()} for kind in ("grid", "over"))
    of_sweep = {"cli": source, "name": name, "configs": given.config, "axes": axes, "over": over, "base": keys["base"]}
    rest = [*(f"--config={path}" for path in given.sweep_config), *rest]  # which what is typed overrules
    return {**of_sweep, "monitor": given.monitor, "mode": given.mode}, rest


def add_own_options(parser: Any) -> None:
    """Add this command's own options to those of every sweep."""
    group = parser.add_argument_group("the project")
    group.add_argument("--cli", help="what makes a LightningCLI: package.module, package.module:function or file.py")
    group.add_argument("--model", help="or else a LightningModule's class: package.module.Net, or file.py:Net")
    group.add_argument("--data", help="and its LightningDataModule's")
    group.add_argument("-c", "--config", action="append", default=[], help="a YAML file of the project; repeatable")
    group.add_argument(
        "--sweep_config", action="append", default=[], help="a YAML file of the options below, such as launcher"
    )
    group.add_argument("--max_epochs", help="epochs per trial: the same as --base.trainer.max_epochs")
    group.add_argument(
        "--monitor", default="", help="the metric that ranks the cells, as the model logs it: val_loss, val/acc, …"
    )
    group.add_argument("--mode", choices=["max", "min"], help="which is better; default: what the metric's name tells")
    group.add_argument("--name", help="the folder under --log_dir; default: the project's last name")


def _parser() -> Parser:
    """Say what there is; what is read of it, is read in two steps."""
    usage = f"{PROG} --cli train.py [-c train.yaml] --grid.KEY '[value, value]' [--base.KEY value] --monitor METRIC"
    about = "Tries settings of a project of yours; none of its files is changed."
    parser = Parser(prog=PROG, usage=usage, description=about)
    add_own_options(parser)
    group = parser.add_argument_group("its keys, as its YAML has them: model.lr, trainer.max_epochs")
    group.add_argument("--grid.KEY", help="a list of values to try; several make their product")
    group.add_argument("--base.KEY", help="one value for all trials")
    group.add_argument("--over.KEY", help="a list of values: each cell is repeated for each of them, as for each seed")
    options.add_options(parser, {}, config=False)
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


def _values(option: str, text: str) -> list[str]:
    """The values of a list as they are written: the project's parser knows where `off`, `010` and `1:30` are words."""
    try:
        values = load_bounded(text)
        written = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{option} cannot be read: {error}") from error
    if not isinstance(values, list) or not values:
        raise ValueError(f"{option} needs a list with at least one value, such as '[0.1, 0.01]', not {text!r}")
    return [node.value if isinstance(node, yaml.ScalarNode) else yaml.serialize(node) for node in written.value]
