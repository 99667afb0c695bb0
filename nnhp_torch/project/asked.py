"""A request for a sweep over a project, from the command line or from Python, and the sweep that it stands for."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnhp_torch.core.spec.base import change
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.project.keys import arguments
from nnhp_torch.run.launch.process import quiet_lightning
from nnhp_torch.run.launch.request import FIRST_SEED, Request

BUILD = "nnhp_torch.project.build:build"


@dataclass(frozen=True)
class Asked:
    """The request for a sweep over a project.

    Args:
        cli: module, script or function that makes a LightningCLI, or `--model … --data …`.
        configs: its own YAML files.
        axes: its key → values to try.
        over: its key → values that repeat each cell, as seeds do.
        base: its key → a value.
        rest: the command line's options that every sweep has.
    """

    cli: str
    configs: Sequence[str]
    axes: dict[str, list[Any]]
    over: dict[str, list[Any]]
    base: dict[str, Any]
    monitor: str
    mode: Any
    name: str
    rest: list[str]


def sweep_of(asked: Asked) -> tuple[Sweep, dict[str, Any]]:
    """The sweep, and what their configuration says of its options (`accelerator` and the like).

    Raises:
        ValueError: their parser refuses a key or a value, or the sweep does.
    """
    from nnhp_torch.project.parser import project
    from nnhp_torch.project.trainer import refuse_axis, requested

    if not asked.axes:
        raise ValueError("there is nothing to vary: give at least one --grid.KEY '[value, value]'")
    quiet_lightning()
    for key in (*asked.axes, *asked.over):
        refuse_axis(key)
    theirs = project(asked.cli)
    files = [f"--config={path}" for path in asked.configs]
    given = {**asked.base, **{key: values[0] for key, values in asked.axes.items()}}
    in_lists = {key: given.pop(key) for key in list(given) if any(map(str.isdecimal, key.split(".")))}
    parsed = theirs.parse([*files, *arguments(given)])
    base = theirs.settings(parsed)
    if base.max_epochs in (None, -1):
        without_end = "" if base.max_epochs is None else "trainer.max_epochs is -1, without an end: "
        raise ValueError(
            f"{without_end}for how many epochs? Give --max_epochs, or trainer.max_epochs in the project's configuration"
        )
    base = change(base, {**in_lists, "seed": FIRST_SEED if base.seed is None else base.seed})
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
    return sweep, requested(parsed["trainer"])


def source_of(cli: str, model: str, data: str, *, name: str) -> tuple[str, str]:
    """Name a project from here on, and its sweep."""
    if bool(cli) == bool(model or data):
        raise ValueError("a project is named by --cli, or by its classes, --model and --data")
    if not cli and not model:
        raise ValueError("--data needs a --model beside it")
    classes = " ".join(f"--{flag} {shlex.quote(of)}" for flag, of in (("model", model), ("data", data)) if of)
    where, _, of = (cli or model).partition(":")
    last = of if where == "__main__" else Path(where).name.removesuffix(".py").split(".")[-1]
    return cli or classes, name or last


def question_of(sweep: Sweep, request: Request, only_listed: bool = False) -> str:
    """Asks what ranks the cells, with the metrics that a first epoch has shown."""
    from nnhp_torch.project.metrics import metrics_of, question

    if only_listed or request.world_size > 1 or request.cluster:
        return "what ranks the cells? Give --monitor, as the model logs it: val_loss, val/acc, …"
    return question(metrics_of(sweep, request))
