"""What repeats a cell independently: its seeds, or its data; and how much each adds to the spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnhp_torch.core.interfaces import Judgement
from nnhp_torch.core.stats.against_best import FEWEST
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.pairs import chance_of_deciding, chance_of_moving, paired_t_test

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Units:
    """The values of the cells that are compared, and what of them may be counted as independent.

    Trials on the same fold share its images, so that folds times seeds are no independent trials. Of three folds or
    more (values of the replicates) the unit is the fold, a mean over its seeds, and the question is what holds on
    other data: folds share most of their training images, which makes means over them less certain than their spread
    shows (Nadeau and Bengio 2003, Bouckaert and Frank 2004). Of fewer the unit is the seed, a mean over the folds, and
    the question is what holds on these data with other seeds.

    Args:
        values: cells × seeds × folds; more is better.
        names: of the replicates that have several values, in words: `3 values of fold`.
        fewest: values of the replicate that has the fewest.
    """

    values: Array
    names: str
    fewest: int

    @classmethod
    def of(cls, cells: Sequence[Cell], metric: str, sign: int) -> Units:
        """The units of cells that have completed with the same seeds and replicates."""
        import numpy as np

        values = sign * np.array([cell.values_of(metric) for cell in cells], dtype=float)
        several = {name: len(values) for name, values in cells[0].replicates.items() if len(values) > 1}
        names = " × ".join(f"{count} values of {name}" for name, count in several.items())
        return cls(values.reshape(len(cells), -1, cells[0].trials_per_seed), names, min(several.values(), default=1))

    @property
    def folds(self) -> bool:
        """Whether the unit is the fold."""
        return int(self.values.shape[2]) >= FEWEST

    @property
    def rows(self) -> Array:
        """A row a cell, a column a unit."""
        rows: Array = self.values.mean(axis=1 if self.folds else 2)
        return rows

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.values.shape[2 if self.folds else 1])

    @property
    def enough(self) -> bool:
        """Whether there are enough of them for a test."""
        return self.count >= FEWEST

    @property
    def shared(self) -> float:
        """How much test data a unit has for each of training data, where units share theirs: of k folds 1 / (k - 1)."""
        return 1 / (self.fewest - 1) if self.folds else 0.0

    @property
    def question(self) -> str:
        """What is answered, in words; empty if nothing but seeds repeats a cell."""
        if not self.names:
            return ""
        if self.folds:
            return f"of other data: the unit is one of {self.names}, a mean over its seeds"
        return f"of these {self.names}, not of other data: the unit is the seed"

    def chance(self, place: int, found: Judgement, *, most: int, **rest: Any) -> float:
        """The chance that so many seeds in all decide on the cell in a place; the best is the first.

        Where folds are the units, seeds make each of them more certain, but there are no more of them.

        Args:
            found: what is known of all with the seeds that there are.
            rest: `matters` and `others` of chance_of_deciding.
        """
        seeds, folds = self.values.shape[1:]
        gap, error, half_width = found.gap[place], found.error[place], found.half_width[place]
        if not self.folds:
            return chance_of_deciding(gap, error, half_width, units=seeds, most=most, **rest)
        if seeds < 2 or most <= seeds:
            return 0.0
        of_seeds = float((self.values[0] - self.values[place]).var(axis=0, ddof=1).mean()) / folds
        moves = math.sqrt(of_seeds * (1 / seeds - 1 / most))
        left = max(0.0, 1 - moves**2 * (1 + self.shared * folds) / error**2) if error else 0.0
        shrunk = half_width * math.sqrt(left) * float(rest.get("others", 1) ** (1 / (folds - 1)))
        return chance_of_moving(gap, moves, shrunk, freedom=folds * (seeds - 1), matters=rest.get("matters"))


@dataclass(frozen=True)
class Sources:
    """What cells, folds and seeds bring into a value: standard deviations, from an analysis of variance's mean squares.

    Args:
        cell, fold: of cells and of folds, alike for all others. both: of folds in one cell. seed: of seeds in a fold.
        folds, seeds: how many each cell has.
    """

    cell: float
    fold: float
    both: float
    seed: float
    folds: int
    seeds: int

    @classmethod
    def of(cls, units: Units) -> Sources | None:
        """Where there are several cells, folds and seeds; else None, because they cannot be told apart."""
        import numpy as np

        y = units.values
        cells, seeds, folds = y.shape
        if min(y.shape) < 2:
            return None
        grid = y.mean(axis=1)
        row, column, mean = grid.mean(axis=1, keepdims=True), grid.mean(axis=0, keepdims=True), grid.mean()
        within = float(((y - grid[:, None]) ** 2).sum() / (cells * folds * (seeds - 1)))
        both = seeds * float(((grid - row - column + mean) ** 2).sum() / ((cells - 1) * (folds - 1)))
        found = (
            float(np.var(row, ddof=1)) - both / (seeds * folds),
            float(np.var(column, ddof=1)) - both / (seeds * cells),
            (both - within) / seeds,
            within,
        )
        cell, fold, both, seed = (math.sqrt(max(0.0, variance)) for variance in found)
        return cls(cell, fold, both, seed, folds, seeds)

    def error(self, more_folds: int = 0, more_seeds: int = 0) -> float:
        """The standard error of a difference of two cells on other data, with so many more of each.

        What folds share of their training data is not in it.
        """
        folds, seeds = self.folds + more_folds, self.seeds + more_seeds
        return math.sqrt(2 * (self.both**2 + self.seed**2 / seeds) / folds)

    @property
    def advice(self) -> str:
        """What to add next, to be more certain of other data."""
        if self.both**2 > self.seed**2 / self.seeds:
            return "What is missing for other data is folds, not seeds."
        return "More seeds tell as much as more folds."


def by_unit(values: Sequence[float], cell: Cell) -> list[float]:
    """The means of a cell's values, one a trial, over each fold if there are three or more, else over each seed."""
    folds = cell.trials_per_seed
    by_seed = [values[start : start + folds] for start in range(0, len(values), folds)]
    return [statistics.fmean(unit) for unit in (zip(*by_seed, strict=True) if folds >= FEWEST else by_seed)]


def chance(after: Sequence[float], before: Sequence[float], cell: Cell) -> float:
    """The p-value of a difference between two lists of values, one a trial; NaN of one seed.

    Args:
        cell: one of those that are compared; it says how the trials repeat it.
    """
    first, second = by_unit(after, cell), by_unit(before, cell)
    if len(first) < 2:
        return math.nan
    return paired_t_test(first, second, shared=1 / (len(first) - 1) if cell.trials_per_seed >= FEWEST else 0.0)
