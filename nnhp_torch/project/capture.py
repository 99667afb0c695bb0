"""Somebody's LightningCLI, run as far as its parser, or as far as the fit that it would start; never further."""

from __future__ import annotations

import contextlib
import inspect
import io
import multiprocessing
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Optional
from unittest.mock import patch

import lightning as L
import torch
from lightning.pytorch.cli import LightningCLI, LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities.model_helpers import is_overridden

from nnhp_torch.project.importing import Left, NoProject, expect_command_line, load, main_block
from nnhp_torch.project.keys import SUBCOMMAND
from nnhp_torch.project.later_fits import later_fit
from nnhp_torch.run.resume.global_variables import made_anew
from nnhp_torch.run.resume.isolation import isolated, standing_in

Parse = Callable[[LightningCLI, Any, Any], None]  # in place of LightningCLI.parse_arguments

_SCHEDULER = Optional[LRSchedulerCallable]  # noqa: UP045  # such a union's `|` fails on Python 3.10
_FACTORIES = {  # what somebody can only mean by such a hint
    "Optimizer": OptimizerCallable,
    **dict.fromkeys(("lr_scheduler", "LRScheduler", "_LRScheduler"), _SCHEDULER),
}


@dataclass(frozen=True)
class Fit:
    """A project's own call of `Trainer.fit`."""

    trainer: L.Trainer
    model: L.LightningModule
    train_dataloaders: Any = None
    val_dataloaders: Any = None
    datamodule: L.LightningDataModule | None = None
    ckpt_path: Any = None
    weights_only: Any = None


def command_line_of(source: str) -> tuple[LightningCLI, Any]:
    """Return a project's LightningCLI as it is before it reads any argument, and the arguments that its code gives it.

    Raises:
        NoProject: it cannot be found or imported, trains without a LightningCLI, or makes none.
    """

    def leave(cli: LightningCLI, parser: Any, args: Any) -> None:
        raise Left((cli, args))

    def trains(*_: Any, **__: Any) -> None:
        raise Left(None, f"{source} trains without a LightningCLI: give its classes instead, by --model and --data")

    work: list[tuple[Any, str]] = [(L.Trainer, name) for name in ("fit", "validate", "test", "predict")]
    work += (L.Fabric, "__init__"), (torch.autograd, "backward")  # to which a loop of their own comes
    home = os.getcwd()
    try:
        with isolated():
            reached = _reached(source, leave, dict.fromkeys(work, trains))
        if os.getcwd() != home:  # it would be another one for the trials after the first
            os.chdir(home)
            raise NoProject(
                f"{source} changes the working directory when it is imported (os.chdir): "
                "do that in the function that makes the command line, as it then holds for each trial"
            )
    except NoProject:
        raise
    except (Exception, SystemExit) as error:
        raise NoProject(f"{source} cannot be run: {type(error).__name__}: {error}") from error
    if reached is None:
        raise NoProject(f"{source} makes no LightningCLI: name the function that does, as {source}:main")
    cli, args = reached
    return cli, args


