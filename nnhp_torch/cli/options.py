"""The options of the command line, and what they say, checked before anything is done (ValueError)."""

from __future__ import annotations

import argparse
import dataclasses
import os
import typing
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeVar

from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]

from nnhp_torch.core.grid import Sweep, check_count
from nnhp_torch.run.local import cores
from nnhp_torch.run.runtime import Keep, Runtime

# Trainer's short names for a precision, and what they mean.
PRECISIONS = {"16": "16-mixed", "bf16": "bf16-mixed", "32": "32-true", "64": "64-true"}
FULL_PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true")

# Settings of the configuration that have a flag of their own instead of one under --base.
TOP_LEVEL = ("max_epochs", "protocol", "dataset")

FIRST_SEED = 123

Settings = dict[str, tuple[Any, Any, str]]  # name → type, default, help text
S = TypeVar("S", bound=Sweep)


def add_options(parser: ArgumentParser, top: Settings) -> None:
    """The options of every sweep: how trials are trained, and what the sweep does.

    Args:
        top: settings of the configuration that have a flag of their own (TOP_LEVEL).
    """
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of these options")
    trainer = parser.add_argument_group("how each trial is trained (as in Lightning's Trainer)")
    trainer.add_argument("--accelerator", type=str, default="auto", help="cpu, gpu, mps, … or auto")
    trainer.add_argument(
        "--devices", type=int | list[int], default=1, help="devices per trial: a number, or a list of indices"
    )
    trainer.add_argument("--strategy", type=str, default="auto", help="how several devices work together: ddp, …")
    trainer.add_argument("--precision", type=str | int, default="32-true", help="32-true, bf16-mixed, 16-mixed, …")
    for name, (hint, default, help) in top.items():
        trainer.add_argument(f"--{name}", type=hint, default=default, help=help)
    runs = parser.add_argument_group("the sweep")
    runs.add_argument(
        "--seeds",
        type=int | list[int],
        default=1,
        help=f"trials per cell: 5 means seeds {FIRST_SEED} to {FIRST_SEED + 4}; '[1, 7]' means those two",
    )
    runs.add_argument(
        "--jobs",
        type=int | Literal["auto"],
        default="auto",
        help="trials side by side, in processes of their own; 0 runs them in this process; auto: one per core",
    )
    runs.add_argument(
        "--launcher", type=Literal["local", "ray"], default="local", help="this machine, or a Ray cluster that is there"
    )
    runs.add_argument(
        "--ray_address", type=str | None, default=None, help="host:port of the cluster, or auto (else $RAY_ADDRESS)"
    )
    runs.add_argument("--threads", type=int, default=1, help="CPU threads per trial; another number, other last digits")
    runs.add_argument("--log_dir", type=str, default="lightning_logs", help="where the sweep's folder goes")
    runs.add_argument(
        "--data_dir",
        type=str | None,
        default=None,
        help="where the data is or goes (else $NNHP_DATA_DIR, else a cache)",
    )
    runs.add_argument("--keep_checkpoints", type=Keep, default="winner", help="which of the trials' checkpoints stay")
    runs.add_argument("--dry_run", action="store_true", help="list the trials and do nothing")
    runs.add_argument("--fresh", action="store_true", help="run everything anew; the old folder is renamed")
    runs.add_argument("--fail_fast", action="store_true", help="stop at the first trial that fails or diverges")


def add_sweep_options(parser: ArgumentParser, sweep: Sweep) -> None:
    """The options of every sweep, and the values of this one: `--grid.*` and `--base.*`."""
    settings = _settings(sweep)
    add_options(parser, {name: settings[name] for name in TOP_LEVEL if name in settings})
    grid = parser.add_argument_group("the grid: values to try")
    base = parser.add_argument_group("the base: what stays the same in every trial")
    for name, (hint, default, help) in settings.items():
        if name in sweep.axes:
            grid.add_argument(f"--grid.{name}", type=list[hint], default=list(sweep.axes[name]), help=help)  # type: ignore[valid-type]
        elif name not in (*TOP_LEVEL, "seed"):
            base.add_argument(f"--base.{name}", type=hint, default=default, help=help)
    add_replicates(parser, settings, sweep.replicates)


