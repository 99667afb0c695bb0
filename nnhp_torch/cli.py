"""The command line that every sweep shares."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
import typing
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, Literal, TypeVar

from jsonargparse import ActionConfigFile, ArgumentParser, Namespace  # type: ignore[attr-defined]

from nnhp_torch.checkpoints import CheckpointPruning
from nnhp_torch.grid import Sweep
from nnhp_torch.launchers import InProcess, Workers, cores
from nnhp_torch.progress import ProgressReport
from nnhp_torch.reporting import CsvReport, FigureReport, TableReport, console
from nnhp_torch.results import LedgerError, ResultStore, disk_full
from nnhp_torch.runtime import Keep, Runtime
from nnhp_torch.sweeper import Chooser, Launch, Outcome, SweepCallback, Sweeper
from nnhp_torch.worker import PreparationError, WrongUsage

# Trainer's short names for a precision, and what they mean.
PRECISIONS = {"16": "16-mixed", "bf16": "bf16-mixed", "32": "32-true", "64": "64-true"}
FULL_PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true", "64-true")

# Settings of the configuration that have a flag of their own instead of one under --base.
TOP_LEVEL = ("max_epochs", "protocol", "dataset")

FIRST_SEED = 123

Settings = dict[str, tuple[Any, Any, str]]  # name → type, default, help text
S = TypeVar("S", bound=Sweep)


class Parser(ArgumentParser):
    """Refuses in one line, where argparse would print the whole usage, and takes no abbreviation (`--base.lr`)."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str, ex: Exception | None = None) -> typing.NoReturn:
        line = " ".join(str(message).split())
        print(f"{self.prog}: {line} (--help lists the options)", file=sys.stderr)
        raise SystemExit(2)


def main(sweep: Sweep, argv: Sequence[str] | None = None, then: str | None = None) -> None:
    """Runs a sweep from the command line and leaves with its exit status.

    That is 0, or 1 where a trial failed, 2 for wrong usage, 130 after Ctrl-C, 143 after SIGTERM.

    Args:
        sweep: what to run; `--grid.*`, `--base.*` and the flags change a copy of it.
        argv: default: the process's own arguments.
        then: command to suggest when all is done.
    """
    command = command_line()
    parser = Parser(prog=command, usage=f"{command} [--option value …]", description=sweep.about)
    add_sweep_options(parser, sweep)
    args = parser.parse_args(argv)
    try:
        run = Run(changed(sweep, args), args, command, then)
    except ValueError as error:
        parser.error(str(error))
    raise SystemExit(run.list_trials() if args.dry_run else run.execute())


class Run:
    """One sweep as the command line wants it.

    Args:
        sweep: with the changes that the command line makes to it.
        args: what `add_options` has read.
        command: how the sweep is run, for its reports.
        then: command to suggest when all is done.

    Raises:
        ValueError: a value that makes no sense, before anything is done.
    """

    def __init__(self, sweep: Sweep, args: Namespace, command: str, then: str | None = None) -> None:
        precision = PRECISIONS.get(str(args.precision), str(args.precision))
        if precision not in FULL_PRECISIONS:
            allowed = ", ".join((*PRECISIONS, *FULL_PRECISIONS))
            raise ValueError(f"precision must be one of {allowed}, not {precision!r}")
        self.sweep = sweep
        self.args = args
        self.command = command
        self.then = then
        self.precision = precision
        self.seeds = _seeds(args.seeds)
        self.trials = sweep.trials(self.seeds, precision, args.threads)
        self.runtime = _runtime(sweep, args)
        self.jobs = _jobs(args, self.runtime)
        if args.launcher == "ray":
            _check_ray(args, self.runtime)
        self.store = ResultStore(self.runtime.folder)
        self.out = console()
        self.outcome: Outcome | None = None
        self.chooser: Chooser | None = None

    def list_trials(self) -> int:
        """Prints what would run, and writes nothing."""
        try:
            results = self.store.results()
        except LedgerError as error:
            return self._refuse(error)
        for trial in self.trials:
            known = results[trial.key].status if trial.key in results else "to run"
            self.out.print(f"{trial.name}  [dim]{known}[/]")
        missing = sum(t.key not in results or not results[t.key].settled for t in self.trials)
        self.out.print(f"{missing} of {len(self.trials)} trials would run; results go to {self.store.folder}")
        return 0

    def execute(self) -> int:
        """Runs the sweep; returns the exit status and keeps the outcome."""
        if self.args.data_dir is not None:
            os.environ["NNHP_DATA_DIR"] = str(self.args.data_dir)  # workers inherit it, on other machines too
        folder = self.store.folder
        sweeper = Sweeper(self.launch(), self.store, self.callbacks(), self.args.fail_fast)
        try:
            if self.args.fresh and (aside := self.store.set_aside()):
                self.out.print(f"The earlier results are in {aside}")
            folder.mkdir(parents=True, exist_ok=True)
        except (LedgerError, OSError) as error:
            return self._refuse(error)
        try:
            with _Interrupt() as interrupt:
                self.outcome = sweeper.run(self.sweep, self.trials, interrupt.requested, self.chooser)
        except WrongUsage as error:
            return self._refuse(error, status=2)
        except (LedgerError, PreparationError) as error:
            return self._refuse(error)
        except OSError as error:
            if not disk_full(error):
                raise  # a callback's own, perhaps: its traceback tells
            return self._refuse(
                f"the disk with {folder} is full ({error}). Make room and run the same command again: "
                "what was there is intact, and each trial goes on from its last finished epoch."
            )
        return _status(self.outcome, interrupt)

    def launch(self) -> Launch:
        """Where the trials run."""
        if self.args.launcher == "ray":
            from nnhp_torch.ray_launcher import RayTasks

            jobs = None if self.args.jobs == "auto" else self.jobs
            return RayTasks(self.sweep.build, self.runtime, _ray_address(self.args), jobs, self.args.threads)
        if self.jobs:
            return Workers(self.sweep.build, self.runtime, self.jobs, self.args.threads)
        return InProcess(self.sweep.build, self.runtime)

    def callbacks(self) -> list[SweepCallback]:
        """What the sweep leaves and shows."""
        folder = self.store.folder
        return [
            ProgressReport(self.out),
            CheckpointPruning(folder, self.args.keep_checkpoints),
            CsvReport(folder),
            FigureReport(folder),
            TableReport(self.out, self.store, self.command, self.then),
        ]

    def _refuse(self, why: object, status: int = 1) -> int:
        print(f"{self.command}: {why}", file=sys.stderr)
        return status


