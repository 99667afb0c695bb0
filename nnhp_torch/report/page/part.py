"""One sweep as a page shows it: its cells, which of them are shown, and how their lines look."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.headline import steps
from nnhp_torch.report.style import CELLS

SHOWN = 300  # cells of a page; of more the best
WIDE = 4  # axes from which on there is room for little else


@dataclass(frozen=True)
class Part:
    """One sweep's part of a page.

    Args:
        outcome: what the sweep has to show.
        command: how the sweep is run; empty if nobody knows.
        importances: setting → its share in what decides the metric; empty if there is none.
        choice: the swept values that a study carries on; None if it chooses none.
        running: whether trials are still to come in this run.
    """

    outcome: Outcome
    command: str = ""
    importances: Mapping[str, float] = field(default_factory=dict)
    choice: Mapping[str, Any] | None = None
    running: bool = False

    @property
    def sweep(self) -> SweepBase:
        """The sweep that it shows."""
        return self.outcome.sweep

    @property
    def summary(self) -> Summary:
        """All that may be said of it."""
        return self.outcome.summary

    @cached_property
    def chosen(self) -> Cell | None:
        """The cell that a study carries on."""
        return next((cell for cell in self.summary.cells if cell.values == self.choice), None)

    @cached_property
    def shown(self) -> list[Cell]:
        """The cells that are shown: the grid in its order; in the order of their rank if there are many."""
        cells = self.summary.cells
        return self.summary.ranking[:SHOWN] if len(cells) > len(CELLS) else cells

    @cached_property
    def numbers(self) -> dict[int, int]:
        """A cell's id → its number among those that are shown."""
        return {id(cell): number for number, cell in enumerate(self.shown)}

    @cached_property
    def looks(self) -> list[str]:
        """For each cell that is shown the class of its lines: a colour each if few, else the winner's alone.

        Those of earlier calls are grey.
        """
        if len(self.shown) <= len(CELLS):
            names = self._ramp or [f"c{place}" for place in range(len(self.shown))]
            return ["other" if cell.earlier else name for cell, name in zip(self.shown, names, strict=True)]
        return ["best" if cell is self.summary.leader else "other" for cell in self.shown]

    @cached_property
    def paces(self) -> dict[str, list[float]]:
        """Unit → how much of it an epoch of each cell takes, as far as that differs from cell to cell."""
        times = [
            [r.fit_seconds / r.epochs for r in cell.completed if r.epochs and r.fit_seconds] for cell in self.shown
        ]
        found = {
            "steps": [float(steps(self.summary, cell) or 0) for cell in self.shown],
            "seconds": [statistics.fmean(of) if of else 0.0 for of in times],
        }
        return {unit: of for unit, of in found.items() if all(of) and len(set(of)) > 1}

    @cached_property
    def kept(self) -> list[list[tuple[int, float]]]:
        """For each cell that is shown the epochs whose weights its trials went back to, and what those reach."""
        monitor = self.sweep.monitor
        found = []
        for cell in self.shown:
            ends = [(list(result.curve(monitor)), result.final(monitor)) for result in cell.results if result.restored]
            found.append([(curve.index(end) + 1, end) for curve, end in ends if end in curve])
        return found

    @cached_property
    def _ramp(self) -> list[str]:
        """For each cell its colour from dark to light, if one axis has numbers of at least three sizes."""
        values = [value for cell in self.shown for value in cell.values.values()]
        if len(self.sweep.axes) > 1 or len(values) < 3 or not all(type(value) in (int, float) for value in values):
            return []
        order = sorted(values)
        return [f"r{round(order.index(value) * (len(CELLS) - 1) / (len(values) - 1))}" for value in values]

    def known(self) -> dict[str, object]:
        """The facts that a page needs and the ledger does not hold."""
        sweep = self.sweep
        return {
            "monitor": sweep.monitor,
            "mode": sweep.objective.mode,
            "about": sweep.about,
            "command": self.command,
            "max_seeds": sweep.max_seeds,
            "order": {axis: values for axis, values in sweep.axes.items() if isinstance(values, (list, tuple))},
            "replicates": list(sweep.replicates),
            "examples": getattr(sweep.base, "examples", None),
            "guessing": dict(getattr(sweep.base, "guessing", {})),
            "importances": dict(self.importances),
        }
