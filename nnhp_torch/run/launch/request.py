"""How a sweep is to be run: each setting's name, default, help text and check, for the command line and for Python."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, Literal

from nnhp_torch import checks
from nnhp_torch.core.interfaces import Judge, MakeChooser, MakeLaunch, SweepCallback
from nnhp_torch.core.spec.base import SweepBase, check_effect, check_max_seeds
from nnhp_torch.core.spec.grid import check_count
from nnhp_torch.core.spec.interim import MOST
from nnhp_torch.core.stats.proposals import MOST as PROPOSED
from nnhp_torch.run.launch.machine import cores, trials_on_gpus
from nnhp_torch.run.launch.on_slurm.commands import Slurm
from nnhp_torch.run.runtime import SHORT, Keep, Runtime, check_device

FIRST_SEED = 123  # of a base that has none of its own

# The groups of --help.
TRAINING = "how each trial is trained (as in Lightning's Trainer)"
RUNNING = "the sweep"


def flag(default: Any, help: str, group: str = RUNNING) -> Any:
    """Return a Request's field that is a flag of the command line too, in a group of its --help."""
    made = {"default_factory": default} if callable(default) else {"default": default}
    return field(**made, metadata={"help": help, "group": group})


@dataclass(frozen=True, kw_only=True)
class Request:
    """How a sweep is to be run; each field with a help text is a flag of the command line too.

    Args:
        callbacks: the user's own, told after those that the sweep has.
        launch: what makes the launcher, of the sweep's build and its Runtime. Default: as the other fields say.
        chooser: what makes a chooser of the sweep, which names its cells in place of the grid, or of Optuna.
        judge: what may be said of the cells, in place of AgainstBest or, of a baseline, AgainstBaseline.
        environment: variable → what the trials find in it, wherever they run. It is no flag; a sweep's `environment`
            makes flags for it.

    Raises:
        ValueError: a value that makes no sense, alone or beside another one.

    Example:
        >>> Request(seeds=3, precision="bf16").each_seed(SWEEP)
        [123, 124, 125]
    """

    callbacks: Sequence[SweepCallback] = ()
    launch: MakeLaunch | None = None
    chooser: MakeChooser | None = None
    judge: Judge | None = None
    accelerator: str = flag("auto", "cpu, gpu, mps, … or auto", TRAINING)
    devices: int | list[int] = flag(1, "devices per trial: a number, or a list of indices", TRAINING)
    strategy: str = flag("auto", "how several devices work together: ddp, …", TRAINING)
    precision: str | int = flag("32-true", "32-true, bf16-mixed, 16-mixed, …", TRAINING)
    seeds: int | list[int] | Literal["auto"] = flag(
        1,
        "how often each combination of values is trained, each time with another seed: "
        "5 means the sweep's own seed and the four that follow it; '[1, 7]' means those two; "
        "auto adds seeds where they decide something",
    )
    max_seeds: int | None = flag(None, f"with --seeds auto, how many a cell has at most; default: {MOST}")
    jobs: int | Literal["auto"] = flag(
        "auto", "trials side by side, in worker processes; 0 runs them in this process; auto: one per GPU, or per core"
    )
    launcher: Literal["local", "ray", "slurm"] = flag("local", "this machine, or a Ray or SLURM cluster that is there")
    ray_address: str | None = flag(None, "host:port of the cluster, or auto (else $RAY_ADDRESS)")
    slurm: dict[str, str | int | bool] = flag(
        dict,
        "--slurm.NAME VALUE: array (trials at a time), trials_per_job, signal (seconds before the time limit), "
        "setup (shell lines), and what sbatch has: partition, time, cpus, gpus, mem, account, qos, …",
    )
    detach: bool = flag(False, "with --launcher slurm, Ctrl-C leaves the jobs alone, and asks nothing")
    threads: int = flag(1, "CPU threads per trial; another number, other last digits")
    smallest_effect: float | None = flag(
        None,
        "the smallest difference that matters: what lies within it of the best is as good; default: the sweep's "
        "own, else 0.001 (a tenth of a point) of an accuracy",
    )
    baseline: dict[str, Any] | None = flag(
        None,
        "the cell that all others are held against (lr=0.01), in place of the best of them: which are better, as "
        "good, worse? A sweep's axes that are not named are at the base's values",
    )
    require: Literal["better", "as-good"] | None = flag(
        None, "end with exit status 4 unless a cell is found better than the baseline; as-good: or as good as it"
    )
    proposal: str | None = flag(
        None,
        "the sweep against a baseline is one proposal of a ledger of this name: all of them share one 5%, and each "
        "has the seeds that it needs, from the sweep's own on, or from that of --seeds '[1000]'",
    )
    log_dir: str = flag("lightning_logs", "where the sweep's folder goes")
    keep_checkpoints: Keep = flag("winner", "which of the trials' checkpoints stay")
    fresh: bool = flag(False, "run everything anew; the old folder is renamed")
    stale: Literal["fail", "use", "rerun"] = flag(
        "fail",
        "of results that another source of the module has made: fail shows them and ends with exit status 3, use "
        "takes them as they are, rerun makes them anew",
    )
    fail_fast: bool = flag(False, "stop at the first trial that fails or diverges")

    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_effect(self.smallest_effect)
        checks.require(bool(self.log_dir), "log_dir names a folder, and is empty here")
        for folder in (Path(self.log_dir), *Path(self.log_dir).parents):
            checks.require(not os.path.isfile(folder), f"log_dir: {folder} is a file, and a folder belongs there")
        for callback in self.callbacks:
            if not isinstance(callback, SweepCallback):
                raise ValueError(_not_told(callback))
        self._check_choices()
        check_device(self.accelerator, self.full_precision)
        self._check_seeds()
        if not _is_whole(self.devices, 1) and not _are_whole(self.devices):
            raise ValueError(f"devices must be a number of at least 1 or a list of indices, not {self.devices}")
        checks.whole("threads", self.threads, 1)
        if self.jobs != "auto" and not _is_whole(self.jobs, 0):
            raise ValueError(f"jobs must be auto or a number of at least 0, not {self.jobs}")
        if self.jobs == 0 and self.world_size > 1:
            raise ValueError("a trial on several devices needs processes of its own: give --jobs 1 or more")
        if self.launcher == "ray":
            self._check_ray()
        if self.launcher == "slurm":
            self._check_slurm()
        elif self.slurm or self.detach:  # or all would be trained on the login node
            raise ValueError(f"--{'slurm' if self.slurm else 'detach'} is for --launcher slurm, not {self.launcher}")

    def _check_choices(self) -> None:
        hints = typing.get_type_hints(type(self))
        for part in fields(self):
            value, choices = getattr(self, part.name), typing.get_args(hints[part.name])
            if typing.get_origin(hints[part.name]) is Literal:
                checks.choice(part.name, value, choices)
            if hints[part.name] is bool and not isinstance(value, bool):
                raise ValueError(f"{part.name} must be true or false, not {value!r}")

    def _check_seeds(self) -> None:
        given: Any = self.seeds
        if self.races and (given in (1, "auto") or (_are_whole(given) and len(given) == 1)):
            check_max_seeds(self.max_seeds)
            check_count(self.most_seeds)
            return
        if self.max_seeds is not None:
            raise ValueError("max_seeds is for --seeds auto")
        if type(given) is int or _are_whole(given):
            check_count(given if type(given) is int else len(given))
        if not _is_whole(given, 1) and not (_are_whole(given) and len(set(given)) == len(given)):
            raise ValueError(
                f"seeds must be a number of at least 1, a list of different seeds from 0, or auto, not {given!r}"
            )

    def _check_ray(self) -> None:
        if find_spec("ray") is None:
            raise ValueError("--launcher ray needs Ray, which is not installed: pip install '.[ray]'")
        if not self.cluster:
            raise ValueError(
                "--launcher ray needs a cluster: give --ray_address or set RAY_ADDRESS (auto: on this machine)"
            )
        if self.jobs == 0:
            raise ValueError("with --launcher ray jobs must be auto or a number of at least 1, not 0")
        if self.world_size > 1:
            raise ValueError("with --launcher ray each trial has one device: give --devices 1")

    def _check_slurm(self) -> None:
        if which("sbatch") is None:
            raise ValueError("--launcher slurm needs SLURM's sbatch, squeue and scancel: is this a login node?")
        if self.jobs != "auto":
            raise ValueError("with --launcher slurm --slurm.array says how many trials run at a time: leave out --jobs")
        Slurm.of(self.slurm)

    @property
    def most_seeds(self) -> int:
        """How many a cell of a race may get."""
        return self.max_seeds or (MOST if self.proposal is None else PROPOSED)

    @property
    def races(self) -> bool:
        """Whether seeds are added where they decide."""
        return self.seeds == "auto" or self.proposal is not None

    def each_seed(self, sweep: SweepBase) -> list[int]:
        """Return the seeds of each cell, the sweep's own first; with auto those that it may get."""
        first = FIRST_SEED if sweep.base.seed is None else sweep.base.seed
        given: Any = self.seeds
        if self.races:
            first, given = first if given in (1, "auto") else given[0], self.most_seeds
        return list(range(first, first + given) if isinstance(given, int) else given)

    @property
    def full_precision(self) -> str:
        """Trainer's precision, in full."""
        return SHORT.get(str(self.precision), str(self.precision))

    @property
    def world_size(self) -> int:
        """Processes that train one trial."""
        return self.devices if isinstance(self.devices, int) else len(self.devices)

    @property
    def workers(self) -> int:
        """Trials side by side; 0 if they run in this process."""
        if self.jobs != "auto":
            return self.jobs
        return trials_on_gpus(self.accelerator, self.devices) or max(1, cores() // (self.threads * self.world_size))

    @property
    def cluster(self) -> str:
        """Where the Ray cluster is; empty if trials run on this machine."""
        return self.ray_address or os.environ.get("RAY_ADDRESS", "") if self.launcher == "ray" else ""

    def folder(self, sweep: SweepBase) -> Path:
        """Return the sweep's folder, as it is printed."""
        return Path(self.log_dir) / sweep.name

    def runtime(self, sweep: SweepBase) -> Runtime:
        """Return the runtime that the trials share."""
        repeated = {**sweep.replicates, "seed": self.each_seed(sweep)}
        known = {name: os.environ[name] for name in sweep.environment.values() if name in os.environ}
        return Runtime(
            folder=str(self.folder(sweep)),
            accelerator=self.accelerator,
            devices=self.devices if isinstance(self.devices, int) else tuple(self.devices),
            strategy=self.strategy,
            objective=sweep.objective,
            keeps_best=self.keep_checkpoints in ("best", "all"),
            repeated=tuple(name for name, values in repeated.items() if len(values) > 1),
            environment={**known, **self.environment},
        )


def _not_told(callback: object) -> str:
    """Say why something is no callback of a sweep, and what would be one."""
    kind = callback if isinstance(callback, type) else type(callback)
    if issubclass(kind, SweepCallback):
        return f"callbacks should be made: {kind.__name__}(…), not the class itself"
    return f"callbacks should be SweepCallbacks, not {kind.__name__}; Lightning's go into what build answers"


def _is_whole(value: Any, least: int) -> bool:
    return type(value) is int and value >= least


def _are_whole(values: Any) -> bool:
    """Return whether it is a list of whole numbers from 0, with at least one."""
    return isinstance(values, Sequence) and len(values) > 0 and all(_is_whole(value, 0) for value in values)