def _status(outcome: Outcome, interrupt: _Interrupt) -> int:
    if outcome.interrupted and interrupt.signal is not None:
        return 128 + interrupt.signal
    return 0 if outcome.successful else 1


class _Interrupt:
    """Ctrl-C or SIGTERM asks for a tidy end; a second one ends at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def requested(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> _Interrupt:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if os.isatty(1):
                os.write(1, b"\x1b[?25h")  # the cursor, which the progress bar hides
            os._exit(128 + number)  # workers see that their parent is gone, and end
        self.signal = number


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
    return dataclasses.replace(sweep, base=dataclasses.replace(sweep.base, **base, **top), axes=axes)


def _seeds(seeds: int | list[int]) -> list[int]:
    chosen = list(range(FIRST_SEED, FIRST_SEED + seeds)) if isinstance(seeds, int) else seeds
    if not chosen or len(set(chosen)) < len(chosen) or min(chosen) < 0:
        raise ValueError(f"seeds must be a number of at least 1, or a list of different seeds from 0, not {seeds}")
    return chosen


def _runtime(sweep: Sweep, args: Namespace) -> Runtime:
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
        mode=sweep.mode,
    )


def _jobs(args: Namespace, runtime: Runtime) -> int:
    if args.jobs == "auto":
        return max(1, cores() // (int(args.threads) * runtime.world_size))
    jobs = int(args.jobs)
    if jobs < 0:
        raise ValueError(f"jobs must be auto or a number of at least 0, not {jobs}")
    if jobs == 0 and runtime.world_size > 1:
        raise ValueError("a trial on several devices needs processes of its own: give --jobs 1 or more")
    return jobs


def _check_ray(args: Namespace, runtime: Runtime) -> None:
    if find_spec("ray") is None:
        raise ValueError("--launcher ray needs Ray, which is not installed: pip install '.[ray]'")
    if not _ray_address(args):
        raise ValueError(
            "--launcher ray needs a cluster: give --ray_address or set RAY_ADDRESS (auto: on this machine)"
        )
    if args.jobs == 0:
        raise ValueError("with --launcher ray jobs must be auto or a number of at least 1, not 0")
    if runtime.world_size > 1:
        raise ValueError("with --launcher ray each trial has one device: give --devices 1")


def _ray_address(args: Namespace) -> str:
    return args.ray_address or os.environ.get("RAY_ADDRESS", "")


def command_line() -> str:
    """How this process was started, as a person would type it."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name:
        return f"python -m {spec.name.removesuffix('.__main__')}"
    return f"python {os.path.basename(sys.argv[0])}" if sys.argv and sys.argv[0] else "python"
