"""A sweep: a base configuration, the axes that vary, and the ordered list of trials they make."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnhp_torch.core.names import file_name, label
from nnhp_torch.core.origin import name_of
from nnhp_torch.core.plan import Plan, Primitive, change, check_config, check_values, plain

# Part of every trial's identity. Raise it when the same configuration would give another result:
# a default of a configuration changed, or the order in which random numbers are drawn.
SEMANTICS = 1

MOST_TRIALS = 100_000


@dataclass(frozen=True)
class Trial:
    """One configuration to train, and the names it goes by.

    Args:
        sweep: name of the sweep it belongs to.
        config: the frozen dataclass that `build` understands.
        cell: the swept values alone, in the order of the axes.
        name: folder and TensorBoard run; unique among the trials of a folder.
        precision: Trainer's precision, in full (`32-true`).
        threads: CPU threads of the process that trains it; another number sums in another order.
        build: name of what makes a module of the configuration; empty if it does not matter.
        replicate: the values of the sweep's replicates; trials that differ in them alone are of one cell.
        shorter: the same trial with fewer epochs, from whose checkpoint it may go on.

    Example:
        >>> trial = Sweep("rates", Settings(), {"lr": [0.1, 0.01]}, build).trials()[0]
        >>> trial.label, trial.config.lr
        ('lr=0.1', 0.1)
    """

    sweep: str
    config: Any
    cell: Mapping[str, Primitive]
    name: str
    precision: str = "32-true"
    threads: int = 1
    build: str = ""
    replicate: Mapping[str, Primitive] = field(default_factory=dict)
    shorter: Trial | None = field(default=None, repr=False)

    @property
    def identity(self) -> dict[str, str]:
        """The settings and the build; a checkpoint of this trial names the same ones."""
        return {"key": self.key, "build": self.build, "config": name_of(type(self.config))}

    @property
    def key(self) -> str:
        """Hash of everything that changes the result, and of nothing that only says where it was made.

        Settings that stand at the dataclass's default are left out, so that a configuration which gains a
        field keeps the results it has.
        """
        identity = {
            "semantics": SEMANTICS,
            "config": departures(self.config, type(self.config)()),
            "precision": self.precision,
            "threads": self.threads,
        }
        text = json.dumps(identity, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """The swept values as people read them: `batch_size=2000`."""
        return label(self.cell, defaults(self.config))


@dataclass(frozen=True)
class Sweep(Plan):
    """A grid over some fields of a configuration.

    Args:
        name, base, build, about, monitor, mode, verdict, environment, matters: those of a Plan.
        axes: field name → values to try; several axes make their product, the last one varying fastest.
        replicates: field name → values that repeat each cell, as seeds do: `{"fold": [0, 1, 2]}`. Default: seeds alone.
        declared: the base from which a folder's name says what departs; `dataclasses.replace(sweep, base=…)` keeps it,
            as does the command line. Default: base.

    Raises:
        ValueError: an axis or a replicate is unknown, empty, repeats a value, is both, or holds a value that the
            configuration or the ledger refuses; or the monitor's name does not tell its direction.

    Example:
        >>> sweep = Sweep("rates", Settings(), {"lr": [0.1, 0.01]}, build, monitor="val_loss")
        >>> [trial.label for trial in sweep.trials(seeds=[1])]
        ['lr=0.1', 'lr=0.01']
    """

    axes: Mapping[str, Sequence[Primitive]]
    replicates: Mapping[str, Sequence[Primitive]] = field(default_factory=dict)
    declared: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in self.axes.items():
            check_values("axis", name, values)
        replicates = {name: plain(values) for name, values in self.replicates.items()}
        object.__setattr__(self, "replicates", replicates)
        self.check_names("replicate", replicates)
        for name, values in replicates.items():
            check_values("replicate", name, values)
            if name in self.axes:
                raise ValueError(f"{name} is an axis and a replicate: its values are cells, or they repeat each cell")
        check_count(self.size)
        if self.declared is None:
            object.__setattr__(self, "declared", self.base)
        for cell in self.cells():  # every configuration is made once, so that a bad value is refused now
            check_config(change(self.base, cell))
        for replicate in _product(self.replicates):
            check_config(change(self.base, replicate))
        check_config(self.base)

    @property
    def size(self) -> int:
        """How many cells there are."""
        return math.prod(map(len, self.axes.values()))

    def cells(self) -> Iterator[dict[str, Primitive]]:
        """The swept values of each cell, in order."""
        yield from _product(self.axes)

    def trials(self, seeds: Iterable[int] | None = None, precision: str = "32-true", threads: int = 1) -> list[Trial]:
        """One trial per seed, replicate and cell: the whole grid for the first replicate, and seed, before the next.

        Args:
            seeds: default: the base's own seed.
            precision: Trainer's precision, in full.
            threads: CPU threads per trial.
        """
        trials = []
        chosen = [self.base.seed] if seeds is None else seeds if isinstance(seeds, Sequence) else list(seeds)
        check_count(len(chosen) * math.prod(map(len, self.replicates.values())) * self.size)
        for seed, replicate, cell in itertools.product(chosen, _product(self.replicates), self.cells()):
            config = change(self.base, {**cell, **replicate, "seed": seed})
            trial = Trial(self.name, config, cell, "", precision, threads, name_of(self.build), replicate)
            trials.append(dataclasses.replace(trial, name=self._name(trial)))
        return trials

    def _name(self, trial: Trial) -> str:
        """The cell, and what departs from the sweep as it was declared; a function of the trial alone."""
        changed = departures(trial.config, change(self.declared, trial.cell))
        for name, value, usual in (("precision", trial.precision, "32-true"), ("threads", trial.threads, 1)):
            if value != usual:  # the configuration may have a field of the same name
                changed[f"trainer.{name}" if hasattr(trial.config, name) else name] = value
        return file_name({**trial.cell, **changed}, defaults(self.base), trial.key)


def _product(values: Mapping[str, Sequence[Primitive]]) -> Iterator[dict[str, Primitive]]:
    """Every combination of the fields' values, the last field varying fastest."""
    for combined in itertools.product(*values.values()):
        yield dict(zip(values, combined, strict=True))


def check_count(trials: int) -> None:
    """Raises ValueError if there are more trials than a sweep can hold in memory."""
    if trials > MOST_TRIALS:
        raise ValueError(f"that would be {trials} trials, and a sweep has at most {MOST_TRIALS}")


def defaults(config: Any) -> dict[str, Any]:
    """The defaults of a configuration's fields."""
    return dict(vars(type(config)()))


def departures(config: Any, reference: Any) -> dict[str, Any]:
    """The fields in which a configuration differs from another of its kind."""
    others = vars(reference)
    return {name: value for name, value in vars(config).items() if name not in others or value != others[name]}
