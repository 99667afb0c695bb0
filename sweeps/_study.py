"""Several sweeps at a glance: what each has found, in one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.stats.summary import Cell, cells, twin, winner
from nnhp_torch.core.stats.verdict import verdicts
from nnhp_torch.report.csv import write_rows


@dataclass(frozen=True)
class Finding:
    """The finding of one sweep of a study.

    Args:
        outcome: the sweep's.
        gathered: its cells, in grid order.
        best: the winning cell; None if nothing has completed.
        chosen: the cell that the study carries on by default; None if it chooses none.
    """

    outcome: Outcome
    gathered: Sequence[Cell]
    best: Cell | None
    chosen: Cell | None

    @property
    def monitor(self) -> str:
        """The metric that ranks the cells."""
        return self.outcome.sweep.monitor

    @property
    def verdict(self) -> str:
        """Whether the chosen cell does as well as the winner, as far as the seeds can tell."""
        if self.best is None or self.chosen is None or not self.chosen.completed:
            return ""
        if self.chosen is self.best:
            return "the same"
        (found,) = (v for v in verdicts(self.outcome.sweep, self.gathered) if v.cell is self.chosen)
        return f"{found.kind}, one seed" if math.isnan(found.p) else f"{found.kind} (p={found.p:.2g})"


def finding(outcome: Outcome, choice: Mapping[str, Any] | None) -> Finding:
    """Gathers a sweep's cells and finds the winner and the chosen one among them."""
    gathered = cells(outcome)
    chosen = next((cell for cell in gathered if choice and dict(cell.values) == dict(choice)), None)
    return Finding(outcome, gathered, winner(outcome.sweep, gathered), chosen)


HEADER = ("sweep", "chosen", "chosen accuracy", "winner", "winner accuracy", "test accuracy", "difference")


def rows(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """A row a sweep, in the order of HEADER."""
    made: list[tuple[str, ...]] = []
    for f in findings:
        test = twin(f.outcome.sweep, "test", f.gathered)
        made.append(
            (
                f.outcome.sweep.name,
                _short(f.chosen) if f.chosen else "",
                f.chosen.text(f.monitor) if f.chosen else "",
                _short(f.best) if f.best else "none",
                f.best.text(f.monitor) if f.best else "",
                f.best.text(test) if f.best else "",
                f.verdict,
            )
        )
    return made


def _short(cell: Cell) -> str:
    """A cell's label, or its value alone if there is one: the sweep's name says of what."""
    return cell.label if len(cell.values) > 1 else cell.label.partition("=")[2]


def table(findings: Sequence[Finding]) -> Table:
    """The rows for the console."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for name in HEADER:
        made.add_column(name, overflow="fold", no_wrap=name == "sweep")
    for row in rows(findings):
        made.add_row(*row)
    return made


def write_csv(path: Path, findings: Sequence[Finding]) -> None:
    """Writes the rows for a spreadsheet."""
    write_rows(path, [name.replace(" ", "_") for name in HEADER], rows(findings))
