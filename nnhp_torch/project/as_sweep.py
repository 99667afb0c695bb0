"""A sweep over a project, as the command line or Python asks for it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from nnhp_torch.cli.command.check import OneTrial
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.base import change
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.objective import Metric, direction
from nnhp_torch.project.importing import NoProject, place
from nnhp_torch.project.keys import arguments
from nnhp_torch.run.launch.process import quiet_lightning
from nnhp_torch.run.launch.request import FIRST_SEED, Request
from nnhp_torch.run.launch.workers import InProcess


def as_sweep(
    cli: str,
    *,
    name: str,
    axes: Mapping[str, Sequence[Any]],
    over: Mapping[str, Sequence[Any]],
    base: Mapping[str, Any],
    configs: Sequence[str] = (),
    monitor: str = "",
    mode: Any = None,
) -> tuple[Sweep, dict[str, Any]]:
    """Return the sweep, and what the project's configuration says of its options (`accelerator` and the like).

    Args:
        cli: module, script or function that makes a LightningCLI, or `--model … --data …`.
        axes: its key → values to try.
        over: its key → values that repeat each cell, as seeds do.
        base: its key → a value.
        configs: its own YAML files.

    Raises:
        ValueError: their parser refuses a key or a value, or the sweep does.
    """
    from nnhp_torch.project.parser import project
    from nnhp_torch.project.trainer import refuse_axis, requested

    if not axes:
        raise ValueError("there is nothing to vary: give at least one --grid.KEY '[value, value]'")
    quiet_lightning()
    for key in (*axes, *over):
        refuse_axis(key)
    theirs = project(cli)
    files = [f"--config={path}" for path in configs]
    given = {**base, **{key: values[0] for key, values in axes.items()}}
    in_lists = {key: given.pop(key) for key in list(given) if any(map(str.isdecimal, key.split(".")))}
    parsed = theirs.parse([*files, *arguments(given)])
    settings = theirs.settings(parsed)
    if settings.max_epochs in (None, -1):
        without_end = "" if settings.max_epochs is None else "trainer.max_epochs is -1, without an end: "
        most = " at most" if parsed["trainer"]["max_steps"] > 0 else ""
        raise ValueError(
            f"{without_end}for how many epochs{most}? Give --max_epochs, or trainer.max_epochs in the project's "
            "configuration"
        )
    settings = change(settings, {**in_lists, "seed": FIRST_SEED if settings.seed is None else settings.seed})
    axes, over = (
        {key: [theirs.typed(settings, key, value) for value in lists[key]] for key in lists} for lists in (axes, over)
    )
    sweep = Sweep(
        name,
        settings,
        axes,
        "nnhp_torch.project.build:build",
        f"A sweep over {cli}",
        monitor,
        mode or (None if monitor else "max"),
        replicates=over,
    )
    return sweep, requested(parsed["trainer"])


def as_recorded(sweep: Sweep, folder: Path) -> Sweep:
    """Return the sweep over a project by the name that its ledger has: train.py, ./train.py and train are one.

    Raises:
        LedgerError: the ledger is damaged.
    """
    base = sweep.base
    results = ResultStore(folder).results(sweep.provenance).values()
    known = dict.fromkeys(str(result.config.get("cli", "")) for result in results)
    if base.cli not in known and not base.cli.startswith(("--model ", "__main__")):
        for name in known:
            with suppress(NoProject):
                if place(name) == place(base.cli):
                    return replace(sweep, base=type(base)(**{**vars(base), "cli": name}, aside=base.aside))
    return sweep


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
    """Ask for --monitor, with the metrics that a first epoch has shown and which direction each name tells."""
    if only_listed or request.world_size > 1 or request.launcher != "local":
        return "what ranks the cells? Give --monitor, as the model logs it: val_loss, val/acc, …"
    if not (names := sorted(_metrics_of(sweep, request), key=lambda name: (Metric(name).split != "val", name))):
        return "the model logs no metric: without one, such as self.log('val_loss', loss), no cell can be ranked"
    told = {"max": "more is better", "min": "less is better", None: "give --mode max or min beside it"}
    return f"what ranks the cells? Give --monitor: {'; '.join(f'{name} ({told[direction(name)]})' for name in names)}"


def _metrics_of(sweep: Sweep, request: Request) -> set[str]:
    """Return the metrics that the ledger has, or else those of the first trial, trained until it has been validated.

    Its checkpoint stays: once it is known what ranks the cells, the trial goes on from there.

    Raises:
        ValueError: the trial fails.
        LedgerError: another process has the folder.
    """
    store = ResultStore(request.folder(sweep))
    if known := {name for result in store.results(sweep.provenance).values() for name in result.history}:
        return known
    store.folder.mkdir(parents=True, exist_ok=True)
    first = sweep.trials(request.each_seed(sweep)[:1], request.full_precision, request.threads)[0]
    listener = OneTrial(end=getattr(sweep.base, "trainer.check_val_every_n_epoch") or 1)
    with store.lock():
        listener.listen(InProcess(sweep.build, request.runtime(sweep)), first)
    if listener.result is not None and listener.result.status == "failed":
        raise ValueError(f"the first trial failed: {listener.result.error}")
    return listener.metrics