def add_replicates(parser: ArgumentParser, settings: Settings, declared: Mapping[str, Sequence[Any]]) -> None:
    """`--over.*` for every setting; --help lists those that the sweep declares."""
    about = "--over.NAME '[…]', of any setting that is no axis: each of its values is run with each of the seeds"
    over = parser.add_argument_group("what repeats each cell, as seeds do", about)
    for name, (hint, _, help) in settings.items():
        values = list(declared[name]) if name in declared else None
        shown = argparse.SUPPRESS if values is None else help
        over.add_argument(f"--over.{name}", type=list[hint], default=values, help=shown)  # type: ignore[valid-type]


def replicates(args: Namespace) -> dict[str, list[Any]]:
    """Field → the values that repeat each cell."""
    return {name: values for name, values in vars(args.over).items() if values is not None}


def _settings(sweep: Sweep) -> Settings:
    """Field → its type, its value in the sweep's base, its help text."""
    hints = typing.get_type_hints(type(sweep.base))
    return {
        field.name: (
            hints[field.name],
            getattr(sweep.base, field.name),
            field.metadata.get("help", field.name),
        )
        for field in dataclasses.fields(sweep.base)
    }


def changed(sweep: S, args: Namespace) -> S:
    """The sweep with what the command line says of its base and its axes."""
    base = vars(args.base) if "base" in args else {}
    top = {name: args[name] for name in TOP_LEVEL if name in args}
    axes = sweep.with_axes({name: args[f"grid.{name}"] for name in sweep.axes})
    changed_base = dataclasses.replace(sweep.base, **base, **top)
    return dataclasses.replace(sweep, base=changed_base, axes=axes, replicates=replicates(args))


def precision(args: Namespace) -> str:
    """Trainer's precision, in full."""
    chosen = PRECISIONS.get(str(args.precision), str(args.precision))
    if chosen not in FULL_PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join((*PRECISIONS, *FULL_PRECISIONS))}, not {chosen!r}")
    return chosen


def seeds(args: Namespace) -> list[int]:
    """The seeds of each cell."""
    given: int | list[int] = args.seeds
    check_count(given if isinstance(given, int) else len(given))
    chosen = list(range(FIRST_SEED, FIRST_SEED + given)) if isinstance(given, int) else given
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise ValueError(f"seeds must be a number of at least 1, or a list of different seeds from 0, not {given}")
    return chosen


def runtime(sweep: Sweep, args: Namespace) -> Runtime:
    """What the sweep's trials share."""
    devices = args.devices
    if (isinstance(devices, int) and devices < 1) or devices == []:
        raise ValueError(f"devices must be a number of at least 1 or a list of indices, not {devices}")
    if args.threads < 1:
        raise ValueError(f"threads must be at least 1, not {args.threads}")
    return Runtime(
        folder=str(Path(args.log_dir) / sweep.name),
        accelerator=args.accelerator,
        devices=devices if isinstance(devices, int) else tuple(devices),
        strategy=args.strategy,
        monitor=sweep.monitor,
        mode=sweep.objective.mode,
    )


def jobs(args: Namespace, on: Runtime) -> int:
    """Trials side by side; 0 where they run in this process."""
    if args.jobs == "auto":
        return max(1, cores() // (int(args.threads) * on.world_size))
    chosen = int(args.jobs)
    if chosen < 0:
        raise ValueError(f"jobs must be auto or a number of at least 0, not {chosen}")
    if chosen == 0 and on.world_size > 1:
        raise ValueError("a trial on several devices needs processes of its own: give --jobs 1 or more")
    return chosen


def ray_address(args: Namespace, on: Runtime) -> str:
    """Where the Ray cluster is; empty where trials run on this machine."""
    if args.launcher != "ray":
        return ""
    if find_spec("ray") is None:
        raise ValueError("--launcher ray needs Ray, which is not installed: pip install '.[ray]'")
    address: str = args.ray_address or os.environ.get("RAY_ADDRESS", "")
    if not address:
        raise ValueError(
            "--launcher ray needs a cluster: give --ray_address or set RAY_ADDRESS (auto: on this machine)"
        )
    if args.jobs == 0:
        raise ValueError("with --launcher ray jobs must be auto or a number of at least 1, not 0")
    if on.world_size > 1:
        raise ValueError("with --launcher ray each trial has one device: give --devices 1")
    return address