def fit_of(source: str, parse: Parse) -> Fit:
    """Make what a project would fit, by its own code.

    Args:
        parse: gives the LightningCLI its configuration.

    Raises:
        NoProject: as command_line_of; or it never calls Trainer.fit, or more than once.
    """

    def fit(trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        where = later_fit(sys._getframe(2))
        said = (
            f"{source} fits more than once ({where}), and a sweep trains one fit: name a function with that one alone"
        )
        raise Left(Fit(trainer, *args, **kwargs), said if where else "")

    with patch.object(LightningCLI, "_prepare_subcommand_parser", _prepare_fit):
        reached = _reached(source, parse, {(L.Trainer, "fit"): fit})
    if not isinstance(reached, Fit):
        raise NoProject(f"{source} never calls Trainer.fit")
    return reached


_prepare = LightningCLI._prepare_subcommand_parser


def _prepare_fit(cli: LightningCLI, of: type, subcommand: str, **settings: Any) -> Any:
    """Leave the parsers of other subcommands empty: to fill all four takes longer than a short trial."""
    called: Any = type(cli)._prepare_subcommand_parser  # a project may have its own, which calls Lightning's
    if subcommand == SUBCOMMAND or called is not _prepare_fit:
        return _prepare(cli, of, subcommand, **settings)
    return cli.init_parser(**settings)


def _reached(source: str, parse: Parse, instead: dict[tuple[Any, str], Callable[..., None]]) -> Any:
    """Run a project's code until it is left, and return what it has come to.

    Args:
        instead: where it is to be left → what is called there.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(standing_in(LightningCLI, "parse_arguments", parse))
        for (owner, name), function in instead.items():
            stack.enter_context(standing_in(owner, name, _alike(getattr(owner, name), function)))
        stack.enter_context(patch.object(sys, "argv", [source]))
        # What a process may do once this code does for each trial; no result depends on it.
        multiprocessing.set_start_method(None, force=True)
        stack.enter_context(standing_in(torch, "set_num_interop_threads", lambda _: None))
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))  # a banner, once per trial
        try:
            _run(source)
        except Left as left:
            if left.refused:
                raise NoProject(left.refused) from None
            return left.reached
    return None


def _alike(original: Callable[..., Any], function: Callable[..., None]) -> Callable[..., None]:
    """Call a function in another's place, with its signature: the parser reads there which arguments a fit has."""
    return wraps(original)(lambda *args, **kwargs: function(*args, **kwargs))


def _run(source: str) -> None:
    """Do what `python source` would do, or call the function behind a colon."""
    if source.startswith("--model "):
        return _fit_classes(source)
    where, _, name = source.partition(":")
    if where != "__main__":
        expect_command_line(where)
    module = load(where)
    if not name:
        block = main_block(module)
        made_anew(module.__name__, block)
        return exec(block, vars(module))
    function = getattr(module, name, None)
    if not callable(function):
        raise NoProject(f"{where} has no function {name!r}")
    parameters = inspect.signature(function).parameters.values()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    if needed := [p.name for p in parameters if p.default is p.empty and p.kind not in variable]:
        raise NoProject(f"{source} needs {', '.join(needed)}: a function without arguments can be called")
    function()
    return None


def _fit_classes(source: str) -> None:
    """Fit what `--model package.Net --data package.Data` names, on arguments from its own LightningCLI.

    Raises:
        NoProject: there is no such class, or nothing to train on.
    """
    named = dict(zip(*[iter(shlex.split(source))] * 2, strict=True))
    model, data = _find(named["--model"]), _find(named["--data"]) if "--data" in named else None
    _expect_factories(model)
    # Its hyperparameters are what it is given, as if it were made by hand, not the configuration of that.
    cli = LightningCLI(model, data, run=False, save_config_callback=None, load_from_checkpoint_support=False)
    if data is None and not is_overridden("train_dataloader", cli.model):
        raise NoProject(f"{model.__name__} has no train_dataloader of its own: name its LightningDataModule by --data")
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)


def _find(name: str) -> type:
    """Return the class behind `package.Net` or `file.py:Net`."""
    where, _, attribute = name.rpartition(":" if ":" in name else ".")
    found = getattr(load(where), attribute, None) if where else None
    if not isinstance(found, type):
        raise NoProject(f"there is no class {name}: it is named as package.module.Net, or as file.py:Net")
    return found


def _expect_factories(model: Any) -> None:
    """Read `optimizer: Optimizer` as what it can only mean before there are parameters: a class with arguments.

    The same holds of a scheduler. Such modules are usually given partials, as Hydra makes them.
    """
    for name, parameter in inspect.signature(model.__init__).parameters.items():
        hint = parameter.annotation  # a class, a module (torch.optim.lr_scheduler), or the name of one
        last = str(getattr(hint, "__name__", hint)).rpartition(".")[2]
        if last in _FACTORIES:
            model.__init__.__annotations__[name] = _FACTORIES[last]
