"""A sweep: a base configuration, the axes that vary, and the ordered list of trials they make."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nnhp_torch.core.spec.base import Primitive, SweepBase, change, check_config, check_values, plain
from nnhp_torch.core.spec.names import distinct, file_name, folded, once
from nnhp_torch.core.spec.provenance import name_of
from nnhp_torch.core.spec.trial import Trial, defaults, departures

MOST_TRIALS = 100_000


@dataclass(frozen=True)
class Sweep(SweepBase):
    """A grid over some fields of a configuration.

    Args:
        name: folder under `log_dir`, and the first word of every report.
        base: frozen dataclass of primitives, with a default for every field, among them `seed` and `max_epochs`.
        axes: field name → values to try; several axes make their product, the last one varying fastest.
        build: `build(config) -> (LightningModule, LightningDataModule, callbacks)` or a Setup, or its name as
            `"package.module:function"`, which spares the parent process the import.
        about: what the sweep is about, for `--help`.
        monitor: validation metric that ranks the cells; the same metric of training and test is shown beside it.
        mode: whether more of it is better (`max`) or less (`min`); default: what its name tells.
        claim: says a sentence about the Cells, in grid order, once all have ended.
        replicates: field name → values that repeat each cell, as seeds do: `{"fold": [0, 1, 2]}`. Default: seeds alone.
        declared: the base from which a folder's name says what departs; `dataclasses.replace(sweep, base=…)` keeps it,
            as does the command line. Default: base.
        smallest_effect: the smallest difference of the monitor that matters, by which cells are as good as the best;
            default: a tenth of a point of an accuracy (0.001); for other metrics none, and no cell is called as good.
        max_seeds: of a race (`--seeds auto`), how many seeds a cell has at most, which says when it is looked at.
            Default: it is no race.
        extra_metrics: further metrics that are logged, such as `["val_sparsity"]`, shown in table, CSV and figure.
        environment: flag → variable that the trials read in their environment, also on another machine:
            `{"data_dir": "NNHP_DATA_DIR"}` makes a flag --data_dir.
        next_steps: what to do next, said at the end.
        baseline: the cell that all others are held against, `{"lr": 0.01}`; other axes are at the base's values. One
            that the grid has not becomes a cell. Default: they are held against the best.
        proposal: which of a ledger's proposals it is; `--proposal` makes it.
        judge: decides what may be said of the cells (nnhp_torch.Judge). Default: AgainstBaseline, or AgainstBest.

    Raises:
        ValueError: an axis or a replicate is unknown, empty, repeats a value, is both, or holds a value that the
            configuration or the ledger refuses; the monitor's name does not tell its direction; `smallest_effect` is
            not above 0; `max_seeds` is not more than those that every cell of a race gets; `extra_metrics` is a text;
            or the base's seed is no whole number of at least 0.

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
            check_values("axis", name, values, defaults(self.base).get(name))
        replicates = {name: plain(values) for name, values in self.replicates.items()}
        object.__setattr__(self, "replicates", replicates)
        self.check_names("replicate", replicates)
        for name, values in replicates.items():
            check_values("replicate", name, values, defaults(self.base).get(name))
            if name in self.axes:
                raise ValueError(f"{name} is an axis and a replicate: its values are cells, or they repeat each cell")
        check_count(self.size)
        if self.declared is None:
            object.__setattr__(self, "declared", self.base)
        for changes in itertools.chain(self.cells(), _product(self.replicates), [{}]):  # a bad value is refused now
            check_config(change(self.base, changes))

    @property
    def size(self) -> int:
        """How many cells there are."""
        return math.prod(map(len, self.axes.values())) + len(self._beside)

    def cells(self) -> Iterator[dict[str, Primitive]]:
        """Yield the swept values of each cell, in order.

        Example:
            >>> list(SWEEP.cells())
            [{'lr': 0.1}, {'lr': 0.01}, {'lr': 0.001}]
        """
        yield from self._beside
        yield from _product(self.axes)

    @property
    def _beside(self) -> list[dict[str, Primitive]]:
        """The baseline, if the grid has no such cell."""
        cell = dict(self.baseline or {})
        return [cell] if any(distinct(v) not in map(distinct, self.axes[axis]) for axis, v in cell.items()) else []

    def trials(self, seeds: Iterable[int] | None = None, precision: str = "32-true", threads: int = 1) -> list[Trial]:
        """One trial per seed, replicate and cell: the whole grid for the first replicate, and seed, before the next.

        Args:
            seeds: default: the base's own seed.
            precision: Trainer's precision, in full.
            threads: CPU threads per trial.

        Example:
            >>> [(trial.config.seed, trial.label) for trial in SWEEP.trials(seeds=[1, 2])][2:4]
            [(1, 'lr=0.001'), (2, 'lr=0.1')]
        """
        trials: list[Trial] = []
        seeds_of = [self.base.seed] if seeds is None else seeds if isinstance(seeds, Sequence) else list(seeds)
        check_count(len(seeds_of) * math.prod(map(len, self.replicates.values())) * self.size)
        for seed, replicate, cell in itertools.product(seeds_of, _product(self.replicates), self.cells()):
            values = {**cell, **replicate, "seed": seed}
            trials.append(self.trial(len(trials), values, precision=precision, threads=threads))
        return trials

    def trial(
        self, number: int, values: Mapping[str, Primitive], *, precision: str = "32-true", threads: int = 1
    ) -> Trial:
        """Return the trial of a cell.

        Args:
            number: which one it is; a trial of a grid is called by its values.
            values: of the axes, and of seed and replicates if they are not the base's.
            precision, threads: as in `trials`.
        """
        trial = Trial(
            sweep=self.name,
            config=change(self.base, values),
            cell={axis: values[axis] for axis in self.axes},
            precision=precision,
            threads=threads,
            build=name_of(self.build),
            replicate={name: values[name] for name in self.replicates if name in values},
        )
        return dataclasses.replace(trial, name=self._name(trial))

    def _name(self, trial: Trial) -> str:
        """Return the cell, and what departs from the sweep as it was declared; a function of the trial alone."""
        changed = departures(trial.config, change(self.declared, trial.cell))
        for name, value, usual in (("precision", trial.precision, "32-true"), ("threads", trial.threads, 1)):
            if value != usual:  # the configuration may have a field of the same name
                changed[f"trainer.{name}" if hasattr(trial.config, name) else name] = value
        name = file_name({**trial.cell, **changed}, defaults(self.base), trial.key)
        alike = any(self._folded[axis][folded(value)] > 1 for axis, value in trial.cell.items())
        return f"{name},key={trial.key[:8]}" if alike and ",key=" not in name else name

    @cached_property
    def _folded(self) -> dict[str, Counter[str]]:
        """Axis → its values without their case: not every file system tells those that differ in it alone."""
        values = {axis: once([*values, *(cell[axis] for cell in self._beside)]) for axis, values in self.axes.items()}
        return {axis: Counter(map(folded, of)) for axis, of in values.items()}


@dataclass(frozen=True)
class Listed(Sweep):
    """A sweep over cells that are listed, instead of a grid.

    Args:
        listed: the swept values of each, in their order.
    """

    listed: Sequence[Mapping[str, Primitive]] = ()

    @property
    def size(self) -> int:
        return len(self.listed)

    def cells(self) -> Iterator[dict[str, Primitive]]:
        yield from map(dict, self.listed)


def _product(values: Mapping[str, Sequence[Primitive]]) -> Iterator[dict[str, Primitive]]:
    """Yield every combination of the fields' values, the last field varying fastest."""
    for combined in itertools.product(*values.values()):
        yield dict(zip(values, combined, strict=True))


def check_count(trials: int) -> None:
    """Raise ValueError if there are more trials than a sweep can hold in memory."""
    if trials > MOST_TRIALS:
        raise ValueError(f"that would be {trials} trials, and a sweep has at most {MOST_TRIALS}")
