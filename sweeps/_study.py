"""Several sweeps at a glance: what each has found, in one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from nnhp_torch.core.outcome import Outcome
from nnhp_torch.core.stats.cell import Cell
from nnhp_torch.core.stats.summary import Summary
from nnhp_torch.report.csv import write_rows


@dataclass(frozen=True)
class Finding:
    """The finding of one sweep of a study.

    Args:
        outcome: the sweep's.
        choice: the swept values that the study carries on by default; None if it chooses none.
    """

    outcome: Outcome
    choice: Mapping[str, Any] | None = None

    @property
    def summary(self) -> Summary:
        """All that may be said of the sweep."""
        return self.outcome.summary

    @property
    def chosen(self) -> Cell | None:
        """The cell that the study carries on."""
        return next((cell for cell in self.summary.cells if cell.values == self.choice), None)

    @property
    def verdict(self) -> str:
        """Whether the chosen cell does as well as the winner, as far as the seeds can tell."""
        best, chosen = self.summary.leader, self.chosen
        if best is None or chosen is None or not chosen.completed:
            return ""
        if chosen is best:
            return "the same"
        found = self.summary.verdict(chosen)
        return f"{found.kind}, one seed" if math.isnan(found.p) else f"{found.kind} (p={found.p:.2g})"


HEADER = ("sweep", "chosen", "chosen accuracy", "winner", "winner accuracy", "test accuracy", "difference")


def rows(findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    """Return a row a sweep, in the order of HEADER."""
    made: list[tuple[str, ...]] = []
    for f in findings:
        chosen, best, monitor = f.chosen, f.summary.leader, f.outcome.sweep.monitor
        made.append(
            (
                f.outcome.sweep.name,
                _short(chosen) if chosen else "",
                chosen.text(monitor) if chosen else "",
                _short(best) if best else "none",
                best.text(monitor) if best else "",
                best.text(f.summary.test) if best else "",
                f.verdict,
            )
        )
    return made


def _short(cell: Cell) -> str:
    """Return a cell's label, or its value alone if there is one: the sweep's name says of what."""
    return cell.label if len(cell.values) > 1 else cell.label.partition("=")[2]


def table(findings: Sequence[Finding]) -> Table:
    """Return the rows for the console."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for name in HEADER:
        made.add_column(name, overflow="fold", no_wrap=name == "sweep")
    for row in rows(findings):
        made.add_row(*row)
    return made


def write_csv(path: Path, findings: Sequence[Finding]) -> None:
    """Write the rows for a spreadsheet."""
    write_rows(path, [name.replace(" ", "_") for name in HEADER], rows(findings))
