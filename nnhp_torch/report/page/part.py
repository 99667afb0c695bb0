"""One sweep as a page shows it: its cells, which of them are shown, and their colours."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from nnhp_torch.core.ledger.store import JOURNAL
from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.spec.base import SweepBase
from nnhp_torch.core.spec.names import label
from nnhp_torch.core.spec.protocols import Examples, Guessing
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.commands import SEEDS, lacking
from nnhp_torch.report.ends import End, ends
from nnhp_torch.report.plotting.axis import Axis
from nnhp_torch.report.plotting.style import CELLS, WIDE
from nnhp_torch.report.words.headline import steps

BESIDE = 10  # cells that have room beside the curves
SHOWN = 300  # cells of a page; of more the best


@dataclass(frozen=True)
class Part:
    """One sweep's part of a page.

    Args:
        outcome: what the sweep has to show.
        command: how the sweep is run; empty if nobody knows.
        importances: setting → its share in what decides the metric; empty if there is none.
        choice: the swept values that a study carries on; None if it chooses none.
        chooses: who does so, the beginning of a sentence.
        running: whether trials are still to come in this run.
    """

    outcome: Outcome
    command: str = ""
    importances: Mapping[str, float] = field(default_factory=dict)
    choice: Mapping[str, Any] | None = None
    chooses: str = "The study carries on"
    running: bool = False

    @property
    def sweep(self) -> SweepBase:
        return self.outcome.sweep

    @property
    def summary(self) -> Summary:
        return self.outcome.summary

    @property
    def about(self) -> str:
        """The first sentence of what is said of the sweep."""
        return " ".join(self.sweep.about.strip().partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")

    @property
    def again(self) -> tuple[str, str]:
        """What to type to have it again, and what that does; a search without its journal would sample anew."""
        folder = self.outcome.folder
        if not (self.command and self.sweep.sampled and folder.name) or (folder / JOURNAL).exists():
            return self.command, "Goes on where the sweep was stopped, and trains nothing if nothing is missing."
        lost = (
            f"It was run by {self.command}; without its journal ({JOURNAL}), which is not kept here, that samples anew."
        )
        return f"python -m nnhp_torch report {folder}", f"Makes this page from its ledger, and trains nothing. {lost}"

    @property
    def further(self) -> str:
        """What to type for the seeds that may decide on a cell; empty if none would, or trials are still to come."""
        more = [row.more for row in self.outcome.verdicts if row.more] if self.command and not self.running else []
        return f"{lacking(self.command, SEEDS)} {more[0]}" if more else ""

    @cached_property
    def chosen(self) -> Cell | None:
        """The cell that a study carries on."""
        return next((cell for cell in self.summary.cells if cell.values == self.choice), None)

    @cached_property
    def shown(self) -> list[Cell]:
        """The cells that are shown: the grid in its order; in the order of their rank if they are many, or wide."""
        cells, many = self.summary.cells, len(self.summary.cells) > len(CELLS) or len(self.sweep.axes) > WIDE
        return self.summary.ranking[:SHOWN] if many else cells

    @cached_property
    def numbers(self) -> dict[int, int]:
        """A cell's id → its number among those that are shown."""
        return {id(cell): number for number, cell in enumerate(self.shown)}

    @cached_property
    def ends(self) -> tuple[Axis, list[End]]:
        """Where each cell that is shown ends, and their axis."""
        return ends(self.summary, self.shown)

    @cached_property
    def bases(self) -> list[int]:
        """The numbers of the cells beside the curves that all may be compared with; none in a search.

        Nor is there one while the sweep runs: each costs a bootstrap, and seeds are still to come.
        """
        ranked = [number for number, cell in enumerate(self.shown[:BESIDE]) if cell.ranked]
        return ranked if len(ranked) > 1 and not (self.sweep.sampled or self.running) else []

    @property
    def names(self) -> list[str]:
        """For each cell that is shown its short name."""
        return [end.name for end in self.ends[1]]

    @property
    def colours(self) -> list[str]:
        """For each cell that is shown the class of its lines."""
        return [end.colour for end in self.ends[1]]

    @cached_property
    def repeats(self) -> dict[str, str]:
        """Each repeat of the cells that are shown → what people call it."""
        found: dict[str, str] = {}
        for cell in self.shown:
            for result in cell.results:
                which = {name: result.config.get(name) for name in ("seed", *cell.replicates)}
                found.setdefault(cell.repeat(result), label(which))
        return found

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
        """For each cell that is shown the epochs that its trials went back to, and what their weights reach."""
        monitor = self.sweep.monitor
        found = []
        for cell in self.shown:
            ends = [(list(result.curve(monitor)), result.final(monitor)) for result in cell.results if result.restored]
            found.append([(curve.index(end) + 1, end) for curve, end in ends if end in curve])
        return found

    def known(self) -> dict[str, object]:
        """The facts that a page needs and the ledger does not hold."""
        sweep = self.sweep
        return {
            "monitor": sweep.monitor,
            "mode": sweep.objective.mode,
            "about": sweep.about,
            "command": self.command,
            "max_seeds": sweep.max_seeds,
            "baseline": sweep.baseline,
            "proposal": sweep.proposal and asdict(sweep.proposal),
            "order": {axis: values for axis, values in sweep.axes.items() if isinstance(values, (list, tuple))},
            "replicates": list(sweep.replicates),
            "examples": sweep.base.examples if isinstance(sweep.base, Examples) else None,
            "guessing": dict(sweep.base.guessing) if isinstance(sweep.base, Guessing) else {},
            "importances": dict(self.importances),
        }
