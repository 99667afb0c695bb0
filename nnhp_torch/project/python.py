"""A sweep over somebody's project from Python: `sweep("train.py", grid={"model.lr": [0.1, 0.01]}, …)`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nnhp_torch.cli.python import asked
from nnhp_torch.core.interfaces import SweepCallback
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.project.as_sweep import as_recorded, as_sweep, question_of, source_of
from nnhp_torch.run.launch.request import Request


def sweep(
    cli: str = "",
    *,
    model: str | type = "",
    data: str | type = "",
    config: Sequence[str] = (),
    grid: Mapping[str, Sequence[Any]],
    over: Mapping[str, Sequence[Any]] | None = None,
    base: Mapping[str, Any] | None = None,
    monitor: str = "",
    mode: Any = None,
    name: str = "",
    callbacks: Sequence[SweepCallback] = (),
    **requested: Any,
) -> Outcome:
    """Run a sweep over a project from Python or a notebook, as `python -m nnhp_torch sweep` does.

    Args:
        cli: module, script or function that makes a LightningCLI.
        model: or else a LightningModule's class, or where it is: `package.Net`, `file.py:Net`. A class of a notebook's
            trains in the notebook's own process.
        data: and its LightningDataModule's.
        config: YAML files of the project.
        grid: one of its keys → the values to try.
        over: one of its keys → values that repeat each cell, as seeds do.
        base: one of its keys → the value for all trials.
        monitor: the metric that ranks the cells. If it is not given, the first epoch of the first trial tells which
            metrics there are.
        mode: `"max"` or `"min"`; default: what the metric's name tells.
        name: the folder under `log_dir`; default: the project's last name.
        callbacks: SweepCallbacks of your own.
        requested: `seeds=3`, `jobs=2`, `max_epochs=5` and the other options of every sweep (see SweepBase.run).

    Returns:
        The Outcome, as of SweepBase.run; `.best.save_config(path)` writes what the project's `fit --config` takes.

    Raises:
        ValueError: the project cannot be found, or its parser refuses a key or a value; nothing was trained.

    Example:
        >>> outcome = sweep("train.py", grid={"model.lr": [0.1, 0.01]}, max_epochs=5, monitor="val_loss", seeds=3)
        >>> outcome.best.save_config("winner.yaml")
    """
    from nnhp_torch.project.parser import project

    project.cache_clear()  # a notebook's classes may have changed since
    named = {"model": _named(model), "data": _named(data)}
    fixed = dict(base or {})
    if "max_epochs" in requested:
        fixed["trainer.max_epochs"] = requested.pop("max_epochs")
    if empty := [key for key, values in grid.items() if not len(values)]:
        raise ValueError(f"{empty[0]} has no values to try")
    axes, repeated = ({key: list(values) for key, values in (lists or {}).items()} for lists in (grid, over))
    source, title = source_of(cli, **named, name=name)
    of_sweep = {"configs": config, "axes": axes, "over": repeated, "base": fixed, "monitor": monitor, "mode": mode}
    made, theirs = as_sweep(source, name=title, **of_sweep)
    requested = {**theirs, **requested}
    request = asked(Request, requested)
    made = as_recorded(made, request.folder(made))
    if not monitor:
        raise ValueError(question_of(made, request))
    return made.run(callbacks=callbacks, **requested)


def _named(of: str | type) -> str:
    if isinstance(of, str):
        return of
    return f"{of.__module__}{':' if of.__module__ == '__main__' else '.'}{of.__qualname__}"
