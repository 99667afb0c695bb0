"""Summary: the object that every report of a sweep reads, each part computed at its first use, once."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nnhp_torch.core.ledger.result import TrialResult, logged
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.names import distinct, text
from nnhp_torch.core.spec.trial import Trial, defaults
from nnhp_torch.core.stats.cell import Cell, ranked
from nnhp_torch.core.stats.luck import Luck, luck
from nnhp_torch.core.stats.steadiness import learned_nothing
from nnhp_torch.core.stats.verdict import CONTROL, Verdict, verdicts

OFF = (0, None, "", "none")  # what a setting stands at by default if it is not in use


@dataclass(frozen=True)
class Summary:
    """All that may be said of a sweep, finished or not: reports read it, and compute nothing of their own.

    Args:
        sweep: the Sweep, or the Search.
        trials: those that were asked for.
        results: key → result, for those that have one.
        earlier: trials of other cells that earlier calls have run; `results` has theirs too.
        known: key → result of all that the ledger has, which tells by how much one seed moves a cell.
        unchosen: how many trials a search or a race may still choose, at most.
        stale: keys of results that another source has made than today's.

    Example:
        >>> summary = outcome.summary
        >>> summary.winner.label, [verdict.kind for verdict in summary.verdicts]
        ('lr=0.01', ['worse', 'best', 'undecided'])
    """

    sweep: SweepBase
    trials: Sequence[Trial]
    results: Mapping[str, TrialResult]
    earlier: Sequence[Trial] = ()
    known: Mapping[str, TrialResult] = field(default_factory=dict)
    unchosen: int = 0
    stale: Collection[str] = ()

    @cached_property
    def shown(self) -> list[TrialResult]:
        """The results there are of the trials that reports show, those of earlier calls behind the others."""
        return [result for trial in (*self.trials, *self.earlier) if (result := self.results.get(trial.key))]

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells that the trials are of, in the order of their first trials; behind them those of earlier calls.

        A race's are without the trials since its last look while some of those are missing: they compare nothing.
        """
        of_cell: dict[str, list[Trial]] = {}
        for trial in (*self.trials, *self.earlier):
            of_cell.setdefault(distinct(trial.cell), []).append(trial)
        usual, earlier = defaults(self.sweep.base), {trial.key for trial in self.earlier}
        found = [
            Cell(
                of[0].cell,
                [result for trial in of if (result := self.results.get(trial.key))],
                len(of),
                usual,
                self.sweep.replicates,
                of[0].key in earlier,
            )
            for of in of_cell.values()
        ]
        return _at_last_look(found, self.sweep.looks) if found and self.sweep.looks else found

    @cached_property
    def finished(self) -> bool:
        """Whether no trial is missing, interrupted, or still to be chosen."""
        found = [self.results.get(trial.key) for trial in self.trials]
        return not self.unchosen and all(result is not None and result.status != "interrupted" for result in found)

    @cached_property
    def compared(self) -> list[Cell]:
        """The cells as they may be compared: where trials are missing, by the seeds that all begun cells have.

        A mean over other seeds than the others' would say as much of the seeds as of the cell.
        """
        if not any(cell.unfinished for cell in self.cells):
            return self.cells
        begun = [ended for cell in self.cells if (ended := cell.ended)]
        common = set.intersection(*begun) if begun else set()
        return [cell.only(common) for cell in self.cells]

    @cached_property
    def _ranked(self) -> list[Cell]:
        return ranked(self.compared, self.sweep.objective, left_behind=self.sweep.baseline is None)

    @cached_property
    def ranking(self) -> list[Cell]:
        """The cells from the best to the worst, equals in their order, and behind them those that cannot be ranked."""
        of = {id(compared): cell for compared, cell in zip(self.compared, self.cells, strict=True)}
        order = [of[id(cell)] for cell in self._ranked]
        placed = set(map(id, order))
        return [*order, *(cell for cell in self.cells if id(cell) not in placed)]

    @cached_property
    def leader(self) -> Cell | None:
        """The cell with the best mean of the monitored metric so far, the first of equals; None if none is ranked."""
        return self.ranking[0] if self._ranked else None

    @cached_property
    def control(self) -> Cell | None:
        """The cell that the others are held against: the baseline, or the leader; None if it is not ranked."""
        if self.sweep.baseline is None:
            return self.leader
        baseline = distinct(self.sweep.baseline)
        return next((cell for cell in self.cells if cell.ranked and distinct(cell.values) == baseline), None)

    @property
    def winner(self) -> Cell | None:
        """The leader of a finished sweep, unless something speaks against calling it the winner."""
        return None if self.why_no_winner else self.leader

    @cached_property
    def why_no_winner(self) -> str:
        """Why no cell is called the winner; empty if one is."""
        best, found = self.leader, self.verdicts
        if best is None:
            return "no cell has completed with all its seeds."
        if not self.finished:
            return "the sweep is not finished."
        if len(found) > 1 and all(verdict.same for verdict in found):
            varied = [
                axis for axis in self.sweep.axes if len({distinct(cell.values.get(axis)) for cell in self.cells}) > 1
            ]
            return f"the same in all {len(found)}, to the last digit: {', '.join(varied)} changes nothing here."
        # What is better than a baseline is so however poor both are; and elsewhere a first row may be of any epoch.
        whole = self.sweep.baseline is None and not self.sweep.elsewhere
        if whole and learned_nothing(best, self.sweep.objective):
            return f"even the best, {best.label}, learned nothing: it ends no better than after its first epoch."
        return ""

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """The verdict that the seeds allow on each cell, in their order; none as long as trials are missing."""
        if self.compared is not self.cells:
            return [Verdict(cell, "unranked") for cell in self.cells]
        return verdicts(self.cells, self.sweep)

    @cached_property
    def others(self) -> list[Verdict]:
        """The verdicts on the cells that are held against one, the best or the baseline; none if that has not ended."""
        found = [verdict for verdict in self.verdicts if verdict.kind not in (*CONTROL, "unranked")]
        return found if self.control is not None else []

    def verdict(self, cell: Cell) -> Verdict:
        """The verdict on one of the cells."""
        return next(verdict for verdict in self.verdicts if verdict.cell is cell)

    @cached_property
    def luck(self) -> Luck | None:
        """How much of the best cell's mean is luck; None if nobody knows."""
        return luck(self.verdicts, self.sweep)

    @cached_property
    def several(self) -> bool:
        """Whether a cell has several trials."""
        return any(cell.trials > 1 for cell in self.cells)

    @cached_property
    def repeated(self) -> str:
        """How many trials the cells have at most, in words; empty if that is one."""
        if not self.several:
            return ""
        most = max(self.cells, key=lambda cell: cell.trials)
        return most.repeated if all(cell.trials == most.trials for cell in self.cells) else f"up to {most.repeated}"

    @cached_property
    def shared(self) -> dict[str, str]:
        """Setting → its value as people read it, of those that are the same in all trials."""
        return {name: text(value, self._usual.get(name)) for name, value in self._fixed.items()}

    @cached_property
    def in_use(self) -> dict[str, str]:
        """Those of the shared settings that do something: not the seed, nor what is off by default."""
        off = {name for name, value in self._fixed.items() if value == self._usual.get(name) and value in OFF}
        return {name: value for name, value in self.shared.items() if name not in off and name != "seed"}

    @cached_property
    def test(self) -> str:
        """The name of the monitored metric over the test data, if a result has it; else empty."""
        return self.sweep.objective.twin("test", logged(self.shown))

    @cached_property
    def training(self) -> str:
        """The same over the training data: as it was scored at the end, if every completed trial has that.

        Else as it was logged in training, over changing weights.
        """
        objective, names = self.sweep.objective, logged(self.shown)
        trained = objective.twin("trained", names)
        if trained and all(math.isfinite(value) for cell in self.cells for value in cell.values_of(trained)):
            return trained
        return objective.twin("train", names)

    @property
    def metrics(self) -> list[str]:
        """The metrics that reports show of each cell: the monitor, over the other data too, and the sweep's further."""
        return [*filter(None, dict.fromkeys((self.sweep.monitor, self.test, self.training, *self.sweep.extra_metrics)))]

    @cached_property
    def claim(self) -> str:
        """The sweep's own claim about the cells that were asked for, once all of them have completed or diverged.

        Of a race by the seeds that all cells have.
        """
        asked = [cell for cell in self.cells if not cell.earlier]
        if self.sweep.max_seeds is not None:
            common = min((cell.trials for cell in asked), default=0)
            asked = [cell.first(common) for cell in asked]
        ended = all(cell.ranked or set(cell.troubles) <= {"diverged"} for cell in asked)
        return self.sweep.claim(asked) if self.sweep.claim is not None and ended else ""

    @cached_property
    def _usual(self) -> dict[str, Any]:
        return defaults(self.sweep.base)

    @cached_property
    def _fixed(self) -> dict[str, Any]:
        """The settings that are the same in all trials; a ledger that is older than a setting lacks it."""
        base = vars(self.sweep.base)
        configs = [{**base, **result.config} for result in self.shown]
        first, *others = configs or [base]
        swept = {name: json.dumps(value) for name, value in first.items() if name not in self.sweep.axes}
        return {name: first[name] for name, of in swept.items() if all(json.dumps(c.get(name)) == of for c in others)}


def _at_last_look(cells: list[Cell], looked: Iterable[int]) -> list[Cell]:
    """The cells of a race when it was last looked at; as they are before the first look."""
    trials_per_seed, asked = cells[0].trials_per_seed, max(cell.trials for cell in cells)
    last = max((seeds * trials_per_seed for seeds in looked if seeds * trials_per_seed < asked), default=0)
    unfinished = any(cell.trials > last and cell.unfinished for cell in cells)
    return [cell.first(last) if last and unfinished and cell.trials > last else cell for cell in cells]
